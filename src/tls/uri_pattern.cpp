// uri_pattern: URIs by RFC 3986, without its normalisation.
//
// SPDX-License-Identifier: Apache-2.0
#include "uri_pattern.hpp"

#include "ascii.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

namespace sallyport::detail {
namespace {

constexpr bool is_one_of(std::string_view set, char c) noexcept { return set.find(c) != std::string_view::npos; }

// RFC 3986 section 3.3; percent signs are looked at separately.
constexpr bool is_in_segments(char c) noexcept {
  return is_letter(c) || is_digit(c) || is_one_of("-._~!$&'()*+,;=:@", c);
}

bool same_ignoring_case(std::string_view one, std::string_view other) noexcept {
  return std::ranges::equal(one, other, {}, lower, lower);
}

struct uri_parts {
  std::string_view scheme;
  std::optional<std::string_view> authority;
  std::string_view path;
  std::string_view rest;  ///< query and fragment, with what they begin with
};

std::string_view take_until(std::string_view& text, std::string_view ends) noexcept {
  const std::string_view taken = text.substr(0, text.find_first_of(ends));
  text.remove_prefix(taken.size());
  return taken;
}

// None if it has no scheme.
std::optional<uri_parts> parts_of(std::string_view uri) noexcept {
  uri_parts parts;
  parts.scheme = take_until(uri, ":");
  if (uri.empty() || parts.scheme.empty() || !is_letter(parts.scheme.front())) return std::nullopt;
  const auto is_in_schemes = [](char c) { return is_letter(c) || is_digit(c) || is_one_of("+-.", c); };
  if (!std::ranges::all_of(parts.scheme, is_in_schemes)) return std::nullopt;
  uri.remove_prefix(1);
  if (uri.starts_with("//")) {
    uri.remove_prefix(2);
    parts.authority = take_until(uri, "/?#");
  }
  parts.path = take_until(uri, "?#");
  parts.rest = uri;
  return parts;
}

// "/a/b" as a, b, and "/a/" as a and an empty one.
std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  while (path.starts_with('/')) {
    path.remove_prefix(1);
    segments.push_back(take_until(path, "/"));
  }
  return segments;
}

// The byte that the percent sign at `at` stands for, -1 if none.
int escaped_byte(std::string_view text, std::size_t at) noexcept {
  if (text.size() - at < 3) return -1;
  const int high = hexadecimal(text[at + 1]), low = hexadecimal(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// Whoever decodes these finds another path, or the end of a text. '%' is for those who decode twice.
constexpr bool changes_a_path(int byte) noexcept {
  return byte < 0x20 || byte == 0x7f || byte == '/' || byte == '.' || byte == '\\' || byte == '%';
}

// Everybody takes it for the same segment.
bool is_plain(std::string_view segment) noexcept {
  if (segment.empty() || segment == "." || segment == "..") return false;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    if (segment[i] == '%' ? changes_a_path(escaped_byte(segment, i)) : !is_in_segments(segment[i])) return false;
  }
  return true;
}

bool has_wildcard(std::string_view text) noexcept { return text.find('*') != std::string_view::npos; }

bool is_equal(const uri_parts& one, const uri_parts& other) noexcept {
  return same_ignoring_case(one.scheme, other.scheme) && one.authority.has_value() == other.authority.has_value() &&
         same_ignoring_case(one.authority.value_or(""), other.authority.value_or("")) && one.path == other.path &&
         one.rest == other.rest;
}

bool matches_segments(std::span<const std::string_view> pattern, std::span<const std::string_view> segments) {
  const bool open_end = pattern.back() == "**";
  if (open_end) pattern = pattern.first(pattern.size() - 1);
  // "**" is one segment at least.
  if (open_end ? segments.size() <= pattern.size() : segments.size() != pattern.size()) return false;
  for (const std::string_view segment : segments) {
    if (!is_plain(segment) || has_wildcard(segment)) return false;
  }
  return std::ranges::equal(pattern, segments.first(pattern.size()),
                            [](std::string_view wanted, std::string_view is) { return wanted == "*" || wanted == is; });
}

std::string problem_of_characters(std::string_view uri) {
  for (std::size_t i = 0; i < uri.size(); ++i) {
    if (uri[i] == '%' ? escaped_byte(uri, i) < 0 : !is_in_segments(uri[i]) && !is_one_of("/?#[]", uri[i])) {
      return "has a character that must be escaped in a URI (RFC 3986)";
    }
  }
  return {};
}

std::string problem_of_wildcards(const uri_parts& parts) {
  if (has_wildcard(parts.authority.value_or("")) || has_wildcard(parts.rest) || !parts.path.starts_with('/')) {
    return "has a wildcard outside of a path";
  }
  if (!parts.authority) return "has a wildcard, and no authority as in spiffe://example.org";
  if (!parts.rest.empty()) return "has a wildcard, and a query or fragment";
  const std::vector<std::string_view> segments = segments_of(parts.path);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const std::string_view segment = segments[i];
    if (segment == "**" && i + 1 < segments.size()) return "has a ** that isn't at its end";
    if (has_wildcard(segment) && segment != "*" && segment != "**") {
      return "has a wildcard that is only a part of a segment";
    }
    if (segment.empty()) return "has a wildcard, and an empty segment, which none matches";
    if (!is_plain(segment)) return "has a wildcard, and a dot segment or an escaped character, which none matches";
  }
  return {};
}

}  // namespace

std::string problem_of_uri_pattern(std::string_view pattern) {
  const std::optional<uri_parts> parts = parts_of(pattern);
  if (!parts) return "has no scheme, as in spiffe://example.org/web";
  if (std::string problem = problem_of_characters(pattern); !problem.empty()) return problem;
  if (parts->authority && parts->authority->empty()) return "has nothing between // and the path";
  // Its case counts, other than that of the host behind it.
  if (is_one_of(parts->authority.value_or(""), '@')) return "has a user before the host";
  if (!parts->authority && parts->path.empty()) return "has nothing behind its scheme";
  return has_wildcard(pattern) ? problem_of_wildcards(*parts) : std::string();
}

bool matches_uri_pattern(std::string_view pattern, std::string_view uri) {
  const std::optional<uri_parts> wanted = parts_of(pattern), is = parts_of(uri);
  if (!wanted || !is) return false;
  if (is_equal(*wanted, *is)) return true;
  if (!has_wildcard(pattern) || !is->rest.empty() || !is->path.starts_with('/')) return false;
  return same_ignoring_case(wanted->scheme, is->scheme) && wanted->authority && is->authority &&
         same_ignoring_case(*wanted->authority, *is->authority) &&
         matches_segments(segments_of(wanted->path), segments_of(is->path));
}

}  // namespace sallyport::detail
