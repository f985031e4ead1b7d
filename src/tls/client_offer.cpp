// client_offer: a ClientHello's lists, kept as they came and read only when somebody wants to know.
//
// SPDX-License-Identifier: Apache-2.0
#include "client_offer.hpp"

#include "offer_text.hpp"
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

// ---- sentences ----

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

std::string versions_description(std::string_view bytes) {
  const std::string_view extension = kept(bytes, versions);
  if (!extension.empty()) return offer_text(names_of(after_length(extension, 1), version_name));
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
    const auto extension = client_hello_extension(ssl, type);
    if (!extension.empty()) lists[what] = {reinterpret_cast<const char*>(extension.data()), extension.size()};
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
      return offer_text(cipher_names(kept(bytes_, ciphers)), is_cut(ciphers));
    case handshake_error::no_common_group:
      return offer_text(names_of(in_extension(groups), group_name), is_cut(groups));
    case handshake_error::no_common_signature_algorithm:
      return offer_text(names_of(in_extension(signature_algorithms), signature_algorithm_name),
                        is_cut(signature_algorithms));
    case handshake_error::no_common_application_protocol:
      return offer_text(protocol_descriptions(application_protocols()), is_cut(alpn));
    default:
      return {};
  }
}

}  // namespace sallyport::detail
