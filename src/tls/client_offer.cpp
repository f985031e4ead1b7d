// client_offer: a ClientHello's lists, kept as they came and read only when somebody wants to know.
//
// SPDX-License-Identifier: Apache-2.0
#include "client_offer.hpp"

#include "context_data.hpp"
#include "printable.hpp"
#include "registry_names.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

namespace sallyport::detail {
namespace {

// Of each list: there aren't as many numbers to offer, and what a client makes us remember has to be bounded.
constexpr std::size_t longest_list = 1024;
constexpr std::size_t longest_description = 300;

// The lists in the order in which they are kept.
enum list : std::size_t { legacy_version, versions, ciphers, groups, signature_algorithms, alpn, list_count };

// The extensions in which the last of them come, in the same order.
struct extension_list {
  list what;
  unsigned type;
};
constexpr std::array extension_lists{
    extension_list{versions, TLSEXT_TYPE_supported_versions},
    extension_list{groups, TLSEXT_TYPE_supported_groups},
    extension_list{signature_algorithms, TLSEXT_TYPE_signature_algorithms},
    extension_list{alpn, TLSEXT_TYPE_application_layer_protocol_negotiation},
};

constexpr std::uint16_t empty_renegotiation_info_scsv = 0x00ff;  // RFC 5746
constexpr std::uint16_t fallback_scsv = 0x5600;                  // RFC 7507

// ---- reading bytes of which nothing is sure ----

std::uint8_t byte_at(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }

std::uint16_t number_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
}

// What follows a length of so many bytes: as much as the length says and is there.
std::string_view after_length(std::string_view bytes, std::size_t size_of_length) {
  if (bytes.size() < size_of_length) return {};
  const std::size_t length = size_of_length == 1 ? byte_at(bytes, 0) : number_at(bytes, 0);
  return bytes.substr(size_of_length, length);
}

// The list of that kind in client_offer::bytes_, which are all of them or nothing.
std::string_view kept(std::string_view bytes, list which) {
  if (bytes.empty()) return {};
  for (std::size_t i = 0; i < which; ++i) bytes.remove_prefix(2 + after_length(bytes, 2).size());
  return after_length(bytes, 2);
}

std::vector<std::uint16_t> numbers(std::string_view bytes) {
  std::vector<std::uint16_t> all;
  for (std::size_t at = 0; at + 2 <= bytes.size(); at += 2) all.push_back(number_at(bytes, at));
  return all;
}

// ALPN's ProtocolNameList without its own length; nullopt if it is malformed. Of a `cut` one what is there.
std::optional<std::vector<std::string>> protocol_names(std::string_view bytes, bool cut) {
  std::vector<std::string> names;
  while (!bytes.empty()) {
    const std::size_t length = byte_at(bytes, 0);
    const std::string_view name = bytes.substr(1, length);
    if (name.size() < length && cut) break;
    if (name.size() < length || name.empty()) return std::nullopt;
    names.emplace_back(name);
    bytes.remove_prefix(1 + length);
  }
  return names;
}

// ---- sentences ----

std::string description(const std::vector<std::string>& names, bool cut = false) {
  if (names.empty()) return "none";
  std::string text = names.front();
  for (std::size_t i = 1; i < names.size(); ++i) {
    if (text.size() + 2 + names[i].size() > longest_description) {
      return text + ", and " + (cut ? "" : std::to_string(names.size() - i) + " ") + "more";
    }
    text += ", " + names[i];
  }
  return cut ? text + ", and more" : text;
}

template <class Name>
std::vector<std::string> names_of(std::string_view list, Name name) {
  std::vector<std::string> names;
  for (const std::uint16_t number : numbers(list)) {
    if (!is_grease(number)) names.push_back(name(number));
  }
  return names;
}

std::vector<std::string> cipher_names(std::string_view list) {
  std::vector<std::string> names;
  for (const std::uint16_t number : numbers(list)) {
    const bool is_signal = number == empty_renegotiation_info_scsv || number == fallback_scsv;
    if (!is_signal && !is_grease(number)) names.push_back(cipher_suite_name(number));
  }
  return names;
}

// A name as it is if it looks like one ("http/1.1"), otherwise in quotes.
std::string protocol_name(std::string_view name) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/.-_+";
  std::string text = printable(name);
  if (name.find_first_not_of(plain) == std::string_view::npos) return text;
  // So that it can be told where the name ends.
  std::ranges::replace(text, '"', '?');
  return '"' + text + '"';
}

std::vector<std::string> protocol_descriptions(const std::vector<std::string>& protocols) {
  std::vector<std::string> names;
  for (const std::string& protocol : protocols) {
    const bool grease = protocol.size() == 2 && is_grease(number_at(protocol, 0));
    if (!grease) names.push_back(protocol_name(protocol));
  }
  return names;
}

std::string versions_description(std::string_view bytes) {
  const std::string_view extension = kept(bytes, versions);
  if (!extension.empty()) return description(names_of(after_length(extension, 1), version_name));
  // Without the extension the client takes any version up to the one named, or doesn't: it can't say. Beyond TLS 1.2
  // the number means nothing (RFC 8446 section 4.2.1).
  const std::string_view named = kept(bytes, legacy_version);
  if (named.size() < 2) return "none";
  const std::uint16_t newest = std::min<std::uint16_t>(number_at(named, 0), TLS1_2_VERSION);
  std::string text = version_name(newest) + " or older";
  // The server refuses these though it has the version (RFC 7507): without a word of it nobody would understand.
  if (std::ranges::count(numbers(kept(bytes, ciphers)), fallback_scsv) != 0) text += " as a fallback";
  return text;
}

}  // namespace

void client_offer::remember(SSL* ssl) {
  const std::uint16_t newest = static_cast<std::uint16_t>(SSL_client_hello_get0_legacy_version(ssl));
  const char version[] = {static_cast<char>(newest >> 8), static_cast<char>(newest & 0xff)};
  std::array<std::string_view, list_count> lists{};
  lists[legacy_version] = {version, sizeof version};
  const unsigned char* data = nullptr;
  const std::size_t size = SSL_client_hello_get0_ciphers(ssl, &data);
  if (size != 0) lists[ciphers] = {reinterpret_cast<const char*>(data), size};
  for (const auto& [what, type] : extension_lists) {
    std::size_t length = 0;
    if (SSL_client_hello_get0_ext(ssl, type, &data, &length) != 1 || length == 0) continue;
    lists[what] = {reinterpret_cast<const char*>(data), length};
  }

  std::size_t total = 0;
  for (std::string_view& each : lists) {
    each = each.substr(0, longest_list);
    total += 2 + each.size();
  }
  std::string bytes;
  bytes.reserve(total);
  for (const std::string_view each : lists) {
    bytes += static_cast<char>(each.size() >> 8);
    bytes += static_cast<char>(each.size() & 0xff);
    bytes += each;
  }
  bytes_ = std::move(bytes);
}

std::vector<std::string> client_offer::application_protocols() const {
  const std::string_view extension = kept(bytes_, alpn);
  const bool cut = extension.size() == longest_list;
  const std::string_view list = after_length(extension, 2);
  if (!cut && extension.size() >= 2 && number_at(extension, 0) != extension.size() - 2) return {};
  return protocol_names(list, cut).value_or(std::vector<std::string>{});
}

std::string client_offer::describe(handshake_error lacking) const {
  if (bytes_.empty()) return {};
  const auto is_cut = [&](list which) { return kept(bytes_, which).size() == longest_list; };
  const auto in_extension = [&](list which) { return after_length(kept(bytes_, which), 2); };
  switch (lacking) {
    case handshake_error::no_common_version:
      return versions_description(bytes_);
    case handshake_error::no_common_cipher:
      return description(cipher_names(kept(bytes_, ciphers)), is_cut(ciphers));
    case handshake_error::no_common_group:
      return description(names_of(in_extension(groups), group_name), is_cut(groups));
    case handshake_error::no_common_signature_algorithm:
      return description(names_of(in_extension(signature_algorithms), signature_algorithm_name),
                         is_cut(signature_algorithms));
    case handshake_error::no_common_application_protocol:
      return description(protocol_descriptions(application_protocols()), is_cut(alpn));
    default:
      return {};
  }
}

// ---- the server's side ----

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
      return description(server_versions(ssl));
    case handshake_error::no_common_cipher:
      return description(server_ciphers(ssl));
    case handshake_error::no_common_group:
      return description(server_groups(context.groups));
    case handshake_error::no_common_signature_algorithm:
      return description(server_signature_algorithms(ssl));
    case handshake_error::no_common_application_protocol:
      return description(
          protocol_descriptions(protocol_names(context.alpn_wire, false).value_or(std::vector<std::string>{})));
    default:
      return {};
  }
}

}  // namespace sallyport::detail
