// openssl: the rule for OpenSSL's error queue.
//
// SPDX-License-Identifier: Apache-2.0
#include "openssl.hpp"

namespace sallyport::detail {

namespace {

std::string words_of(unsigned long code) {
  if (code == 0) return {};
  if (const char* reason = ERR_reason_error_string(code)) return reason;
  // Errors of the operating system and of unknown libraries have no reason string of their own.
  char text[256];
  ERR_error_string_n(code, text, sizeof text);
  return text;
}

}  // namespace

std::string take_openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  return words_of(code);
}

std::string take_last_openssl_error() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  return words_of(code);
}

std::span<const unsigned char> client_hello_extension(SSL* ssl, unsigned type) noexcept {
  const unsigned char* bytes = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, type, &bytes, &size) != 1) return {};
  return {bytes, size};
}

}  // namespace sallyport::detail
