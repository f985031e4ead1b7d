// interrupted_handshake, deferred_pre_shared_key: a handshake that waits for the application's decision.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_INTERRUPTED_HANDSHAKE_HPP
#define SALLYPORT_INTERRUPTED_HANDSHAKE_HPP

#include <sallyport/alert.hpp>
#include <sallyport/identity.hpp>
#include <sallyport/pre_shared_key.hpp>
#include <sallyport/ssl_error.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace sallyport {

/// The alerts with which a client's certificate can be refused (RFC 8446 section 6.2): those that OpenSSL can be made
/// to send.
enum class certificate_alert : std::uint8_t {
  handshake_failure = 40,
  bad_certificate = 42,
  unsupported_certificate = 43,
  certificate_revoked = 44,
  certificate_expired = 45,
  certificate_unknown = 46,
  unknown_ca = 48,
  access_denied = 49,
  decrypt_error = 51,
  internal_error = 80,
};

namespace detail {

class connection;
class deferred_decision;
struct decision;

/// The right to decide about a handshake, once. Given up undecided it refuses.
class right_to_decide {
 public:
  /// Null: there is nothing to decide.
  explicit right_to_decide(std::shared_ptr<deferred_decision> about) noexcept;
  right_to_decide(right_to_decide&& other) noexcept;
  right_to_decide& operator=(right_to_decide&& other) noexcept;
  ~right_to_decide();

  void use(decision&& made) noexcept;

 private:
  std::shared_ptr<deferred_decision> about_;
};

}  // namespace detail

/// A handshake that was stopped at an error of the client's certificate, and that somebody holds who decides later:
/// ssl_socket::defer_interrupted_handshake(). While it is held nothing is read from the client; its deadline goes on.
///
/// Destroyed undecided it aborts the handshake. So do the deadline and the end of the server; then a decision has no
/// effect. Move-only. Decide, move and destroy it on any thread, also after the server and its io_context are gone;
/// one object is not for two threads at once.
class interrupted_handshake {
 public:
  /// The connection's ssl_socket::id().
  std::uint64_t id() const noexcept { return id_; }
  /// What it was stopped at.
  const ssl_error& error() const noexcept { return error_; }

  /// Goes on with the verification, which may meet more errors: each is a handshake_interrupted_on_error again. At its
  /// end ssl_errors lists them all, and in peer_verify_mode::verify they must be ignored there too.
  void resume();
  /// Ends the handshake with the alert that belongs to the error, or with another one. (A client without a certificate
  /// always gets certificate_required, in TLS 1.2 handshake_failure; to one that authenticates by a pre-shared key it
  /// always looks like a wrong key.)
  void abort();
  void abort(certificate_alert alert);

 private:
  friend class detail::connection;
  interrupted_handshake(std::shared_ptr<detail::deferred_decision> decision, std::uint64_t id,
                        ssl_error error) noexcept;

  detail::right_to_decide decision_;
  std::uint64_t id_;
  ssl_error error_;
};

/// A handshake that waits for the key of the identity that the client has named:
/// ssl_socket::defer_pre_shared_key(). Everything said about interrupted_handshake holds.
class deferred_pre_shared_key {
 public:
  /// The connection's ssl_socket::id().
  std::uint64_t id() const noexcept { return id_; }
  const std::string& identity() const noexcept { return identity_; }

  /// Goes on with this key. An empty one, or one longer than pre_shared_key::max_size, refuses.
  void answer(pre_shared_key key);
  /// The identity is unknown: the client is refused as if its key were wrong.
  void refuse();

 private:
  friend class detail::connection;
  deferred_pre_shared_key(std::shared_ptr<detail::deferred_decision> decision, std::uint64_t id,
                          std::string identity) noexcept;

  detail::right_to_decide decision_;
  std::uint64_t id_;
  std::string identity_;
};

/// A handshake that waits for the identity to show to a client that asks for an unknown name:
/// ssl_socket::defer_identity(). Everything said about interrupted_handshake holds.
class deferred_identity {
 public:
  /// The connection's ssl_socket::id().
  std::uint64_t id() const noexcept { return id_; }
  /// As the client has sent it.
  const std::string& server_name() const noexcept { return server_name_; }

  /// Goes on with this one, for this client alone.
  void answer(identity shown);
  /// Refuses the client: handshake_error::unknown_server_name.
  void refuse();

 private:
  friend class detail::connection;
  deferred_identity(std::shared_ptr<detail::deferred_decision> decision, std::uint64_t id,
                    std::string server_name) noexcept;

  detail::right_to_decide decision_;
  std::uint64_t id_;
  std::string server_name_;
};

}  // namespace sallyport

#endif
