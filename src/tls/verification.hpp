// verification: what a context asks of its peers' certificates. What each peer has shown is judged in
// peer_verification.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_VERIFICATION_HPP
#define SALLYPORT_TLS_VERIFICATION_HPP

#include "openssl.hpp"

#include <sallyport/ssl_configuration.hpp>

namespace sallyport::detail {

/// Whether clients are asked for certificates, and what these are verified against. False if OpenSSL fails.
bool set_verification_of_clients(SSL_CTX* ctx, const ssl_configuration& configuration);

/// The same of servers' certificates, for a client's context.
bool set_verification_of_servers(SSL_CTX* ctx, const ssl_configuration& configuration);

}  // namespace sallyport::detail

#endif
