// load_tls: see load_tls.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "load_tls.hpp"

#include "identity_names.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <new>
#include <stdexcept>

namespace load {
namespace {

// With SSL_VERIFY_NONE OpenSSL would verify all the same and then ignore the result.
int accept_certificate(X509_STORE_CTX*, void*) { return 1; }

// What any server of ours signs with, and the issuer of its certificate. A short list is cheap for both sides.
constexpr const char* signature_algorithms = "ECDSA+SHA256:rsa_pss_rsae_sha256:RSA+SHA256";

// The first is the one that the key share is made for. In TLS 1.2 the list also says which certificates are understood,
// so that P-256 must be there for ECDSA.
bool set_groups(SSL_CTX* context, const load_options& options) {
  if (options.tls_version < TLS1_3_VERSION &&
      SSL_CTX_set1_groups_list(context, (options.group + ":P-256").c_str()) == 1) {
    return true;
  }
  ERR_clear_error();  // it was there twice
  return SSL_CTX_set1_groups_list(context, options.group.c_str()) == 1;
}

}  // namespace

std::string take_openssl_error() {
  const unsigned long code = ERR_peek_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "no reason given" : reason;
}

tls::tls(const load_options& options, window& window)
    : window_(window), names_(options.names), context_(SSL_CTX_new(TLS_client_method())) {
  SSL_CTX* const context = context_.get();
  if (context == nullptr) throw std::bad_alloc();
  const auto require = [](bool done, const std::string& what) {
    if (!done) throw std::runtime_error(what + ": OpenSSL refuses it (" + take_openssl_error() + ")");
  };
  require(SSL_CTX_set_min_proto_version(context, options.tls_version) == 1 &&
              SSL_CTX_set_max_proto_version(context, options.tls_version) == 1,
          "--tls");
  require(SSL_CTX_set_ciphersuites(context, options.ciphersuites.c_str()) == 1,
          "--ciphersuites " + options.ciphersuites);
  require(SSL_CTX_set_cipher_list(context, options.ciphers.c_str()) == 1, "--ciphers " + options.ciphers);
  require(set_groups(context, options), "--group " + options.group);
  require(SSL_CTX_set1_sigalgs_list(context, signature_algorithms) == 1, signature_algorithms);
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_cert_verify_callback(context, accept_certificate, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // Thousands of idle connections would otherwise hold 34 KiB each.
  if (options.mode == mode::idle) SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
}

ssl_ptr tls::make_ssl() {
  ssl_ptr ssl(SSL_new(context_.get()));
  BIO* const bio = ssl ? make_window_bio(window_) : nullptr;
  if (bio == nullptr) throw std::bad_alloc();
  SSL_set_bio(ssl.get(), bio, bio);
  SSL_set_connect_state(ssl.get());
  if (names_ > 0 && SSL_set_tlsext_host_name(ssl.get(), name_of_identity(chance_() % names_).c_str()) != 1)
    throw std::bad_alloc();
  return ssl;
}

ssl_ptr tls::make_resuming_ssl() {
  ssl_ptr ssl = make_ssl();
  // OpenSSL marks the session of a connection that broke off, for all who share it.
  if (!in_use_ || SSL_SESSION_is_resumable(in_use_.get()) == 0) in_use_.reset(SSL_SESSION_dup(session_.get()));
  if (!in_use_ || SSL_set_session(ssl.get(), in_use_.get()) != 1) throw std::bad_alloc();
  return ssl;
}

bool has_asked_name(const SSL* ssl) {
  const char* const asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  return asked == nullptr || X509_check_host(SSL_get0_peer_certificate(ssl), asked, 0, 0, nullptr) == 1;
}

bool tls::take_session(SSL* ssl) {
  if (SSL_SESSION_is_resumable(SSL_get0_session(ssl)) == 0) return false;
  // A copy, since that connection goes on with its own, and might spoil it.
  session_.reset(SSL_SESSION_dup(SSL_get0_session(ssl)));
  if (!session_) throw std::bad_alloc();
  return true;
}

}  // namespace load
