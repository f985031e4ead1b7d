// offer_text: how the lists of an offer are written in a sentence.
//
// SPDX-License-Identifier: Apache-2.0
#include "offer_text.hpp"

#include "printable.hpp"
#include "registry_names.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace sallyport::detail {
namespace {

constexpr std::size_t longest_text = 300;

std::uint16_t first_two(std::string_view bytes) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[0]) << 8 | static_cast<unsigned char>(bytes[1]));
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

}  // namespace

std::string offer_text(const std::vector<std::string>& names, bool cut) {
  if (names.empty()) return "none";
  std::string text = names.front();
  for (std::size_t i = 1; i < names.size(); ++i) {
    if (text.size() + 2 + names[i].size() > longest_text) {
      return text + ", and " + (cut ? "" : std::to_string(names.size() - i) + " ") + "more";
    }
    text += ", " + names[i];
  }
  return cut ? text + ", and more" : text;
}

std::optional<std::vector<std::string>> protocol_names(std::string_view bytes, bool cut) {
  std::vector<std::string> names;
  while (!bytes.empty()) {
    const std::size_t length = static_cast<unsigned char>(bytes[0]);
    const std::string_view name = bytes.substr(1, length);
    if (name.size() < length && cut) break;
    if (name.size() < length || name.empty()) return std::nullopt;
    names.emplace_back(name);
    bytes.remove_prefix(1 + length);
  }
  return names;
}

std::vector<std::string> protocol_descriptions(const std::vector<std::string>& protocols) {
  std::vector<std::string> names;
  for (const std::string& protocol : protocols) {
    const bool grease = protocol.size() == 2 && is_grease(first_two(protocol));
    if (!grease) names.push_back(protocol_name(protocol));
  }
  return names;
}

}  // namespace sallyport::detail
