// ssl_error: what is wrong with a peer's certificate.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/ssl_error.hpp>

#include "asn1_time.hpp"
#include "certificate_data.hpp"
#include "utf8.hpp"

#include <openssl/x509_vfy.h>

#include <algorithm>
#include <ctime>
#include <utility>

namespace sallyport {

namespace {

// A peer may send names of any length, and each becomes a line of the log.
constexpr std::size_t longest_shown_name = 128;

std::string short_name(std::string name) { return detail::shortened(std::move(name), longest_shown_name); }

// Slots ask for sentences within a handshake: the queue stays as it was. detail::to_string empties it over a date that
// it can't read.
std::string date_of(const ASN1_TIME* time) {
  std::tm ignored{};
  ERR_set_mark();
  const bool readable = ASN1_TIME_to_tm(time, &ignored) == 1;
  ERR_pop_to_mark();
  return readable ? detail::to_string(time) : "an unreadable date";
}

// "certificate 0 (CN=alice)"
std::string which(const ssl_error& problem) {
  std::string text = "certificate " + std::to_string(problem.depth);
  if (!problem.certificate) return text;
  const std::string subject = short_name(problem.certificate->subject());
  return text + (subject.empty() ? " (without a subject)" : " (" + subject + ")");
}

std::string issuer_of(const ssl_error& problem) {
  const std::string issuer = problem.certificate ? short_name(problem.certificate->issuer()) : std::string();
  return issuer.empty() ? "its issuer" : "its issuer (" + issuer + ")";
}

std::string not_before(const ssl_error& problem) {
  return problem.certificate ? date_of(X509_get0_notBefore(problem.certificate->data().certificate.get())) : "its date";
}

std::string not_after(const ssl_error& problem) {
  return problem.certificate ? " on " + date_of(X509_get0_notAfter(problem.certificate->data().certificate.get())) : "";
}

// OpenSSL's own words: "unhandled critical extension".
std::string reason_of(int x509_error) {
  const char* reason = X509_verify_cert_error_string(x509_error);
  return reason ? reason : "unknown certificate verification error";
}

// Errors that have no code of their own: most are about revocation lists.
std::string unspecified_problem(const ssl_error& problem) {
  const std::string subject = which(problem) + " can't be looked up: the revocation list of " + issuer_of(problem);
  switch (problem.x509_error) {
    case X509_V_ERR_UNABLE_TO_GET_CRL:
      return subject + " is missing";
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
      return subject + " is for other certificates";
    case X509_V_ERR_CRL_NOT_YET_VALID:
      return subject + " is not valid yet";
    case X509_V_ERR_CRL_HAS_EXPIRED:
      return subject + " is out of date";
    default:
      return which(problem) + ": " + reason_of(problem.x509_error);
  }
}

std::string spelled_out(ssl_error_code code) {
  std::string words{to_string(code)};
  std::ranges::replace(words, '_', ' ');
  return words;
}

}  // namespace

std::string ssl_error::error_string() const {
  // A switch without default, so that the compiler tells when an enumerator is missing here.
  switch (code) {
    case ssl_error_code::unspecified_error:
      return unspecified_problem(*this);
    case ssl_error_code::no_error:
      return "nothing is wrong with " + which(*this);
    case ssl_error_code::unable_to_get_issuer_certificate:
    case ssl_error_code::unable_to_get_local_issuer_certificate:
      return which(*this) + ": " + issuer_of(*this) + " is not in the trust store";
    case ssl_error_code::unable_to_decrypt_certificate_signature:
      return which(*this) + " has a signature that cannot be decrypted";
    case ssl_error_code::unable_to_decode_issuer_public_key:
      return which(*this) + " has a public key that cannot be read";
    case ssl_error_code::certificate_signature_failed:
      return which(*this) + " has a wrong signature";
    case ssl_error_code::certificate_not_yet_valid:
      return which(*this) + " is not valid before " + not_before(*this);
    case ssl_error_code::certificate_expired:
      return which(*this) + " expired" + not_after(*this);
    case ssl_error_code::invalid_not_before_field:
      return which(*this) + " has an unreadable date of the beginning of its validity";
    case ssl_error_code::invalid_not_after_field:
      return which(*this) + " has an unreadable date of the end of its validity";
    case ssl_error_code::self_signed_certificate:
      return which(*this) + " is self-signed and not in the trust store";
    case ssl_error_code::self_signed_certificate_in_chain:
      return which(*this) + " is the self-signed root of the chain and not in the trust store";
    case ssl_error_code::unable_to_verify_first_certificate:
      return which(*this) + " came without " + issuer_of(*this) + ", so its signature cannot be verified";
    case ssl_error_code::certificate_revoked:
      return which(*this) + " is revoked";
    case ssl_error_code::invalid_ca_certificate:
      return which(*this) + " is not a CA's, but another one of the chain is signed with it";
    case ssl_error_code::path_length_exceeded:
      return which(*this) + " does not allow as many CAs below it as the chain has (path length)";
    case ssl_error_code::invalid_purpose:
      return which(*this) + " is not meant for this side of TLS (see its key usage and extended key usage)";
    case ssl_error_code::certificate_untrusted:
      return which(*this) + " is not trusted for this side of TLS";
    case ssl_error_code::certificate_rejected:
      return which(*this) + " is marked as rejected for this side of TLS";
    case ssl_error_code::subject_issuer_mismatch:
      return which(*this) + " names another issuer than the next one of the chain";
    case ssl_error_code::authority_issuer_serial_number_mismatch:
      return which(*this) + " names another key or serial number of its issuer than the next one of the chain has";
    case ssl_error_code::no_peer_certificate:
      return "the client sent no certificate";
    case ssl_error_code::host_name_mismatch:
      return which(*this) + " is for another host name";
    case ssl_error_code::no_ssl_support:
    case ssl_error_code::certificate_blacklisted:
    case ssl_error_code::certificate_status_unknown:
    case ssl_error_code::ocsp_no_response_found:
    case ssl_error_code::ocsp_malformed_request:
    case ssl_error_code::ocsp_malformed_response:
    case ssl_error_code::ocsp_internal_error:
    case ssl_error_code::ocsp_try_later:
    case ssl_error_code::ocsp_sig_required:
    case ssl_error_code::ocsp_unauthorized:
    case ssl_error_code::ocsp_response_cannot_be_trusted:
    case ssl_error_code::ocsp_response_cert_id_unknown:
    case ssl_error_code::ocsp_response_expired:
    case ssl_error_code::ocsp_status_unknown:
      break;
  }
  return which(*this) + ": " + spelled_out(code);
}

// In the order of OpenSSL's numbers. Others have no counterpart.
ssl_error_code ssl_error_code_of(int x509_error) noexcept {
  switch (x509_error) {
    case X509_V_OK:
      return ssl_error_code::no_error;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
      return ssl_error_code::unable_to_get_issuer_certificate;
    case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE:
      return ssl_error_code::unable_to_decrypt_certificate_signature;
    case X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY:
      return ssl_error_code::unable_to_decode_issuer_public_key;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return ssl_error_code::certificate_signature_failed;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return ssl_error_code::certificate_not_yet_valid;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return ssl_error_code::certificate_expired;
    case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
      return ssl_error_code::invalid_not_before_field;
    case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
      return ssl_error_code::invalid_not_after_field;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return ssl_error_code::self_signed_certificate;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return ssl_error_code::self_signed_certificate_in_chain;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
      return ssl_error_code::unable_to_get_local_issuer_certificate;
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return ssl_error_code::unable_to_verify_first_certificate;
    case X509_V_ERR_CERT_REVOKED:
      return ssl_error_code::certificate_revoked;
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
      return ssl_error_code::path_length_exceeded;
    case X509_V_ERR_INVALID_PURPOSE:
      return ssl_error_code::invalid_purpose;
    case X509_V_ERR_CERT_UNTRUSTED:
      return ssl_error_code::certificate_untrusted;
    case X509_V_ERR_CERT_REJECTED:
      return ssl_error_code::certificate_rejected;
    case X509_V_ERR_SUBJECT_ISSUER_MISMATCH:
      return ssl_error_code::subject_issuer_mismatch;
    case X509_V_ERR_AKID_SKID_MISMATCH:
    case X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH:
      return ssl_error_code::authority_issuer_serial_number_mismatch;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return ssl_error_code::host_name_mismatch;
    case X509_V_ERR_INVALID_CA:
      return ssl_error_code::invalid_ca_certificate;
    default:
      return ssl_error_code::unspecified_error;
  }
}

std::string_view to_string(ssl_error_code code) noexcept {
  switch (code) {
    case ssl_error_code::unspecified_error:
      return "unspecified_error";
    case ssl_error_code::no_error:
      return "no_error";
    case ssl_error_code::unable_to_get_issuer_certificate:
      return "unable_to_get_issuer_certificate";
    case ssl_error_code::unable_to_decrypt_certificate_signature:
      return "unable_to_decrypt_certificate_signature";
    case ssl_error_code::unable_to_decode_issuer_public_key:
      return "unable_to_decode_issuer_public_key";
    case ssl_error_code::certificate_signature_failed:
      return "certificate_signature_failed";
    case ssl_error_code::certificate_not_yet_valid:
      return "certificate_not_yet_valid";
    case ssl_error_code::certificate_expired:
      return "certificate_expired";
    case ssl_error_code::invalid_not_before_field:
      return "invalid_not_before_field";
    case ssl_error_code::invalid_not_after_field:
      return "invalid_not_after_field";
    case ssl_error_code::self_signed_certificate:
      return "self_signed_certificate";
    case ssl_error_code::self_signed_certificate_in_chain:
      return "self_signed_certificate_in_chain";
    case ssl_error_code::unable_to_get_local_issuer_certificate:
      return "unable_to_get_local_issuer_certificate";
    case ssl_error_code::unable_to_verify_first_certificate:
      return "unable_to_verify_first_certificate";
    case ssl_error_code::certificate_revoked:
      return "certificate_revoked";
    case ssl_error_code::invalid_ca_certificate:
      return "invalid_ca_certificate";
    case ssl_error_code::path_length_exceeded:
      return "path_length_exceeded";
    case ssl_error_code::invalid_purpose:
      return "invalid_purpose";
    case ssl_error_code::certificate_untrusted:
      return "certificate_untrusted";
    case ssl_error_code::certificate_rejected:
      return "certificate_rejected";
    case ssl_error_code::subject_issuer_mismatch:
      return "subject_issuer_mismatch";
    case ssl_error_code::authority_issuer_serial_number_mismatch:
      return "authority_issuer_serial_number_mismatch";
    case ssl_error_code::no_peer_certificate:
      return "no_peer_certificate";
    case ssl_error_code::host_name_mismatch:
      return "host_name_mismatch";
    case ssl_error_code::no_ssl_support:
      return "no_ssl_support";
    case ssl_error_code::certificate_blacklisted:
      return "certificate_blacklisted";
    case ssl_error_code::certificate_status_unknown:
      return "certificate_status_unknown";
    case ssl_error_code::ocsp_no_response_found:
      return "ocsp_no_response_found";
    case ssl_error_code::ocsp_malformed_request:
      return "ocsp_malformed_request";
    case ssl_error_code::ocsp_malformed_response:
      return "ocsp_malformed_response";
    case ssl_error_code::ocsp_internal_error:
      return "ocsp_internal_error";
    case ssl_error_code::ocsp_try_later:
      return "ocsp_try_later";
    case ssl_error_code::ocsp_sig_required:
      return "ocsp_sig_required";
    case ssl_error_code::ocsp_unauthorized:
      return "ocsp_unauthorized";
    case ssl_error_code::ocsp_response_cannot_be_trusted:
      return "ocsp_response_cannot_be_trusted";
    case ssl_error_code::ocsp_response_cert_id_unknown:
      return "ocsp_response_cert_id_unknown";
    case ssl_error_code::ocsp_response_expired:
      return "ocsp_response_expired";
    case ssl_error_code::ocsp_status_unknown:
      return "ocsp_status_unknown";
  }
  return "unknown";
}

}  // namespace sallyport
