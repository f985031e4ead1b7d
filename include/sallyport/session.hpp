// session: one TLS connection, the server's side or the client's, without a socket or a thread. Bytes in, bytes and
// events out.
//
// It is what ssl_socket is made of, what the unit tests and fuzzers drive, and what another event loop would drive.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_SESSION_HPP
#define SALLYPORT_SESSION_HPP

#include <sallyport/alert.hpp>
#include <sallyport/certificate.hpp>
#include <sallyport/context.hpp>
#include <sallyport/error.hpp>
#include <sallyport/pre_shared_key.hpp>
#include <sallyport/ssl_error.hpp>
#include <sallyport/tls_version.hpp>

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

enum class certificate_alert : std::uint8_t;

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
  want_answer,  ///< the handshake has a question(); the next call of handshake() takes what was answered, or refuses
  want_worker,  ///< see stop_before_private_key(): the next call of handshake() uses the key, which may take long
  peer_closed,  ///< the peer's close_notify: there is nothing more to read (writing is still possible)
  failed,       ///< over; error() says why
};

struct step {
  progress what;
  std::size_t bytes = 0;
};

/// What a handshake in want_answer asks. No answer means refusal, so fail closed is what a driver gets for free.
enum class handshake_question {
  none,
  /// One error of the peer's certificate was found, the last of ssl_handshake_errors():
  /// continue_interrupted_handshake()?
  interrupted_on_error,
  /// The whole chain has been looked at: ignore_ssl_errors()? In peer_verify_mode::query the answer is yes unless
  /// refuse() was called.
  ssl_errors,
  /// On the server's side: the client has named an identity: set_pre_shared_key(key)?
  /// On the client's side: set_pre_shared_key(identity, key)? It is asked before the ClientHello for TLS 1.3, where no
  /// answer means that no key is offered, and again if the server wants one in TLS 1.2, where there is its
  /// pre_shared_key_identity_hint() and no answer means refusal.
  pre_shared_key,
  /// The client asks for a name (server_name()) that no identity has: use_identity()? Without an answer
  /// ssl_configuration::unknown_names decides, unless refuse() was called.
  unknown_server_name,
};

/// How far a connection has come.
enum class handshake_phase {
  before_client_hello,  ///< not a whole ClientHello yet
  in_handshake,         ///< the ClientHello is there, Finished is not
  complete,
};

/// The enumerator's own name ("in_handshake").
std::string_view to_string(handshake_phase phase) noexcept;

/// Something that happened during a step.
struct session_event {
  enum class kind {
    started,             ///< the client has begun a TLS handshake: the first record's header says so
    client_hello,        ///< the whole ClientHello has been read, or (client) written
    alert_sent,          ///< an alert was put into the output
    alert_received,      ///< an alert came
    new_session_ticket,  ///< client: resumable_session() has changed
  };
  kind what;
  alert_level level{};  ///< of an alert
  alert_type type{};    ///< of an alert
};

/// One TLS connection (RFC 8446, RFC 5246), the server's side of it or the client's. Not thread-safe; sessions of one
/// context may live on different threads.
///
/// On the client's side errors have the same names, and "client" in them is to be read as "peer": an expired
/// certificate of the server is handshake_error::client_certificate_expired. error_detail() says it right.
class session {
 public:
  /// The server's side.
  explicit session(const context& configuration);

  /// The client's side, of a context by make_client(). In peer_verify_mode::verify and query the server's certificate
  /// must be for `server_name`, a DNS name (in its ASCII form) or an IP address: in its subjectAltName, wildcards for
  /// one label included. For anything else, as for "", no certificate is good: ssl_error_code::host_name_mismatch.
  /// `resumed` is what client_configuration::session is, and comes before that if it isn't empty.
  ///
  /// The first handshake() needs no input: it makes the ClientHello. peer_verify_mode and the questions are as on the
  /// server's side, with the server's certificate instead of the client's.
  session(const context& configuration, std::string server_name, std::string_view resumed = {});

  ~session();
  session(session&&) noexcept;
  session& operator=(session&&) noexcept;

  /// One step of the handshake; call until done or failed. Bytes that aren't TLS fail before OpenSSL sees them, and
  /// before it is given any memory. After failed, error() is a handshake_error.
  step handshake(io_window& window);

  /// From now on the handshake stops once, with want_worker, before it uses the private key: where that takes long
  /// (a key in an HSM, say) another thread can make the next step, see lend(). It doesn't stop where no key is used:
  /// when a session is resumed, or with a pre-shared key in TLS 1.3.
  void stop_before_private_key() noexcept;

  /// After want_worker: takes the session out, for another thread. What stays behind still tells how far the connection
  /// has come and what is known of the client (phase, server_name, client_protocols), but takes no step: each fails
  /// with handshake_error::internal. Assign the other one to it to get it back. Throws std::bad_alloc, having done
  /// nothing.
  session lend();

  /// What a step that returned want_answer asks; none otherwise.
  handshake_question question() const noexcept;

  /// Answers to question(), to be given before the next handshake(). ignore_ssl_errors() may also come before it is
  /// asked for. With a list that isn't empty the list decides alone: every error must be in it.
  void continue_interrupted_handshake() noexcept;
  void ignore_ssl_errors() noexcept;
  void ignore_ssl_errors(std::span<const ssl_error> expected);
  /// True if the errors found so far would be ignored: all of them, or because the list has them.
  bool ignores_ssl_errors() const noexcept;
  /// A key longer than pre_shared_key::max_size is none.
  void set_pre_shared_key(pre_shared_key key) noexcept;
  /// On the client's side. An identity that is empty, longer than 255 bytes or (TLS 1.2) contains NUL is none.
  void set_pre_shared_key(std::string identity, pre_shared_key key) noexcept;
  /// The client is shown this one, as it is known from now on. It isn't kept for others.
  void use_identity(const identity& shown);
  /// Refuses whatever is asked now or later, with the alert of the first error or the given one. (A missing certificate
  /// and a pre-shared key have alerts of their own. A client sends handshake_failure for access_denied.)
  void refuse() noexcept;
  void refuse(certificate_alert alert) noexcept;

  /// True if handshake_must_interrupt_on_error is set: errors were told one by one.
  bool interrupts_on_error() const noexcept;

  /// Everything that was found wrong with the peer's certificate, also after it was ignored.
  std::span<const ssl_error> ssl_handshake_errors() const noexcept;

  /// The identity that the client has named, from the question pre_shared_key on; after the handshake only if it was
  /// authenticated by it. "" otherwise. On the client's side: the client's own, likewise.
  const std::string& pre_shared_key_identity() const noexcept;

  /// ssl_configuration::pre_shared_key_identity_hint. On the client's side: the server's, TLS 1.2 alone.
  const std::string& pre_shared_key_identity_hint() const noexcept;

  /// What the peer has sent, its own certificate first; empty if nothing. Known from the first question about it on;
  /// a resumed session has the first one alone.
  const std::vector<certificate>& peer_certificate_chain() const noexcept;

  /// The text of the first rule of ssl_configuration::allow that lets this client in, also when it has resumed a
  /// session; "" if there are no rules, or it authenticates by a pre-shared key.
  const std::string& matched_rule() const noexcept;

  /// The first certificate that we have sent, none with a pre-shared key.
  std::optional<certificate> local_certificate() const;

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

  /// Why a step failed, or why the next one will: a read that brings data may have met the end behind it.
  error_code error() const noexcept;
  /// The same in a sentence, with what OpenSSL says.
  const std::string& error_detail() const noexcept;

  handshake_phase phase() const noexcept;
  /// True if decrypted bytes wait in here: read() would bring them without any input.
  bool has_buffered_plaintext() const noexcept;

  tls_version version() const noexcept;
  /// The cipher suite's standard (IANA) name, "" before the handshake is done.
  std::string_view cipher() const noexcept;
  /// OpenSSL's own name for it, which differs in TLS 1.2; likewise.
  std::string_view cipher_openssl_name() const noexcept;
  /// The key exchange's group, by its IANA name ("x25519", "secp256r1", "X25519MLKEM768"); "" before the handshake is
  /// done, and where none was used (a resumed session in TLS 1.2).
  std::string key_exchange_group() const;
  /// On the client's side: the public key that the server has made for this key exchange alone, as a
  /// SubjectPublicKeyInfo in DER; "" before the handshake is done, and where there was none. Throws std::bad_alloc.
  std::string ephemeral_server_key() const;
  /// ALPN's result, "" if there is none.
  std::string_view application_protocol() const noexcept;
  /// The name the client asked for (SNI), "" if none. Known from the event client_hello on. On the client's side: what
  /// it was made with.
  const std::string& server_name() const noexcept;
  /// ALPN, as the client has offered it; known likewise, until the handshake is complete.
  std::vector<std::string> client_protocols() const;
  /// After a failure with a reason no_common_...: what each side offers of it, fit for a log; else "".
  std::string client_offers() const;
  std::string server_offers() const;
  bool resumed() const noexcept;

  /// On the client's side: what a later session for the same name, under the same settings, may resume this one with;
  /// also after the connection has ended. Keep it as secret as a key. "" before the handshake is done, without a ticket
  /// (TLS 1.3: until the event new_session_ticket), if anything was wrong with the server's certificate, and with a
  /// pre-shared key. In TLS 1.3 each should be used once (RFC 8446 appendix C.4). Throws std::bad_alloc.
  std::string resumable_session() const;
  /// How long the server says that its latest ticket is good for; none without a ticket.
  std::optional<std::chrono::seconds> ticket_lifetime_hint() const noexcept;

  /// The OpenSSL SSL*, for what this class doesn't offer; null before the event `started`.
  void* native_handle() noexcept;

  /// Room that always suffices for one record: 5 (header) + 2^14 + 256 (RFC 8446 section 5.2).
  static constexpr std::size_t max_record_size = 5 + 16384 + 256;

 private:
  std::unique_ptr<detail::session_impl> impl_;
};

}  // namespace sallyport

#endif
