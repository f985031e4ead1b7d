// ticket_keys_data: what ticket_keys are on the inside.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_TICKET_KEYS_DATA_HPP
#define SALLYPORT_TLS_TICKET_KEYS_DATA_HPP

#include <openssl/crypto.h>

#include <array>

namespace sallyport::detail {

struct ticket_keys_data {
  ticket_keys_data() = default;
  ticket_keys_data(const ticket_keys_data&) = delete;
  ticket_keys_data& operator=(const ticket_keys_data&) = delete;
  ~ticket_keys_data() { OPENSSL_cleanse(bytes.data(), bytes.size()); }

  /// As SSL_CTX_set_tlsext_ticket_keys() wants them: the keys' name (16 bytes, sent in the clear in each ticket), the
  /// HMAC's key and AES-256's (32 bytes each).
  std::array<unsigned char, 80> bytes{};
};

}  // namespace sallyport::detail

#endif
