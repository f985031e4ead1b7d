// verification: see verification.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "verification.hpp"

#include "revocation_check.hpp"
#include "session_callbacks.hpp"
#include "trust_store_data.hpp"

#include <openssl/x509v3.h>

namespace sallyport::detail {
namespace {

// A list of CA names longer than one record would be a burden on every handshake, and past 64 KiB break it.
constexpr int longest_ca_names = 16 * 1024;

// In bytes. OpenSSL would take 100 KiB, and a connection keeps what its client has shown.
constexpr long longest_client_chain = 32 * 1024;

// The names in CertificateRequest, by which a client with several certificates finds the one to send. An empty list
// means "any", and is what a very long one is replaced by.
bool set_client_ca_names(SSL_CTX* ctx, const trust_store_data& trust) {
  int size = 0;
  for (const x509_ptr& certificate : trust.certificates) {
    const X509_NAME* name = X509_get_subject_name(certificate.get());
    size += i2d_X509_NAME(name, nullptr) + 2;
    if (size > longest_ca_names) {
      SSL_CTX_set0_CA_list(ctx, nullptr);
      return true;
    }
    if (SSL_CTX_add1_to_CA_list(ctx, certificate.get()) != 1) return false;
  }
  return true;
}

/// Without any, the SSL_CTX's own store is empty.
bool set_trust(SSL_CTX* ctx, const ssl_configuration& configuration) {
  if (!configuration.ca_certificates) return true;
  if (!configuration.revocation)
    return SSL_CTX_set1_verify_cert_store(ctx, configuration.ca_certificates->data().store.get()) == 1;
  const x509_store_ptr store =
      store_with(*configuration.ca_certificates, *configuration.revocation, configuration.missing_revocation_list);
  return store && SSL_CTX_set1_verify_cert_store(ctx, store.get()) == 1;
}

}  // namespace

bool set_verification_of_clients(SSL_CTX* ctx, const ssl_configuration& configuration) {
  switch (configuration.verify_mode) {
    case peer_verify_mode::none:
      SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
      return true;
    case peer_verify_mode::query:
      SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
      break;
    case peer_verify_mode::verify:
      SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
      break;
    default:
      // A number that isn't an enumerator must not end up as a mode that lets everybody in.
      return false;
  }
  install_verification_callbacks(ctx);
  SSL_CTX_set_verify_depth(ctx, configuration.verify_depth);
  SSL_CTX_set_max_cert_list(ctx, longest_client_chain);
  if (SSL_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT) != 1) return false;
  if (!configuration.ca_certificates) return true;
  return set_client_ca_names(ctx, configuration.ca_certificates->data()) && set_trust(ctx, configuration);
}

bool set_verification_of_servers(SSL_CTX* ctx, const ssl_configuration& configuration) {
  switch (configuration.verify_mode) {
    case peer_verify_mode::none:
      // Its certificate comes all the same, and is told.
      SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
      break;
    case peer_verify_mode::query:
    case peer_verify_mode::verify:
      SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
      break;
    default:
      return false;
  }
  install_verification_callbacks(ctx);
  SSL_CTX_set_verify_depth(ctx, configuration.verify_depth);
  return SSL_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER) == 1 && set_trust(ctx, configuration);
}

}  // namespace sallyport::detail
