// server_offer: what this server offers, for the sentence that says why a client and it have nothing in common.
//
// SPDX-License-Identifier: Apache-2.0
#include "server_offer.hpp"

#include "offer_text.hpp"
#include "registry_names.hpp"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

namespace sallyport::detail {
namespace {

std::uint16_t newest_version(SSL* ssl) {
  const long version = SSL_get_max_proto_version(ssl);
  return version == 0 ? TLS1_3_VERSION : static_cast<std::uint16_t>(version);
}

std::uint16_t oldest_version(SSL* ssl) {
  const long version = SSL_get_min_proto_version(ssl);
  return version == 0 ? TLS1_VERSION : static_cast<std::uint16_t>(version);
}

std::vector<std::string> server_versions(SSL* ssl) {
  std::vector<std::string> names;
  for (std::uint16_t version = newest_version(ssl); version >= oldest_version(ssl); --version) {
    names.push_back(version_name(version));
  }
  return names;
}

bool is_a(const EVP_PKEY* key, std::initializer_list<const char*> types) {
  return key != nullptr && std::ranges::any_of(types, [&](const char* type) { return EVP_PKEY_is_a(key, type) == 1; });
}

// With the versions and the key that the connection has: OpenSSL's list has suites that these rule out.
bool is_usable(SSL* ssl, const SSL_CIPHER* cipher) {
  const bool for_tls_1_3 = SSL_CIPHER_get_protocol_id(cipher) >> 8 == 0x13;
  if (for_tls_1_3) return newest_version(ssl) >= TLS1_3_VERSION;
  if (oldest_version(ssl) > TLS1_2_VERSION) return false;
  const EVP_PKEY* key = SSL_get_privatekey(ssl);
  switch (SSL_CIPHER_get_auth_nid(cipher)) {
    case NID_auth_rsa:
      return is_a(key, {"RSA", "RSA-PSS"});
    case NID_auth_ecdsa:
      return is_a(key, {"EC", "ED25519", "ED448"});
    default:
      return true;
  }
}

std::vector<std::string> server_ciphers(SSL* ssl) {
  std::vector<std::string> names;
  const STACK_OF(SSL_CIPHER)* all = SSL_get_ciphers(ssl);
  for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(all, i);
    if (is_usable(ssl, cipher)) names.push_back(cipher_suite_name(SSL_CIPHER_get_protocol_id(cipher)));
  }
  return names;
}

std::vector<std::string> server_groups(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(':'), list.size());
    names.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return names;
}

// In TLS 1.3 a curve has one algorithm (RFC 8446 section 4.2.3); in TLS 1.2 all of them go with any curve.
std::vector<std::string> ecdsa_algorithms(const EVP_PKEY* key, bool tls_1_3) {
  if (!tls_1_3) return {"ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512"};
  switch (EVP_PKEY_get_bits(key)) {
    case 256:
      return {"ecdsa_secp256r1_sha256"};
    case 384:
      return {"ecdsa_secp384r1_sha384"};
    case 521:
      return {"ecdsa_secp521r1_sha512"};
    default:
      return {};
  }
}

// What the key can sign with, which is the whole of what context.cpp allows for it.
std::vector<std::string> server_signature_algorithms(SSL* ssl) {
  const EVP_PKEY* key = SSL_get_privatekey(ssl);
  const bool tls_1_3 = SSL_version(ssl) >= TLS1_3_VERSION;
  if (is_a(key, {"EC"})) return ecdsa_algorithms(key, tls_1_3);
  if (is_a(key, {"ED25519"})) return {"ed25519"};
  if (is_a(key, {"ED448"})) return {"ed448"};
  if (is_a(key, {"RSA-PSS"})) return {"rsa_pss_pss_sha256", "rsa_pss_pss_sha384", "rsa_pss_pss_sha512"};
  if (!is_a(key, {"RSA"})) return {};
  std::vector<std::string> names{"rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"};
  if (!tls_1_3) names.insert(names.end(), {"rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512"});
  return names;
}

}  // namespace

std::string describe_server_offer(SSL* ssl, const context_data& context, handshake_error lacking) {
  switch (lacking) {
    case handshake_error::no_common_version:
      return offer_text(server_versions(ssl));
    case handshake_error::no_common_cipher:
      return offer_text(server_ciphers(ssl));
    case handshake_error::no_common_group:
      return offer_text(server_groups(context.groups));
    case handshake_error::no_common_signature_algorithm:
      return offer_text(server_signature_algorithms(ssl));
    case handshake_error::no_common_application_protocol:
      return offer_text(
          protocol_descriptions(protocol_names(context.alpn_wire, false).value_or(std::vector<std::string>{})));
    default:
      return {};
  }
}

}  // namespace sallyport::detail
