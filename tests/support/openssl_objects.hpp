// openssl_objects: OpenSSL's objects for what makes certificates and lists for tests: their owners, and the way to and
// from PEM.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_OPENSSL_OBJECTS_HPP
#define SALLYPORT_TESTS_SUPPORT_OPENSSL_OBJECTS_HPP

#include "tls/openssl.hpp"

#include <string>

namespace sallyport::test {

using detail::bio_ptr;
using detail::crl_ptr;
using detail::general_names_ptr;
using detail::openssl_free;
using detail::pkey_ptr;
using detail::x509_ptr;

/// Unless `ok`, throws std::runtime_error with OpenSSL's reason, and empties its error queue.
void require(bool ok, const char* what);

/// In memory, to be written to or read from.
bio_ptr new_bio(const std::string& contents = {});
std::string contents_of(const bio_ptr& bio);

/// The first of a PEM text; it never asks for a passphrase.
x509_ptr parse_certificate(const std::string& pem);
pkey_ptr parse_key(const std::string& pem);

}  // namespace sallyport::test

#endif
