// backend_socket: a connection to a backend, without TLS.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_BACKEND_SOCKET_HPP
#define SALLYPORT_TOOL_BACKEND_SOCKET_HPP

#include "endpoint.hpp"

#include <sallyport/error.hpp>

#include <cstddef>
#include <span>
#include <utility>

namespace sallyport::tool {

/// A stream socket, TCP or unix, and none of its functions ever waits: see backend_poller. It isn't Asio's, which would
/// make two or three system calls more for each connection and keep some hundred bytes.
class backend_socket {
 public:
  backend_socket() noexcept = default;
  backend_socket(backend_socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  backend_socket& operator=(backend_socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~backend_socket() { close(); }

  int descriptor() const noexcept { return descriptor_; }

  /// On a socket without a connection. asio::error::in_progress: when it is writable, connect_error() tells.
  error_code connect(const stream_endpoint& endpoint) noexcept;
  error_code connect_error() const noexcept;

  /// How much was done; if nothing, asio::error::would_block, or why never again. At the end of what comes
  /// asio::error::eof.
  std::size_t send(std::span<const std::byte> bytes, error_code& failure) noexcept;
  std::size_t receive(std::span<std::byte> buffer, error_code& failure) noexcept;

  void shutdown_send() noexcept;

  void close() noexcept;
  /// Ends the connection so that the other side can tell that it was cut: with a TCP reset. Unix sockets know no reset;
  /// there it is the end of the stream.
  void reset() noexcept;

 private:
  int descriptor_ = -1;
};

}  // namespace sallyport::tool

#endif
