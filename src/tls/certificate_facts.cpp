// certificate_facts: taken from the X509.
//
// SPDX-License-Identifier: Apache-2.0
#include "certificate_facts.hpp"

#include "certificate_data.hpp"
#include "der_encoding.hpp"

#include <openssl/objects.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>
#include <new>
#include <string_view>

namespace sallyport::detail {
namespace {

using openssl_bytes = std::unique_ptr<unsigned char, decltype([](unsigned char* bytes) { OPENSSL_free(bytes); })>;

std::string text_of(const openssl_bytes& bytes, int size) {
  return {reinterpret_cast<const char*>(bytes.get()), static_cast<std::size_t>(size)};
}

// OpenSSL sets the flag for extensions that don't parse, or are there twice. It doesn't mind bytes behind the end of
// one.
bool has_bad_extensions(X509* client) noexcept {
  if ((X509_get_extension_flags(client) & EXFLAG_INVALID) != 0) return true;
  const int names = X509_get_ext_by_NID(client, NID_subject_alt_name, -1);
  if (names < 0) return false;
  const ASN1_OCTET_STRING* der = X509_EXTENSION_get_data(X509_get_ext(client, names));
  const unsigned char* in = ASN1_STRING_get0_data(der);
  const unsigned char* const end = in + ASN1_STRING_length(der);
  const general_names_ptr parsed{d2i_GENERAL_NAMES(nullptr, &in, ASN1_STRING_length(der))};
  return !parsed || in != end;
}

// All attributes of a kind: there may be several, in one set or one after the other.
std::optional<std::vector<std::string>> subject_texts(const X509* client, int kind) {
  const X509_NAME* subject = X509_get_subject_name(client);
  std::vector<std::string> texts;
  for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, kind, i)) >= 0;) {
    unsigned char* text = nullptr;
    ERR_set_mark();
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)));
    ERR_pop_to_mark();
    if (size < 0) return std::nullopt;
    texts.push_back(text_of(openssl_bytes{text}, size));
  }
  return texts;
}

std::string digest_of_public_key(const X509* client) {
  const der_encoding key(X509_get_X509_PUBKEY(client));
  const std::string_view der = key.bytes();
  if (der.empty()) throw std::bad_alloc();
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  if (SHA256(reinterpret_cast<const unsigned char*>(der.data()), der.size(), digest.data()) == nullptr)
    throw std::bad_alloc();
  return {digest.begin(), digest.end()};
}

}  // namespace

std::optional<certificate_facts> facts_of(const certificate& client) {
  X509* const x509 = client.data().certificate.get();
  ERR_set_mark();
  const bool is_bad = has_bad_extensions(x509);
  ERR_pop_to_mark();
  if (is_bad) return std::nullopt;
  auto common_names = subject_texts(x509, NID_commonName);
  auto organizational_units = subject_texts(x509, NID_organizationalUnitName);
  if (!common_names || !organizational_units) return std::nullopt;
  return certificate_facts{.dns_names = client.dns_names(),
                           .uris = client.uris(),
                           .email_addresses = client.email_addresses(),
                           .common_names = *std::move(common_names),
                           .organizational_units = *std::move(organizational_units),
                           .public_key_digest = digest_of_public_key(x509)};
}

}  // namespace sallyport::detail
