// session: one TLS connection without a socket, a clock or a thread. Bytes in, bytes and events out.
//
// It is what ssl_socket is made of, what the unit tests and fuzzers drive, and what another event loop would drive.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_SESSION_HPP
#define SALLYPORT_SESSION_HPP

#include <sallyport/alert.hpp>
#include <sallyport/context.hpp>
#include <sallyport/error.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sallyport {

namespace detail {
struct session_impl;
}

/// The bytes of one step. The caller owns both buffers; the session uses them only during the call.
struct io_window {
  /// What came from the peer. A step takes bytes off its front; what is left must be presented again, at the front,
  /// at the next step.
  std::span<const std::byte> input{};

  /// Room for what goes to the peer: the step fills it from `produced` on. It must be sent whatever the step returns:
  /// after a failure it may hold the alert.
  std::span<std::byte> output{};
  std::size_t produced = 0;
};

enum class progress {
  done,         ///< handshake complete; or `bytes` bytes read or written; or close_notify written
  want_input,   ///< nothing goes on before more of the peer's bytes are there
  want_output,  ///< nothing goes on before there is more room in `output`
  peer_closed,  ///< the peer's close_notify: there is nothing more to read (writing is still possible)
  failed,       ///< over; error() says why
};

struct step {
  progress what;
  std::size_t bytes = 0;
};

/// How far a connection has come.
enum class handshake_phase {
  before_client_hello,  ///< not a whole ClientHello yet
  in_handshake,         ///< the ClientHello is there, Finished is not
  complete,
};

/// The enumerator's own name ("in_handshake").
std::string_view to_string(handshake_phase phase) noexcept;

enum class tls_version { unknown = 0, tls_1_2 = 0x0303, tls_1_3 = 0x0304 };

/// "TLSv1.2", "TLSv1.3", or "unknown".
std::string_view to_string(tls_version version) noexcept;

/// Something that happened during a step.
struct session_event {
  enum class kind {
    started,         ///< the client has begun a TLS handshake: the first record's header says so
    client_hello,    ///< the whole ClientHello has been read
    alert_sent,      ///< an alert was put into the output
    alert_received,  ///< an alert came
  };
  kind what;
  alert_level level{};  ///< of an alert
  alert_type type{};    ///< of an alert
};

/// The server's side of one TLS connection (RFC 8446, RFC 5246). Not thread-safe; sessions of one context may live
/// on different threads.
class session {
 public:
  explicit session(const context& configuration);
  ~session();
  session(session&&) noexcept;
  session& operator=(session&&) noexcept;

  /// One step of the handshake; call until done or failed. Bytes that aren't TLS fail before OpenSSL sees them, and
  /// before it is given any memory. After failed, error() is a handshake_error.
  step handshake(io_window& window);

  /// Decrypts into `plaintext`, which must not be empty. `done` brings at least one byte. A peer that sends more than
  /// 32 KeyUpdates or renegotiation requests without data between them ends in failed. After failed, error() is a
  /// stream_error. Only after the handshake is done.
  step read(io_window& window, std::span<std::byte> plaintext);

  /// Encrypts from the front of `plaintext`, as many whole records as there is room for: `done` with the number of
  /// bytes taken, at least one, or want_output if there is no room for one record (max_record_size bytes always
  /// suffice). Bytes taken are wholly in the output: nothing needs to be repeated. `plaintext` must not be empty. Only
  /// after the handshake is done and before shutdown().
  step write(io_window& window, std::span<const std::byte> plaintext);

  /// Puts close_notify into the output, once. Reading goes on to be possible, writing isn't.
  step shutdown(io_window& window);

  /// What the latest step made happen, in order; valid until the next step.
  std::span<const session_event> events() const noexcept;

  /// Why a step failed; no error before that.
  error_code error() const noexcept;
  /// The same in a sentence, with what OpenSSL says.
  const std::string& error_detail() const noexcept;

  handshake_phase phase() const noexcept;
  /// True if decrypted bytes wait in here: read() would bring them without any input.
  bool has_buffered_plaintext() const noexcept;

  tls_version version() const noexcept;
  /// The cipher suite's standard (IANA) name, "" before the handshake is done.
  std::string_view cipher() const noexcept;
  /// ALPN's result, "" if there is none.
  std::string_view application_protocol() const noexcept;
  /// The name the client asked for (SNI), "" if none. Known from the event client_hello on.
  const std::string& server_name() const noexcept;
  bool resumed() const noexcept;

  /// The OpenSSL SSL*, for what this class doesn't offer; null before the event `started`.
  void* native_handle() noexcept;

  /// Room that always suffices for one record: 5 (header) + 2^14 + 256 (RFC 8446 section 5.2).
  static constexpr std::size_t max_record_size = 5 + 16384 + 256;

 private:
  std::unique_ptr<detail::session_impl> impl_;
};

}  // namespace sallyport

#endif
