// server_names: see server_names.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "server_names.hpp"

#include "ascii.hpp"

#include <algorithm>

namespace sallyport::detail {
namespace {

constexpr std::size_t longest_name = 253, longest_label = 63;  // RFC 1035 section 2.3.4

constexpr bool is_allowed(char c) noexcept { return is_digit(c) || is_letter(c) || c == '-' || c == '_'; }

bool is_label(std::string_view label) noexcept {
  return !label.empty() && label.size() <= longest_label && std::ranges::all_of(label, is_allowed);
}

}  // namespace

std::string normalized_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.size() > longest_name) return {};
  std::string_view last;
  for (std::size_t begin = 0; begin <= name.size(); begin += last.size() + 1) {
    last = name.substr(begin, name.find('.', begin) - begin);
    if (!is_label(last)) return {};
  }
  // No top-level domain is a number: that is an IPv4 address, in whatever form (RFC 9525 section 1.2).
  if (std::ranges::all_of(last, is_digit)) return {};
  std::string normalized(name);
  std::ranges::transform(normalized, normalized.begin(), lower);
  return normalized;
}

std::string normalized_pattern(std::string_view pattern) {
  if (!pattern.starts_with("*.")) return normalized_name(pattern);
  const std::string rest = normalized_name(pattern.substr(2));
  return rest.find('.') == std::string::npos ? std::string() : "*." + rest;
}

std::size_t& name_table::at(const std::string& pattern, std::size_t fresh) {
  return patterns_.try_emplace(pattern.starts_with("*.") ? pattern.substr(1) : pattern, fresh).first->second;
}

const std::size_t* name_table::find(std::string_view name) const noexcept {
  if (name.empty()) return nullptr;
  auto found = patterns_.find(name);
  if (found == patterns_.end() && name.find('.') != std::string_view::npos)
    found = patterns_.find(name.substr(name.find('.')));
  return found == patterns_.end() ? nullptr : &found->second;
}

bool name_table::has_any_in(std::string_view pattern) const noexcept {
  if (!pattern.starts_with("*.")) return find(pattern) != nullptr;
  const std::string_view suffix = pattern.substr(1);
  return std::ranges::any_of(patterns_, [suffix](const auto& each) {
    const std::string_view known = each.first;
    return known.ends_with(suffix) && known.find('.') == known.size() - suffix.size();
  });
}

}  // namespace sallyport::detail
