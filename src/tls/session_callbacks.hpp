// session_callbacks: the callbacks that OpenSSL knows only per SSL_CTX and that belong to a session.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_SESSION_CALLBACKS_HPP
#define SALLYPORT_TLS_SESSION_CALLBACKS_HPP

#include "openssl.hpp"

namespace sallyport::detail {

/// Called once for each SSL_CTX, by context::make(). Sessions made from it find their own state again.
void install_session_callbacks(SSL_CTX* ssl_ctx) noexcept;

/// Lets sessions judge the peer's certificate: each error becomes a question. In peer_verification.cpp.
void install_verification_callbacks(SSL_CTX* ssl_ctx) noexcept;

/// Lets sessions ask for pre-shared keys, in TLS 1.2 and 1.3. In pre_shared_key_callbacks.cpp.
void install_pre_shared_key_callbacks(SSL_CTX* ssl_ctx) noexcept;

}  // namespace sallyport::detail

#endif
