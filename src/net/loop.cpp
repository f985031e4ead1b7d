// loop: what the connections of one event loop share: a window of buffers, the handshakes' turn, the deadlines.
//
// SPDX-License-Identifier: Apache-2.0
#include "loop.hpp"

#include "connection.hpp"
#include "scope_exit.hpp"

#include <boost/asio/post.hpp>

namespace sallyport::detail {
namespace {

constexpr std::size_t window_size = 128 * 1024;
constexpr std::size_t scratch_size = 64 * 1024;
constexpr int handshakes_per_turn = 4;

}  // namespace

loop::loop(boost::asio::any_io_executor executor)
    : executor_(std::move(executor)),
      input_(window_size),
      output_(window_size),
      scratch_(scratch_size),
      deadlines_(std::make_shared<sallyport::detail::deadlines>(executor_)) {}

void loop::queue_handshake(std::shared_ptr<connection> waiting) {
  handshakes_.push_back(std::move(waiting));
  if (turn_is_posted_) return;
  turn_is_posted_ = true;
  boost::asio::post(executor_, [self = shared_from_this()] { self->run_handshakes(); });
}

void loop::run_handshakes() {
  // A slot may throw out of a turn; the others' turns come all the same.
  const scope_exit go_on([this] {
    turn_is_posted_ = !handshakes_.empty();
    if (turn_is_posted_) boost::asio::post(executor_, [self = shared_from_this()] { self->run_handshakes(); });
  });
  for (int turn = 0; turn < handshakes_per_turn && !handshakes_.empty(); ++turn) {
    const auto next = std::move(handshakes_.front());
    handshakes_.pop_front();
    next->handshake_turn();
  }
}

}  // namespace sallyport::detail
