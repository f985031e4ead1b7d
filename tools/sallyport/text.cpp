// text: see text.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "text.hpp"

#include <spdlog/fmt/fmt.h>

#include <cstddef>
#include <cstdint>

namespace sallyport::tool {
namespace {

struct character {
  char32_t value = 0;
  std::size_t length = 1;
  bool valid = false;
};

// The first character of `text`, which is not empty. Strict UTF-8 (RFC 3629): no overlong forms, no surrogates. What
// isn't valid counts as one byte.
character first_character(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};

  std::size_t length = 0;
  char32_t value = 0;
  char32_t smallest = 0;
  if ((lead & 0xE0) == 0xC0) {
    length = 2, value = lead & 0x1F, smallest = 0x80;
  } else if ((lead & 0xF0) == 0xE0) {
    length = 3, value = lead & 0x0F, smallest = 0x800;
  } else if ((lead & 0xF8) == 0xF0) {
    length = 4, value = lead & 0x07, smallest = 0x10000;
  }
  if (length == 0 || text.size() < length) return {};
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xC0) != 0x80) return {};
    value = (value << 6) | (byte(at) & 0x3Fu);
  }
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < smallest || value > 0x10FFFF || surrogate) return {};
  return {value, length, true};
}

// Control characters (C0, DEL, C1), and what Unicode has for breaking lines, hiding, and turning text around.
bool is_plain(char32_t value) {
  if (value < 0x20 || (value >= 0x7F && value <= 0x9F)) return false;
  if (value >= 0x200B && value <= 0x200F) return false;  // zero width, direction marks
  if (value >= 0x2028 && value <= 0x202E) return false;  // line and paragraph separator, direction embedding
  if (value >= 0x2060 && value <= 0x206F) return false;  // invisible operators, direction isolates
  if (value == 0xAD || value == 0x61C || value == 0xFEFF) return false;
  return value < 0xE0000;  // tags, variation selectors, private use
}

void append_escaped(std::string& to, const character& c, char byte) {
  if (!c.valid) {
    to += fmt::format("\\x{:02x}", static_cast<std::uint8_t>(byte));
    return;
  }
  switch (c.value) {
    case '\n':
      to += "\\n";
      return;
    case '\r':
      to += "\\r";
      return;
    case '\t':
      to += "\\t";
      return;
    default:
      to += fmt::format("\\u{{{:x}}}", static_cast<std::uint32_t>(c.value));
  }
}

void append_printable(std::string& to, std::string_view text, bool escape_quotes) {
  while (!text.empty()) {
    const character c = first_character(text);
    const std::string_view bytes = text.substr(0, c.length);
    if (!c.valid || !is_plain(c.value)) {
      append_escaped(to, c, text.front());
    } else {
      if (escape_quotes && (c.value == '"' || c.value == '\\')) to += '\\';
      to += bytes;
    }
    text.remove_prefix(c.length);
  }
}

}  // namespace

std::string printable(std::string_view text) {
  std::string to;
  to.reserve(text.size());
  append_printable(to, text, false);
  return to;
}

std::string in_quotes(std::string_view text) {
  std::string to = "\"";
  append_printable(to, text, true);
  to += '"';
  return to;
}

std::string json_string(std::string_view text) {
  std::string to = "\"";
  while (!text.empty()) {
    const character c = first_character(text);
    const std::string_view bytes = text.substr(0, c.length);
    text.remove_prefix(c.length);
    if (!c.valid) {
      to += "\\ufffd";
    } else if (c.value == '"' || c.value == '\\') {
      to += '\\';
      to += bytes;
    } else if (c.value == '\n') {
      to += "\\n";
    } else if (is_plain(c.value)) {
      to += bytes;
    } else if (c.value < 0x10000) {
      to += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(c.value));
    } else {
      const std::uint32_t rest = static_cast<std::uint32_t>(c.value) - 0x10000;
      to += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
    }
  }
  to += '"';
  return to;
}

}  // namespace sallyport::tool
