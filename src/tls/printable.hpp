// printable: a text from outside, fit for a sentence that ends up in a log.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_PRINTABLE_HPP
#define SALLYPORT_TLS_PRINTABLE_HPP

#include <string>
#include <string_view>

namespace sallyport::detail {

/// `text` with a question mark for everything but printable ASCII, cut after 64 characters.
inline std::string printable(std::string_view text) {
  constexpr std::size_t longest = 64;
  std::string safe{text.substr(0, longest)};
  for (char& c : safe) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text.size() > longest ? safe + "..." : safe;
}

}  // namespace sallyport::detail

#endif
