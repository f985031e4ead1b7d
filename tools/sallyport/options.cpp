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
#include <memory>
#include <string_view>
#include <utility>

namespace sallyport::tool {
namespace {

// Far more than a process can hold, far less than where counting overflows.
constexpr std::size_t max_count = 1'000'000;
// More than any machine has cores.
constexpr std::size_t max_threads = 1024;

constexpr const char* description =
    "Sallyport serves TLS: no client, however slow or hostile, keeps the others waiting.";

constexpr const char* program = "sallyport";

constexpr const char* main_footer =
    "Try it:\n"
    "  sallyport echo --listen 127.0.0.1:8443 --self-signed\n"
    "  openssl s_client -connect 127.0.0.1:8443\n"
    "\n"
    "All options: sallyport echo --help, sallyport forward --help, sallyport explain --help\n";

constexpr const char* common_footer =
    "Addresses: HOST:PORT, [IPv6]:PORT or unix:PATH. To listen: port 0 takes any free one (the log tells which);\n"
    "*:PORT and :PORT are every address of this machine, IPv4 and IPv6, and so is [::]:PORT; of a name its first\n"
    "IPv4 address is taken, or else its first IPv6 address.\n"
    "Durations: 500ms, 5s, 2m, 1h.\n"
    "Clients' certificates are with none not asked for; with query asked for, and whatever comes is let in, the log\n"
    "tells; with verify only who has one that --client-ca vouches for is let in, or who has a pre-shared key.\n"
    "Pre-shared keys: lines identity:key, or identity:sha384=key if that is its hash in TLS 1.3 (else SHA-256). The\n"
    "key is hexadecimal, of 16 to 512 bytes; the last colon counts; lines that begin with # are comments. Beside\n"
    "--cert and without --client-ca clients that have no key are let in too.\n"
    "The limits of handshakes and of waiting connections are for all threads together: each has its share, at least "
    "1.\n"
    "SIGTERM or SIGINT: no new clients; connections may finish until --shutdown-timeout. A second one ends at once.\n"
    "Exit status: 0 ended well, 1 failed or connections had to be cut, 2 wrong options or certificate files.\n";

constexpr const char* echo_footer =
    "Example:\n"
    "  sallyport echo --listen 127.0.0.1:8443 --self-signed\n"
    "  openssl s_client -connect 127.0.0.1:8443\n";

constexpr const char* explain_footer =
    "Example:\n"
    "  sallyport explain no_common_version\n"
    "Exit status: 0 explained, 2 there is no such reason.\n";

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

std::string version_text() {
  return "sallyport " + std::string(version()) + "\nbuilt with " + std::string(openssl_build_version()) +
         "\nrunning on " + std::string(openssl_runtime_version()) + "\n";
}

// The command line in CLI11's hands. Every value is a list, so that an option given twice is found here and not
// answered in CLI11's words.
struct argument_strings {
  using list = std::vector<std::string>;
  list listen{}, certificate{}, key{}, passphrase_file{}, client_ca{}, client_verify{}, psk_file{}, alpn{}, profile{},
      handshake_timeout{}, max_handshakes{}, max_handshakes_per_address{}, max_pending_connections{},
      shutdown_timeout{}, threads{}, level{}, format{};
  bool self_signed = false;
  list to{}, connect_timeout{};
  list reason{};
  bool markdown = false;

  std::vector<std::pair<std::string, const list*>> by_name{};
};

// Without CLI11's "..." behind options whose values are lists.
class formatter : public CLI::Formatter {
 public:
  formatter() { column_width(35); }
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_type_name().empty() ? "" : " " + option->get_type_name();
  }
};

class command_line {
 public:
  explicit command_line(argument_strings& strings);

  CLI::App& app() noexcept { return app_; }
  bool is_echo() const { return echo_->parsed(); }
  bool is_forward() const { return forward_->parsed(); }
  bool is_explain() const { return explain_->parsed(); }

  // Of the subcommand, if there is one.
  std::string help() const;

 private:
  void add_value(CLI::App& app, const std::string& name, argument_strings::list& values, const std::string& type,
                 const std::string& help);
  void add_service_options(CLI::App& app);

  argument_strings& strings_;
  CLI::App app_{description, program};
  CLI::App* echo_;
  CLI::App* forward_;
  CLI::App* explain_;
};

command_line::command_line(argument_strings& strings)
    : strings_(strings),
      echo_(app_.add_subcommand("echo", "send back what each client sends")),
      forward_(app_.add_subcommand("forward", "TLS in, plain TCP out: connect each client to a backend")),
      explain_(app_.add_subcommand("explain", "what a failed handshake's reason means, and what helps")) {
  app_.footer(main_footer);
  echo_->footer(std::string(common_footer) + "\n" + echo_footer);
  forward_->footer(std::string(common_footer) + "\n" + forward_footer);
  explain_->footer(explain_footer);
  for (CLI::App* app : {&app_, echo_, forward_, explain_}) {
    app->formatter(std::make_shared<formatter>());
    app->set_help_flag("-h,--help", "print this text and exit");
    app->set_version_flag("--version", version_text(), "print the versions of sallyport and of OpenSSL, and exit");
  }
  add_service_options(*echo_);
  add_value(*forward_, "--to", strings_.to, "ADDR", "the backend (required)");
  add_value(*forward_, "--connect-timeout", strings_.connect_timeout, "DURATION", "to connect to the backend [5s]");
  add_service_options(*forward_);
  explain_->add_option("reason", strings_.reason, "as the log has it; without one, all of them in a line each")
      ->type_name("REASON");
  explain_->add_flag("--markdown", strings_.markdown, "all of them, as docs/failures.md has them");
}

std::string command_line::help() const {
  for (const CLI::App* command : {echo_, forward_, explain_}) {
    if (command->parsed()) return command->help(program);
  }
  return app_.help();
}

void command_line::add_value(CLI::App& app, const std::string& name, argument_strings::list& values,
                             const std::string& type, const std::string& help) {
  app.add_option(name, values, help)->type_name(type)->allow_extra_args(false);
  strings_.by_name.emplace_back(name, &values);
}

void command_line::add_service_options(CLI::App& app) {
  add_value(app, "--listen", strings_.listen, "ADDR", "where to accept clients (required)");
  add_value(app, "--cert", strings_.certificate, "FILE",
            "certificate chain, PEM, the server's own first; repeat the pair for more names");
  add_value(app, "--key", strings_.key, "FILE", "its private key, PEM");
  app.add_flag("--self-signed", strings_.self_signed,
               "instead of the pair, for development: a fresh certificate that nobody trusts");
  add_value(app, "--passphrase-file", strings_.passphrase_file, "FILE",
            "its first line is the passphrase of encrypted keys");
  add_value(app, "--client-ca", strings_.client_ca, "PATH",
            "CA certificates for clients' certificates: a PEM file, or a directory of them");
  add_value(app, "--client-verify", strings_.client_verify, "MODE",
            "none, query or verify: see below [verify with --client-ca, else none]");
  add_value(app, "--psk-file", strings_.psk_file, "FILE", "pre-shared keys; without --cert nobody else gets in");
  add_value(app, "--alpn", strings_.alpn, "NAME,...",
            "application protocols, best first; a client that offers only others is refused");
  add_value(app, "--profile", strings_.profile, "NAME",
            "modern (TLS 1.3 alone) or intermediate (TLS 1.2 and 1.3) [intermediate]");
  add_value(app, "--handshake-timeout", strings_.handshake_timeout, "DURATION",
            "from accept to the complete handshake [5s]");
  add_value(app, "--max-handshakes", strings_.max_handshakes, "N",
            "handshakes in progress; beyond, the oldest silent client makes room [1024]");
  add_value(app, "--max-handshakes-per-address", strings_.max_handshakes_per_address, "N",
            "of these, for one IPv4 address or IPv6 /64 network [256]");
  add_value(app, "--max-pending-connections", strings_.max_pending_connections, "N",
            "connections that wait to be served; beyond, accepting pauses [128]");
  add_value(app, "--shutdown-timeout", strings_.shutdown_timeout, "DURATION",
            "for connections to end after SIGTERM or SIGINT [30s]");
  add_value(app, "--threads", strings_.threads, "N", "threads that serve clients [the cores that the process may use]");
  add_value(app, "--log-level", strings_.level, "LEVEL", "trace, debug, info, warning, error or off [info]");
  add_value(app, "--log-format", strings_.format, "FORMAT", "text or json [text]");
}

// What CLI11 would take in a way that surprises: "--cert= --key=x" for a certificate named "--key=x".
void check_shape(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    if (argument == "--") return;
    if (!argument.starts_with("--")) continue;
    const std::string name = argument.substr(0, argument.find('='));
    if (name == argument) continue;
    if (name == "--self-signed" || name == "--markdown") refuse(name, "takes no value");
    if (name.size() + 1 == argument.size()) refuse(name, "needs a value");
  }
}

// "--cert --key x": no value of ours begins like an option (a file of such a name can be written ./--name).
void check_values(const argument_strings& strings) {
  for (const auto& [name, values] : strings.by_name) {
    for (const std::string& value : *values) {
      if (value.starts_with("--")) refuse(name, "needs a value, found " + in_quotes(value));
    }
  }
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

void read_count(std::string_view option, const argument_strings::list& values, std::size_t max, std::size_t& to) {
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

std::optional<std::filesystem::path> read_path(std::string_view option, const argument_strings::list& values,
                                               const std::string& empty = "the file name is empty") {
  const std::string* text = single(option, values);
  if (text == nullptr) return std::nullopt;
  if (text->empty()) refuse(option, empty);
  return *text;
}

// After --psk-file: who has pre-shared keys needs no certificate.
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
  } else if (certificates == 0 && keys == 0 && !to.psk_file) {
    refuse("--cert", "is required, with --key; for development use --self-signed instead");
  } else if (certificates != keys) {
    const auto times = [](std::size_t count) { return std::to_string(count) + (count == 1 ? " time" : " times"); };
    refuse("--cert",
           "given " + times(certificates) + ", but --key " + times(keys) + ": each certificate needs its key");
  }
  for (std::size_t at = 0; at < certificates; ++at) {
    to.certificates.push_back({strings.certificate[at], strings.key[at]});
  }
  to.passphrase_file = read_path("--passphrase-file", strings.passphrase_file);
  if (to.passphrase_file && to.self_signed) {
    refuse("--passphrase-file", "is for the keys of --key; --self-signed has none");
  }
  if (to.passphrase_file && certificates == 0) refuse("--passphrase-file", "is for the keys of --key; there is none");
}

void read_client_verification(const argument_strings& strings, service_options& to) {
  to.client_ca = read_path("--client-ca", strings.client_ca, "the file or directory name is empty");
  if (to.client_ca) to.client_verify = peer_verify_mode::verify;
  read_choice<peer_verify_mode>(
      "--client-verify", strings.client_verify,
      {{"none", peer_verify_mode::none}, {"query", peer_verify_mode::query}, {"verify", peer_verify_mode::verify}},
      to.client_verify);
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
}

service_options read_service_options(const argument_strings& strings) {
  service_options to;
  to.listen = read_listen(strings.listen);
  to.psk_file = read_path("--psk-file", strings.psk_file);
  read_certificates(strings, to);
  read_client_verification(strings, to);
  to.alpn = read_alpn(strings.alpn);
  read_choice<security_profile>(
      "--profile", strings.profile,
      {{"modern", security_profile::modern}, {"intermediate", security_profile::intermediate}}, to.profile);
  read_duration("--handshake-timeout", strings.handshake_timeout, false, to.handshake_timeout);
  read_count("--max-handshakes", strings.max_handshakes, max_count, to.max_handshakes);
  read_count("--max-handshakes-per-address", strings.max_handshakes_per_address, max_count,
             to.max_handshakes_per_address);
  read_count("--max-pending-connections", strings.max_pending_connections, max_count, to.max_pending_connections);
  read_duration("--shutdown-timeout", strings.shutdown_timeout, true, to.shutdown_timeout);
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

explain_options read_explain_options(const argument_strings& strings) {
  if (strings.reason.size() > 1) {
    throw startup_failure(exit_usage, "explain: one reason at a time, found also " + in_quotes(strings.reason[1]));
  }
  explain_options to{.markdown = strings.markdown};
  if (!strings.reason.empty()) to.reason = strings.reason.front();
  if (to.reason && to.markdown) refuse("--markdown", "is for all reasons: leave " + in_quotes(*to.reason) + " out");
  return to;
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
  check_shape(arguments);
  argument_strings strings;
  command_line command(strings);
  try {
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    command.app().parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    return information{command.help()};
  } catch (const CLI::CallForVersion&) {
    return information{version_text()};
  } catch (const CLI::ParseError& complaint) {
    refuse_command_line(command.app(), complaint);
  }
  check_values(strings);

  const int commands = command.is_echo() + command.is_forward() + command.is_explain();
  if (commands > 1) throw startup_failure(exit_usage, "one command at a time: echo, forward or explain (see --help)");
  if (commands == 0) throw startup_failure(exit_usage, "a command is missing: echo, forward or explain (see --help)");
  if (command.is_explain()) return read_explain_options(strings);
  if (command.is_echo()) return echo_options{read_service_options(strings)};
  forward_options to{.service = read_service_options(strings), .to = read_target(strings.to)};
  read_duration("--connect-timeout", strings.connect_timeout, false, to.connect_timeout);
  return to;
}

}  // namespace sallyport::tool
