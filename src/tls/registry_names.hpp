// registry_names: what the numbers in a ClientHello are called in the standards (IANA's TLS registries).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_REGISTRY_NAMES_HPP
#define SALLYPORT_TLS_REGISTRY_NAMES_HPP

#include <cstdint>
#include <string>

namespace sallyport::detail {

/// A number without a name here is written in hexadecimal: "0x1234".
std::string version_name(std::uint16_t number);              ///< "TLSv1.2"
std::string cipher_suite_name(std::uint16_t number);         ///< "TLS_AES_128_GCM_SHA256"
std::string group_name(std::uint16_t number);                ///< "X25519", "P-256"
std::string signature_algorithm_name(std::uint16_t number);  ///< "ecdsa_secp256r1_sha256"

/// Reserved to keep servers from choking on what they don't know (RFC 8701): it means nothing.
constexpr bool is_grease(std::uint16_t number) { return (number & 0x0f0f) == 0x0a0a && number >> 8 == (number & 0xff); }

}  // namespace sallyport::detail

#endif
