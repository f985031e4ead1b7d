// options: see options.hpp. CLI11 splits the command line into strings; what they mean is checked here, so that every
// complaint has the same form: the option, a colon, a sentence.
//
// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include "duration.hpp"
#include "failure.hpp"
#include "text.hpp"

#include <sallyport/version.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <utility>

namespace sallyport::tool {
namespace {

// Far more than a process can hold, far less than where counting overflows.
constexpr std::size_t max_count = 1'000'000;

constexpr const char* description =
    "Sallyport serves TLS: no client, however slow or hostile, keeps the others waiting.";

constexpr const char* main_footer =
    "Try it:\n"
    "  sallyport echo --listen 127.0.0.1:8443 --self-signed\n"
    "  openssl s_client -connect 127.0.0.1:8443\n"
    "\n"
    "`sallyport echo --help` and `sallyport forward --help` tell all options.\n";

constexpr const char* common_footer =
    "Addresses: HOST:PORT, [IPv6]:PORT or unix:PATH. To listen: port 0 takes any free one (the log tells which);\n"
    "*:PORT and :PORT are every address of this machine, IPv4 and IPv6, and so is [::]:PORT; of a name its first\n"
    "IPv4 address is taken, or else its first IPv6 address.\n"
    "Durations: 500ms, 5s, 2m, 1h.\n"
    "SIGTERM or SIGINT: no new clients; connections may finish until --shutdown-timeout. A second one ends at once.\n"
    "Exit status: 0 ended well, 1 failed or connections had to be cut, 2 wrong options or certificate files.\n";

constexpr const char* echo_footer =
    "Example:\n"
    "  sallyport echo --listen 127.0.0.1:8443 --self-signed\n"
    "  openssl s_client -connect 127.0.0.1:8443\n";

constexpr const char* forward_footer =
    "Example: HTTPS for a web server that only speaks HTTP\n"
    "  sallyport forward --listen '*:443' --to 127.0.0.1:8080 --cert chain.pem --key key.pem --alpn http/1.1\n"
    "\n"
    "A client's end of data (close_notify) reaches the backend as the end of the TCP stream, and the other way round;\n"
    "a connection that is cut on one side is cut on the other, so that neither takes half a message for a whole one.\n"
    "When one direction has ended and nothing moves in the other for 60 seconds, the connection is cut.\n"
    "The name in --to is looked up at the start, where an unknown one is an error, and again for each connection;\n"
    "its addresses are tried in turn.\n";

[[noreturn]] void refuse(std::string_view option, const std::string& reason) {
  throw startup_failure(exit_usage, std::string(option) + ": " + reason);
}

// The command line in CLI11's hands. Every value is a list, so that an option given twice is found here and not
// answered in CLI11's words.
struct argument_strings {
  using list = std::vector<std::string>;
  list listen, certificate, key, passphrase_file, alpn, profile, handshake_timeout, max_handshakes,
      max_handshakes_per_address, max_pending_connections, shutdown_timeout, threads, level, format;
  bool self_signed = false;
  list to, connect_timeout;
};

void add_value(CLI::App& app, const std::string& name, argument_strings::list& values, const std::string& type,
               const std::string& help) {
  app.add_option(name, values, help)->type_name(type)->expected(1)->allow_extra_args(false);
}

void add_service_options(CLI::App& app, argument_strings& strings) {
  add_value(app, "--listen", strings.listen, "ADDR", "where to accept clients (required)");
  add_value(app, "--cert", strings.certificate, "FILE",
            "certificate chain, PEM, the server's own first; repeat --cert and --key to serve several names");
  add_value(app, "--key", strings.key, "FILE", "its private key, PEM");
  app.add_flag("--self-signed", strings.self_signed,
               "instead of --cert and --key, for development: a fresh certificate that nobody trusts");
  add_value(app, "--passphrase-file", strings.passphrase_file, "FILE",
            "its first line is the passphrase of encrypted keys");
  add_value(app, "--handshake-timeout", strings.handshake_timeout, "DURATION",
            "from accept to the complete handshake [5s]");
  add_value(app, "--max-handshakes", strings.max_handshakes, "N",
            "handshakes in progress; beyond, the oldest silent client makes room [1024]");
  add_value(app, "--max-handshakes-per-address", strings.max_handshakes_per_address, "N",
            "of these, for one IPv4 address or IPv6 /64 network [256]");
  add_value(app, "--max-pending-connections", strings.max_pending_connections, "N",
            "complete connections that wait to be served; beyond, accepting pauses [128]");
  add_value(app, "--shutdown-timeout", strings.shutdown_timeout, "DURATION",
            "how long connections may take to finish after SIGTERM or SIGINT [30s]");
  add_value(app, "--threads", strings.threads, "N", "only 1 is supported yet [1]");
  add_value(app, "--alpn", strings.alpn, "NAME,...",
            "application protocols in order of preference, such as h2,http/1.1; clients that offer none of them are "
            "refused");
  add_value(app, "--profile", strings.profile, "NAME",
            "modern (TLS 1.3 alone) or intermediate (TLS 1.2 and 1.3) [intermediate]");
  add_value(app, "--log-level", strings.level, "LEVEL", "trace, debug, info, warning, error or off [info]");
  add_value(app, "--log-format", strings.format, "FORMAT", "text or json [text]");
}

// The value of an option that may be given once; null if it wasn't.
const std::string* single(std::string_view option, const argument_strings::list& values) {
  if (values.empty()) return nullptr;
  if (values.size() > 1) refuse(option, "given more than once");
  return &values.front();
}

template <class Value>
void read_choice(std::string_view option, const argument_strings::list& values,
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

void read_duration(std::string_view option, const argument_strings::list& values, bool zero_allowed,
                   std::chrono::milliseconds& to) {
  const std::string* text = single(option, values);
  if (text == nullptr) return;
  const auto parsed = parse_duration(*text);
  if (parsed.has_error()) refuse(option, parsed.error().detail);
  if (!zero_allowed && *parsed == std::chrono::milliseconds::zero()) refuse(option, "must be longer than 0");
  to = *parsed;
}

void read_count(std::string_view option, const argument_strings::list& values, std::size_t& to) {
  const std::string* text = single(option, values);
  if (text == nullptr) return;
  std::size_t count = 0;
  const char* end = text->data() + text->size();
  const auto parsed = std::from_chars(text->data(), end, count);
  if (parsed.ec != std::errc() || parsed.ptr != end || count < 1 || count > max_count) {
    refuse(option, in_quotes(*text) + " is not a whole number from 1 to " + std::to_string(max_count));
  }
  to = count;
}

// More threads need the server_group that is to come; a number that is ignored would be worse than none.
void check_threads(const argument_strings::list& values) {
  std::size_t threads = 1;
  read_count("--threads", values, threads);
  if (threads != 1) refuse("--threads", "only 1 is supported yet");
}

std::vector<std::string> read_alpn(const argument_strings::list& values) {
  std::vector<std::string> names;
  for (const std::string& value : values) {
    for (std::size_t begin = 0; begin <= value.size();) {
      const std::size_t end = std::min(value.find(',', begin), value.size());
      const std::string name = value.substr(begin, end - begin);
      if (name.empty()) refuse("--alpn", in_quotes(value) + " has an empty protocol name");
      if (name.size() > 255) refuse("--alpn", in_quotes(name) + " is longer than 255 bytes");
      names.push_back(name);
      begin = end + 1;
    }
  }
  return names;
}

address read_listen(const argument_strings::list& values) {
  const std::string* text = single("--listen", values);
  if (text == nullptr) refuse("--listen", "is required, for instance --listen 127.0.0.1:8443");
  auto parsed = parse_listen_address(*text);
  if (parsed.has_error()) refuse("--listen", parsed.error().detail);
  return *parsed;
}

address read_target(const argument_strings::list& values) {
  const std::string* text = single("--to", values);
  if (text == nullptr) refuse("--to", "is required, for instance --to 127.0.0.1:8080");
  auto parsed = parse_target_address(*text);
  if (parsed.has_error()) refuse("--to", parsed.error().detail);
  return *parsed;
}

void read_certificates(const argument_strings& strings, service_options& to) {
  const std::size_t certificates = strings.certificate.size();
  const std::size_t keys = strings.key.size();
  for (const std::string& file : strings.certificate) {
    if (file.empty()) refuse("--cert", "the file name is empty");
  }
  for (const std::string& file : strings.key) {
    if (file.empty()) refuse("--key", "the file name is empty");
  }
  if (strings.self_signed) {
    if (certificates != 0) refuse("--self-signed", "excludes --cert");
    if (keys != 0) refuse("--self-signed", "excludes --key");
    to.self_signed = true;
  } else if (certificates == 0 && keys == 0) {
    refuse("--cert", "is required, with --key; for development use --self-signed instead");
  } else if (certificates != keys) {
    const auto times = [](std::size_t count) { return std::to_string(count) + (count == 1 ? " time" : " times"); };
    refuse("--cert",
           "given " + times(certificates) + ", but --key " + times(keys) + ": each certificate needs its key");
  }
  for (std::size_t at = 0; at < certificates; ++at) {
    to.certificates.push_back({strings.certificate[at], strings.key[at]});
  }
  if (const std::string* file = single("--passphrase-file", strings.passphrase_file)) {
    if (file->empty()) refuse("--passphrase-file", "the file name is empty");
    if (to.self_signed) refuse("--passphrase-file", "is for the keys of --key; --self-signed has none");
    to.passphrase_file = *file;
  }
}

service_options read_service_options(const argument_strings& strings) {
  service_options to;
  to.listen = read_listen(strings.listen);
  read_certificates(strings, to);
  to.alpn = read_alpn(strings.alpn);
  read_choice<security_profile>(
      "--profile", strings.profile,
      {{"modern", security_profile::modern}, {"intermediate", security_profile::intermediate}}, to.profile);
  read_duration("--handshake-timeout", strings.handshake_timeout, false, to.handshake_timeout);
  read_count("--max-handshakes", strings.max_handshakes, to.max_handshakes);
  read_count("--max-handshakes-per-address", strings.max_handshakes_per_address, to.max_handshakes_per_address);
  read_count("--max-pending-connections", strings.max_pending_connections, to.max_pending_connections);
  read_duration("--shutdown-timeout", strings.shutdown_timeout, true, to.shutdown_timeout);
  check_threads(strings.threads);
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

std::string version_text() {
  return "sallyport " + std::string(version()) + "\nbuilt with " + std::string(openssl_build_version()) +
         "\nrunning on " + std::string(openssl_runtime_version()) + "\n";
}

// What CLI11 itself has to complain about, in our words.
[[noreturn]] void refuse_command_line(CLI::App& app, const CLI::ParseError& complaint) {
  const std::string what = complaint.what();
  if (dynamic_cast<const CLI::ExtrasError*>(&complaint) != nullptr) {
    const std::vector<std::string> extras = app.remaining(true);
    if (!extras.empty()) {
      const std::string& first = extras.front();
      const bool is_option = first.size() > 1 && first.front() == '-';
      const std::string kind = is_option ? "unknown option " : "unexpected argument ";
      throw startup_failure(exit_usage, kind + in_quotes(first) + " (see --help)");
    }
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&complaint) != nullptr) {
    refuse(what.substr(0, what.find(':')), "needs a value");
  }
  throw startup_failure(exit_usage, what);
}

}  // namespace

options parse_options(std::vector<std::string> arguments) {
  argument_strings strings;
  CLI::App app(description, "sallyport");
  app.get_formatter()->column_width(44);
  app.footer(main_footer);
  app.set_version_flag("--version", version_text(), "print the versions of sallyport and of OpenSSL, and exit");

  CLI::App& echo = *app.add_subcommand("echo", "send back what each client sends");
  echo.footer(std::string(common_footer) + "\n" + echo_footer);
  add_service_options(echo, strings);

  CLI::App& forward = *app.add_subcommand("forward", "TLS in, plain TCP out: connect each client to a backend");
  forward.footer(std::string(common_footer) + "\n" + forward_footer);
  add_service_options(forward, strings);
  add_value(forward, "--to", strings.to, "ADDR", "the backend (required)");
  add_value(forward, "--connect-timeout", strings.connect_timeout, "DURATION", "for connecting to the backend [5s]");

  try {
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    for (CLI::App* command : {&echo, &forward}) {
      if (command->parsed()) return information{command->help()};
    }
    return information{app.help()};
  } catch (const CLI::CallForVersion&) {
    return information{version_text()};
  } catch (const CLI::ParseError& complaint) {
    refuse_command_line(app, complaint);
  }

  if (echo.parsed() && forward.parsed()) throw startup_failure(exit_usage, "either echo or forward, not both");
  if (echo.parsed()) return echo_options{read_service_options(strings)};
  if (!forward.parsed()) throw startup_failure(exit_usage, "a command is missing: echo or forward (see --help)");
  forward_options to{.service = read_service_options(strings), .to = read_target(strings.to)};
  read_duration("--connect-timeout", strings.connect_timeout, false, to.connect_timeout);
  return to;
}

}  // namespace sallyport::tool
