// openssl_commands: settings by OpenSSL's own names, as far as they keep what the others promise.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_OPENSSL_COMMANDS_HPP
#define SALLYPORT_TLS_OPENSSL_COMMANDS_HPP

#include "context_data.hpp"

#include <sallyport/error.hpp>

#include <optional>

namespace sallyport::detail {

/// Applies `data.configuration.openssl_commands` to `data.ssl_ctx`, which has its other settings but the identities: a
/// higher security level counts for them. Also sets `data.groups`. Why it can't be, by the command's name.
std::optional<error> apply_openssl_commands(context_data& data);

}  // namespace sallyport::detail

#endif
