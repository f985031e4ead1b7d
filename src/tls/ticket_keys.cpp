// ticket_keys: what session tickets are encrypted with (RFC 5077, RFC 8446 section 4.6.1).
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/ticket_keys.hpp>

#include "openssl.hpp"
#include "ticket_keys_data.hpp"

#include <openssl/rand.h>

#include <utility>

namespace sallyport {

result<ticket_keys> ticket_keys::random() {
  ERR_clear_error();
  auto data = std::make_shared<detail::ticket_keys_data>();
  // From the generator for what is to stay secret; the keys' name comes along.
  if (RAND_priv_bytes(data->bytes.data(), static_cast<int>(data->bytes.size())) != 1) {
    return error{configuration_error::internal,
                 "keys of session tickets: no random numbers (" + detail::take_openssl_error() + ")"};
  }
  return ticket_keys(std::move(data));
}

}  // namespace sallyport
