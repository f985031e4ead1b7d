// client_session_bytes: see client_session_bytes.hpp.
//
//   magic   what it is, and which version of it
//   32      binding
//   8       good_until, big-endian
//   rest    OpenSSL's encoding (DER)
//
// SPDX-License-Identifier: Apache-2.0
#include "client_session_bytes.hpp"

#include <algorithm>
#include <cstddef>
#include <ctime>

namespace sallyport::detail {
namespace {

constexpr std::string_view magic = "sallyport client session 1\n";
constexpr std::size_t size_of_time = 8;
constexpr std::size_t header_size = magic.size() + std::tuple_size_v<policy_digest> + size_of_time;

}  // namespace

std::string bytes_of(SSL_SESSION* session, const policy_digest& binding, std::int64_t good_until) {
  const int size = i2d_SSL_SESSION(session, nullptr);
  if (size <= 0) return {};
  std::string bytes(header_size + static_cast<std::size_t>(size), '\0');
  auto end = std::ranges::copy(magic, bytes.begin()).out;
  end = std::ranges::copy(text_of(binding), end).out;
  for (int shift = 56; shift >= 0; shift -= 8) *end++ = static_cast<char>(good_until >> shift & 0xff);
  auto* der = reinterpret_cast<unsigned char*>(bytes.data()) + header_size;
  return i2d_SSL_SESSION(session, &der) == size ? bytes : std::string();
}

kept_session session_from(std::string_view bytes, const policy_digest& binding) noexcept {
  if (bytes.size() <= header_size || !bytes.starts_with(magic)) return {};
  if (bytes.substr(magic.size(), binding.size()) != text_of(binding)) return {};
  kept_session kept;
  for (const char byte : bytes.substr(header_size - size_of_time, size_of_time))
    kept.good_until = kept.good_until << 8 | static_cast<unsigned char>(byte);
  if (kept.good_until <= std::time(nullptr)) return {};
  const auto* der = reinterpret_cast<const unsigned char*>(bytes.data()) + header_size;
  const auto* const end = reinterpret_cast<const unsigned char*>(bytes.data()) + bytes.size();
  ERR_set_mark();
  kept.session.reset(d2i_SSL_SESSION(nullptr, &der, static_cast<long>(end - der)));
  ERR_pop_to_mark();
  if (der != end || !kept.session || SSL_SESSION_is_resumable(kept.session.get()) != 1) return {};
  return kept;
}

}  // namespace sallyport::detail
