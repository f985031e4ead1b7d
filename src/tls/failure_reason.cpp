// failure_reason: from OpenSSL's errors to our vocabulary.
//
// SPDX-License-Identifier: Apache-2.0
#include "failure_reason.hpp"

#include <sallyport/alert.hpp>

#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>

namespace sallyport::detail {
namespace {

// OpenSSL reports an alert that the peer sent as this offset plus the alert's number.
bool is_alert_from_peer(unsigned long code) {
  return ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET &&
         ERR_GET_REASON(code) < SSL_AD_REASON_OFFSET + 256;
}

alert_type alert_of(unsigned long code) { return static_cast<alert_type>(ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET); }

std::string alert_sentence(unsigned long code) {
  return "the peer sent the alert '" + std::string(description(alert_of(code))) + "' (" +
         std::to_string(ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET) + ")";
}

handshake_error certificate_reason(long verify_result) {
  switch (verify_result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return handshake_error::client_certificate_expired;
    case X509_V_ERR_CERT_REVOKED:
      return handshake_error::client_certificate_revoked;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
      return handshake_error::client_certificate_unknown_ca;
    default:
      return handshake_error::client_certificate_rejected;
  }
}

bool offers(const STACK_OF(SSL_CIPHER) * ciphers, const SSL_CIPHER* wanted) {
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
    if (SSL_CIPHER_get_id(sk_SSL_CIPHER_value(ciphers, i)) == SSL_CIPHER_get_id(wanted)) return true;
  }
  return false;
}

// A cipher of TLS 1.2 is usable only with a group and a signature algorithm that both sides have, and OpenSSL says
// "no shared cipher" when any of the three is missing.
handshake_error why_no_shared_cipher(SSL* ssl) {
  if (SSL_version(ssl) != TLS1_2_VERSION) return handshake_error::no_common_cipher;
  const EVP_PKEY* key = SSL_get_privatekey(ssl);
  if (key == nullptr) return handshake_error::no_common_cipher;  // pre-shared keys alone
  const int our_authentication = EVP_PKEY_is_a(key, "RSA") == 1 ? NID_auth_rsa : NID_auth_ecdsa;
  const STACK_OF(SSL_CIPHER)* ours = SSL_get_ciphers(ssl);
  const STACK_OF(SSL_CIPHER)* theirs = SSL_get_client_ciphers(ssl);
  for (int i = 0; i < sk_SSL_CIPHER_num(ours); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ours, i);
    if (SSL_CIPHER_get_auth_nid(cipher) != our_authentication || !offers(theirs, cipher)) continue;
    return SSL_get_shared_group(ssl, -1) == 0 ? handshake_error::no_common_group
                                              : handshake_error::no_common_signature_algorithm;
  }
  return handshake_error::no_common_cipher;
}

// With a wrong key in TLS 1.2 the first thing that doesn't decrypt is Finished.
bool uses_pre_shared_key(SSL* ssl) {
  const SSL_CIPHER* cipher = SSL_get_pending_cipher(ssl);
  return cipher != nullptr && SSL_CIPHER_get_auth_nid(cipher) == NID_auth_psk;
}

// Reasons of the SSL library. What isn't listed is a message or record that breaks the protocol.
handshake_error ssl_reason(int reason, SSL* ssl) {
  switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_INAPPROPRIATE_FALLBACK:
      return handshake_error::no_common_version;
    case SSL_R_NO_SHARED_CIPHER:
      return why_no_shared_cipher(ssl);
    case SSL_R_NO_CIPHERS_SPECIFIED:
    case SSL_R_NO_CIPHERS_AVAILABLE:
      return handshake_error::no_common_cipher;
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SHARED_GROUPS:
      return handshake_error::no_common_group;
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
      return handshake_error::no_common_signature_algorithm;
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return handshake_error::no_common_application_protocol;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return handshake_error::no_client_certificate;
    case SSL_R_BINDER_DOES_NOT_VERIFY:
    case SSL_R_PSK_IDENTITY_NOT_FOUND:
      return handshake_error::bad_pre_shared_key;
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
    case SSL_R_DIGEST_CHECK_FAILED:
      return uses_pre_shared_key(ssl) ? handshake_error::bad_pre_shared_key : handshake_error::protocol_violation;
    case SSL_R_CALLBACK_FAILED:
    case SSL_R_CERT_CB_ERROR:
    case ERR_R_INTERNAL_ERROR:
    case ERR_R_MALLOC_FAILURE:
      return handshake_error::internal;
    default:
      return handshake_error::protocol_violation;
  }
}

// Nothing that a client says makes the messages fail that hold a signature of ours. What such a failure leaves on the
// error queue depends on the version and on the key.
bool was_signing(SSL* ssl) {
  const OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);
  return state == TLS_ST_SW_KEY_EXCH || state == TLS_ST_SW_CERT_VRFY || state == TLS_ST_CW_CERT_VRFY;
}

}  // namespace

failure handshake_failure(SSL* ssl) {
  // Before the verdict on a certificate there may be errors of the library that couldn't verify its signature.
  const unsigned long verdict = ERR_peek_last_error();
  if (ERR_GET_LIB(verdict) == ERR_LIB_SSL && ERR_GET_REASON(verdict) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    ERR_clear_error();
    const long result = SSL_get_verify_result(ssl);
    return {certificate_reason(result), X509_verify_cert_error_string(result)};
  }

  // Otherwise the oldest error is the cause; later ones tell which callers passed it on.
  const unsigned long code = ERR_peek_error();
  const std::string words = take_openssl_error();
  if (code == 0) return {handshake_error::internal, "OpenSSL gave up the handshake without a reason"};
  if (is_alert_from_peer(code)) return {handshake_error::alert_from_client, alert_sentence(code)};
  if (was_signing(ssl)) return {handshake_error::internal, "our key didn't sign the handshake: " + words};
  if (ERR_GET_LIB(code) != ERR_LIB_SSL) {
    // A malformed certificate or key share of the peer surfaces from the library that couldn't parse it; running out
    // of memory does too. The alert that OpenSSL chose tells nothing more.
    const bool ours = ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE || ERR_GET_REASON(code) == ERR_R_INTERNAL_ERROR;
    return {ours ? handshake_error::internal : handshake_error::protocol_violation, words};
  }
  return {ssl_reason(ERR_GET_REASON(code), ssl), words};
}

handshake_error reason_of(const ssl_error& error) noexcept {
  if (error.code == ssl_error_code::no_peer_certificate) return handshake_error::no_client_certificate;
  return certificate_reason(error.x509_error);
}

failure stream_failure() {
  // The latest is ours: what had been in the queue before wasn't taken out. OpenSSL puts no other on top of it here.
  const unsigned long code = ERR_peek_last_error();
  const std::string words = take_last_openssl_error();
  if (is_alert_from_peer(code)) return {stream_error::alert_from_peer, alert_sentence(code)};
  return {stream_error::protocol_violation, words.empty() ? "the connection had ended before" : words};
}

}  // namespace sallyport::detail
