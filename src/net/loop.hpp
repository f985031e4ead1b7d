// loop: what the connections of one event loop share: a window of buffers, the turn, the deadlines.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_LOOP_HPP
#define SALLYPORT_NET_LOOP_HPP

#include "deadlines.hpp"
#include "poller.hpp"

#include <sallyport/session.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace sallyport::detail {

class connection;

/// A turn: what the kernel has to tell about some batches of descriptors, with the completions that each has brought
/// about; then a few steps of handshakes. Between two turns everything else on the executor runs.
class loop : public std::enable_shared_from_this<loop> {
 public:
  explicit loop(boost::asio::any_io_executor executor);

  const boost::asio::any_io_executor& executor() const noexcept { return executor_; }

  /// Ciphertext in and out. Lent to one connection for the length of a step; nothing stays in it between steps but what
  /// is corked.
  std::vector<std::byte>& input() noexcept { return input_; }
  std::vector<std::byte>& output() noexcept { return output_; }
  /// Where small buffers are put together, and what nobody wants is dropped.
  std::vector<std::byte>& scratch() noexcept { return scratch_; }

  sallyport::detail::deadlines& deadlines() noexcept { return *deadlines_; }

  // --- readiness ---
  void watch(watched& who, int descriptor) { poller_.add(who, descriptor); }
  void stop_watching(watched& who) noexcept;
  void stop_wanting_input(watched& who) noexcept;
  void want_input(watched& who) {
    poller_.want_input(who);
    if (!in_turn_) go_on();
  }
  void want_output(watched& who) {
    poller_.want_output(who);
    if (!in_turn_) go_on();
  }

  // --- the cork: at most one connection has small writes in output(), which go out together ---
  /// Sends what another connection has there. How much is `who`'s own.
  std::size_t lend_output_to(const connection& who) { return corked_ == nullptr ? 0 : lend_corked_output_to(who); }
  /// The first `size` bytes of output() wait for the end of this call of user code. Only in a turn.
  void cork(connection& who, std::size_t size) noexcept;
  /// Nothing of `who` is there any more; it has been sent or dropped.
  std::size_t uncork(const connection& who) noexcept {
    if (corked_ != &who) return 0;
    corked_ = nullptr;
    return std::exchange(corked_size_, 0);
  }

  /// See poller::set_turn_soon().
  void set_turn_soon(watched& who, bool soon) noexcept { poller_.set_turn_soon(who, soon); }

  /// User code is being called from here; what it starts may be completed, and sent, when it has returned.
  bool in_turn() const noexcept { return in_turn_; }

  /// Runs connection::handshake_turn() soon. A few handshakes at a time: each costs up to a millisecond of signing,
  /// and between the batches the loop serves the connections that are open.
  void queue_handshake(std::shared_ptr<connection> waiting);
  std::size_t waiting_handshakes() const noexcept { return handshakes_.size(); }
  void set_handshake_budget(std::size_t steps) noexcept { handshake_budget_ = steps == 0 ? 1 : steps; }
  std::size_t handshake_budget() const noexcept { return handshake_budget_; }

  /// Runs connection::deliver() when the user code that is running has returned.
  void deliver_soon(std::shared_ptr<connection> complete);
  /// The same in the next turn, for one that has had its share of this one.
  void deliver_next_turn(std::shared_ptr<connection> complete);

  /// The execution context is being destroyed.
  void drop_everything();

 private:
  std::size_t lend_corked_output_to(const connection& who);
  void turn();
  std::size_t serve_batch();
  std::size_t step_handshakes();
  void after_user_code();
  void go_on();
  void rest_if_unwanted() noexcept;

  boost::asio::any_io_executor executor_;
  std::vector<std::byte> input_;
  std::vector<std::byte> output_;
  std::vector<std::byte> scratch_;
  std::shared_ptr<sallyport::detail::deadlines> deadlines_;
  poller poller_;
  std::deque<std::shared_ptr<connection>> handshakes_;
  std::deque<std::shared_ptr<connection>> complete_;
  std::deque<std::shared_ptr<connection>> complete_next_turn_;
  connection* corked_ = nullptr;  // it uncorks before it ends
  std::size_t corked_size_ = 0;
  std::size_t handshake_budget_ = 4;
  bool in_turn_ = false;
  bool kernel_has_more_ = false;
  bool is_waiting_ = false;
  bool turn_is_posted_ = false;
};

}  // namespace sallyport::detail

#endif
