// noise_filter: see noise_filter.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "noise_filter.hpp"

#include <sallyport/handshake_report.hpp>

#include <algorithm>

namespace sallyport::tool {

bool noise_filter::admit(handshake_error reason, const boost::asio::ip::address& from, time_point now) {
  if (!begin_) begin_ = now;
  reason_count& count = reasons_[reason];
  if (count.admitted < (explain(reason).expected ? limits_.expected : limits_.unexpected)) {
    ++count.admitted;
    return true;
  }
  ++count.suppressed;
  has_suppressed_ = true;
  // Clients of a unix socket have no address.
  if (!from.is_unspecified() && count.addresses.size() < max_addresses) count.addresses.insert(from);
  return false;
}

std::optional<noise_filter::time_point> noise_filter::due() const noexcept {
  if (!has_suppressed_) return std::nullopt;
  return *begin_ + limits_.interval;
}

std::vector<noise_filter::summary> noise_filter::take_ended(time_point now) {
  if (!begin_ || now < *begin_ + limits_.interval) return {};
  return take_all(now);
}

std::vector<noise_filter::summary> noise_filter::take_all(time_point now) {
  std::vector<summary> summaries;
  if (!begin_) return summaries;
  // The event loop may be late, but nothing was counted after the end of the interval.
  const duration interval = std::min(now - *begin_, limits_.interval);
  for (const auto& [reason, count] : reasons_) {
    if (count.suppressed == 0) continue;
    summaries.push_back({reason, count.suppressed, count.addresses.size(), interval});
  }
  begin_.reset();
  has_suppressed_ = false;
  reasons_.clear();
  return summaries;
}

}  // namespace sallyport::tool
