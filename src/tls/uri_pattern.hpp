// uri_pattern: a URI, or a form that many have: spiffe://example.org/*/web, spiffe://example.org/shop/**.
//
// URIs are compared as they are written. What another program may take for something else (dot segments, escaped
// slashes) can't be told from an attempt to get past a rule, and matches no wildcard.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_URI_PATTERN_HPP
#define SALLYPORT_TLS_URI_PATTERN_HPP

#include <string>
#include <string_view>

namespace sallyport::detail {

/// What keeps `pattern` from being one ("has no scheme, ..."), or "" if nothing does.
std::string problem_of_uri_pattern(std::string_view pattern);

/// `pattern` has no problem; `uri` may be anything. Scheme and authority are case-insensitive, the rest isn't. A
/// wildcard in `uri` is matched only by the same wildcard.
bool matches_uri_pattern(std::string_view pattern, std::string_view uri);

}  // namespace sallyport::detail

#endif
