// openssl_server: an echo over TLS on OpenSSL alone, with the settings and the tricks of the library, without sockets.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_BENCH_OPENSSL_SERVER_HPP
#define SALLYPORT_BENCH_OPENSSL_SERVER_HPP

#include "epoll_server.hpp"

#include <openssl/ssl.h>

#include <span>
#include <string>

/// Like the library's context with the profile "intermediate" (src/tls/context.cpp): both sides do the same
/// cryptography. Ends the program with a sentence if it can't be made.
SSL_CTX* make_server_context(const std::string& certificate_file, const std::string& key_file);

/// One client. OpenSSL reads what was received where it lies, and writes into one buffer that all share.
class tls_echo {
 public:
  explicit tls_echo(SSL_CTX* context);
  ~tls_echo() { SSL_free(ssl_); }

  tls_echo(const tls_echo&) = delete;
  tls_echo& operator=(const tls_echo&) = delete;

  /// At most 128 KiB are received.
  reply on_input(std::span<const char> received);

  SSL* ssl() const noexcept { return ssl_; }

 private:
  bool echo_all();

  SSL* ssl_;
};

#endif
