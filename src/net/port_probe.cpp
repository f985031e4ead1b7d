// port_probe: whether somebody else has a port, before servers that share it (SO_REUSEPORT) take it.
//
// SPDX-License-Identifier: Apache-2.0
#include "port_probe.hpp"

#include "scope_exit.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace sallyport::detail {

// It doesn't listen, so no client ends up in its queue.
error_code probe_port(const boost::asio::generic::stream_protocol::endpoint& where, bool v6_only) {
  const auto last_error = [] { return error_code(errno, boost::system::system_category()); };
  const auto set_option = [](int descriptor, int level, int name, int value) {
    return ::setsockopt(descriptor, level, name, &value, sizeof value) == 0;
  };
  const int family = where.protocol().family();
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return last_error();
  const scope_exit close_it([descriptor] { ::close(descriptor); });
  // As the listener does it: what a former server's connections have left behind is nobody.
  const bool ok = set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) &&
                  (family != AF_INET6 || set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, v6_only ? 1 : 0)) &&
                  ::bind(descriptor, where.data(), static_cast<socklen_t>(where.size())) == 0;
  return ok ? error_code() : last_error();
}

}  // namespace sallyport::detail
