// Errors: the two shapes (error_code, error) and the three vocabularies that fill them.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_ERROR_HPP
#define SALLYPORT_ERROR_HPP

#include <boost/assert/source_location.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace sallyport {

using error_code = boost::system::error_code;

/// What a function that validates its input returns when it refuses: the code for programs, and one sentence
/// for people that names the thing and the reason ("server.key: no PRIVATE KEY block (found 2 CERTIFICATE)").
struct error {
  error_code code;
  std::string detail;
};

/// A value, or the error that explains why there is none. `.value()` throws boost::system::system_error.
template <class T>
using result = boost::system::result<T, error>;

/// Called by result<T>::value() (found by argument-dependent lookup).
[[noreturn]] void throw_exception_from_error(const error& failure, const boost::source_location& where);

/// Why a configuration was refused. Category "sallyport.configuration".
enum class configuration_error {
  unreadable_file = 1,       ///< missing, no permission, a directory, or an I/O error
  file_too_large,            ///< larger than any certificate or key file can be
  not_pem,                   ///< empty, DER where PEM is due, or no PEM block at all
  no_certificate,            ///< PEM, but without a CERTIFICATE block
  no_private_key,            ///< PEM, but without a PRIVATE KEY block
  bad_certificate,           ///< a CERTIFICATE block that doesn't parse
  bad_private_key,           ///< a PRIVATE KEY block that doesn't parse, or a key that can't sign
  bad_pkcs12,                ///< where PKCS#12 is due: empty, something else, damaged, or with several keys
  key_mismatch,              ///< the key is not the one of the first certificate
  passphrase_needed,         ///< an encrypted key and no passphrase source
  wrong_passphrase,          ///< an encrypted key that the given passphrase doesn't open
  weak_key,                  ///< certificate or key below the security level (112 bits)
  no_identity,               ///< no certificate and key were configured
  bad_ciphers,               ///< unknown or unusable cipher or cipher suite name
  bad_groups,                ///< unknown group name
  bad_application_protocol,  ///< an ALPN name that is empty or longer than 255 bytes
  bad_revocation_list,       ///< a CRL that doesn't parse, or a file without any
  bad_ocsp_response,         ///< an OCSP response that doesn't parse, or isn't for this certificate
  no_trust_anchor,           ///< client certificates are to be verified and no trust_store says by whom
  invalid_value,             ///< a setting outside of what it may be: a negative depth, a name that is none
  internal,                  ///< OpenSSL failed where it can't (out of memory)
};

/// Why a handshake ended without a connection. Each connection that fails reports exactly one of these, once, by
/// ssl_server::error_occurred. Category "sallyport.handshake"; the names are stable: they are the log's `reason` too.
enum class handshake_error {
  timeout_before_client_hello = 1,  ///< the deadline passed before a whole ClientHello came
  timeout_in_handshake,             ///< the deadline passed after the ClientHello
  not_tls,                          ///< the first bytes are no TLS record
  plain_http,                       ///< the first bytes are an HTTP request
  closed_by_client,                 ///< the client closed the connection (FIN) before the handshake was complete
  reset_by_client,                  ///< the client reset the connection (RST)
  no_common_version,                ///< client and server share no TLS version
  no_common_cipher,                 ///< client and server share no cipher suite
  no_common_group,                  ///< client and server share no key exchange group
  no_common_signature_algorithm,    ///< the client can't verify any signature that our keys can make
  no_common_application_protocol,   ///< ALPN without overlap (RFC 7301 section 3.2)
  unknown_server_name,              ///< the client asked (SNI) for a name that isn't served
  no_client_certificate,            ///< a client certificate is required and none was sent
  client_certificate_expired,       ///< outside its validity period
  client_certificate_unknown_ca,    ///< issued by nobody in the trust store
  client_certificate_revoked,       ///< on a revocation list
  client_certificate_rejected,      ///< any other verification error
  denied_by_policy,                 ///< a good certificate that no rule lets in
  bad_pre_shared_key,               ///< unknown identity or wrong key
  alert_from_client,                ///< the client sent a fatal alert; it is reported by alert_received
  protocol_violation,               ///< TLS at first sight, then bytes that break the protocol
  evicted,                          ///< given up to make room for newer clients (max_handshakes, a client's share)
  aborted,                          ///< the application ended it: abort(), close(), or the server is gone
  internal,                         ///< our fault: out of memory, a key that can't sign
};

/// Why an encrypted connection ended other than by the peer's close_notify (which is boost::asio::error::eof).
/// Errors of the kernel keep their own codes. Category "sallyport.stream".
enum class stream_error {
  truncated = 1,    ///< the peer's TCP end (FIN) came without close_notify: data may be missing (RFC 8446 section 6.1)
  alert_from_peer,  ///< the peer sent a fatal alert
  protocol_violation,  ///< a record that doesn't decrypt, or a message out of place
  message_flood,       ///< too many KeyUpdates or renegotiation requests without data between them
};

const boost::system::error_category& configuration_category() noexcept;
const boost::system::error_category& handshake_category() noexcept;
const boost::system::error_category& stream_category() noexcept;

error_code make_error_code(configuration_error value) noexcept;
error_code make_error_code(handshake_error value) noexcept;
error_code make_error_code(stream_error value) noexcept;

/// The enumerator's own name ("timeout_in_handshake"): what logs and metrics carry.
std::string_view to_string(configuration_error value) noexcept;
std::string_view to_string(handshake_error value) noexcept;
std::string_view to_string(stream_error value) noexcept;

/// Every handshake_error, in the enum's order: for tables and counters that want all of them from the start.
std::span<const handshake_error> all_handshake_errors() noexcept;

}  // namespace sallyport

namespace boost::system {
template <>
struct is_error_code_enum<sallyport::configuration_error> : std::true_type {};
template <>
struct is_error_code_enum<sallyport::handshake_error> : std::true_type {};
template <>
struct is_error_code_enum<sallyport::stream_error> : std::true_type {};
}  // namespace boost::system

#endif
