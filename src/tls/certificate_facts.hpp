// certificate_facts: what a client's certificate says that rules can be about.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_CERTIFICATE_FACTS_HPP
#define SALLYPORT_TLS_CERTIFICATE_FACTS_HPP

#include <optional>
#include <string>
#include <vector>

namespace sallyport {
class certificate;
}

namespace sallyport::detail {

/// Texts as the certificate has them, UTF-8; they may hold anything, NUL too.
struct certificate_facts {
  std::vector<std::string> dns_names, uris, email_addresses;
  std::vector<std::string> common_names, organizational_units;
  std::string public_key_digest;  ///< SHA-256 of the SubjectPublicKeyInfo, 32 bytes
};

/// None if one of its extensions, the subjectAltName above all, or one of these texts can't be read: who knows what
/// such a certificate means. Leaves OpenSSL's error queue as it was. Throws std::bad_alloc.
std::optional<certificate_facts> facts_of(const certificate& client);

}  // namespace sallyport::detail

#endif
