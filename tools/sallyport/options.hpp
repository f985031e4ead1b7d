// options: the command line, validated.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_OPTIONS_HPP
#define SALLYPORT_TOOL_OPTIONS_HPP

#include "address.hpp"
#include "log.hpp"

#include <sallyport/ssl_configuration.hpp>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace sallyport::tool {

struct certificate_files {
  std::filesystem::path certificate;
  std::filesystem::path key;
};

/// What every subcommand that serves has in common. The defaults are the library's own.
struct service_options {
  address listen{};
  std::vector<certificate_files> certificates{};  ///< empty if self_signed; otherwise only if there is a psk_file
  bool self_signed = false;
  std::optional<std::filesystem::path> passphrase_file{};
  std::optional<std::filesystem::path> client_ca{};         ///< a file or a directory
  peer_verify_mode client_verify = peer_verify_mode::none;  ///< not verify without client_ca
  std::optional<std::filesystem::path> psk_file{};
  std::vector<std::string> alpn{};
  security_profile profile = security_profile::intermediate;
  std::chrono::milliseconds handshake_timeout{5000};
  std::size_t max_handshakes = 1024;
  std::size_t max_handshakes_per_address = 256;
  std::size_t max_pending_connections = 128;
  std::size_t threads = 0;  ///< 0: as many as the process may use cores
  std::chrono::milliseconds shutdown_timeout{30'000};
  log_level level = log_level::info;
  log_format format = log_format::text;
};

struct echo_options {
  service_options service{};
};

struct forward_options {
  service_options service{};
  address to{};
  std::chrono::milliseconds connect_timeout{5000};
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

using options = std::variant<echo_options, forward_options, explain_options, information>;

/// `arguments` are those of main() without the program's name. Nothing is opened or looked up. Throws startup_failure
/// (exit_usage) with a sentence that names the option.
options parse_options(std::vector<std::string> arguments);

}  // namespace sallyport::tool

#endif
