// ssl_configuration: what a server is told about TLS. docs/defaults.md gives the reason for each default.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_SSL_CONFIGURATION_HPP
#define SALLYPORT_SSL_CONFIGURATION_HPP

#include <sallyport/access_rule.hpp>
#include <sallyport/identity.hpp>
#include <sallyport/revocation_lists.hpp>
#include <sallyport/ticket_keys.hpp>
#include <sallyport/tls_version.hpp>
#include <sallyport/trust_store.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
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

/// What becomes of a client that asks (SNI) for a name that no identity has.
enum class unknown_name_policy {
  use_default,  ///< it is shown the first identity, which it may refuse
  refuse,       ///< handshake_error::unknown_server_name, by the alert unrecognized_name (RFC 6066 section 3)
};

/// What becomes of a client whose certificate can't be looked up, as its issuer's revocation list is missing, out of
/// date or not yet valid.
enum class revocation_policy {
  hard_fail,  ///< an error of the certificate, as any other
  soft_fail,  ///< it counts as not revoked; a list that is out of date still revokes what is on it
};

/// What is different for clients that ask (SNI) for certain names. What isn't set is as in the configuration that this
/// is part of. Rules (`allow`) of that one that would be lost by another verify_mode are an error: set none for the
/// names.
struct name_settings {
  /// DNS names, or wildcards for one label ("*.example.com"), which yield to whole names. None may be in two of these.
  std::vector<std::string> names{};

  std::optional<std::vector<std::string>> alpn_protocols{};
  std::optional<security_profile> profile{};
  std::optional<tls_version> minimum_version{};
  std::optional<tls_version> maximum_version{};
  std::optional<peer_verify_mode> verify_mode{};
  std::optional<trust_store> ca_certificates{};
  std::optional<revocation_lists> revocation{};
  std::optional<std::vector<access_rule>> allow{};
};

/// All settings of TLS on a server. Nothing is checked here: context::make() does that, once.
struct ssl_configuration {
  /// At least one, unless pre_shared_keys is set. The first is the default; another one serves the clients that ask for
  /// one of its names (SNI): those in its certificate's subjectAltName, wildcards for one label included, never IP
  /// addresses. A whole name comes before a wildcard. Of several that have the same name, one of each type of key is
  /// used, the first: a client is shown an ECDSA or EdDSA certificate if it can verify it, and else an RSA one.
  std::vector<identity> identities{};

  unknown_name_policy unknown_names = unknown_name_policy::use_default;

  /// Ask ssl_server::unknown_server_name before unknown_names is applied.
  bool ask_about_unknown_names = false;

  std::vector<name_settings> for_names{};

  /// ALPN (RFC 7301), the server's order of preference. Empty: the extension is ignored. A client that offers
  /// protocols of which none is here is refused with no_application_protocol.
  std::vector<std::string> alpn_protocols{};

  security_profile profile = security_profile::intermediate;

  /// Fewer versions than the profile's: the same for both is that one alone. They don't add any to it.
  std::optional<tls_version> minimum_version{};
  std::optional<tls_version> maximum_version{};

  /// TLS 1.2 cipher list and TLS 1.3 cipher suites, in OpenSSL's syntax; empty: the profile's.
  std::string ciphers{};
  std::string ciphersuites{};

  /// Key exchange groups, the server's order of preference, as "X25519MLKEM768:X25519:P-256:P-384", which are the
  /// profiles'. Of the post-quantum ones (X25519MLKEM768, SecP256r1MLKEM768, SecP384r1MLKEM1024, MLKEM512, MLKEM768,
  /// MLKEM1024) those that the OpenSSL at hand doesn't have are left out, and context::warnings() names them.
  std::string groups{};

  peer_verify_mode verify_mode = peer_verify_mode::none;

  /// By whom a client's certificate must be signed; needed when verify_mode is verify.
  std::optional<trust_store> ca_certificates{};

  /// Without it clients' certificates aren't checked for revocation. With it each one in the chain, but for a root
  /// above the client's own, must have its issuer's list here; see revocation_policy.
  std::optional<revocation_lists> revocation{};
  revocation_policy missing_revocation_list = revocation_policy::hard_fail;

  /// Who of the clients whose certificate is good gets in: whom at least one of these matches. Empty: all of them.
  /// Others end with handshake_error::denied_by_policy and the alert access_denied. Only with peer_verify_mode::verify.
  /// Where a slot has ignored the certificate's errors its word counts as if it were good.
  /// A client with a pre-shared key shows no certificate and isn't judged by these.
  std::vector<access_rule> allow{};

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

  /// What session tickets are encrypted with. Without it a server (or a group) makes keys of its own, once: sessions
  /// that were begun before set_configuration() can be resumed after it.
  std::optional<ticket_keys> tickets{};

  /// How long after a full handshake it may be resumed, however often it is in between; 0: never, and no tickets are
  /// sent. A client's certificate and what vouches for it must still be valid then. At most 7 days (RFC 8446 section
  /// 4.6.1).
  std::chrono::seconds resumption_lifetime = std::chrono::hours(24);

  /// TLS 1.2: what tells a client which of its identities is wanted; at most 128 bytes, without NUL.
  std::string pre_shared_key_identity_hint{};

  /// Last of all, OpenSSL's own names for settings (SSL_CONF_cmd, as in openssl.cnf: "Options", "SignatureAlgorithms",
  /// "NumTickets") with their values. Commands about certificates, keys and verification are refused, as are unknown
  /// ones, and whatever would take away from what the profile promises: older versions, a lower security level,
  /// compression, renegotiation.
  std::vector<std::pair<std::string, std::string>> openssl_commands{};
};

}  // namespace sallyport

#endif
