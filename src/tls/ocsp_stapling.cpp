// ocsp_stapling: see ocsp_stapling.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "ocsp_stapling.hpp"

#include <openssl/x509v3.h>

#include <ctime>
#include <utility>

namespace sallyport::detail {
namespace {

using shared_response = std::shared_ptr<const ocsp_response>;

int index_of_response() noexcept {
  static const int index = CRYPTO_get_ex_new_index(
      CRYPTO_EX_INDEX_X509, 0, nullptr, nullptr, nullptr,
      [](void*, void* response, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<shared_response*>(response); });
  return index;
}

/// Asked when a client wants a response and the certificate for it is chosen.
int staple(SSL* ssl, void*) noexcept {
  const X509* const certificate = SSL_get_certificate(ssl);
  if (certificate == nullptr) return SSL_TLSEXT_ERR_NOACK;
  const auto* const found = static_cast<const shared_response*>(X509_get_ex_data(certificate, index_of_response()));
  if (found == nullptr) return SSL_TLSEXT_ERR_NOACK;
  const ocsp_response& response = **found;
  const auto now = std::chrono::system_clock::from_time_t(std::time(nullptr));
  if (now < response.begin || now >= response.end) return SSL_TLSEXT_ERR_NOACK;
  // OpenSSL takes a copy of its own, and frees it.
  void* const copy = OPENSSL_memdup(response.der.data(), response.der.size());
  if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(response.der.size()));
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

x509_ptr stapled(const X509* certificate, shared_response response) {
  x509_ptr copy{X509_dup(certificate)};
  if (!copy) return nullptr;
  X509_check_purpose(copy.get(), -1, 0);  // decodes the extensions now, not when threads share it
  auto kept = std::make_unique<shared_response>(std::move(response));
  if (X509_set_ex_data(copy.get(), index_of_response(), kept.get()) != 1) return nullptr;
  kept.release();  // the certificate owns it now
  return copy;
}

void install_ocsp_stapling(SSL_CTX* ctx) noexcept { SSL_CTX_set_tlsext_status_cb(ctx, staple); }

}  // namespace sallyport::detail
