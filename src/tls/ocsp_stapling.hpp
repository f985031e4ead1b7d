// ocsp_stapling: the server's OCSP response goes out with its certificate (RFC 6066 section 8).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_OCSP_STAPLING_HPP
#define SALLYPORT_TLS_OCSP_STAPLING_HPP

#include "ocsp_response.hpp"

#include <memory>

namespace sallyport::detail {

/// A copy of the certificate that has this response with it, on every SSL that uses it: one may use several
/// certificates, and which one a client is shown is known only in its handshake. Null if OpenSSL is out of memory.
x509_ptr stapled(const X509* certificate, std::shared_ptr<const ocsp_response> response);

/// Once for each SSL_CTX: clients that ask get the response that is with the certificate, while it is good.
void install_ocsp_stapling(SSL_CTX* ctx) noexcept;

}  // namespace sallyport::detail

#endif
