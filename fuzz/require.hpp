// require: what the fuzzers assert, in every build.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_FUZZ_REQUIRE_HPP
#define SALLYPORT_FUZZ_REQUIRE_HPP

#include <cstddef>
#include <string_view>

namespace sallyport::fuzz {

/// Unless `held`, prints what was promised and aborts, which libFuzzer takes for a crash.
void require(bool held, const char* promise);

/// A sentence for people and logs: it says something, has no control characters, and is not longer than `longest`.
void require_sentence(std::string_view text, std::size_t longest);

/// The same, but it may be empty.
void require_loggable(std::string_view text, std::size_t longest);

/// Nothing is left on OpenSSL's error queue, where the next call would take it for its own.
void require_empty_error_queue();

}  // namespace sallyport::fuzz

#endif
