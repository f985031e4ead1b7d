// configuration_check: see configuration_check.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "configuration_check.hpp"

#include "cipher_names.hpp"
#include "printable.hpp"
#include "protocol_versions.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sallyport::detail {
namespace {

// RFC 8446 section 4.6.1.
constexpr std::chrono::seconds longest_resumption = std::chrono::hours(7 * 24);

// RFC 4279 section 5.3 lets every client take that much.
constexpr std::size_t longest_identity_hint = 128;

std::optional<error> check_ciphers(const ssl_configuration& configuration) {
  const auto refuse = [](configuration_error why, const char* setting, const std::string& problem) {
    return error{why, std::string(setting) + ": " + problem};
  };
  if (!configuration.ciphers.empty()) {
    if (configuration.profile == security_profile::modern) {
      return refuse(configuration_error::bad_ciphers, "ciphers",
                    "the modern profile has no TLS 1.2, which these are for; use ciphersuites");
    }
    const std::string problem = problem_of_ciphers(configuration.ciphers, configuration.pre_shared_keys);
    if (!problem.empty()) {
      return refuse(configuration_error::bad_ciphers, "ciphers", problem);
    }
  }
  if (!configuration.ciphersuites.empty()) {
    if (const std::string problem = problem_of_ciphersuites(configuration.ciphersuites); !problem.empty()) {
      return refuse(configuration_error::bad_ciphers, "ciphersuites", problem);
    }
  }
  if (!configuration.groups.empty()) {
    if (const std::string problem = problem_of_groups(configuration.groups); !problem.empty()) {
      return refuse(configuration_error::bad_groups, "groups", problem);
    }
  }
  return std::nullopt;
}

std::optional<error> check_application_protocols(const std::vector<std::string>& protocols) {
  std::size_t total = 0;
  for (std::size_t i = 0; i < protocols.size(); ++i) {
    const std::string& name = protocols[i];
    total += name.size() + 1;
    const std::string which = "alpn_protocols: name " + std::to_string(i + 1);
    if (name.empty()) return error{configuration_error::bad_application_protocol, which + " is empty"};
    if (name.size() > 255) {
      return error{configuration_error::bad_application_protocol,
                   which + " (" + printable(name) + ") is longer than 255 bytes"};
    }
  }
  if (total > UINT16_MAX) {
    return error{configuration_error::bad_application_protocol, "alpn_protocols: all together are longer than 64 KiB"};
  }
  return std::nullopt;
}

std::optional<error> check_identity_hint(const ssl_configuration& configuration) {
  const std::string& hint = configuration.pre_shared_key_identity_hint;
  const std::string setting = "pre_shared_key_identity_hint: ";
  if (hint.empty()) return std::nullopt;
  if (!configuration.pre_shared_keys) {
    return error{configuration_error::invalid_value, setting + "is of no use without pre_shared_keys"};
  }
  if (hint.size() > longest_identity_hint) {
    return error{configuration_error::invalid_value, setting + "has " + std::to_string(hint.size()) +
                                                         " bytes, and at most " +
                                                         std::to_string(longest_identity_hint) + " are allowed"};
  }
  if (hint.find('\0') != std::string::npos) {
    return error{configuration_error::invalid_value, setting + "contains a NUL byte"};
  }
  return std::nullopt;
}

std::optional<error> check_resumption_lifetime(std::chrono::seconds lifetime) {
  const auto refuse = [&](const char* problem) {
    return error{configuration_error::invalid_value,
                 "resumption_lifetime: " + std::to_string(lifetime.count()) + " seconds " + problem};
  };
  if (lifetime.count() < 0) return refuse("are negative");
  if (lifetime > longest_resumption) return refuse("are more than the 7 days that TLS allows");
  return std::nullopt;
}

}  // namespace

std::optional<error> check(const ssl_configuration& configuration) {
  if (configuration.identities.empty() && !configuration.pre_shared_keys) {
    return error{configuration_error::no_identity,
                 "identities: there is none, and a TLS server needs a certificate and its private key"};
  }
  if (configuration.identities.empty() &&
      (configuration.unknown_names != unknown_name_policy::use_default || configuration.ask_about_unknown_names)) {
    return error{configuration_error::invalid_value,
                 "unknown_names: without identities there are no names that could be known"};
  }
  if (auto refusal = check_both_sides(configuration)) return refusal;
  if (configuration.verify_mode == peer_verify_mode::verify && !configuration.ca_certificates) {
    return error{configuration_error::no_trust_anchor,
                 "ca_certificates: none are given, so that no client certificate could be verified"};
  }
  if (!configuration.allow.empty() && configuration.verify_mode != peer_verify_mode::verify) {
    return error{configuration_error::invalid_value,
                 "allow: there are access rules, and verify_mode isn't verify, so that nobody proves to be whom they "
                 "let in"};
  }
  if (auto refusal = check_identity_hint(configuration)) return refusal;
  if (auto refusal = check_resumption_lifetime(configuration.resumption_lifetime)) return refusal;
  return std::nullopt;
}

std::optional<error> check_both_sides(const ssl_configuration& configuration) {
  if (auto refusal = check_versions(configuration)) return refusal;
  if (auto refusal = check_ciphers(configuration)) return refusal;
  if (auto refusal = check_application_protocols(configuration.alpn_protocols)) return refusal;
  if (configuration.handshake_must_interrupt_on_error && !asks_somebody_for_certificate(configuration)) {
    return error{
        configuration_error::invalid_value,
        "handshake_must_interrupt_on_error: with verify_mode none there is no certificate that could be wrong"};
  }
  if (configuration.revocation && configuration.verify_mode == peer_verify_mode::none) {
    return error{configuration_error::invalid_value,
                 "revocation: with verify_mode none there is no certificate that could be looked up"};
  }
  if (configuration.revocation && !configuration.ca_certificates) {
    return error{configuration_error::invalid_value,
                 "revocation: without ca_certificates nobody vouches for the lists"};
  }
  // OpenSSL would take a negative depth for "no limit".
  if (configuration.verify_depth < 0) {
    return error{configuration_error::invalid_value,
                 "verify_depth: " + std::to_string(configuration.verify_depth) + " is negative"};
  }
  return std::nullopt;
}

bool asks_somebody_for_certificate(const ssl_configuration& configuration) noexcept {
  return configuration.verify_mode != peer_verify_mode::none ||
         std::ranges::any_of(configuration.for_names, [](const name_settings& of_name) {
           return of_name.verify_mode && *of_name.verify_mode != peer_verify_mode::none;
         });
}

}  // namespace sallyport::detail
