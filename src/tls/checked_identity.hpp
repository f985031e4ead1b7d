// checked_identity: a chain and a key, wherever they came from, become an identity or are refused.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_CHECKED_IDENTITY_HPP
#define SALLYPORT_TLS_CHECKED_IDENTITY_HPP

#include "identity_data.hpp"
#include "openssl.hpp"

#include <sallyport/error.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::detail {

/// Files with certificates and keys are never larger.
constexpr std::size_t identity_file_limit = std::size_t{1} << 20;

/// What the sentences call the two parts of an identity.
struct identity_names {
  std::string chain;
  std::string key;
  /// Whether `chain` is the name of a file or an object, which sentences about the key may repeat.
  bool chain_is_named = false;
};

/// True if `key` belongs to `certificate`. Only the public parts are compared, so the key may be in an HSM.
bool is_key_of(const X509* certificate, const EVP_PKEY* key);

/// Takes the chain of `key` out of certificates in any order: its own one first, then each one's issuer. Empty if none
/// is its own; what is of no use stays in `certificates`.
std::vector<x509_ptr> take_chain_of(std::vector<x509_ptr>& certificates, const EVP_PKEY* key);

/// All that identity promises of its parts: each certificate can be used, the key can sign and belongs to the first of
/// them, nothing is too weak; and the warnings. `certificates` has at least one.
result<std::shared_ptr<identity_data>> checked_identity(std::vector<x509_ptr> certificates, pkey_ptr key,
                                                        const identity_names& names);

}  // namespace sallyport::detail

#endif
