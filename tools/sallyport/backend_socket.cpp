// backend_socket: see backend_socket.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "backend_socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/error.hpp>

#include <cerrno>

namespace sallyport::tool {
namespace {

namespace asio = boost::asio;

error_code system_error(int number) noexcept {
  if (number == EWOULDBLOCK) number = EAGAIN;
  return {number, boost::system::system_category()};
}

}  // namespace

error_code backend_socket::connect(const stream_endpoint& endpoint) noexcept {
  const int family = endpoint.protocol().family();
  descriptor_ = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) return system_error(errno);
  if (family != AF_UNIX) {
    const int on = 1;
    ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  const auto size = static_cast<socklen_t>(endpoint.size());
  if (::connect(descriptor_, endpoint.data(), size) == 0) return {};
  // To this machine it is made by now, though the kernel says that it goes on, and the second call says what became of
  // it. Interrupted, it goes on by itself.
  if (family != AF_UNIX && errno == EINPROGRESS && ::connect(descriptor_, endpoint.data(), size) == 0) return {};
  return errno == EINTR || errno == EALREADY ? error_code(asio::error::in_progress) : system_error(errno);
}

error_code backend_socket::connect_error() const noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return system_error(errno);
  return error == 0 ? error_code() : system_error(error);
}

std::size_t backend_socket::send(std::span<const std::byte> bytes, error_code& failure) noexcept {
  ssize_t sent = 0;
  do sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  failure = sent < 0 ? system_error(errno) : error_code();
  return sent < 0 ? 0 : static_cast<std::size_t>(sent);
}

std::size_t backend_socket::receive(std::span<std::byte> buffer, error_code& failure) noexcept {
  ssize_t received = 0;
  do received = ::recv(descriptor_, buffer.data(), buffer.size(), MSG_DONTWAIT);
  while (received < 0 && errno == EINTR);
  failure = received < 0 ? system_error(errno) : received == 0 ? error_code(asio::error::eof) : error_code();
  return received < 0 ? 0 : static_cast<std::size_t>(received);
}

void backend_socket::shutdown_send() noexcept { ::shutdown(descriptor_, SHUT_WR); }

void backend_socket::close() noexcept {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

void backend_socket::reset() noexcept {
  if (descriptor_ < 0) return;
  const ::linger at_once{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

}  // namespace sallyport::tool
