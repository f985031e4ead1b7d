// key_store: keys and certificates by their URIs, from OpenSSL's OSSL_STORE.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_KEY_STORE_HPP
#define SALLYPORT_TLS_KEY_STORE_HPP

#include "openssl.hpp"

#include <sallyport/error.hpp>
#include <sallyport/identity.hpp>

#include <string>
#include <vector>

namespace sallyport::detail {

/// All certificates behind `uri`, at least one, in the order of the store. Sentences name it without its PIN.
result<std::vector<x509_ptr>> certificates_from_uri(const std::string& uri, const passphrase_source& passphrase);

/// The first private key behind `uri`. It may be of no use but to sign, and slowly, in any number of threads.
result<pkey_ptr> private_key_from_uri(const std::string& uri, const passphrase_source& passphrase);

/// Empty if `key` makes a signature, of a kind that TLS 1.3 knows, that `certificate` verifies; else what doesn't work.
std::string signing_problem(EVP_PKEY* key, const X509* certificate);

}  // namespace sallyport::detail

#endif
