// ascii: letters and digits of protocols.
//
// Not those of <cctype>, which depend on the locale.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_ASCII_HPP
#define SALLYPORT_TLS_ASCII_HPP

namespace sallyport::detail {

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
constexpr bool is_letter(char c) noexcept { return lower(c) >= 'a' && lower(c) <= 'z'; }
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// What a hexadecimal digit of either case stands for; -1 if it is none.
constexpr int hexadecimal(char c) noexcept {
  if (is_digit(c)) return c - '0';
  return lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

}  // namespace sallyport::detail

#endif
