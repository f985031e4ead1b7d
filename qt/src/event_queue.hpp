// event_queue: what a session has told and nobody else has heard yet.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_EVENT_QUEUE_HPP
#define SALLYPORT_QT_EVENT_QUEUE_HPP

#include <sallyport/session.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace sallyport::qt {

/// Mostly empty; then it holds no memory.
class event_queue {
 public:
  bool empty() const noexcept { return events_.empty(); }
  std::size_t size() const noexcept { return events_.size() - gone_; }
  /// The oldest; not of an empty one.
  const session_event& front() const noexcept { return events_[gone_]; }
  void pop() noexcept {
    if (++gone_ == events_.size()) *this = {};
  }
  void append(std::span<const session_event> events) {
    if (!events.empty()) events_.insert(events_.end(), events.begin(), events.end());  // seldom
  }

 private:
  std::vector<session_event> events_{};
  std::size_t gone_ = 0;  // at the front: taking each of many out of a vector would take the square of the time
};

}  // namespace sallyport::qt

#endif
