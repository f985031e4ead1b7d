// access_rule: parsed into a kind and a value that certificates' facts are compared with.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/access_rule.hpp>

#include "access_rule_data.hpp"
#include "ascii.hpp"
#include "openssl.hpp"
#include "printable.hpp"
#include "server_names.hpp"
#include "uri_pattern.hpp"
#include "utf8.hpp"

#include <sallyport/certificate.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

namespace sallyport {
namespace {

using detail::access_rule_data;
using detail::rule_kind;

struct named_kind {
  std::string_view name;
  rule_kind kind;
};
constexpr std::array kinds{named_kind{"dns", rule_kind::dns},     named_kind{"uri", rule_kind::uri},
                           named_kind{"email", rule_kind::email}, named_kind{"cn", rule_kind::cn},
                           named_kind{"ou", rule_kind::ou},       named_kind{"spki", rule_kind::spki}};

constexpr std::string_view digest_prefix = "sha256:";
constexpr std::size_t digest_size = 32, digits_of_digest = 64, base64_of_digest = 44;

// A value as it is compared, or what is wrong with it.
struct parsed_value {
  std::string value;
  std::string problem{};
};

parsed_value problem(std::string sentence) { return {.value = {}, .problem = std::move(sentence)}; }

parsed_value parse_dns(std::string_view name) {
  if (std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) {
    return problem("has letters that aren't ASCII: write them as A-labels (xn--...)");
  }
  if (const std::size_t star = name.rfind('*'); star != std::string_view::npos) {
    const std::string_view behind = name.substr(star + 1);
    if (star != 0 || !(behind.empty() || behind.front() == '.')) {
      return problem("has a wildcard that isn't the whole first label");
    }
    if (behind.find('.', 1) == std::string_view::npos) return problem("needs two labels or more behind the wildcard");
  }
  std::string normalized = detail::normalized_pattern(name);
  if (normalized.empty()) return problem("is no DNS name");
  return {std::move(normalized)};
}

// With its domain in lower case; "" if it isn't of the form that RFC 5280 section 4.2.1.6 wants, or is quoted, so that
// programs disagree about it.
std::string normalized_address(std::string_view address) {
  const std::size_t at = address.find('@');
  if (at == 0 || at == std::string_view::npos) return {};
  const std::string_view mailbox = address.substr(0, at);
  const auto is_allowed = [](char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\'; };
  const std::string domain = detail::normalized_name(address.substr(at + 1));
  if (domain.empty() || !std::ranges::all_of(mailbox, is_allowed)) return {};
  return std::string(mailbox) + "@" + domain;
}

parsed_value parse_email(std::string_view address) {
  if (address.find('*') != std::string_view::npos) return problem("has a wildcard, which there is none of for email");
  std::string normalized = normalized_address(address);
  if (normalized.empty()) return problem("is no address as in alice@example.org");
  return {std::move(normalized)};
}

parsed_value parse_uri(std::string_view uri) {
  return {.value = std::string(uri), .problem = detail::problem_of_uri_pattern(uri)};
}

std::optional<std::string> from_hexadecimal(std::string_view digits) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    const int high = detail::hexadecimal(digits[i]), low = detail::hexadecimal(digits[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

// 44 characters for 32 bytes. OpenSSL takes spaces around them and other bits behind the last byte: what it makes of
// the bytes again must be the same.
std::optional<std::string> from_base64(std::string_view text) {
  std::array<unsigned char, base64_of_digest> bytes{};
  std::array<unsigned char, base64_of_digest + 1> again;
  const auto* in = reinterpret_cast<const unsigned char*>(text.data());
  ERR_set_mark();
  const int size = EVP_DecodeBlock(bytes.data(), in, static_cast<int>(text.size()));
  EVP_EncodeBlock(again.data(), bytes.data(), static_cast<int>(digest_size));
  ERR_pop_to_mark();
  if (size < static_cast<int>(digest_size) || !std::equal(text.begin(), text.end(), again.begin())) return std::nullopt;
  return std::string(bytes.begin(), bytes.begin() + digest_size);
}

parsed_value parse_spki(std::string_view text) {
  if (!text.starts_with(digest_prefix)) return problem("must begin with spki=sha256:");
  text.remove_prefix(digest_prefix.size());
  std::optional<std::string> digest;
  if (text.size() == digits_of_digest) digest = from_hexadecimal(text);
  if (text.size() == base64_of_digest) digest = from_base64(text);
  if (!digest) return problem("has no SHA-256 digest: 64 hexadecimal digits, or 44 characters of Base64");
  return {*std::move(digest)};
}

parsed_value parse_value(rule_kind kind, std::string_view value) {
  switch (kind) {
    case rule_kind::dns:
      return parse_dns(value);
    case rule_kind::uri:
      return parse_uri(value);
    case rule_kind::email:
      return parse_email(value);
    case rule_kind::spki:
      return parse_spki(value);
    case rule_kind::cn:
    case rule_kind::ou:
      break;
  }
  return {std::string(value)};
}

parsed_value parse(std::string_view text, rule_kind& kind) {
  if (text.empty()) return problem("is empty");
  if (detail::escaped_for_log(text) != text) return problem("has control characters, or isn't UTF-8");
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return problem("has no =, as in dns=client.example.org");
  const auto* named = std::ranges::find(kinds, text.substr(0, equals), &named_kind::name);
  if (named == kinds.end()) return problem("begins with none of dns=, uri=, email=, cn=, ou= and spki=");
  kind = named->kind;
  const std::string_view value = text.substr(equals + 1);
  return value.empty() ? problem("has nothing behind the =") : parse_value(kind, value);
}

bool matches_dns(const std::string& pattern, const std::string& name) {
  if (detail::normalized_pattern(name) == pattern) return true;
  const std::string whole = detail::normalized_name(name);  // "" for wildcards
  const std::size_t dot = whole.find('.');
  return pattern.starts_with("*.") && dot != std::string::npos && whole.substr(dot) == pattern.substr(1);
}

}  // namespace

bool detail::access_rule_data::matches(const certificate_facts& client) const {
  const auto equals = [&](const std::string& each) { return each == value; };
  switch (kind) {
    case rule_kind::dns:
      return std::ranges::any_of(client.dns_names, [&](const auto& name) { return matches_dns(value, name); });
    case rule_kind::uri:
      return std::ranges::any_of(client.uris, [&](const auto& uri) { return matches_uri_pattern(value, uri); });
    case rule_kind::email:
      return std::ranges::any_of(client.email_addresses, equals, normalized_address);
    case rule_kind::cn:
      return std::ranges::any_of(client.common_names, equals);
    case rule_kind::ou:
      return std::ranges::any_of(client.organizational_units, equals);
    case rule_kind::spki:
      return client.public_key_digest == value;
  }
  return false;
}

const access_rule* detail::first_match(std::span<const access_rule> rules, const certificate& client) {
  const std::optional<certificate_facts> facts = facts_of(client);
  if (!facts) return nullptr;
  const auto found = std::ranges::find_if(rules, [&](const access_rule& rule) { return rule.data().matches(*facts); });
  return found == rules.end() ? nullptr : &*found;
}

result<access_rule> access_rule::parse(std::string_view text) {
  auto data = std::make_shared<access_rule_data>();
  data->text = text;
  parsed_value parsed = sallyport::parse(text, data->kind);
  if (!parsed.problem.empty()) {
    return error{configuration_error::invalid_value,
                 "access rule \"" + detail::printable(text) + "\": " + parsed.problem};
  }
  data->value = std::move(parsed.value);
  return access_rule{std::move(data)};
}

const std::string& access_rule::text() const noexcept { return data_->text; }

bool access_rule::matches(const certificate& client) const { return detail::first_match({this, 1}, client) != nullptr; }

}  // namespace sallyport
