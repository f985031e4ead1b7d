// object_uri: names of keys and certificates that are not file names.
//
// SPDX-License-Identifier: Apache-2.0
#include "object_uri.hpp"

#include "ascii.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace sallyport::detail {

namespace {

std::string lowered(std::string_view text) {
  std::string result{text};
  std::ranges::transform(result, result.begin(), [](char c) { return detail::lower(c); });
  return result;
}

}  // namespace

std::string scheme_of(std::string_view text) {
  const auto is_allowed = [](char c) { return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.'; };
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon < 2 || !is_letter(text.front())) return {};
  const std::string_view scheme = text.substr(0, colon);
  return std::ranges::all_of(scheme, is_allowed) ? lowered(scheme) : std::string{};
}

std::string file_of(std::string_view uri) {
  if (scheme_of(uri) != "file") return {};
  uri.remove_prefix(std::string_view("file:").size());
  if (lowered(uri).starts_with("//localhost/")) {
    uri.remove_prefix(std::string_view("//localhost").size());
  } else if (uri.starts_with("///")) {
    uri.remove_prefix(2);
  }
  return std::string{uri};  // no %20 in it: OpenSSL takes such a URI as it is
}

std::string without_pin(std::string_view uri) {
  std::string safe{uri};
  for (std::size_t begin = 0; (begin = lowered(safe).find("pin-value")) != std::string::npos;) {
    // The rest of a PIN that holds a separator, which it may not, looks like an attribute without a value.
    std::size_t end = safe.find_first_of(";&", begin);
    while (end != std::string::npos) {
      const std::size_t next = safe.find_first_of(";&", end + 1);
      const std::size_t equals = safe.find('=', end + 1);
      if (equals != std::string::npos && (next == std::string::npos || equals < next)) break;
      end = next;
    }
    if (end == std::string::npos) {
      const bool is_all = begin > 0 && safe[begin - 1] == ':';
      safe.erase(begin > 0 && !is_all ? begin - 1 : begin);
    } else {
      safe.erase(begin, end + 1 - begin);
    }
  }
  std::ranges::replace_if(
      safe, [](char c) { return c < ' ' || c > '~'; }, '?');
  return safe;
}

bool has_pin(std::string_view uri) {
  const std::string text = lowered(uri);
  return text.find("pin-value=") != std::string::npos || text.find("pin-source=") != std::string::npos;
}

namespace {

// A pkcs11 URI with those attributes of `uri` alone.
std::string with_attributes(std::string_view uri, std::span<const std::string_view> wanted) {
  std::string token = "pkcs11:";
  std::size_t begin = uri.find(':') + 1;
  while (begin < uri.size()) {
    const std::size_t end = std::min(uri.find_first_of(";?&", begin), uri.size());
    const std::string_view attribute = uri.substr(begin, end - begin);
    if (std::ranges::find(wanted, attribute.substr(0, attribute.find('='))) != wanted.end()) {
      if (token.back() != ':') token += ';';
      token += attribute;
    }
    begin = end + 1;
  }
  return token;
}

// Those of a token, and those of its PIN.
constexpr std::array<std::string_view, 6> token_attributes{"token", "manufacturer", "serial",
                                                           "model", "pin-value",    "pin-source"};

}  // namespace

std::string token_of(std::string_view uri) { return with_attributes(uri, token_attributes); }

std::string token_without_pin(std::string_view uri) {
  return with_attributes(uri, std::span{token_attributes}.first<4>());
}

}  // namespace sallyport::detail
