// ssl_configuration: what a server is told about TLS. docs/defaults.md gives the reason for each default.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_SSL_CONFIGURATION_HPP
#define SALLYPORT_SSL_CONFIGURATION_HPP

#include <sallyport/identity.hpp>
#include <sallyport/ticket_keys.hpp>
#include <sallyport/trust_store.hpp>

#include <optional>
#include <string>
#include <vector>

namespace sallyport {

/// Mozilla's names. Both: no compression, no renegotiation, no 0-RTT, the server's order of cipher suites.
enum class security_profile {
  modern,        ///< TLS 1.3 alone
  intermediate,  ///< TLS 1.3, and TLS 1.2 with ECDHE and AEAD ciphers
};

/// Whether the client is asked for a certificate (QSslSocket's PeerVerifyMode on a server).
enum class peer_verify_mode {
  none,    ///< not asked
  query,   ///< asked; errors are told (peer_verify_error, ssl_errors), and the connection is accepted all the same
  verify,  ///< asked; without a certificate that the trust store vouches for there is no connection, unless a slot
           ///< ignores the errors
};

/// All settings of TLS on a server. Nothing is checked here: context::make() does that, once.
struct ssl_configuration {
  /// At least one, unless pre_shared_keys is set. The first is the default; another one serves the clients that ask for
  /// one of its names (SNI).
  std::vector<identity> identities{};

  /// ALPN (RFC 7301), the server's order of preference. Empty: the extension is ignored. A client that offers
  /// protocols of which none is here is refused with no_application_protocol.
  std::vector<std::string> alpn_protocols{};

  security_profile profile = security_profile::intermediate;

  /// TLS 1.2 cipher list, TLS 1.3 cipher suites, and key exchange groups, in OpenSSL's syntax; empty: the profile's.
  std::string ciphers{};
  std::string ciphersuites{};
  std::string groups{};

  peer_verify_mode verify_mode = peer_verify_mode::none;

  /// By whom a client's certificate must be signed; needed when verify_mode is verify.
  std::optional<trust_store> ca_certificates{};

  /// Longest chain of intermediate CAs between a client's certificate and the trust store.
  int verify_depth = 10;

  /// In peer_verify_mode::verify: a client without a certificate is refused at once, and ssl_errors isn't asked.
  bool missing_certificate_is_fatal = false;

  /// Stop at each error of a client's certificate as it is found, and let handshake_interrupted_on_error decide.
  bool handshake_must_interrupt_on_error = false;

  /// Let clients authenticate by a pre-shared key, too: pre_shared_key_authentication_required asks for each one's key.
  /// In TLS 1.2 with (EC)DHE only, unless `ciphers` names others. Such a client shows no certificate: where verify_mode
  /// is verify, ssl_errors tells no_peer_certificate, which a slot has to ignore for it, and for it alone: only if the
  /// socket's pre_shared_key_identity() isn't empty.
  bool pre_shared_keys = false;

  /// What session tickets are encrypted with; without it, each context makes keys of its own.
  std::optional<ticket_keys> tickets{};

  /// TLS 1.2: what tells a client which of its identities is wanted; at most 128 bytes, without NUL.
  std::string pre_shared_key_identity_hint{};
};

}  // namespace sallyport

#endif
