// slow_key: keys whose passphrase takes long to try.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_FUZZ_SLOW_KEY_HPP
#define SALLYPORT_FUZZ_SLOW_KEY_HPP

#include <string_view>

namespace sallyport::fuzz {

/// True if an encrypted key in this PEM text asks for so many rounds of hashing that a fuzzer would take it for a hang.
/// It is the administrator's own key, so the library sets no limit.
bool is_slow_to_decrypt(std::string_view pem);

}  // namespace sallyport::fuzz

#endif
