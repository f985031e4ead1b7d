// memory_handshake: an OpenSSL client against an SSL_CTX, in memory, without a session or a socket.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_MEMORY_HANDSHAKE_HPP
#define SALLYPORT_TESTS_SUPPORT_MEMORY_HANDSHAKE_HPP

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "support/test_pki.hpp"

namespace sallyport::test {

template <auto Free>
struct openssl_delete {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using client_ctx_ptr = std::unique_ptr<SSL_CTX, openssl_delete<SSL_CTX_free>>;
using connection_ptr = std::unique_ptr<SSL, openssl_delete<SSL_free>>;
using ssl_session_ptr = std::unique_ptr<SSL_SESSION, openssl_delete<SSL_SESSION_free>>;

/// A client that verifies nothing and, unless told otherwise, offers all that OpenSSL can at security level 0.
struct client_options {
  int min_version = TLS1_VERSION;
  int max_version = TLS1_3_VERSION;
  std::string ciphers{};
  std::string ciphersuites{};
  std::string groups{};
  std::string signature_algorithms{};
  std::vector<std::string> alpn{};
  std::string server_name{};
  credentials certificate{};  ///< sent if the server asks; empty: none
  std::string extra_chain{};  ///< PEM of one intermediate CA that is sent with it
  SSL_SESSION* resume = nullptr;
};

struct handshake_outcome {
  bool ok = false;           ///< both sides completed it
  std::string server_error;  ///< OpenSSL's reason, on the server's side
  std::string client_error;
  std::string version;
  std::string cipher;
  std::string group;
  std::string alpn;
  std::string server_certificate;  ///< its subject's common name
  int server_chain_length = 0;
  bool certificate_requested = false;
  std::vector<std::string> requested_cas;
  bool resumed = false;
  std::vector<ssl_session_ptr> tickets;  ///< sessions that the client was given
  std::string session_id_context;        ///< the server's
  long verify_result = -1;               ///< the server's, of the client's certificate
  connection_ptr server;                 ///< still open
  connection_ptr client;
  client_ctx_ptr client_ctx;
};

/// The whole handshake, and what the server sends right after it.
handshake_outcome shake_hands(SSL_CTX* server_ctx, const client_options& options = {});

}  // namespace sallyport::test

#endif
