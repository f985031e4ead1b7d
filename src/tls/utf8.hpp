// utf8: texts from outside that may be any language's, fit for a line of a log.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_UTF8_HPP
#define SALLYPORT_TLS_UTF8_HPP

#include <cstddef>
#include <string>
#include <string_view>

namespace sallyport::detail {

/// `text` with "\0A" and the like, a byte each, for control characters, for characters that break or reorder a line
/// where it is shown, and for what isn't UTF-8 (RFC 3629).
std::string escaped_for_log(std::string_view text);

/// `text`, or not more than its first `longest` bytes and "..."; never half a character.
std::string shortened(std::string text, std::size_t longest);

}  // namespace sallyport::detail

#endif
