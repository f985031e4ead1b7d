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

// For what the last step left and as much again; or for the largest write, what was corked, and what TLS adds.
constexpr std::size_t window_size = 272 * 1024;
// The largest write.
constexpr std::size_t scratch_size = 128 * 1024;

// Connections with completions beyond these have to wait.
constexpr std::size_t deliveries_at_a_time = 64;

// As many events at once make it likely that there are more by the time they are served: to look again is cheaper than
// to wait in Asio.
constexpr std::size_t large_batch = 8;

// Batches, before everything else on the executor has its turn.
constexpr int rounds_per_turn = 2;

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

void loop::stop_wanting_input(watched& who) noexcept {
  poller_.stop_wanting_input(who);
  rest_if_unwanted();
}

/// Where nobody waits any more nor may the executor's run(), which our wait would keep.
void loop::rest_if_unwanted() noexcept {
  if (is_waiting_ && !in_turn_ && !poller_.is_wanted()) poller_.cancel();
}

// --- the cork ---

std::size_t loop::lend_corked_output_to(const connection& who) {
  if (corked_ == &who) return corked_size_;
  corked_->send_corked();
  return 0;
}

void loop::cork(connection& who, std::size_t size) noexcept {
  corked_ = &who;
  corked_size_ = size;
}

// --- the turn ---

void loop::queue_handshake(std::shared_ptr<connection> waiting) {
  // Where many wait they would fill the batches of those whose turn it is.
  poller_.set_turn_soon(*waiting, handshakes_.size() < poller::batch_size / 4);
  handshakes_.push_back(std::move(waiting));
  go_on();
}

void loop::deliver_soon(std::shared_ptr<connection> complete) {
  complete_.push_back(std::move(complete));
  go_on();
}

void loop::deliver_next_turn(std::shared_ptr<connection> complete) {
  complete_next_turn_.push_back(std::move(complete));
  go_on();
}

/// Sees to it that the next turn comes, when there is something for it.
void loop::go_on() {
  if (in_turn_ || turn_is_posted_) return;
  if (kernel_has_more_ || !handshakes_.empty() || !complete_.empty() || !complete_next_turn_.empty()) {
    boost::asio::post(executor_, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      self->turn_is_posted_ = false;
      self->turn();
    });
    turn_is_posted_ = true;
  } else if (poller_.is_wanted() && !is_waiting_) {
    poller_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
      const auto self = weak.lock();
      if (!self) return;
      self->is_waiting_ = false;
      if (!ec)
        self->turn();
      else
        self->go_on();  // cancelled, and perhaps wanted again meanwhile
    });
    is_waiting_ = true;
  }
}

void loop::turn() {
  if (in_turn_) return;  // a handler runs the io_context: the turn that it belongs to goes on afterwards
  in_turn_ = true;
  // User code may throw out of a turn; what was to follow comes in the next one.
  const scope_exit end([this] {
    in_turn_ = false;
    if (corked_ != nullptr) corked_->send_corked();
    rest_if_unwanted();
    go_on();
  });
  kernel_has_more_ = true;
  complete_.insert(complete_.end(), complete_next_turn_.begin(), complete_next_turn_.end());
  complete_next_turn_.clear();
  for (int rounds = 0; kernel_has_more_ && rounds < rounds_per_turn; ++rounds) {
    const std::size_t told = serve_batch();
    // After handshakes it is everybody's turn; and time has passed, so that the next one will find something.
    if (step_handshakes() > 0) return;
    kernel_has_more_ = told >= large_batch;
  }
}

std::size_t loop::serve_batch() {
  const std::size_t told = poller_.dispatch([this](watched& who, std::uint32_t events) {
    poller::run(who, events);
    after_user_code();
  });
  after_user_code();
  return told;
}

std::size_t loop::step_handshakes() {
  std::size_t steps = 0;
  for (; steps < handshake_budget_ && !handshakes_.empty(); ++steps) {
    const auto next = std::move(handshakes_.front());
    handshakes_.pop_front();
    poller_.set_turn_soon(*next, false);
    next->handshake_turn();
    after_user_code();
  }
  return steps;
}

void loop::after_user_code() {
  for (std::size_t calls = 0; calls < deliveries_at_a_time && !complete_.empty(); ++calls) {
    const auto next = std::move(complete_.front());
    complete_.pop_front();
    next->deliver();
  }
  if (corked_ != nullptr) corked_->send_corked();
}

void loop::drop_everything() {
  handshakes_.clear();
  complete_.clear();
  complete_next_turn_.clear();
  corked_ = nullptr;
  corked_size_ = 0;
  poller_.close();
}

}  // namespace sallyport::detail
