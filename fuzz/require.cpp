// require: what the fuzzers assert, in every build.
//
// SPDX-License-Identifier: Apache-2.0
#include "require.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace sallyport::fuzz {

void require(bool held, const char* promise) {
  if (held) return;
  std::fprintf(stderr, "fuzz: doesn't hold: %s\n", promise);
  std::abort();
}

void require_loggable(std::string_view text, std::size_t longest) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
  const bool safe = std::ranges::none_of(text, is_control);
  if (!safe || text.size() > longest) {
    std::fprintf(stderr, "fuzz: %zu bytes: ", text.size());
    for (const char c : text) std::fprintf(stderr, is_control(c) ? "\\x%02x" : "%c", static_cast<unsigned char>(c));
    std::fputc('\n', stderr);
  }
  require(safe, "a text for logs has no control characters");
  require(text.size() <= longest, "a text for logs has a bounded length");
}

void require_sentence(std::string_view text, std::size_t longest) {
  require(!text.empty(), "a sentence says something");
  require_loggable(text, longest);
}

void require_empty_error_queue() { require(ERR_peek_error() == 0, "OpenSSL's error queue is empty"); }

}  // namespace sallyport::fuzz
