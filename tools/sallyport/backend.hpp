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

#include <chrono>
#include <string>
#include <vector>

namespace sallyport::tool {

using backend_socket = boost::asio::generic::stream_protocol::socket;

class backend {
 public:
  /// Blocks while a name is looked up, so that a mistyped one is told at once: startup_failure (exit_usage).
  backend(const address& address, std::chrono::milliseconds connect_timeout);

  /// As in the options, for logs.
  const std::string& name() const noexcept { return name_; }

  /// A connection to the first of its addresses that takes one. A name is looked up again each time: it may have
  /// moved. All of it takes at most the connect timeout; an address that doesn't answer leaves the others their share
  /// of it. The error's detail is the reason, for logs.
  boost::asio::awaitable<result<backend_socket>> connect(boost::asio::any_io_executor executor) const;

 private:
  using time_point = std::chrono::steady_clock::time_point;

  boost::asio::awaitable<result<std::vector<stream_endpoint>>> endpoints(boost::asio::any_io_executor executor,
                                                                         time_point deadline) const;
  error timed_out() const;

  address address_;
  std::chrono::milliseconds connect_timeout_;
  std::string name_;
};

/// Ends a connection so that the other side can tell that it was cut: with a TCP reset. Unix sockets know no reset;
/// there it is the end of the stream.
void reset(backend_socket& socket) noexcept;

}  // namespace sallyport::tool

#endif
