// event_list: what a step of a session has made happen.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_EVENT_LIST_HPP
#define SALLYPORT_TLS_EVENT_LIST_HPP

#include <sallyport/session.hpp>

#include <array>
#include <cstddef>
#include <new>
#include <span>
#include <vector>

namespace sallyport::detail {

/// A handful, and then no memory but its own. A peer may cause more of them, by as many messages in one read.
class event_list {
 public:
  std::span<const session_event> all() const noexcept {
    return many_.empty() ? std::span(few_.data(), few_count_) : std::span(many_.data(), many_.size());
  }

  /// False if there is no memory for it.
  bool add(const session_event& event) noexcept {
    if (many_.empty() && few_count_ < few_.size()) {
      few_[few_count_++] = event;
      return true;
    }
    try {
      if (many_.empty()) many_.assign(few_.begin(), few_.end());
      many_.push_back(event);
    } catch (const std::bad_alloc&) {
      return false;
    }
    return true;
  }

  void clear() noexcept {
    few_count_ = 0;
    if (!many_.empty()) many_ = {};
  }

 private:
  std::array<session_event, 8> few_{};
  std::size_t few_count_ = 0;
  std::vector<session_event> many_{};  // all of them, if they are more
};

}  // namespace sallyport::detail

#endif
