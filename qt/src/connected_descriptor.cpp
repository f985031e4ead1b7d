// connected_descriptor: see connected_descriptor.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "connected_descriptor.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>

namespace sallyport::qt {
namespace {

using name_function = int (*)(int, sockaddr*, socklen_t*);

std::optional<connected_descriptor::end> name_of(int descriptor, name_function ask) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  auto* const any = reinterpret_cast<sockaddr*>(&name);
  if (ask(descriptor, any, &size) != 0) return std::nullopt;
  if (name.ss_family == AF_INET)
    return connected_descriptor::end{QHostAddress(any), ntohs(reinterpret_cast<const sockaddr_in*>(any)->sin_port)};
  if (name.ss_family == AF_INET6)
    return connected_descriptor::end{QHostAddress(any), ntohs(reinterpret_cast<const sockaddr_in6*>(any)->sin6_port)};
  return connected_descriptor::end{};  // a socketpair
}

int option_of(int descriptor, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(descriptor, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

/// For a socket without a peer: that it had one shows in the end, which can be received. (An error that waits for
/// whoever receives is better not asked for: that would take it away.)
bool had_peer(int descriptor) {
  pollfd asked{descriptor, POLLRDHUP, 0};
  return ::poll(&asked, 1, 0) == 1 && (asked.revents & (POLLRDHUP | POLLERR)) != 0;
}

}  // namespace

connected_descriptor inspect_connected(int descriptor) {
  const int type = option_of(descriptor, SO_TYPE);
  if (type < 0)
    return {errno == EBADF ? QStringLiteral("The descriptor is not open")
                           : QStringLiteral("The descriptor is not a socket's")};
  if (type != SOCK_STREAM) return {QStringLiteral("The descriptor is not a TCP socket's")};
  const auto peer = name_of(descriptor, ::getpeername);
  if (!peer && option_of(descriptor, SO_ACCEPTCONN) == 1)
    return {QStringLiteral("The descriptor is that of a listening socket, which has no peer")};
  if (!peer && !had_peer(descriptor)) return {QStringLiteral("The descriptor's socket is not connected")};
  return {{},
          name_of(descriptor, ::getsockname).value_or(connected_descriptor::end{}),
          peer.value_or(connected_descriptor::end{})};
}

}  // namespace sallyport::qt
