// deadlines: many points in time, one timer.
//
// SPDX-License-Identifier: Apache-2.0
#include "deadlines.hpp"

#include "scope_exit.hpp"

namespace sallyport::detail {

deadlines::deadlines(const boost::asio::any_io_executor& executor) : timer_(executor) {}

void deadlines::set(deadline& what, deadline::clock::time_point when) {
  if (what.is_set()) what.take_back();
  what.when_ = when;
  set_.insert(set_.end(), what);  // the hint is nearly always right: timeouts of one length come in order
  arm();
}

void deadlines::rest_if_empty() {
  if (!set_.empty()) return;
  timer_.cancel();
  armed_for_ = deadline::clock::time_point::max();
}

void deadlines::arm() {
  if (set_.empty() || set_.begin()->when_ >= armed_for_) return;
  armed_for_ = set_.begin()->when_;
  timer_.expires_at(armed_for_);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
    if (ec) return;  // re-armed for an earlier one, or at rest
    if (const auto self = weak.lock()) self->on_timer();
  });
}

void deadlines::on_timer() {
  armed_for_ = deadline::clock::time_point::max();
  const scope_exit rearm([this] { arm(); });  // also when one of them throws: a slot may
  const auto now = deadline::clock::now();
  while (!set_.empty() && set_.begin()->when_ <= now) {
    deadline& due = *set_.begin();
    due.take_back();
    due.on_deadline();
  }
}

}  // namespace sallyport::detail
