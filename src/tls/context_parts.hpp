// context_parts: what is the same in making a server's context and a client's.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_CONTEXT_PARTS_HPP
#define SALLYPORT_TLS_CONTEXT_PARTS_HPP

#include "context_data.hpp"

#include <sallyport/error.hpp>

#include <optional>
#include <string>

namespace sallyport::detail {

/// OpenSSL has refused what our own checks accept. Takes its error.
error internal_error(const std::string& what);
/// OpenSSL has refused an identity. Takes its error.
error refusal_of(const identity& refused);

/// Puts the default identities on `data.ssl_ctx`. Why not, if OpenSSL refuses one.
std::optional<error> set_default_identities(const context_data& data);

/// Adds what the parts of `data.configuration` warn of to `data.warnings`.
void collect_warnings(context_data& data);

}  // namespace sallyport::detail

#endif
