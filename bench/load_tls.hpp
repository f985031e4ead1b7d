// load_tls: the SSL_CTX of a thread of the client, set up to cost as little as it can, and the session it resumes.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_BENCH_LOAD_TLS_HPP
#define SALLYPORT_BENCH_LOAD_TLS_HPP

#include "load_options.hpp"
#include "load_window.hpp"

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <random>
#include <string>

namespace load {

struct ssl_deleter {
  void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
  void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
};
using ssl_ptr = std::unique_ptr<SSL, ssl_deleter>;
using session_ptr = std::unique_ptr<SSL_SESSION, ssl_deleter>;

class tls {
 public:
  /// Throws std::runtime_error if OpenSSL refuses the options.
  tls(const load_options& options, window& window);

  /// A client that talks through the window; one that resumes the session that was taken from another.
  ssl_ptr make_ssl();
  ssl_ptr make_resuming_ssl();

  /// False if there is none that could be resumed. In TLS 1.3 it comes after the handshake.
  bool take_session(SSL* ssl);

 private:
  window& window_;
  std::size_t names_;
  std::minstd_rand chance_{std::random_device{}()};  // threads and samples that ask for the same would find it cached
  std::unique_ptr<SSL_CTX, ssl_deleter> context_;
  session_ptr session_{};  // as it was taken: what fails may spoil its session, but not this one
  session_ptr in_use_{};
};

/// Whether a full handshake got a certificate for the name that was asked for, if one was.
bool has_asked_name(const SSL* ssl);

/// The oldest error of OpenSSL's queue in its words. Empties the queue, as every failure must, since nobody clears it
/// before each call.
std::string take_openssl_error();

}  // namespace load

#endif
