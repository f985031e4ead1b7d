// options: the command line, validated.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_OPTIONS_HPP
#define SALLYPORT_TOOL_OPTIONS_HPP

#include "address.hpp"
#include "log.hpp"

#include <sallyport/access_rule.hpp>
#include <sallyport/ssl_configuration.hpp>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace sallyport::tool {

/// One --cert, and what belongs to it.
struct certificate_source {
  std::string certificate;      ///< a PEM or PKCS#12 file, a directory of pairs, or a URI
  std::string key{};            ///< a PEM file or a URI; "" if `certificate` holds the key, too
  std::string ocsp_response{};  ///< a file, or ""
};

/// One --for, and the options behind it. What isn't set is as for all.
struct name_options {
  std::vector<std::string> names{};
  std::optional<std::vector<std::string>> alpn{};
  std::optional<security_profile> profile{};
  std::optional<std::filesystem::path> client_ca{};
  std::optional<peer_verify_mode> client_verify{};
  std::optional<std::filesystem::path> crl{};
  std::optional<std::vector<access_rule>> allow{};
};

/// What every subcommand that serves has in common. The defaults are the library's own.
struct service_options {
  address listen{};
  std::vector<certificate_source> certificates{};  ///< empty if self_signed; otherwise only if there is a psk_file
  bool self_signed = false;
  std::optional<std::filesystem::path> passphrase_file{};
  unknown_name_policy unknown_name = unknown_name_policy::use_default;
  std::optional<std::filesystem::path> client_ca{};         ///< a file or a directory
  peer_verify_mode client_verify = peer_verify_mode::none;  ///< not verify without client_ca
  std::optional<std::filesystem::path> crl{};               ///< a file or a directory
  revocation_policy crl_policy = revocation_policy::hard_fail;
  std::vector<access_rule> allow{};
  std::optional<std::filesystem::path> psk_file{};
  std::vector<std::string> alpn{};
  security_profile profile = security_profile::intermediate;
  std::string groups{};  ///< "": the profile's
  std::optional<std::filesystem::path> ticket_secret{};
  std::chrono::seconds resumption_lifetime = std::chrono::hours(24);
  std::vector<name_options> for_names{};
  std::chrono::milliseconds watch{0};  ///< how often to look for changed files; 0: never
  std::chrono::milliseconds handshake_timeout{5000};
  std::size_t max_handshakes = 1024;
  std::size_t max_handshakes_per_address = 256;
  std::size_t max_pending_connections = 128;
  std::size_t key_threads = 0;  ///< for the work with private keys; 0: it is done where clients are served
  std::size_t threads = 0;      ///< 0: as many as the process may use cores
  std::chrono::milliseconds shutdown_timeout{30'000};
  log_level level = log_level::info;
  log_format format = log_format::text;

  /// Whether any client is asked for a certificate, whatever name it asks for.
  bool asks_for_certificates() const;
};

struct echo_options {
  service_options service{};
};

struct forward_options {
  service_options service{};
  address to{};
  std::chrono::milliseconds connect_timeout{5000};
};

/// Those of echo or forward, to be looked at and not to be served: --listen and --to may be missing.
struct check_options {
  service_options service{};
};

/// What the reasons of failed handshakes mean: one of them, or all.
struct explain_options {
  std::optional<std::string> reason{};  ///< not yet looked up
  bool markdown = false;                ///< all of them, as docs/failures.md has them
};

/// --help and --version: print this and end well.
struct information {
  std::string text;
};

using options = std::variant<echo_options, forward_options, check_options, explain_options, information>;

/// `arguments` are those of main() without the program's name. Nothing is opened or looked up. Throws startup_failure
/// (exit_usage) with a sentence that names the option.
options parse_options(std::vector<std::string> arguments);

}  // namespace sallyport::tool

#endif
