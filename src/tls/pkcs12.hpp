// pkcs12: certificates and key from a PKCS#12 structure (RFC 7292).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_PKCS12_HPP
#define SALLYPORT_TLS_PKCS12_HPP

#include "openssl.hpp"
#include "pem.hpp"

#include <sallyport/error.hpp>
#include <sallyport/identity.hpp>

#include <string>
#include <vector>

namespace sallyport::detail {

struct pkcs12_contents {
  pkey_ptr key;
  std::vector<x509_ptr> certificates;  ///< the key's own first, then each one's issuer; at least one
  std::vector<std::string> warnings;
};

/// `passphrase` is asked at most once, and only if neither no passphrase nor an empty one opens `source`; what it
/// throws is passed on.
result<pkcs12_contents> contents_of_pkcs12(const named_text& source, const passphrase_source& passphrase);

}  // namespace sallyport::detail

#endif
