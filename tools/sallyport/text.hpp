// text: other people's text made safe for a line of a log or a terminal.
//
// File names, option values, and above all what clients send (SNI) end up in messages. None of it may break a line,
// move the cursor, or turn the reading direction around.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_TEXT_HPP
#define SALLYPORT_TOOL_TEXT_HPP

#include <string>
#include <string_view>

namespace sallyport::tool {

/// `text` with every character that isn't plainly visible written as \n, \t, \r, \u{202e}, or \xff for a byte that
/// isn't UTF-8. Backslashes stay as they are: this is for reading, not for parsing back.
std::string printable(std::string_view text);

/// The same in double quotes, with `"` and `\` escaped, so that it can be told where the text begins and ends.
std::string in_quotes(std::string_view text);

/// A JSON string (RFC 8259) with its quotes. Bytes that aren't UTF-8 become U+FFFD: JSON can't carry them.
std::string json_string(std::string_view text);

}  // namespace sallyport::tool

#endif
