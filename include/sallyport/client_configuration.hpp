// client_configuration: what a client is told about TLS. docs/defaults.md gives the reason for each default.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_CLIENT_CONFIGURATION_HPP
#define SALLYPORT_CLIENT_CONFIGURATION_HPP

#include <sallyport/identity.hpp>
#include <sallyport/revocation_lists.hpp>
#include <sallyport/ssl_configuration.hpp>
#include <sallyport/tls_version.hpp>
#include <sallyport/trust_store.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sallyport {

/// All settings of TLS on a client; those with the same name as in ssl_configuration mean the same. Nothing is checked
/// here: context::make_client() does that, once.
struct client_configuration {
  /// Shown to servers that ask for a client certificate.
  std::optional<sallyport::identity> identity{};

  /// By whom a server's certificate must be signed. None: nobody is trusted, and every certificate has an error.
  std::optional<trust_store> ca_certificates{};

  /// Without it certificates aren't checked for revocation; see ssl_configuration::revocation.
  std::optional<revocation_lists> revocation{};
  revocation_policy missing_revocation_list = revocation_policy::hard_fail;

  /// none: the server's certificate isn't judged. query: its errors are told, and the connection goes on all the same.
  /// verify: it must be good, and for the name that the session is made with, unless the errors are ignored.
  /// In none and query anybody who is between the client and the server can read and change everything.
  peer_verify_mode verify_mode = peer_verify_mode::verify;

  /// Longest chain of intermediate CAs between a server's certificate and the trust store.
  int verify_depth = 10;

  /// Stop at each error of the server's certificate as it is found: handshake_question::interrupted_on_error.
  bool handshake_must_interrupt_on_error = false;

  /// ALPN (RFC 7301), in the client's order of preference. Empty: the extension isn't sent.
  std::vector<std::string> alpn_protocols{};

  security_profile profile = security_profile::intermediate;
  std::optional<tls_version> minimum_version{};
  std::optional<tls_version> maximum_version{};
  std::string ciphers{};
  std::string ciphersuites{};
  std::string groups{};

  /// Send the server's name (SNI, RFC 6066 section 3). IP addresses are never sent.
  bool send_server_name = true;

  /// Authenticate to the server, and it to us, by a pre-shared key: handshake_question::pre_shared_key asks for it. A
  /// server that takes the key shows no certificate, and none is missed. No session is resumed then.
  bool pre_shared_keys = false;

  /// What session::resumable_session() has given: resumed if it was a session of the same server_name under the same
  /// settings, and its server's certificate is still valid. Anything else does no harm and isn't resumed. (To make
  /// several sessions of one context, give it to the session instead.)
  std::string session{};

  /// See ssl_configuration::openssl_commands.
  std::vector<std::pair<std::string, std::string>> openssl_commands{};
};

}  // namespace sallyport

#endif
