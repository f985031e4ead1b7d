// openssl: owning pointers for OpenSSL's objects, and the rule for its error queue.
//
// OpenSSL keeps a queue of errors per thread. Whatever one call leaves there is read by the next one, for another
// connection, as its own. So: clear it before each call whose failure is looked at by SSL_get_error(), and take what a
// failure left.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_OPENSSL_HPP
#define SALLYPORT_TLS_OPENSSL_HPP

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <span>
#include <string>

namespace sallyport::detail {

template <auto Free>
struct openssl_free {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};

using bio_ptr = std::unique_ptr<BIO, openssl_free<BIO_free>>;
using crl_ptr = std::unique_ptr<X509_CRL, openssl_free<X509_CRL_free>>;
using general_names_ptr = std::unique_ptr<GENERAL_NAMES, openssl_free<GENERAL_NAMES_free>>;
using pkey_ptr = std::unique_ptr<EVP_PKEY, openssl_free<EVP_PKEY_free>>;
using ssl_ctx_ptr = std::unique_ptr<SSL_CTX, openssl_free<SSL_CTX_free>>;
using ssl_session_ptr = std::unique_ptr<SSL_SESSION, openssl_free<SSL_SESSION_free>>;
using ssl_ptr = std::unique_ptr<SSL, openssl_free<SSL_free>>;
using x509_ptr = std::unique_ptr<X509, openssl_free<X509_free>>;
using x509_store_ptr = std::unique_ptr<X509_STORE, openssl_free<X509_STORE_free>>;

/// The oldest error of this thread's queue in OpenSSL's words ("no start line"), or "" if it is empty. Empties the
/// queue.
std::string take_openssl_error();
/// The latest one.
std::string take_last_openssl_error();

/// An extension of the ClientHello, in the client_hello callback alone; empty if the client hasn't sent it.
std::span<const unsigned char> client_hello_extension(SSL* ssl, unsigned type) noexcept;

}  // namespace sallyport::detail

#endif
