// configuration_check: what OpenSSL doesn't check well enough itself.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_CONFIGURATION_CHECK_HPP
#define SALLYPORT_TLS_CONFIGURATION_CHECK_HPP

#include <sallyport/error.hpp>
#include <sallyport/ssl_configuration.hpp>

#include <optional>

namespace sallyport::detail {

/// Why a configuration can't be used; the sentence names the setting. Without `for_names`, which are checked as they
/// are merged with it.
std::optional<error> check(const ssl_configuration& configuration);

/// Of it, what concerns clients as well: nothing about identities, nor about who is let in.
std::optional<error> check_both_sides(const ssl_configuration& configuration);

/// True if clients are asked for a certificate, whatever name they ask for or by some name.
bool asks_somebody_for_certificate(const ssl_configuration& configuration) noexcept;

}  // namespace sallyport::detail

#endif
