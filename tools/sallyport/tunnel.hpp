// tunnel: one client and its backend, and the bytes between them.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_TUNNEL_HPP
#define SALLYPORT_TOOL_TUNNEL_HPP

#include "backend.hpp"
#include "service.hpp"

#include <sallyport/ssl_socket.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace sallyport::tool {

/// Two directions that end on their own. The end of one is passed on: close_notify becomes FIN, FIN becomes
/// close_notify. A cut on either side cuts both: a stream that was truncated must not look complete on the other side.
/// A backend sees a TCP reset. A client gets what the backend had sent, and then the end of TCP without close_notify. A
/// backend that can't be connected to is a cut too.
///
/// Each direction has one buffer: nothing is read from one side before the other has taken what was read.
class tunnel : public std::enable_shared_from_this<tunnel> {
 public:
  /// `target` must outlive it.
  tunnel(ssl_socket client, const backend& target);

  /// Connects to the backend, and completes when both directions have ended. Once.
  boost::asio::awaitable<served> run();

  /// What was wrong with the backend; empty if nothing was.
  const std::string& backend_failure() const noexcept { return backend_failure_; }

 private:
  using clock = std::chrono::steady_clock;

  void start(boost::asio::awaitable<void> direction);
  boost::asio::awaitable<void> client_to_backend();
  boost::asio::awaitable<void> backend_to_client();
  boost::asio::awaitable<void> connect();

  void moved() noexcept { last_movement_ = clock::now(); }
  void direction_ended();
  void cut(std::string_view side, const std::string& reason);
  void cut_by_backend(const std::string& reason);

  ssl_socket client_;
  connector connector_;
  backend_socket backend_;
  bool is_connected_ = false;
  boost::asio::steady_timer connected_;  // an event: it is cancelled when the backend is there, or never will be
  // run() sleeps on it: until a direction has ended, or one is left in which nothing moves.
  boost::asio::steady_timer changed_;
  clock::time_point last_movement_ = clock::now();
  int coroutines_ = 0;
  bool half_closed_ = false;
  bool is_cut_ = false;
  std::string backend_failure_{};
  served served_{};
};

}  // namespace sallyport::tool

#endif
