// protocol_versions: see protocol_versions.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "protocol_versions.hpp"

#include <algorithm>
#include <string>

namespace sallyport {

std::string_view to_string(tls_version version) noexcept {
  switch (version) {
    case tls_version::tls_1_2:
      return "TLSv1.2";
    case tls_version::tls_1_3:
      return "TLSv1.3";
    case tls_version::unknown:
      break;
  }
  return "unknown";
}

}  // namespace sallyport

namespace sallyport::detail {
namespace {

bool is_spoken(const std::optional<tls_version>& version) noexcept {
  return !version || *version == tls_version::tls_1_2 || *version == tls_version::tls_1_3;
}

error refusal(const char* setting, const std::string& problem) {
  return {configuration_error::invalid_value, std::string(setting) + ": " + problem};
}

}  // namespace

version_range versions_of(security_profile profile) noexcept {
  return {profile == security_profile::modern ? tls_version::tls_1_3 : tls_version::tls_1_2, tls_version::tls_1_3};
}

version_range versions_of(const ssl_configuration& configuration) noexcept {
  const version_range all = versions_of(configuration.profile);
  return {std::max(all.minimum, configuration.minimum_version.value_or(all.minimum)),
          std::min(all.maximum, configuration.maximum_version.value_or(all.maximum))};
}

std::optional<error> check_versions(const ssl_configuration& configuration) {
  const auto& minimum = configuration.minimum_version;
  const auto& maximum = configuration.maximum_version;
  if (!is_spoken(minimum)) return refusal("minimum_version", "is neither TLS 1.2 nor TLS 1.3");
  if (!is_spoken(maximum)) return refusal("maximum_version", "is neither TLS 1.2 nor TLS 1.3");
  if (minimum && maximum && *minimum > *maximum) {
    return refusal("minimum_version", std::string(to_string(*minimum)) + " is above maximum_version, which is " +
                                          std::string(to_string(*maximum)));
  }
  if (configuration.profile == security_profile::modern && maximum == tls_version::tls_1_2) {
    return refusal("maximum_version", "TLSv1.2 isn't in the modern profile");
  }
  return std::nullopt;
}

}  // namespace sallyport::detail
