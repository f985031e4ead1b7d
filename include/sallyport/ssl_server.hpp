// ssl_server: a TCP server whose queue only ever holds connections with a complete TLS handshake.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_SSL_SERVER_HPP
#define SALLYPORT_SSL_SERVER_HPP

#include <sallyport/alert.hpp>
#include <sallyport/error.hpp>
#include <sallyport/signal.hpp>
#include <sallyport/ssl_configuration.hpp>
#include <sallyport/ssl_socket.hpp>
#include <sallyport/worker_threads.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sallyport {

namespace detail {
class server_state;
class shard;
using accept_handler = boost::asio::any_completion_handler<void(error_code, ssl_socket)>;
}  // namespace detail

/// How ssl_server::listen() sets up its socket.
struct listen_options {
  int backlog = 4096;       ///< connections the kernel keeps for us (the kernel caps it at net.core.somaxconn)
  bool v6_only = false;     ///< for an IPv6 endpoint: false also takes IPv4 clients (dual stack) on [::]
  bool reuse_port = false;  ///< SO_REUSEPORT: several servers on one endpoint share the connections
};

/// Listens, performs TLS handshakes, and queues the connections whose handshake is complete.
///
/// Every connection ends in exactly one of two ways: error_occurred is emitted for it and it is gone, or it enters the
/// queue and the server emits nothing about it any more. A queued connection whose peer goes away is still handed
/// out; its first read tells. No client can keep the others waiting: see set_handshake_timeout() and
/// set_max_handshakes().
///
/// Not thread-safe: use it on its executor (one thread, or a strand). The executor's context must outlive it.
class ssl_server {
 public:
  using executor_type = boost::asio::any_io_executor;

  explicit ssl_server(boost::asio::any_io_executor executor);

  /// Closes the listener and aborts every connection this server made; ssl_sockets stay valid objects.
  ~ssl_server();

  ssl_server(const ssl_server&) = delete;
  ssl_server& operator=(const ssl_server&) = delete;

  executor_type get_executor() const noexcept;

  /// Validates `configuration` and uses it for the connections accepted from now on; on an error the former one stays.
  result<void> set_configuration(const ssl_configuration& configuration);
  /// The configuration in use, without identities if none was set. The reference is good as long as the server; what
  /// it refers to changes with set_configuration().
  const ssl_configuration& configuration() const noexcept;
  /// What is odd about the configuration in use but wasn't refused, a sentence each: an expired certificate, ...
  std::span<const std::string> configuration_warnings() const noexcept;

  /// From accept to the complete handshake; absolute: nothing that the client sends restarts it. Default 5 s. For the
  /// connections accepted from now on. At least 1 ms; less is taken as 1 ms.
  void set_handshake_timeout(std::chrono::milliseconds timeout);
  std::chrono::milliseconds handshake_timeout() const noexcept;

  /// Longest wait for the peer in ssl_socket::async_shutdown. Default 5 s.
  void set_shutdown_timeout(std::chrono::milliseconds timeout);
  std::chrono::milliseconds shutdown_timeout() const noexcept;

  /// Handshakes in progress at a time; default 1024, at least 1. When all places are taken a new client takes the
  /// place of the oldest one that hasn't sent a whole ClientHello (or else of the oldest), which ends with
  /// handshake_error::evicted.
  void set_max_handshakes(std::size_t count);
  std::size_t max_handshakes() const noexcept;

  /// Of these, places for one client address (IPv4) or /64 network (IPv6); default 256, at least 1. A client beyond
  /// its share takes the place of its own oldest. Unix sockets have no address and are not limited.
  void set_max_handshakes_per_address(std::size_t count);
  std::size_t max_handshakes_per_address() const noexcept;

  /// Steps of handshakes per turn of the event loop, between which open connections are served; default 4, at least 1.
  /// A step costs what signing costs: 0.1 ms to some ms. More gives floods of handshakes more of the core, at the
  /// expense of the open connections' latency.
  void set_handshake_budget(std::size_t steps);
  std::size_t handshake_budget() const noexcept;

  /// With workers the loop doesn't wait while the private key is used, once in each full handshake: these threads do
  /// it, and open connections, resumed sessions and everybody else are served meanwhile. For keys that take long to
  /// sign: in an HSM, on a network, RSA of 4096 bits. For fast ones it only costs two changes of thread. Slots and
  /// handlers are called where they always are.
  ///
  /// A handshake that waits for a thread keeps its place and its deadline; accepting pauses when 16 of them wait. If it
  /// is ended meanwhile it gives up its turn, though a signature that has begun goes on. None by default; for the
  /// connections accepted from now on.
  void set_handshake_workers(std::optional<worker_threads> workers);

  /// Complete connections that nobody has taken; default 128, at least 1. At this number accepting pauses, and the
  /// kernel's backlog is the queue. (Handshakes in progress still complete and are queued.)
  void set_max_pending_connections(std::size_t count);
  std::size_t max_pending_connections() const noexcept;

  /// Starts to listen on a TCP endpoint (port 0: any free one, see local_endpoint()) or a unix socket
  /// (asio::local::stream_protocol::endpoint; a stale socket file is replaced, a living one is not). Needs a
  /// configuration (asio::error::invalid_argument without); asio::error::already_open if listening. A drain that is
  /// going on ends with asio::error::operation_aborted.
  error_code listen(const boost::asio::generic::stream_protocol::endpoint& endpoint,
                    const listen_options& options = {});
  /// Takes over a descriptor that listens already, such as one inherited from systemd (socket activation) or from the
  /// process before a restart. The descriptor is made non-blocking and close-on-exec, and belongs to the server if
  /// there was no error; else nothing has happened to it. The file of a unix socket stays when the server closes.
  /// asio::error::invalid_argument if it isn't a listening stream socket (TCP or unix); else as listen().
  error_code set_socket_descriptor(int descriptor);
  /// Of the listening socket, -1 if not listening.
  int socket_descriptor() const noexcept;
  bool is_listening() const noexcept;
  /// The endpoint with its real port; the unspecified endpoint if not listening, or on a unix socket.
  boost::asio::ip::tcp::endpoint local_endpoint() const;
  std::uint16_t server_port() const;

  /// Stop and start taking clients from the kernel's backlog. No effect when not listening: a server that begins to
  /// listen isn't paused. Handshakes in progress go on.
  void pause_accepting();
  void resume_accepting();

  /// Takes over a connected socket as if it had been accepted here; the server needn't listen. `already_read` is what
  /// was read from it before (a PROXY header looked for, a protocol guessed): its bytes come before those of the
  /// socket. Copied; at most 64 KiB. What is refused is closed, and accept_error tells: asio::error::message_size for
  /// more than that, invalid_argument without a configuration, operation_aborted after close() and during or after a
  /// drain (until it listens again).
  void adopt(boost::asio::generic::stream_protocol::socket socket, std::span<const std::byte> already_read = {});

  /// Stops listening, aborts the handshakes in progress and the connections that nobody has taken; waiting
  /// async_accepts complete with asio::error::operation_aborted. Nothing is queued afterwards, adopt() is refused.
  /// Connections handed out are not touched. listen() may follow.
  void close();

  /// Stops listening and completes when no connection of this server is left: the handshakes in progress may complete
  /// and be taken, connections may finish. After `deadline` what is left is aborted, and it completes with
  /// asio::error::timed_out. Completes without error if all went by themselves.
  template <boost::asio::completion_token_for<void(error_code)> CompletionToken>
  auto async_drain(std::chrono::milliseconds deadline, CompletionToken&& token) {
    return boost::asio::async_initiate<CompletionToken, void(error_code)>(
        [this, deadline](auto handler) { start_drain(deadline, detail::shutdown_handler(std::move(handler))); }, token);
  }

  bool has_pending_connections() const noexcept;
  /// Takes the first of the queue; empty if there is none.
  std::optional<ssl_socket> next_pending_connection();

  /// Completes with the next complete connection. Fails only for the server's own reasons: operation_aborted after
  /// close(), a drain or cancellation, never because of one client. Several may wait; they are served in order.
  template <boost::asio::completion_token_for<void(error_code, ssl_socket)> CompletionToken>
  auto async_accept(CompletionToken&& token) {
    return boost::asio::async_initiate<CompletionToken, void(error_code, ssl_socket)>(
        [this](auto handler) { start_accept(detail::accept_handler(std::move(handler))); }, token);
  }

  /// For programs that don't run an event loop: runs the server's own until a connection is pending, for at most
  /// `timeout` (negative: for ever; 0: some of what is ready, so several calls make a connection). True if there is
  /// one. False after the time (`timed_out`, server_error() is asio::error::timed_out), if the server isn't listening
  /// (any more), if a handler stops the io_context (asio::error::operation_aborted), or if the executor isn't an
  /// io_context's own or is being run already: not from inside a handler (asio::error::operation_not_supported).
  /// Handlers of other things on the same io_context run meanwhile; what they throw comes out of here.
  bool wait_for_new_connection(std::chrono::milliseconds timeout = {}, bool* timed_out = nullptr);

  /// Why the last listen(), accept, adopt() or wait failed, and the same in a sentence ("127.0.0.1:443: Permission
  /// denied"); no success resets it. A call refused because the server listens already doesn't count.
  error_code server_error() const noexcept;
  const std::string& error_string() const noexcept;

  std::size_t pending_connections() const noexcept;
  std::size_t handshakes_in_progress() const noexcept;
  /// All connections of this server that are not closed: in handshake, pending, and handed out.
  std::size_t open_connections() const noexcept;

 private:
  friend class detail::shard;

  void start_accept(detail::accept_handler handler);
  void start_drain(std::chrono::milliseconds deadline, detail::shutdown_handler handler);

  std::shared_ptr<detail::server_state> state_;

 public:
  /// A connection has entered the queue and no async_accept has taken it.
  signal<void()>& pending_connection_available;
  /// The client has begun a TLS handshake. Always the first signal about a connection, but for an error_occurred
  /// about one that never began.
  signal<void(ssl_socket&)>& started_encryption_handshake;
  /// An alert really was sent, or received, during the handshake. The text is description(type).
  signal<void(ssl_socket&, alert_level, alert_type, std::string_view)>& alert_sent;
  signal<void(ssl_socket&, alert_level, alert_type, std::string_view)>& alert_received;
  /// An error of the client's certificate, one after the other; then all of them, once, before the handshake is
  /// complete. Unless a slot calls ignore_ssl_errors() (or verify_mode is query) the client is refused with the alert
  /// of the first one.
  signal<void(ssl_socket&, const ssl_error&)>& peer_verify_error;
  signal<void(ssl_socket&, std::span<const ssl_error>)>& ssl_errors;
  /// With ssl_configuration::handshake_must_interrupt_on_error, instead of peer_verify_error: the slot decides with
  /// continue_interrupted_handshake() or defer_interrupted_handshake(); otherwise the client is refused.
  signal<void(ssl_socket&, const ssl_error&)>& handshake_interrupted_on_error;
  /// The client wants to authenticate by a pre-shared key (ssl_configuration::pre_shared_keys) and names an identity.
  /// In TLS 1.3 a client may name several: each is asked for until a slot knows one. Whoever isn't let in, for whatever
  /// reason, fails as with a wrong key, so that strangers can't find out which identities exist.
  signal<void(ssl_socket&, ssl_pre_shared_key_authenticator&)>& pre_shared_key_authentication_required;
  /// The client asks (SNI) for a name that no identity has (ssl_configuration::ask_about_unknown_names): the slot may
  /// bring one, with use_identity() or later by defer_identity(). Otherwise ssl_configuration::unknown_names decides.
  signal<void(ssl_socket&, std::string_view name)>& unknown_server_name;
  /// The handshake has failed (category "sallyport.handshake"). The last signal about this connection; the slot may
  /// still ask the socket for its report(), and for everything that is in it.
  signal<void(ssl_socket&, error_code)>& error_occurred;
  /// accept() failed: out of descriptors or memory (it is tried again after a while), or a client was gone before.
  signal<void(error_code)>& accept_error;
};

}  // namespace sallyport

#endif
