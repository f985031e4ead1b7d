// verification: what a context asks of its peers' certificates. What each peer has shown is judged in
// client_verification.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_VERIFICATION_HPP
#define SALLYPORT_TLS_VERIFICATION_HPP

#include "openssl.hpp"

#include <sallyport/ssl_configuration.hpp>

namespace sallyport::detail {

/// The same of servers' certificates, for clients.
bool set_client_verification(SSL_CTX* ctx, const ssl_configuration& configuration);

/// Whether clients are asked for certificates, and what these are verified against. False if OpenSSL fails.
bool set_verification(SSL_CTX* ctx, const ssl_configuration& configuration);

}  // namespace sallyport::detail

#endif
