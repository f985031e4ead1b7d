// object_uri: names of keys and certificates that are not file names.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_OBJECT_URI_HPP
#define SALLYPORT_TLS_OBJECT_URI_HPP

#include <string>
#include <string_view>

namespace sallyport::detail {

/// The scheme in lower case, "pkcs11"; empty if `text` is no URI (RFC 3986 section 3.1) but the name of a file.
/// A scheme has at least two characters: one letter is a file's name, or a drive.
std::string scheme_of(std::string_view text);

/// The file that a "file:" URI means (RFC 8089, of this host); empty if it is none.
std::string file_of(std::string_view uri);

/// For sentences: a URI without its PIN, and with nothing in it that doesn't belong in a log.
std::string without_pin(std::string_view uri);

/// Whether a pkcs11 URI has a PIN, or says where one is (RFC 7512 section 2.4).
bool has_pin(std::string_view uri);

/// A pkcs11 URI for anything in the same token, with its PIN.
std::string token_of(std::string_view uri);
std::string token_without_pin(std::string_view uri);

}  // namespace sallyport::detail

#endif
