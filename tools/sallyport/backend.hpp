// backend: whom `forward` connects its clients to.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_BACKEND_HPP
#define SALLYPORT_TOOL_BACKEND_HPP

#include "address.hpp"
#include "endpoint.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace sallyport::tool {

using backend_socket = boost::asio::generic::stream_protocol::socket;

/// Where to connect to, and how long that may take.
class backend {
 public:
  /// Blocks while a name is looked up, so that a mistyped one is told at once: startup_failure (exit_usage).
  backend(const address& address, std::chrono::milliseconds connect_timeout);

  const tool::address& address() const noexcept { return address_; }
  std::chrono::milliseconds connect_timeout() const noexcept { return connect_timeout_; }
  /// As in the options, for logs.
  const std::string& name() const noexcept { return name_; }

 private:
  tool::address address_;
  std::chrono::milliseconds connect_timeout_;
  std::string name_;
};

/// Makes one connection to a backend.
class connector {
 public:
  /// `target` must outlive it.
  connector(boost::asio::any_io_executor executor, const backend& target);

  /// A connection to the first of the backend's addresses that takes one. A name is looked up again each time: it may
  /// have moved. All of it takes at most the connect timeout; an address that doesn't answer leaves the others their
  /// share of it. The error's detail is the reason, for logs. Once.
  boost::asio::awaitable<result<backend_socket>> connect();

  /// Makes connect() complete with asio::error::operation_aborted, if it hasn't completed.
  void cancel();

 private:
  using clock = std::chrono::steady_clock;
  using endpoints = std::vector<stream_endpoint>;

  boost::asio::awaitable<result<endpoints>> look_up(clock::time_point deadline);
  boost::asio::awaitable<error_code> connect_to(const stream_endpoint& endpoint, clock::time_point deadline);
  boost::asio::awaitable<error_code> try_once(const stream_endpoint& endpoint, clock::time_point deadline);
  boost::asio::awaitable<void> wait(boost::asio::steady_timer& timer);
  /// For an operation that hasn't completed: cancelled or timed out.
  error_code unfinished() const;
  error describe(error_code failure) const;

  boost::asio::any_io_executor executor_;
  const backend& target_;
  backend_socket socket_;
  boost::asio::steady_timer* waiting_ = nullptr;
  bool is_cancelled_ = false;
};

/// Ends a connection so that the other side can tell that it was cut: with a TCP reset. Unix sockets know no reset;
/// there it is the end of the stream.
void reset(backend_socket& socket) noexcept;

}  // namespace sallyport::tool

#endif
