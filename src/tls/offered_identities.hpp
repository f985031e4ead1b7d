// offered_identities: the pre-shared keys that a TLS 1.3 ClientHello names (RFC 8446 section 4.2.11).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_OFFERED_IDENTITIES_HPP
#define SALLYPORT_TLS_OFFERED_IDENTITIES_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace sallyport::detail {

struct offered_identity {
  std::string_view name;  ///< points into the extension
  /// 0 for a key agreed on beforehand; a ticket has the time since it was issued here, plus a random number.
  std::uint32_t obfuscated_ticket_age;
  /// The size of its binder, the proof that the client has the key: that of the key's hash.
  std::size_t binder_size;
};

/// The identities of a pre_shared_key extension, at most `limit`; none if it is malformed (OpenSSL refuses it then).
std::vector<offered_identity> offered_identities(std::span<const unsigned char> extension, std::size_t limit);

/// True if a supported_versions extension has TLS 1.3.
bool offers_tls_1_3(std::span<const unsigned char> extension) noexcept;

/// True if a psk_key_exchange_modes extension has psk_dhe_ke, the only mode that we take.
bool offers_psk_with_dhe(std::span<const unsigned char> extension) noexcept;

}  // namespace sallyport::detail

#endif
