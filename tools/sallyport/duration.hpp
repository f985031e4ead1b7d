// duration: lengths of time as they are written on the command line.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_DURATION_HPP
#define SALLYPORT_TOOL_DURATION_HPP

#include <sallyport/error.hpp>

#include <chrono>
#include <string>
#include <string_view>

namespace sallyport::tool {

/// Longer than any timeout makes sense, and far from where arithmetic with clocks overflows.
inline constexpr std::chrono::hours max_duration{8760};

/// "500ms", "5s", "2m", "1h", up to max_duration. A number without its unit is an error, even 0: seconds and
/// milliseconds are too easily taken for each other. The error's detail is a sentence that quotes `text`.
result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// The shortest form that parse_duration reads back: "5s", "1500ms", "2m".
std::string to_string(std::chrono::milliseconds duration);

}  // namespace sallyport::tool

#endif
