// identity_key: one key for an identity, and not a second one in its certificate.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_IDENTITY_KEY_HPP
#define SALLYPORT_TLS_IDENTITY_KEY_HPP

#include "openssl.hpp"

namespace sallyport::detail {

/// True if `key` itself is what OpenSSL takes for the certificate's public key.
bool has_shared_key(const X509* certificate, const EVP_PKEY* key) noexcept;

/// Makes `key`, which must belong to the certificate, what OpenSSL takes for the certificate's public key. Each
/// handshake with an identity that isn't the default one compares the two, which is for nothing if they are the same
/// object; a separate one is also more memory, and with many identities it isn't in the processor's cache.
///
/// Returns the certificate with the same bytes, and has_shared_key() where that can be: not for keys that are elsewhere
/// than the public ones (in an HSM, of an engine), nor where the certificate writes the key in another way. Null if
/// OpenSSL is out of memory. The certificate must not be in use by others. Leaves nothing in OpenSSL's error queue.
x509_ptr with_shared_key(x509_ptr certificate, EVP_PKEY* key);

}  // namespace sallyport::detail

#endif
