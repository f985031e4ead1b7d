// noise_filter: which of many failed handshakes get a line of their own in the log, and what is said about the others.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_NOISE_FILTER_HPP
#define SALLYPORT_TOOL_NOISE_FILTER_HPP

#include <sallyport/error.hpp>

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace sallyport::tool {

/// Lets the first failures of each reason in an interval through and counts the rest. An interval begins with a failure
/// and is the same for all reasons. Every failure is either let through or counted in exactly one summary. No clock of
/// its own, and the same memory however many clients fail.
class noise_filter {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  using duration = std::chrono::steady_clock::duration;

  struct limits {
    duration interval = std::chrono::seconds(10);
    std::size_t expected = 10;     ///< per interval, of a reason that is everyday noise (explanation::expected)
    std::size_t unexpected = 100;  ///< of any other: enough to look into it, and no way to fill a disk
  };

  /// Failures of one reason that had no line of their own.
  struct summary {
    handshake_error reason{};
    std::uint64_t suppressed = 0;
    std::size_t addresses =
        0;                ///< from how many addresses they came, as far as known; at most max_addresses are counted
    duration interval{};  ///< in which they came
  };
  static constexpr std::size_t max_addresses = 256;

  noise_filter() : noise_filter(limits()) {}
  explicit noise_filter(const limits& limits) : limits_(limits) {}

  /// True if this failure gets a line. Otherwise it is counted. What ended before `now` must have been taken.
  bool admit(handshake_error reason, const boost::asio::ip::address& from, time_point now);

  /// When there will be something to take; nothing if nothing was held back.
  std::optional<time_point> due() const noexcept;

  /// The summaries of the interval if it has ended, in the order of the reasons.
  std::vector<summary> take_ended(time_point now);
  /// The same though it hasn't ended.
  std::vector<summary> take_all(time_point now);

 private:
  struct reason_count {
    std::size_t admitted = 0;
    std::uint64_t suppressed = 0;
    std::set<boost::asio::ip::address> addresses{};
  };

  limits limits_;
  std::optional<time_point> begin_{};  // of the interval, if there is one
  bool has_suppressed_ = false;
  std::map<handshake_error, reason_count> reasons_{};
};

}  // namespace sallyport::tool

#endif
