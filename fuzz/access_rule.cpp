// access_rule: a rule about clients, and whom it lets in. What it makes of a name is judged again here, in a simpler
// way.
//
// The last NUL separates the rule from a name that a client's certificate may have, as each kind of name in turn.
//
// SPDX-License-Identifier: Apache-2.0
#include "byte_reader.hpp"
#include "fixtures.hpp"
#include "require.hpp"
#include "target.hpp"

#include "tls/access_rule_data.hpp"

#include <sallyport/certificate.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::fuzz {
namespace {

using detail::certificate_facts;
using detail::rule_kind;

constexpr std::size_t longest_sentence = 256;

using texts = std::vector<std::string> certificate_facts::*;
constexpr std::array<std::pair<rule_kind, texts>, 5> names{{{rule_kind::dns, &certificate_facts::dns_names},
                                                            {rule_kind::uri, &certificate_facts::uris},
                                                            {rule_kind::email, &certificate_facts::email_addresses},
                                                            {rule_kind::cn, &certificate_facts::common_names},
                                                            {rule_kind::ou, &certificate_facts::organizational_units}}};

std::string lower(std::string_view text) {
  std::string made(text);
  std::ranges::transform(made, made.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return made;
}

std::string upper(std::string_view text) {
  std::string made(text);
  std::ranges::transform(made, made.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return made;
}

std::string host(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return lower(name);
}

bool is_good_dns(std::string_view rule, std::string_view name) {
  const std::string wanted = host(rule), is = host(name);
  if (wanted == is) return true;
  const std::size_t dot = is.find('.');
  return wanted.starts_with("*.") && dot != std::string::npos && dot > 0 && is.find('*') == std::string::npos &&
         is.substr(dot) == wanted.substr(1);
}

bool is_good_email(std::string_view rule, std::string_view name) {
  const std::size_t at = rule.find('@');
  return name.substr(0, at) == rule.substr(0, at) && name.size() > at && host(name.substr(at)) == host(rule.substr(at));
}

// Where the part ends whose case doesn't count: scheme and authority.
std::size_t end_of_head(std::string_view uri) {
  const std::size_t colon = uri.find(':');
  if (colon == std::string_view::npos) return uri.size();
  if (!uri.substr(colon + 1).starts_with("//")) return colon + 1;
  return std::min(uri.find_first_of("/?#", colon + 3), uri.size());
}

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at + 1), path.size());
    segments.push_back(path.substr(at + 1, end - at - 1));
    at = end;
  }
  return segments;
}

// None that somebody else could take for another path.
bool is_good_segment(std::string_view segment) {
  const auto is_odd = [](char c) { return c <= ' ' || c > '~' || c == '\\' || c == '?' || c == '#' || c == '*'; };
  const std::string small = lower(segment);
  const auto is_within = [&](std::string_view escaped) { return small.find(escaped) != std::string::npos; };
  constexpr std::array<std::string_view, 7> never{"%0", "%1", "%25", "%2e", "%2f", "%5c", "%7f"};
  return !segment.empty() && segment != "." && segment != ".." && std::ranges::none_of(segment, is_odd) &&
         std::ranges::none_of(never, is_within);
}

bool is_good_uri(std::string_view rule, std::string_view name) {
  const std::size_t head = end_of_head(rule);
  if (end_of_head(name) != head || lower(name.substr(0, head)) != lower(rule.substr(0, head))) return false;
  if (name.substr(head) == rule.substr(head)) return true;
  if (rule.find('*') == std::string_view::npos) return false;
  const std::vector<std::string_view> wanted = segments_of(rule.substr(head)), is = segments_of(name.substr(head));
  const bool open_end = wanted.back() == "**";
  if (open_end ? is.size() < wanted.size() : is.size() != wanted.size()) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i].starts_with('*') && wanted[i] != is[i]) return false;
  }
  return std::ranges::all_of(is, is_good_segment);
}

// Whether the rule may match this name; of common names and units, whether it must.
bool is_good(rule_kind kind, std::string_view rule, std::string_view name) {
  switch (kind) {
    case rule_kind::dns:
      return is_good_dns(rule, name);
    case rule_kind::uri:
      return is_good_uri(rule, name);
    case rule_kind::email:
      return is_good_email(rule, name);
    case rule_kind::cn:
    case rule_kind::ou:
      return name == rule;
    case rule_kind::spki:
      break;
  }
  return false;
}

void check_matches(const access_rule& rule, std::string_view name) {
  const detail::access_rule_data& data = rule.data();
  const std::string value = rule.text().substr(rule.text().find('=') + 1);
  require(!data.matches({}), "a rule doesn't match a certificate without names");
  for (const auto& [kind, member] : names) {
    const auto matches = [&, member = member](std::string_view text) {
      certificate_facts facts;
      facts.*member = {std::string(text)};
      return data.matches(facts);
    };
    const bool is_of_kind = data.kind == kind;
    require(matches(value) == is_of_kind, "a rule matches what it names, as that kind alone");
    const bool matched = matches(name);
    require(!matched || (is_of_kind && is_good(kind, value, name)), "a rule matches nothing else");
    const bool is_exact = kind == rule_kind::cn || kind == rule_kind::ou;
    require(!is_of_kind || !is_exact || matched == (name == value), "a text is compared exactly");
    if (kind == rule_kind::dns) {
      require(matches(upper(name)) == matched && matches(lower(name)) == matched,
              "the case of DNS names doesn't count");
    }
  }
  certificate_facts of_key;
  of_key.public_key_digest = data.value;
  require(data.matches(of_key) == (data.kind == rule_kind::spki), "a key is compared by its digest, by one kind alone");
}

struct client {
  explicit client(const fixture& own)
      : shown(certificate::from_pem(own.chain).value()), facts(detail::facts_of(shown).value()) {}

  certificate shown;
  certificate_facts facts;
};

void check_certificates(const access_rule& rule) {
  static const std::array clients{client(alice), client(bob)};
  for (const client& each : clients) {
    require(rule.matches(each.shown) == rule.data().matches(each.facts), "a certificate is what it says");
  }
}

void check_rule(std::string_view text, std::string_view name) {
  const auto made = access_rule::parse(text);
  if (!made) {
    require(made.error().code == configuration_error::invalid_value, "a bad rule is an invalid value");
    require_sentence(made.error().detail, longest_sentence);
    require(made.error().detail.starts_with("access rule \""), "a refusal repeats the rule");
    return;
  }
  require(made->text() == text, "a rule is shown as it was given");
  require_sentence(made->text(), text.size());
  check_matches(*made, name);
  check_certificates(*made);
}

}  // namespace
}  // namespace sallyport::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport::fuzz;
  const std::string_view text = byte_reader(data, size).text();
  const std::size_t end = text.rfind('\0');
  check_rule(text.substr(0, end), end == std::string_view::npos ? "" : text.substr(end + 1));
  require_empty_error_queue();
  return 0;
}
