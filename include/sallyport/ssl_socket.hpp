// ssl_socket: one encrypted connection, as the server hands it out.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_SSL_SOCKET_HPP
#define SALLYPORT_SSL_SOCKET_HPP

#include <sallyport/detail/io_handler.hpp>
#include <sallyport/error.hpp>
#include <sallyport/handshake_report.hpp>
#include <sallyport/interrupted_handshake.hpp>
#include <sallyport/session.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/socket_base.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport {

namespace detail {

class connection;

using shutdown_handler = boost::asio::any_completion_handler<void(error_code)>;

/// The front of a const buffer sequence. What doesn't fit is left for the next async_write_some.
struct gathered_buffers {
  std::array<boost::asio::const_buffer, 16> buffers{};
  std::size_t count = 0;

  template <class ConstBufferSequence>
  static gathered_buffers from(const ConstBufferSequence& sequence) {
    gathered_buffers gathered;
    for (auto at = boost::asio::buffer_sequence_begin(sequence); at != boost::asio::buffer_sequence_end(sequence);
         ++at) {
      const boost::asio::const_buffer buffer(*at);
      if (buffer.size() == 0) continue;
      if (gathered.count == gathered.buffers.size()) break;
      gathered.buffers[gathered.count++] = buffer;
    }
    return gathered;
  }
};

template <class MutableBufferSequence>
boost::asio::mutable_buffer first_nonempty(const MutableBufferSequence& sequence) {
  for (auto at = boost::asio::buffer_sequence_begin(sequence); at != boost::asio::buffer_sequence_end(sequence); ++at) {
    const boost::asio::mutable_buffer buffer(*at);
    if (buffer.size() != 0) return buffer;
  }
  return {};
}

}  // namespace detail

/// A connection whose bytes are plaintext on this side and TLS on the wire. It satisfies Asio's AsyncReadStream and
/// AsyncWriteStream: asio::async_read, asio::async_write and Boost.Beast work on it.
///
/// Move-only; whoever holds it owns the connection, and destroying it does what close() does. The slots of
/// ssl_server get one by reference, for the length of the call: keep its id() there, not the reference.
///
/// The server's io_context must outlive it.
///
/// Not thread-safe: use it on the executor it was made on (one thread, or a strand). At most one read and one write
/// may be outstanding at a time. Handlers are never called from inside the function that started the operation.
/// A cancelled operation completes with boost::asio::error::operation_aborted; cancelling a read loses no data, and a
/// cancelled write has written the bytes it reports.
class ssl_socket {
 public:
  using executor_type = boost::asio::any_io_executor;

  /// No connection: is_open() is false and every operation fails with boost::asio::error::bad_descriptor.
  ssl_socket() noexcept;
  ssl_socket(ssl_socket&& other) noexcept;
  ssl_socket& operator=(ssl_socket&& other) noexcept;
  ~ssl_socket();

  executor_type get_executor() const noexcept;

  /// Unique among all connections of the process; the same in every event and log line of this connection.
  std::uint64_t id() const noexcept;

  /// Known from accept on, and still after the connection has ended; the unspecified endpoint for a unix socket.
  boost::asio::ip::tcp::endpoint remote_endpoint() const;
  boost::asio::ip::tcp::endpoint local_endpoint() const;
  /// For logs: "192.0.2.1:4711", "[2001:db8::1]:4711", "unix".
  std::string peer_name() const;

  /// True until the connection ends or is closed.
  bool is_open() const noexcept;
  /// True while the handshake is complete and the connection open.
  bool is_encrypted() const noexcept;

  handshake_phase phase() const noexcept;
  /// Since accept; stands still once the handshake has ended.
  std::chrono::steady_clock::duration handshake_duration() const noexcept;

  tls_version session_protocol() const noexcept;
  /// The cipher suite's IANA name.
  std::string_view session_cipher() const noexcept;
  /// The key exchange's group, by its IANA name ("x25519", "X25519MLKEM768"); "" where none was used (a resumed session
  /// in TLS 1.2).
  std::string key_exchange_group() const;
  /// ALPN's result; "" if none was negotiated.
  std::string_view next_negotiated_protocol() const noexcept;
  /// The name the client asked for (SNI); "" if none.
  const std::string& server_name() const noexcept;
  bool session_resumed() const noexcept;

  /// The client's certificate, and all that it has sent with it (its own first); none if it sent none or wasn't asked.
  /// Known from the first signal about it on, and still after the connection has ended. In peer_verify_mode::query, or
  /// where errors were ignored, nobody vouches for it: see ssl_handshake_errors().
  std::optional<certificate> peer_certificate() const;
  const std::vector<certificate>& peer_certificate_chain() const noexcept;
  /// Ours, that the client was shown; none with a pre-shared key.
  std::optional<certificate> local_certificate() const;

  /// Who the client is by its pre-shared key; "" if it has used none. During the handshake it is only who the client
  /// claims to be.
  const std::string& pre_shared_key_identity() const noexcept;

  /// The text of the rule (ssl_configuration::allow) that lets this client in; "" if there are none.
  const std::string& matched_rule() const noexcept;

  /// Everything that was found wrong with the client's certificate, also where it was ignored.
  std::span<const ssl_error> ssl_handshake_errors() const noexcept;

  /// Accept this client's certificate in spite of its errors. Inside a slot of ssl_errors or of a signal before it;
  /// later it has no effect. The second form accepts
  /// only errors in `expected`, and decides alone if that isn't empty (as in QSslSocket).
  void ignore_ssl_errors();
  void ignore_ssl_errors(std::span<const ssl_error> expected);

  /// Inside a slot of handshake_interrupted_on_error: goes on with the verification. The error remains in the list:
  /// ssl_errors follows, and in peer_verify_mode::verify it has to be ignored there too.
  void continue_interrupted_handshake();
  /// In the same slot: decide later. The first call takes the decision; a second one gets an object without effect,
  /// as does a call from anywhere else.
  interrupted_handshake defer_interrupted_handshake();
  /// Inside a slot of pre_shared_key_authentication_required: bring the key later. Otherwise without effect.
  deferred_pre_shared_key defer_pre_shared_key();

  /// Inside a slot of unknown_server_name: shows this identity to this client. Otherwise without effect.
  void use_identity(const identity& shown);
  /// In the same slot: bring it later. Otherwise without effect.
  deferred_identity defer_identity();

  /// Everything about a handshake that has failed; for slots of ssl_server::error_occurred.
  handshake_report report() const;

  /// Why the connection ended, and a sentence about it; no error while it is open.
  error_code error() const noexcept;
  const std::string& error_string() const noexcept;

  /// Completes with at least one byte, or: asio::error::eof after the peer's close_notify; stream_error::truncated if
  /// the TCP connection ended without it; another stream_error; or the kernel's error. An empty buffer completes at
  /// once with 0.
  template <class MutableBufferSequence,
            boost::asio::completion_token_for<void(error_code, std::size_t)> CompletionToken>
  auto async_read_some(const MutableBufferSequence& buffers, CompletionToken&& token) {
    return boost::asio::async_initiate<CompletionToken, void(error_code, std::size_t)>(
        [this](auto handler, boost::asio::mutable_buffer buffer) {
          start_read(buffer, detail::io_handler(std::move(handler), home()));
        },
        token, detail::first_nonempty(buffers));
  }

  /// Completes when the bytes it reports, encrypted, are in the kernel. At most 128 KiB are taken at a time. Not after
  /// async_shutdown, async_shutdown_send or shutdown_send (asio::error::shut_down).
  template <class ConstBufferSequence, boost::asio::completion_token_for<void(error_code, std::size_t)> CompletionToken>
  auto async_write_some(const ConstBufferSequence& buffers, CompletionToken&& token) {
    return boost::asio::async_initiate<CompletionToken, void(error_code, std::size_t)>(
        [this](auto handler, const detail::gathered_buffers& gathered) {
          start_write(gathered, detail::io_handler(std::move(handler), home()));
        },
        token, detail::gathered_buffers::from(buffers));
  }

  /// Completes when read_some() (wait_read) or write_some() (wait_write) may have something to do: data, room, or an
  /// end to tell. It may be for nothing (would_block then): what came may be half a record. A wait for reading counts
  /// as the outstanding read, one for writing as the outstanding write. With read_some() and write_some() a connection
  /// needs no buffer while it is idle. wait_error: asio::error::operation_not_supported.
  template <boost::asio::completion_token_for<void(error_code)> CompletionToken>
  auto async_wait(boost::asio::socket_base::wait_type what, CompletionToken&& token) {
    return boost::asio::async_initiate<CompletionToken, void(error_code)>(
        [this, what](auto handler) {
          start_wait(what, detail::io_handler(detail::wait_handler<decltype(handler)>{std::move(handler)}, home()));
        },
        token);
  }

  /// Reads what is there without waiting: at least one byte, or 0 and `ec`: asio::error::would_block if there is
  /// nothing yet, else as async_read_some. Not while a read is outstanding (asio::error::in_progress).
  template <class MutableBufferSequence>
  std::size_t read_some(const MutableBufferSequence& buffers, error_code& ec) {
    return read_now(detail::first_nonempty(buffers), ec);
  }

  /// Takes bytes to send without waiting: all that is given, up to 128 KiB in 16 buffers, or 0 and `ec`:
  /// asio::error::would_block while bytes taken before aren't in the kernel, else as async_write_some. What was taken
  /// is sent by the loop: small writes of one turn (a handler's call) go out together, at its end; what the kernel has
  /// no room for is kept, and an error met then is told by the next call. close() sends what is left, abort() drops it.
  template <class ConstBufferSequence>
  std::size_t write_some(const ConstBufferSequence& buffers, error_code& ec) {
    return write_now(detail::gathered_buffers::from(buffers), ec);
  }

  /// Sends close_notify, and then the TCP FIN's turn is close()'s: reading goes on (RFC 8446 section 6.1). Where the
  /// peer's close_notify was read before, there is nothing left to read, and the FIN may go with ours. Not while a
  /// write is outstanding (asio::error::in_progress).
  template <boost::asio::completion_token_for<void(error_code)> CompletionToken>
  auto async_shutdown_send(CompletionToken&& token) {
    return boost::asio::async_initiate<CompletionToken, void(error_code)>(
        [this](auto handler) { start_shutdown_send(detail::shutdown_handler(std::move(handler))); }, token);
  }
  /// The same without waiting. asio::error::would_block: not all that was written is in the kernel yet, and
  /// async_shutdown_send() completes when it is.
  void shutdown_send(error_code& ec);

  /// Ends the connection in both directions: sends close_notify, then reads and drops what still comes until the
  /// peer's close_notify. An outstanding read is cancelled. Completes without error when both have ended cleanly,
  /// with stream_error::truncated if the peer only ended TCP, and with asio::error::timed_out after
  /// ssl_server::set_shutdown_timeout. Whatever it completes with, close() is what remains to be done.
  template <boost::asio::completion_token_for<void(error_code)> CompletionToken>
  auto async_shutdown(CompletionToken&& token) {
    return boost::asio::async_initiate<CompletionToken, void(error_code)>(
        [this](auto handler) { start_shutdown(detail::shutdown_handler(std::move(handler))); }, token);
  }

  /// Completes the outstanding operations with asio::error::operation_aborted. The connection stays usable.
  void cancel();

  /// Ends the connection politely and without waiting: close_notify and FIN are sent if they weren't; what the peer
  /// still sends is dropped for a short while (two seconds at most), so that no TCP reset costs it the last bytes
  /// written here. Outstanding operations are cancelled. During a handshake the handshake is aborted.
  void close();

  /// The same without close_notify: what was written arrives, and then the peer can tell that it wasn't all
  /// (truncation). For a relay whose other side broke off.
  void close_without_notify();

  /// Ends the connection at once with a TCP reset; the peer can tell that it was cut. Outstanding operations complete
  /// with asio::error::operation_aborted. Inside a slot, during a handshake: the handshake fails with
  /// handshake_error::aborted.
  void abort();

  /// The OpenSSL SSL*, for what this class doesn't offer; null before the handshake began. Don't read or write with it.
  void* native_handle() noexcept;

 private:
  friend class detail::connection;
  explicit ssl_socket(std::shared_ptr<detail::connection> connection) noexcept;

  const boost::asio::any_io_executor& home() const noexcept;
  void start_read(boost::asio::mutable_buffer buffer, detail::io_handler&& handler);
  void start_write(const detail::gathered_buffers& buffers, detail::io_handler&& handler);
  void start_wait(boost::asio::socket_base::wait_type what, detail::io_handler&& handler);
  std::size_t read_now(boost::asio::mutable_buffer buffer, error_code& ec);
  std::size_t write_now(const detail::gathered_buffers& buffers, error_code& ec);
  void start_shutdown_send(detail::shutdown_handler handler);
  void start_shutdown(detail::shutdown_handler handler);

  std::shared_ptr<detail::connection> connection_;
};

}  // namespace sallyport

#endif
