// server_names: DNS names as clients ask for them (SNI), and what they stand for.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_SERVER_NAMES_HPP
#define SALLYPORT_TLS_SERVER_NAMES_HPP

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace sallyport::detail {

/// Lower case and without the dot at its end; "" if it is no host name: IP addresses, empty or overlong labels, other
/// characters than letters, digits, "-", "_" and dots. Names in other scripts come as A-labels ("xn--..."), which are
/// letters like others (RFC 5890). Throws std::bad_alloc.
std::string normalized_name(std::string_view name);

/// The same of what a certificate or a setting may have: "*." before at least two labels stands for one label.
std::string normalized_pattern(std::string_view pattern);

/// From names and wildcards to numbers. Not for names that are not normalized.
class name_table {
 public:
  /// The place of this pattern's number, which is `fresh` if it is a new one.
  std::size_t& at(const std::string& pattern, std::size_t fresh);

  /// What a name stands for, by itself or else by a wildcard; null if nothing.
  const std::size_t* find(std::string_view name) const noexcept;

  /// True if something is found by this name; a wildcard: if it is here, or a name that it stands for. Slow.
  bool has_any_in(std::string_view pattern) const noexcept;

  bool empty() const noexcept { return patterns_.empty(); }

 private:
  struct hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, std::size_t, hash, std::equal_to<>> patterns_;  // wildcards as ".example.com"
};

}  // namespace sallyport::detail

#endif
