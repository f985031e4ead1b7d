// der_encoding: a certificate or a public key as DER, in OpenSSL's memory.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_DER_ENCODING_HPP
#define SALLYPORT_TLS_DER_ENCODING_HPP

#include "openssl.hpp"

#include <cstddef>
#include <string_view>

namespace sallyport::detail {

class der_encoding {
 public:
  explicit der_encoding(const X509* certificate) noexcept : size_(i2d_X509(certificate, &bytes_)) {}
  /// With its algorithm: a SubjectPublicKeyInfo.
  explicit der_encoding(const X509_PUBKEY* key) noexcept : size_(i2d_X509_PUBKEY(key, &bytes_)) {}
  explicit der_encoding(const EVP_PKEY* public_key) noexcept : size_(i2d_PUBKEY(public_key, &bytes_)) {}
  der_encoding(const der_encoding&) = delete;
  der_encoding& operator=(const der_encoding&) = delete;
  ~der_encoding() { OPENSSL_free(bytes_); }

  /// Empty if OpenSSL has failed: it is out of memory.
  std::string_view bytes() const noexcept {
    if (size_ <= 0) return {};
    return {reinterpret_cast<const char*>(bytes_), static_cast<std::size_t>(size_)};
  }

 private:
  unsigned char* bytes_ = nullptr;
  int size_;
};

}  // namespace sallyport::detail

#endif
