// utf8: texts from outside that may be any language's, fit for a line of a log.
//
// SPDX-License-Identifier: Apache-2.0
#include "utf8.hpp"

namespace sallyport::detail {

namespace {

struct character {
  std::size_t size = 1;  ///< in bytes; 1 for a byte that isn't UTF-8
  bool valid = false;
  char32_t code_point = 0;
};

// The first one of a text that isn't empty. RFC 3629: no surrogates, nothing longer than it has to be.
character first_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {1, true, lead};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};
  char32_t code_point = lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code_point = (code_point << 6) | (byte(i) & 0x3fU);
  }
  const bool too_long = (size == 3 && code_point < 0x800) || (size == 4 && code_point < 0x10000);
  const bool no_character = (code_point >= 0xd800 && code_point < 0xe000) || code_point > 0x10ffff;
  if (too_long || no_character) return {};
  return {size, true, code_point};
}

// Control characters (C1 too: some terminals obey them), line separators, marks of the direction of writing.
bool changes_a_line(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

}  // namespace

std::string escaped_for_log(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string safe;
  while (!text.empty()) {
    const character next = first_of(text);
    const std::string_view bytes = text.substr(0, next.size);
    text.remove_prefix(next.size);
    if (next.valid && !changes_a_line(next.code_point)) {
      safe += bytes;
      continue;
    }
    for (const char c : bytes) {
      const auto byte = static_cast<unsigned char>(c);
      safe += {'\\', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return safe;
}

std::string shortened(std::string text, std::size_t longest) {
  if (text.size() <= longest) return text;
  std::size_t end = longest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  return text + "...";
}

}  // namespace sallyport::detail
