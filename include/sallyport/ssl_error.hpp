// ssl_error: what is wrong with a peer's certificate.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_SSL_ERROR_HPP
#define SALLYPORT_SSL_ERROR_HPP

#include <sallyport/certificate.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace sallyport {

/// QSslError::SslError's values. OpenSSL's X509_V_ERR_* map to them by name; those without a counterpart are
/// unspecified_error (x509_error tells which). The OCSP ones never occur; they are here for completeness.
enum class ssl_error_code {
  unspecified_error = -1,
  no_error = 0,
  unable_to_get_issuer_certificate = 1,
  unable_to_decrypt_certificate_signature = 2,
  unable_to_decode_issuer_public_key = 3,
  certificate_signature_failed = 4,
  certificate_not_yet_valid = 5,
  certificate_expired = 6,
  invalid_not_before_field = 7,
  invalid_not_after_field = 8,
  self_signed_certificate = 9,
  self_signed_certificate_in_chain = 10,
  unable_to_get_local_issuer_certificate = 11,
  unable_to_verify_first_certificate = 12,
  certificate_revoked = 13,
  invalid_ca_certificate = 14,
  path_length_exceeded = 15,
  invalid_purpose = 16,
  certificate_untrusted = 17,
  certificate_rejected = 18,
  subject_issuer_mismatch = 19,
  authority_issuer_serial_number_mismatch = 20,
  no_peer_certificate = 21,
  host_name_mismatch = 22,
  no_ssl_support = 23,
  certificate_blacklisted = 24,
  certificate_status_unknown = 25,
  ocsp_no_response_found = 26,
  ocsp_malformed_request = 27,
  ocsp_malformed_response = 28,
  ocsp_internal_error = 29,
  ocsp_try_later = 30,
  ocsp_sig_required = 31,
  ocsp_unauthorized = 32,
  ocsp_response_cannot_be_trusted = 33,
  ocsp_response_cert_id_unknown = 34,
  ocsp_response_expired = 35,
  ocsp_status_unknown = 36,
};

/// The enumerator's own name ("certificate_expired").
std::string_view to_string(ssl_error_code code) noexcept;

/// One thing that is wrong with the certificate chain that a client, or to a client the server, has sent.
struct ssl_error {
  ssl_error_code code = ssl_error_code::no_error;
  /// Place in the chain: 0 is the peer's own certificate, 1 the CA that signed it, ...
  int depth = 0;
  /// The certificate at that depth; none for no_peer_certificate.
  std::optional<sallyport::certificate> certificate{};
  /// OpenSSL's number, X509_V_ERR_*; 0 for no_peer_certificate.
  int x509_error = 0;

  /// One sentence for people, fit for a log: "certificate 0 (CN=alice) expired on 2026-01-31 12:00:00 UTC".
  std::string error_string() const;

  /// The same code about the same certificate, as QSslError compares.
  friend bool operator==(const ssl_error& one, const ssl_error& other) noexcept {
    return one.code == other.code && one.certificate == other.certificate;
  }
};

/// How ssl_error::code follows from OpenSSL's number (X509_V_ERR_*); X509_V_OK is no_error.
ssl_error_code ssl_error_code_of(int x509_error) noexcept;

}  // namespace sallyport

#endif
