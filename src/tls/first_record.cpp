// first_record: what a client's first bytes are, before OpenSSL is given any memory for it.
//
// SPDX-License-Identifier: Apache-2.0
#include "first_record.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace sallyport::detail {
namespace {

constexpr std::size_t decisive_size = 9;

// Methods with the space that ends them, so that "GETX" isn't one. "PRI " is HTTP/2 with prior knowledge.
constexpr std::array<std::string_view, 10> http_methods = {"GET ",     "HEAD ",    "POST ",  "PUT ",   "DELETE ",
                                                           "CONNECT ", "OPTIONS ", "TRACE ", "PATCH ", "PRI "};

first_record inspect_text(std::string_view text) {
  bool could_be_http = false;
  for (const std::string_view method : http_methods) {
    if (text.starts_with(method)) return first_record::plain_http;
    if (method.starts_with(text)) could_be_http = true;
  }
  return could_be_http ? first_record::undecided : first_record::not_tls;
}

}  // namespace

first_record inspect_first_record(std::span<const std::byte> bytes) noexcept {
  if (bytes.empty()) return first_record::undecided;
  const auto at = [&](std::size_t i) { return std::to_integer<unsigned>(bytes[i]); };

  if (at(0) != 22) {  // ContentType handshake (RFC 8446 section 5.1)
    const auto size = std::min(bytes.size(), decisive_size);
    return inspect_text({reinterpret_cast<const char*>(bytes.data()), size});
  }
  // legacy_record_version is 3.x for every TLS there is; the record isn't empty; its message is a client_hello.
  if (bytes.size() > 1 && at(1) != 3) return first_record::not_tls;
  if (bytes.size() > 2 && at(2) > 4) return first_record::not_tls;
  if (bytes.size() < 6) return first_record::undecided;
  const unsigned record_size = at(3) << 8 | at(4);
  if (record_size == 0 || record_size > 16384) return first_record::not_tls;
  if (at(5) != 1) return first_record::not_tls;
  // A message header that goes on in the next record is odd but legal: its claim can't be read here.
  if (record_size < 4) return first_record::client_hello;
  if (bytes.size() < decisive_size) return first_record::undecided;
  const std::size_t hello_size = at(6) << 16 | at(7) << 8 | at(8);
  return hello_size > max_client_hello_size ? first_record::oversized : first_record::client_hello;
}

}  // namespace sallyport::detail
