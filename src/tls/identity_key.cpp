// identity_key: see identity_key.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "identity_key.hpp"

#include "der_encoding.hpp"

#include <utility>

namespace sallyport::detail {
namespace {

/// Public and private keys of the same provider work by the same code. Keys of engines have none.
bool are_of_one_provider(const EVP_PKEY* one, const EVP_PKEY* other) noexcept {
  return one != nullptr && EVP_PKEY_get0_provider(one) != nullptr &&
         EVP_PKEY_get0_provider(one) == EVP_PKEY_get0_provider(other);
}

}  // namespace

bool has_shared_key(const X509* certificate, const EVP_PKEY* key) noexcept {
  return key != nullptr && X509_get0_pubkey(certificate) == key;
}

x509_ptr with_shared_key(x509_ptr certificate, EVP_PKEY* key) {
  if (has_shared_key(certificate.get(), key)) return certificate;
  if (!are_of_one_provider(X509_get0_pubkey(certificate.get()), key)) {
    ERR_clear_error();
    return certificate;
  }
  const der_encoding before(certificate.get());
  const der_encoding key_before(X509_get_X509_PUBKEY(certificate.get()));
  if (before.bytes().empty() || key_before.bytes().empty()) {
    ERR_clear_error();
    return certificate;
  }
  // OpenSSL encodes the key anew. The encoding that goes out is the one it keeps of the whole certificate, but others
  // look at the key's own.
  const bool is_same = X509_set_pubkey(certificate.get(), key) == 1 && has_shared_key(certificate.get(), key) &&
                       der_encoding(X509_get_X509_PUBKEY(certificate.get())).bytes() == key_before.bytes() &&
                       der_encoding(certificate.get()).bytes() == before.bytes();
  if (!is_same) {
    const auto* in = reinterpret_cast<const unsigned char*>(before.bytes().data());
    certificate.reset(d2i_X509(nullptr, &in, static_cast<long>(before.bytes().size())));
    if (certificate) X509_check_purpose(certificate.get(), -1, 0);  // decodes the extensions now: see ocsp_stapling
  }
  ERR_clear_error();
  return certificate;
}

}  // namespace sallyport::detail
