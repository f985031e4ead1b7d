// pkcs11_engine: keys and certificates in tokens (PKCS#11), by the engine "pkcs11" of libp11.
//
// For systems without a PKCS#11 provider, such as Debian 12. The engine and its token module are loaded at the first
// call and stay. Tokens are looked for once: one that comes later isn't found, as looking again isn't safe while
// another thread signs. The keys themselves may sign in any number of threads.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_PKCS11_ENGINE_HPP
#define SALLYPORT_TLS_PKCS11_ENGINE_HPP

#include "openssl.hpp"

#include <sallyport/error.hpp>
#include <sallyport/identity.hpp>

#include <string>

namespace sallyport::detail {

/// A key that stays in its token. `name` is the URI as sentences may show it. The PIN is asked of `passphrase` unless
/// the URI has one.
result<pkey_ptr> private_key_from_pkcs11_engine(const std::string& uri, const std::string& name,
                                                const passphrase_source& passphrase);

/// The one certificate that the URI means.
result<x509_ptr> certificate_from_pkcs11_engine(const std::string& uri, const std::string& name,
                                                const passphrase_source& passphrase);

}  // namespace sallyport::detail

#endif
