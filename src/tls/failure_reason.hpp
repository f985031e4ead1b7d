// failure_reason: from OpenSSL's errors to our vocabulary.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_FAILURE_REASON_HPP
#define SALLYPORT_TLS_FAILURE_REASON_HPP

#include "openssl.hpp"

#include <sallyport/error.hpp>
#include <sallyport/ssl_error.hpp>

#include <string>

namespace sallyport::detail {

/// Why a step failed, in our vocabulary and in a sentence.
struct failure {
  error_code code;
  std::string detail;
};

/// For a handshake that SSL_do_handshake has given up. Empties this thread's error queue.
failure handshake_failure(SSL* ssl);

/// For a client that was refused because of this.
handshake_error reason_of(const ssl_error& error) noexcept;

/// For a complete connection on which SSL_read, SSL_write or SSL_shutdown has failed. Empties the error queue.
failure stream_failure();

}  // namespace sallyport::detail

#endif
