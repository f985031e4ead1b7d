// loop: what the connections of one event loop share: a window of buffers, the turn, the deadlines.
//
// SPDX-License-Identifier: Apache-2.0
#include "loop.hpp"

#include "connection.hpp"
#include "scope_exit.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <utility>

namespace sallyport::detail {
namespace {

constexpr std::size_t window_size = 128 * 1024;
constexpr std::size_t scratch_size = 64 * 1024;

// Handlers that start what is complete at once, and whose completion starts the next: beyond, the others' turn comes.
constexpr std::size_t deliveries_per_turn = 256;

}  // namespace

loop::loop(boost::asio::any_io_executor executor)
    : executor_(std::move(executor)),
      input_(window_size),
      output_(window_size),
      scratch_(scratch_size),
      deadlines_(std::make_shared<sallyport::detail::deadlines>(executor_)),
      poller_(executor_) {}

// --- readiness ---

void loop::stop_watching(watched& who) noexcept {
  poller_.remove(who);
  rest_if_unwanted();
}

void loop::stop_wanting(watched& who) noexcept {
  poller_.stop_wanting(who);
  rest_if_unwanted();
}

/// Where nobody waits any more nor may the executor's run(), which our wait would keep.
void loop::rest_if_unwanted() noexcept {
  if (is_waiting_ && !in_turn_ && !poller_.is_wanted()) poller_.cancel();
}

void loop::want_input(watched& who) {
  poller_.want_input(who);
  go_on();
}

void loop::want_output(watched& who) {
  poller_.want_output(who);
  go_on();
}

// --- the cork ---

std::size_t loop::lend_output_to(connection& who) {
  if (!corked_) return 0;
  if (corked_.get() == &who) return corked_size_;
  const auto other = corked_;
  other->send_corked();
  return 0;
}

void loop::cork(connection& who, std::size_t size) noexcept {
  if (corked_.get() != &who) corked_ = who.shared_from_this();
  corked_size_ = size;
}

std::size_t loop::uncork(const connection& who) noexcept {
  if (corked_.get() != &who) return 0;
  corked_.reset();
  return std::exchange(corked_size_, 0);
}

// --- the turn ---

void loop::queue_handshake(std::shared_ptr<connection> waiting) {
  handshakes_.push_back(std::move(waiting));
  go_on();
}

void loop::deliver_soon(std::shared_ptr<connection> complete) {
  complete_.push_back(std::move(complete));
  go_on();
}

/// Sees to it that the next turn comes, when there is something for it.
void loop::go_on() {
  if (in_turn_ || turn_is_posted_) return;
  if (kernel_has_more_ || !handshakes_.empty() || !complete_.empty()) {
    turn_is_posted_ = true;
    boost::asio::post(executor_, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      self->turn_is_posted_ = false;
      self->turn();
    });
  } else if (poller_.is_wanted() && !is_waiting_) {
    is_waiting_ = true;
    poller_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
      const auto self = weak.lock();
      if (!self) return;
      self->is_waiting_ = false;
      if (!ec)
        self->turn();
      else
        self->go_on();  // cancelled, and perhaps wanted again meanwhile
    });
  }
}

void loop::turn() {
  if (in_turn_) return;  // a handler runs the io_context: the turn that it belongs to goes on afterwards
  in_turn_ = true;
  deliveries_ = 0;
  // User code may throw out of a turn; what was to follow comes in the next one.
  const scope_exit end([this] {
    in_turn_ = false;
    if (const auto last = corked_) last->send_corked();
    rest_if_unwanted();
    go_on();
  });
  kernel_has_more_ = true;
  kernel_has_more_ = poller_.dispatch([this](watched& who, std::uint32_t events) {
    poller::run(who, events);
    after_user_code();
  });
  after_user_code();
  for (std::size_t steps = 0; steps < handshake_budget_ && !handshakes_.empty(); ++steps) {
    const auto next = std::move(handshakes_.front());
    handshakes_.pop_front();
    next->handshake_turn();
    after_user_code();
  }
}

void loop::after_user_code() {
  while (!complete_.empty() && deliveries_ < deliveries_per_turn) {
    ++deliveries_;
    const auto next = std::move(complete_.front());
    complete_.pop_front();
    next->deliver();
  }
  if (const auto last = corked_) last->send_corked();
}

void loop::drop_everything() {
  handshakes_.clear();
  complete_.clear();
  corked_.reset();
  corked_size_ = 0;
  poller_.close();
}

}  // namespace sallyport::detail
