// listener: a listening socket, TCP or unix.
//
// SPDX-License-Identifier: Apache-2.0
#include "listener.hpp"

#include "address.hpp"

#include "tls/printable.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/error.hpp>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

namespace sallyport::detail {
namespace {

namespace asio = boost::asio;

error_code last_error() { return {errno, boost::system::system_category()}; }

error_code set_option(int descriptor, int level, int name, int value) {
  if (::setsockopt(descriptor, level, name, &value, sizeof value) != 0) return last_error();
  return {};
}

/// The file's path of a unix endpoint; "" for an abstract name, which leaves no file.
std::string path_of(const listener::endpoint& where) {
  const auto* address = reinterpret_cast<const sockaddr_un*>(where.data());
  const std::size_t room = where.size() - offsetof(sockaddr_un, sun_path);
  return {address->sun_path, ::strnlen(address->sun_path, room)};
}

/// An option of a socket that tells what it is; -1 if it isn't one.
int kind_of(int descriptor, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(descriptor, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

/// Why a descriptor can't be taken over, empty if it can.
std::string why_not_listening(int descriptor) {
  if (::fcntl(descriptor, F_GETFD) < 0) return "it isn't open";
  const int type = kind_of(descriptor, SO_TYPE);
  if (type < 0) return "it isn't a socket";
  if (type != SOCK_STREAM) return "it isn't a stream socket";
  const int family = kind_of(descriptor, SO_DOMAIN);
  if (family != AF_INET && family != AF_INET6 && family != AF_UNIX) return "it is neither a TCP nor a unix socket";
  if (kind_of(descriptor, SO_ACCEPTCONN) != 1) return "it doesn't listen";
  return {};
}

error_code add_flags(int descriptor, int get, int set, int flags) {
  const int former = ::fcntl(descriptor, get);
  if (former < 0 || ::fcntl(descriptor, set, former | flags) < 0) return last_error();
  return {};
}

/// A file that a dead process left behind would make bind() fail for ever. It is removed only if it is a socket that
/// refuses connections: a living server's socket, or a file of another kind, is left alone and bind() tells.
void remove_stale_socket(const listener::endpoint& where, const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return;
  const bool refused =
      ::connect(probe, where.data(), static_cast<socklen_t>(where.size())) != 0 && errno == ECONNREFUSED;
  ::close(probe);
  if (refused) ::unlink(path.c_str());
}

}  // namespace

error_code listener::open(const endpoint& where, const listen_options& options) {
  const int family = where.protocol().family();
  const bool is_unix = family == AF_UNIX;
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return last_error();

  error_code ec;
  std::string path;
  if (is_unix) {
    path = path_of(where);
    if (!path.empty()) remove_stale_socket(where, path);
  } else {
    ec = set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    if (!ec && options.reuse_port) ec = set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1);
    // A record is sent as a whole, so waiting for more to send only delays it. Those who come in here inherit it.
    if (!ec) ec = set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
    if (!ec && family == AF_INET6) ec = set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only ? 1 : 0);
  }
  if (!ec && ::bind(descriptor, where.data(), static_cast<socklen_t>(where.size())) != 0) ec = last_error();
  const bool made_file = !ec && !path.empty();
  if (!ec && ::listen(descriptor, options.backlog) != 0) ec = last_error();
  if (!ec) acceptor_.assign(where.protocol(), descriptor, ec);
  if (ec) {
    ::close(descriptor);
    if (made_file) ::unlink(path.c_str());
    return ec;
  }
  unix_path_ = std::move(path);
  note_endpoint_of_all();
  return {};
}

result<void> listener::take(int descriptor) {
  if (std::string reason = why_not_listening(descriptor); !reason.empty())
    return error{asio::error::invalid_argument, std::move(reason)};
  error_code ec;
  // First, as it may fail (another acceptor of this loop has it), and leaves the descriptor as it was if it does.
  acceptor_.assign({kind_of(descriptor, SO_DOMAIN), 0}, descriptor, ec);
  if (ec) return error{ec, ec.message()};
  ec = add_flags(descriptor, F_GETFL, F_SETFL, O_NONBLOCK);
  if (!ec) ec = add_flags(descriptor, F_GETFD, F_SETFD, FD_CLOEXEC);
  if (!ec && kind_of(descriptor, SO_DOMAIN) != AF_UNIX) ec = set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  if (!ec) {
    note_endpoint_of_all();
    return {};
  }
  give_back();
  return error{ec, ec.message()};
}

void listener::give_back() noexcept {
  error_code ignored;
  acceptor_.release(ignored);
}

void listener::note_endpoint_of_all() {
  const endpoint where = local_endpoint();
  const bool is_one = where.protocol().family() == AF_UNIX || !to_tcp(where).address().is_unspecified();
  endpoint_of_all_ = is_one ? std::optional(where) : std::nullopt;
}

void listener::close() noexcept {
  error_code ignored;
  acceptor_.close(ignored);
  if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
  unix_path_.clear();
}

int listener::descriptor() const noexcept {
  // Asio's native_handle() isn't const, and there is nothing in it that changes.
  return is_open() ? const_cast<acceptor&>(acceptor_).native_handle() : -1;
}

std::string listener::name_of(const endpoint& where) {
  if (where.protocol().family() != AF_UNIX) return to_text(where);
  if (std::string path = path_of(where); !path.empty()) return path;
  const auto* address = reinterpret_cast<const sockaddr_un*>(where.data());
  const std::size_t room = where.size() - offsetof(sockaddr_un, sun_path);
  return room > 1 ? "@" + printable({address->sun_path + 1, room - 1}) : "unix socket without a name";
}

listener::endpoint listener::local_endpoint() const {
  error_code ec;
  auto where = acceptor_.local_endpoint(ec);
  return ec ? endpoint() : where;
}

bool listener::has_client() noexcept {
  pollfd listening{acceptor_.native_handle(), POLLIN, 0};
  return ::poll(&listening, 1, 0) != 0;
}

error_code listener::accept(accepted_descriptor& accepted) {
  endpoint peer;
  auto size = static_cast<socklen_t>(peer.capacity());
  const int descriptor = ::accept4(acceptor_.native_handle(), peer.data(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor < 0) return last_error();
  peer.resize(size);
  accepted = {descriptor, peer};
  return {};
}

}  // namespace sallyport::detail
