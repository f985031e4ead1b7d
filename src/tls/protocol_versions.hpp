// protocol_versions: which versions of TLS a configuration speaks.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_PROTOCOL_VERSIONS_HPP
#define SALLYPORT_TLS_PROTOCOL_VERSIONS_HPP

#include <sallyport/error.hpp>
#include <sallyport/ssl_configuration.hpp>

#include <optional>

namespace sallyport::detail {

struct version_range {
  tls_version minimum;
  tls_version maximum;

  friend bool operator==(const version_range&, const version_range&) = default;
};

/// The profile's, by itself.
version_range versions_of(security_profile profile) noexcept;

/// What is left of the profile's. Only of a configuration whose versions have been checked.
version_range versions_of(const ssl_configuration& configuration) noexcept;

/// Why nothing is left, or a setting isn't a version.
std::optional<error> check_versions(const ssl_configuration& configuration);

}  // namespace sallyport::detail

#endif
