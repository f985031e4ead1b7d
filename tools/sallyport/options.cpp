// options: see options.hpp. What the strings mean is checked here, so that every complaint has the same form: the
// option, a colon, a sentence.
//
// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include "command_line.hpp"
#include "duration.hpp"
#include "failure.hpp"
#include "text.hpp"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace sallyport::tool {
namespace {

// Far more than a process can hold, far less than where counting overflows.
constexpr std::size_t max_count = 1'000'000;
// More than any machine has cores.
constexpr std::size_t max_threads = 1024;
constexpr std::chrono::hours max_resumption_lifetime{24 * 7};  // RFC 8446 section 4.6.1

// The value of an option that may be given once; null if it wasn't.
const std::string* single(std::string_view option, const value_list& values) {
  if (values.empty()) return nullptr;
  if (values.size() > 1) refuse(option, "given more than once");
  return &values.front();
}

template <class Value>
void read_choice(std::string_view option, const value_list& values,
                 std::initializer_list<std::pair<std::string_view, Value>> choices, Value& to) {
  const std::string* text = single(option, values);
  if (text == nullptr) return;
  std::string names;
  for (const auto& [name, value] : choices) {
    if (name == *text) {
      to = value;
      return;
    }
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  refuse(option, in_quotes(*text) + " is not one of " + names);
}

void read_duration(std::string_view option, const value_list& values, bool zero_allowed,
                   std::chrono::milliseconds& to) {
  const std::string* text = single(option, values);
  if (text == nullptr) return;
  const auto parsed = parse_duration(*text);
  if (parsed.has_error()) refuse(option, parsed.error().detail);
  if (!zero_allowed && *parsed == std::chrono::milliseconds::zero()) refuse(option, "must be longer than 0");
  to = *parsed;
}

void read_count(std::string_view option, const value_list& values, std::size_t max, std::size_t& to) {
  const std::string* text = single(option, values);
  if (text == nullptr) return;
  std::size_t count = 0;
  const char* end = text->data() + text->size();
  const auto parsed = std::from_chars(text->data(), end, count);
  if (parsed.ec != std::errc() || parsed.ptr != end || count < 1 || count > max) {
    refuse(option, in_quotes(*text) + " is not a whole number from 1 to " + std::to_string(max));
  }
  to = count;
}

// "a,b,c"; what an item is called in the sentence about an empty one.
std::vector<std::string> split_list(std::string_view option, const std::string& value, std::string_view item) {
  std::vector<std::string> items;
  for (std::size_t begin = 0; begin <= value.size();) {
    const std::size_t end = std::min(value.find(',', begin), value.size());
    if (begin == end) refuse(option, in_quotes(value) + " has an empty " + std::string(item));
    items.push_back(value.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

std::vector<std::string> read_alpn(const value_list& values) {
  std::vector<std::string> names;
  for (const std::string& value : values) {
    for (std::string& name : split_list("--alpn", value, "protocol name")) {
      if (name.size() > 255) refuse("--alpn", in_quotes(name) + " is longer than 255 bytes");
      names.push_back(std::move(name));
    }
  }
  return names;
}

address read_listen(const value_list& values) {
  const std::string* text = single("--listen", values);
  if (text == nullptr) refuse("--listen", "is required, for instance --listen 127.0.0.1:8443");
  auto parsed = parse_listen_address(*text);
  if (parsed.has_error()) refuse("--listen", parsed.error().detail);
  return *parsed;
}

address read_target(const value_list& values) {
  const std::string* text = single("--to", values);
  if (text == nullptr) refuse("--to", "is required, for instance --to 127.0.0.1:8080");
  auto parsed = parse_target_address(*text);
  if (parsed.has_error()) refuse("--to", parsed.error().detail);
  return *parsed;
}

std::optional<std::filesystem::path> read_path(std::string_view option, const value_list& values,
                                               const std::string& empty = "the file name is empty") {
  const std::string* text = single(option, values);
  if (text == nullptr) return std::nullopt;
  if (text->empty()) refuse(option, empty);
  return *text;
}

constexpr const char* no_path = "the file or directory name is empty";

void read_profile(const value_list& values, security_profile& to) {
  read_choice<security_profile>(
      "--profile", values, {{"modern", security_profile::modern}, {"intermediate", security_profile::intermediate}},
      to);
}

void read_client_verify(const value_list& values, peer_verify_mode& to) {
  read_choice<peer_verify_mode>(
      "--client-verify", values,
      {{"none", peer_verify_mode::none}, {"query", peer_verify_mode::query}, {"verify", peer_verify_mode::verify}}, to);
}

std::vector<access_rule> read_rules(const value_list& values) {
  std::vector<access_rule> rules;
  for (const std::string& text : values) {
    auto rule = access_rule::parse(text);
    if (rule.has_error()) refuse("--allow", rule.error().detail);
    rules.push_back(*std::move(rule));
  }
  return rules;
}

const std::string& not_empty(std::string_view option, const std::string& file) {
  if (file.empty()) refuse(option, "the file name is empty");
  return file;
}

// After --psk-file: who has pre-shared keys needs no certificate. Which --cert needs a --key tells the file itself.
void read_certificates(const command_line& line, service_options& to) {
  const argument_strings& strings = line.strings;
  if (strings.self_signed) {
    if (!strings.certificate.empty()) refuse("--self-signed", "excludes --cert");
    to.self_signed = true;
  } else if (strings.certificate.empty() && !to.psk_file) {
    refuse("--cert", "is required, with --key; for development use --self-signed instead");
  }
  for (const certificate_strings& each : line.certificates) {
    certificate_source source{.certificate = not_empty("--cert", each.certificate)};
    if (!each.keys.empty()) source.key = not_empty("--key", each.keys.front());
    if (!each.ocsp_responses.empty()) source.ocsp_response = not_empty("--ocsp-response", each.ocsp_responses.front());
    to.certificates.push_back(std::move(source));
  }
  to.passphrase_file = read_path("--passphrase-file", strings.passphrase_file);
  if (to.passphrase_file && to.self_signed) {
    refuse("--passphrase-file", "is for the keys of --key; --self-signed has none");
  }
  if (to.passphrase_file && to.certificates.empty()) {
    refuse("--passphrase-file", "is for the keys of --key; there is none");
  }
}

void read_client_verification(const argument_strings& strings, service_options& to) {
  to.client_ca = read_path("--client-ca", strings.client_ca, no_path);
  if (to.client_ca) to.client_verify = peer_verify_mode::verify;
  read_client_verify(strings.client_verify, to.client_verify);
  if (to.client_verify == peer_verify_mode::none && to.client_ca) {
    refuse("--client-ca", "is of no use with --client-verify none: everybody would be let in");
  }
  if (to.client_verify == peer_verify_mode::verify && !to.client_ca) {
    refuse("--client-verify", "verify needs --client-ca: somebody has to vouch for the clients");
  }
  // TLS: only a server that shows a certificate may ask for one (RFC 8446 section 4.3.2).
  if (to.client_verify != peer_verify_mode::none && to.certificates.empty() && !to.self_signed) {
    refuse(to.client_ca ? "--client-ca" : "--client-verify",
           "needs --cert: a server without a certificate can't ask clients for theirs");
  }
  to.crl = read_path("--crl", strings.crl, no_path);
  if (to.crl && !to.client_ca) refuse("--crl", "needs --client-ca: it is about clients' certificates");
  to.allow = read_rules(strings.allow);
  if (!to.allow.empty() && to.client_verify != peer_verify_mode::verify) {
    refuse("--allow", "needs --client-ca, and not --client-verify query: otherwise everybody would be let in");
  }
}

name_options read_name_options(const section_strings& strings, const service_options& all) {
  name_options to;
  to.names = split_list("--for", strings.names, "name");
  if (!strings.alpn.empty()) to.alpn = read_alpn(strings.alpn);
  if (!strings.profile.empty()) read_profile(strings.profile, to.profile.emplace());
  to.client_ca = read_path("--client-ca", strings.client_ca, no_path);
  if (to.client_ca) to.client_verify = peer_verify_mode::verify;
  if (!strings.client_verify.empty()) read_client_verify(strings.client_verify, to.client_verify.emplace());
  to.crl = read_path("--crl", strings.crl, no_path);
  if (!strings.allow.empty()) to.allow = read_rules(strings.allow);

  const std::string about = "for " + strings.names + ": ";
  if (!to.alpn && !to.profile && !to.client_verify && !to.crl && !to.allow) {
    refuse("--for", about + "nothing stands behind it that is to be different");
  }
  const peer_verify_mode verify = to.client_verify.value_or(all.client_verify);
  const bool has_ca = to.client_ca || all.client_ca;
  if (verify == peer_verify_mode::none && to.client_ca) {
    refuse("--client-ca", about + "is of no use with --client-verify none: everybody would be let in");
  }
  if (verify == peer_verify_mode::verify && !has_ca) {
    refuse("--client-verify", about + "verify needs --client-ca: somebody has to vouch for the clients");
  }
  if (to.crl && (!has_ca || verify == peer_verify_mode::none)) {
    refuse("--crl", about + "needs --client-ca: it is about clients' certificates");
  }
  if (to.allow && verify != peer_verify_mode::verify) {
    refuse("--allow", about + "needs --client-ca, and not --client-verify query: otherwise everybody would be let in");
  }
  return to;
}

void read_resumption(const argument_strings& strings, service_options& to) {
  to.ticket_secret = read_path("--ticket-secret", strings.ticket_secret);
  std::chrono::milliseconds lifetime = to.resumption_lifetime;
  read_duration("--resumption-lifetime", strings.resumption_lifetime, true, lifetime);
  to.resumption_lifetime = std::chrono::duration_cast<std::chrono::seconds>(lifetime);
  if (to.resumption_lifetime != lifetime) refuse("--resumption-lifetime", "must be whole seconds");
  if (lifetime > max_resumption_lifetime) refuse("--resumption-lifetime", "must be at most 7 days (168h)");
  if (to.ticket_secret && lifetime == lifetime.zero()) {
    refuse("--ticket-secret", "is of no use with --resumption-lifetime 0s: nothing would be resumed");
  }
}

service_options read_service_options(const command_line& line) {
  const argument_strings& strings = line.strings;
  service_options to;
  if (line.command != subcommand::check || !strings.listen.empty()) to.listen = read_listen(strings.listen);
  to.psk_file = read_path("--psk-file", strings.psk_file);
  read_certificates(line, to);
  read_choice<unknown_name_policy>(
      "--unknown-name", strings.unknown_name,
      {{"default", unknown_name_policy::use_default}, {"refuse", unknown_name_policy::refuse}}, to.unknown_name);
  read_client_verification(strings, to);
  to.alpn = read_alpn(strings.alpn);
  read_profile(strings.profile, to.profile);
  for (const section_strings& section : line.sections) to.for_names.push_back(read_name_options(section, to));
  read_choice<revocation_policy>(
      "--crl-policy", strings.crl_policy,
      {{"hard-fail", revocation_policy::hard_fail}, {"soft-fail", revocation_policy::soft_fail}}, to.crl_policy);
  const bool has_crl =
      to.crl || std::ranges::any_of(to.for_names, [](const auto& each) { return each.crl.has_value(); });
  if (!strings.crl_policy.empty() && !has_crl) refuse("--crl-policy", "needs --crl");
  if (const std::string* groups = single("--groups", strings.groups)) {
    if (groups->empty()) refuse("--groups", "the list is empty");
    to.groups = *groups;
  }
  read_resumption(strings, to);
  read_duration("--watch", strings.watch, false, to.watch);
  read_duration("--handshake-timeout", strings.handshake_timeout, false, to.handshake_timeout);
  read_count("--max-handshakes", strings.max_handshakes, max_count, to.max_handshakes);
  read_count("--max-handshakes-per-address", strings.max_handshakes_per_address, max_count,
             to.max_handshakes_per_address);
  read_count("--max-pending-connections", strings.max_pending_connections, max_count, to.max_pending_connections);
  read_duration("--shutdown-timeout", strings.shutdown_timeout, true, to.shutdown_timeout);
  read_count("--key-threads", strings.key_threads, max_threads, to.key_threads);
  read_count("--threads", strings.threads, max_threads, to.threads);
  read_choice<log_level>("--log-level", strings.level,
                         {{"trace", log_level::trace},
                          {"debug", log_level::debug},
                          {"info", log_level::info},
                          {"warning", log_level::warning},
                          {"error", log_level::error},
                          {"off", log_level::off}},
                         to.level);
  read_choice<log_format>("--log-format", strings.format, {{"text", log_format::text}, {"json", log_format::json}},
                          to.format);
  return to;
}

forward_options read_forward_options(const command_line& line) {
  forward_options to{.service = read_service_options(line), .to = read_target(line.strings.to)};
  read_duration("--connect-timeout", line.strings.connect_timeout, false, to.connect_timeout);
  return to;
}

// What only serving needs is looked at if it is there.
check_options read_check_options(const command_line& line) {
  if (!line.strings.to.empty()) read_target(line.strings.to);
  std::chrono::milliseconds unused{};
  read_duration("--connect-timeout", line.strings.connect_timeout, false, unused);
  return {.service = read_service_options(line)};
}

explain_options read_explain_options(const argument_strings& strings) {
  if (strings.reason.size() > 1) {
    throw startup_failure(exit_usage, "explain: one reason at a time, found also " + in_quotes(strings.reason[1]));
  }
  explain_options to{.markdown = strings.markdown};
  if (!strings.reason.empty()) to.reason = strings.reason.front();
  if (to.reason && to.markdown) refuse("--markdown", "is for all reasons: leave " + in_quotes(*to.reason) + " out");
  return to;
}

}  // namespace

bool service_options::asks_for_certificates() const {
  return client_verify != peer_verify_mode::none || std::ranges::any_of(for_names, [](const name_options& each) {
           return each.client_verify.value_or(peer_verify_mode::none) != peer_verify_mode::none;
         });
}

options parse_options(std::vector<std::string> arguments) {
  const command_line line = split_command_line(std::move(arguments));
  if (line.answer) return information{*line.answer};
  switch (line.command) {
    case subcommand::echo:
      return echo_options{read_service_options(line)};
    case subcommand::forward:
      return read_forward_options(line);
    case subcommand::check:
      return read_check_options(line);
    case subcommand::explain:
      break;
  }
  return read_explain_options(line.strings);
}

}  // namespace sallyport::tool
