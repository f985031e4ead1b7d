// loop: what the connections of one event loop share: a window of buffers, the handshakes' turn, the deadlines.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_LOOP_HPP
#define SALLYPORT_NET_LOOP_HPP

#include "deadlines.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

namespace sallyport::detail {

class connection;

class loop : public std::enable_shared_from_this<loop> {
 public:
  explicit loop(boost::asio::any_io_executor executor);

  const boost::asio::any_io_executor& executor() const noexcept { return executor_; }

  /// Ciphertext in and out. Lent to one connection for the length of a step; nothing stays in it between steps.
  std::vector<std::byte>& input() noexcept { return input_; }
  std::vector<std::byte>& output() noexcept { return output_; }
  /// Where small buffers are put together, and what nobody wants is dropped.
  std::vector<std::byte>& scratch() noexcept { return scratch_; }

  sallyport::detail::deadlines& deadlines() noexcept { return *deadlines_; }

  /// Runs connection::handshake_turn() soon. A few handshakes at a time: each costs up to a millisecond of signing,
  /// and between the batches the loop serves the connections that are open.
  void queue_handshake(std::shared_ptr<connection> waiting);

  std::size_t waiting_handshakes() const noexcept { return handshakes_.size(); }

  /// The execution context is being destroyed.
  void drop_handshakes() { handshakes_.clear(); }

 private:
  void run_handshakes();

  boost::asio::any_io_executor executor_;
  std::vector<std::byte> input_;
  std::vector<std::byte> output_;
  std::vector<std::byte> scratch_;
  std::shared_ptr<sallyport::detail::deadlines> deadlines_;
  std::deque<std::shared_ptr<connection>> handshakes_;
  bool turn_is_posted_ = false;
};

}  // namespace sallyport::detail

#endif
