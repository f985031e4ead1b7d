// command_line: the command line split into options and their values, which nobody has understood yet.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_COMMAND_LINE_HPP
#define SALLYPORT_TOOL_COMMAND_LINE_HPP

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::tool {

/// Every value is a list, so that an option given twice is found by whoever reads it and not answered in CLI11's words.
using value_list = std::vector<std::string>;

/// What may be different for certain names.
struct name_strings {
  value_list client_ca{}, client_verify{}, crl{}, allow{}, alpn{}, profile{};
};

/// What belongs to which --cert.
struct certificate_strings {
  std::string certificate;
  value_list keys{}, ocsp_responses{};
};

struct argument_strings : name_strings {
  value_list listen{}, certificate{}, key{}, ocsp_response{}, passphrase_file{}, unknown_name{}, crl_policy{},
      psk_file{}, groups{}, ticket_secret{}, resumption_lifetime{}, watch{}, handshake_timeout{}, max_handshakes{},
      max_handshakes_per_address{}, max_pending_connections{}, shutdown_timeout{}, key_threads{}, threads{}, level{},
      format{};
  bool self_signed = false;
  value_list to{}, connect_timeout{};
  value_list reason{};
  bool markdown = false;
};

/// --for, and what stands behind it up to the next one.
struct section_strings : name_strings {
  std::string names;
};

enum class subcommand { echo, forward, check, explain };

struct command_line {
  subcommand command = subcommand::echo;
  argument_strings strings{};
  std::vector<certificate_strings> certificates{};  ///< strings.certificate, with what belongs to each
  std::vector<section_strings> sections{};

  /// Set if there was --help or --version: the text to print. Nothing else has been looked at then.
  std::optional<std::string> answer{};
};

/// Throws startup_failure (exit_usage).
command_line split_command_line(std::vector<std::string> arguments);

/// Throws startup_failure (exit_usage): the option, a colon, the reason.
[[noreturn]] void refuse(std::string_view option, const std::string& reason);

}  // namespace sallyport::tool

#endif
