// listener: a listening socket, TCP or unix.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_LISTENER_HPP
#define SALLYPORT_NET_LISTENER_HPP

#include <sallyport/ssl_server.hpp>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include <optional>
#include <string>

namespace sallyport::detail {

/// One connection that the kernel had ready.
struct accepted_descriptor {
  int descriptor = -1;
  boost::asio::generic::stream_protocol::endpoint peer;
};

/// Owns the listening descriptor and, for a unix socket, the file that it made.
class listener {
 public:
  using endpoint = boost::asio::generic::stream_protocol::endpoint;

  explicit listener(const boost::asio::any_io_executor& executor) : acceptor_(executor) {}
  ~listener() { close(); }
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;

  error_code open(const endpoint& where, const listen_options& options);
  /// Takes over a descriptor that listens already; nothing has happened to it if there is an error. The file of a unix
  /// socket belongs to whoever made it, and stays.
  result<void> take(int descriptor);
  void close() noexcept;
  /// Undoes take().
  void give_back() noexcept;
  bool is_open() const noexcept { return acceptor_.is_open(); }
  /// -1 if not open.
  int descriptor() const noexcept;
  endpoint local_endpoint() const;
  /// The local endpoint of every connection that comes in here; none if it listens on more than one address.
  const std::optional<endpoint>& endpoint_of_all() const noexcept { return endpoint_of_all_; }
  /// What people call an endpoint: "127.0.0.1:443", "/run/server.socket", "@abstract".
  static std::string name_of(const endpoint& where);

  /// Takes one connection without waiting: error would_block if there is none. The descriptor is non-blocking and
  /// close-on-exec, and the caller's.
  error_code accept(accepted_descriptor& accepted);

  /// True if accept() would find somebody (or if that can't be told).
  bool has_client() noexcept;

 private:
  using acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

  acceptor acceptor_;
  void note_endpoint_of_all();

  std::optional<endpoint> endpoint_of_all_;
  std::string unix_path_;  // the file to remove on close
};

}  // namespace sallyport::detail

#endif
