// epoll_server: the plainest fast loop: one thread, level-triggered epoll, one recv and one send per turn of a
// connection.
//
// SPDX-License-Identifier: Apache-2.0
#include "epoll_server.hpp"

#include "program.hpp"

#include <arpa/inet.h>

#include <cstring>
#include <string>

int listen_on(sockaddr_in address) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Linux hands it on to the accepted sockets, which saves a call for each.
  ::setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  auto* const name = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  if (::bind(listener, name, size) != 0 || ::listen(listener, 4096) != 0 || ::getsockname(listener, name, &size) != 0) {
    refuse(std::string("--listen: ") + std::strerror(errno));
  }
  print_listening(::inet_ntoa(address.sin_addr), ntohs(address.sin_port));
  return listener;
}
