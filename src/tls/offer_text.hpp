// offer_text: how the lists of an offer are written in a sentence.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_OFFER_TEXT_HPP
#define SALLYPORT_TLS_OFFER_TEXT_HPP

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::detail {

/// "X25519, P-256", at most about 300 characters, then ", and 7 more"; "none" if there is none. Of a list that was
/// `cut` nobody knows how many more.
std::string offer_text(const std::vector<std::string>& names, bool cut = false);

/// ALPN's ProtocolNameList without its own length; nullopt if it is malformed. Of a `cut` one what is there.
std::optional<std::vector<std::string>> protocol_names(std::string_view bytes, bool cut);

/// The same, fit to be shown.
std::vector<std::string> protocol_descriptions(const std::vector<std::string>& protocols);

}  // namespace sallyport::detail

#endif
