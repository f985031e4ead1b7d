// command_line: see command_line.hpp. CLI11 splits the command line into strings.
//
// SPDX-License-Identifier: Apache-2.0
#include "command_line.hpp"

#include "failure.hpp"
#include "text.hpp"

#include <sallyport/version.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

namespace sallyport::tool {
namespace {

using words = std::vector<std::string>;

constexpr const char* description =
    "Sallyport serves TLS: no client, however slow or hostile, keeps the others waiting.";

constexpr const char* program = "sallyport";

constexpr const char* main_footer =
    "Try it:\n"
    "  sallyport echo --listen 127.0.0.1:8443 --self-signed\n"
    "  openssl s_client -connect 127.0.0.1:8443\n"
    "\n"
    "All options: sallyport echo --help, and so for forward, check and explain\n";

constexpr const char* common_footer =
    "Addresses: HOST:PORT, [IPv6]:PORT or unix:PATH. To listen: port 0 takes any free one (the log tells which);\n"
    "*:PORT and :PORT are every address of this machine, IPv4 and IPv6, and so is [::]:PORT; of a name its first\n"
    "IPv4 address is taken, or else its first IPv6 address.\n"
    "Durations: 500ms, 5s, 2m, 1h.\n"
    "Certificates: --cert is a PEM file, whose key is in --key or in the same file; a PKCS#12 file (.p12, .pfx); a\n"
    "directory of pairs; or a URI such as pkcs11:..., and so may be --key. With as many --key as --cert the n-th\n"
    "belongs to the n-th, otherwise each to the --cert before it; so with --ocsp-response. The first certificate is\n"
    "the default; clients that ask for a name that another one has are shown that one.\n"
    "Clients' certificates are with none not asked for; with query asked for, and whatever comes is let in, the log\n"
    "tells; with verify only who has one that --client-ca vouches for is let in, or who has a pre-shared key.\n"
    "Rules: with --allow only clients whose certificate has one of these get in: dns=NAME, uri=URI, email=ADDRESS,\n"
    "cn=TEXT, ou=TEXT, spki=sha256:DIGEST. In a dns= *.example.com is one label; in a uri= * is one segment, and **\n"
    "at the end any number.\n"
    "For certain names: what stands behind --for NAME,... is for clients that ask for these: --client-ca,\n"
    "--client-verify, --crl, --allow, --alpn and --profile.\n"
    "Pre-shared keys: lines identity:key, or identity:sha384=key if that is its hash in TLS 1.3 (else SHA-256). The\n"
    "key is hexadecimal, of 16 to 512 bytes; the last colon counts; lines that begin with # are comments. Beside\n"
    "--cert and without --client-ca clients that have no key are let in too.\n"
    "The limits of handshakes and of waiting connections are for all threads together: each has its share, at least "
    "1.\n";

constexpr const char* signals_footer =
    "SIGHUP: all files are read again, for the connections from now on; if anything is wrong with them the former\n"
    "settings stay. SIGTERM or SIGINT: no new clients; connections may finish until --shutdown-timeout. A second one\n"
    "ends at once.\n"
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

constexpr const char* check_footer =
    "Reads the files that echo or forward would read, in the same way, and serves nothing: call it before a reload.\n"
    "Exit status: 0 all is well (warnings are on standard error), 2 wrong options or files.\n"
    "Example:\n"
    "  sallyport check --cert chain.pem --key key.pem --client-ca clients.pem\n";

constexpr const char* explain_footer =
    "Example:\n"
    "  sallyport explain no_common_version\n"
    "Exit status: 0 explained, 2 there is no such reason.\n";

constexpr const char* commands = "echo, forward, check or explain";

std::string version_text() {
  return "sallyport " + std::string(version()) + "\nbuilt with " + std::string(openssl_build_version()) +
         "\nrunning on " + std::string(openssl_runtime_version()) + "\n";
}

// Without CLI11's "..." behind options whose values are lists.
class formatter : public CLI::Formatter {
 public:
  formatter() { column_width(35); }
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_type_name().empty() ? "" : " " + option->get_type_name();
  }
};

// The options of all commands, in CLI11's hands.
class parser {
 public:
  explicit parser(argument_strings& strings);

  void parse(words arguments);
  void parse_section(words arguments, name_strings& to);
  std::optional<subcommand> command() const;
  // Of the subcommand, if there is one.
  std::string help() const;

 private:
  void add_value(CLI::App& app, const std::string& name, value_list& values, const std::string& type,
                 const std::string& help);
  // What may also stand behind --for. Later ones are added where the help should have them.
  void add_name_options(CLI::App& app, name_strings& strings);
  void add_service_options(CLI::App& app);
  bool has_option(const std::string& name) const;
  void check_values() const;
  [[noreturn]] void refuse_extra(const std::string& extra) const;
  [[noreturn]] void refuse_command_line(CLI::App& app, const CLI::ParseError& complaint) const;

  struct entry {
    CLI::App* app;
    subcommand command;
  };

  argument_strings& strings_;
  CLI::App app_{description, program};
  CLI::App* echo_;
  CLI::App* forward_;
  CLI::App* check_;
  CLI::App* explain_;
  std::vector<entry> all_;
  std::vector<std::pair<std::string, const value_list*>> by_name_{};
  value_list never_{};  // --for, which is split off before
};

parser::parser(argument_strings& strings)
    : strings_(strings),
      echo_(app_.add_subcommand("echo", "send back what each client sends")),
      forward_(app_.add_subcommand("forward", "TLS in, plain TCP out: connect each client to a backend")),
      check_(app_.add_subcommand("check", "whether echo or forward would start with these options and files")),
      explain_(app_.add_subcommand("explain", "what a failed handshake's reason means, and what helps")),
      all_{{echo_, subcommand::echo},
           {forward_, subcommand::forward},
           {check_, subcommand::check},
           {explain_, subcommand::explain}} {
  app_.footer(main_footer);
  echo_->footer(std::string(common_footer) + signals_footer + "\n" + echo_footer);
  forward_->footer(std::string(common_footer) + signals_footer + "\n" + forward_footer);
  check_->footer(std::string(common_footer) + "\n" + check_footer);
  explain_->footer(explain_footer);
  for (CLI::App* app : {&app_, echo_, forward_, check_, explain_}) {
    app->formatter(std::make_shared<formatter>());
    app->set_help_flag("-h,--help", "print this text and exit");
    app->set_version_flag("--version", version_text(), "print the versions of sallyport and of OpenSSL, and exit");
  }
  add_service_options(*echo_);
  for (CLI::App* app : {forward_, check_}) {
    add_value(*app, "--to", strings_.to, "ADDR", app == forward_ ? "the backend (required)" : "the backend");
    add_value(*app, "--connect-timeout", strings_.connect_timeout, "DURATION", "to connect to the backend [5s]");
    add_service_options(*app);
  }
  explain_->add_option("reason", strings_.reason, "as the log has it; without one, all of them in a line each")
      ->type_name("REASON");
  explain_->add_flag("--markdown", strings_.markdown, "all of them, as docs/failures.md has them");
}

std::optional<subcommand> parser::command() const {
  std::optional<subcommand> found;
  for (const entry& each : all_) {
    if (!each.app->parsed()) continue;
    if (found) {
      throw startup_failure(exit_usage, "one command at a time: " + std::string(commands) + " (see --help)");
    }
    found = each.command;
  }
  return found;
}

std::string parser::help() const {
  for (const entry& each : all_) {
    if (each.app->parsed()) return each.app->help(program);
  }
  return app_.help();
}

void parser::add_value(CLI::App& app, const std::string& name, value_list& values, const std::string& type,
                       const std::string& help) {
  app.add_option(name, values, help)->type_name(type)->allow_extra_args(false);
  by_name_.emplace_back(name, &values);
}

void parser::add_name_options(CLI::App& app, name_strings& strings) {
  add_value(app, "--client-ca", strings.client_ca, "PATH",
            "CA certificates for clients' certificates: a PEM file, or a directory of them");
  add_value(app, "--client-verify", strings.client_verify, "MODE",
            "none, query or verify: see below [verify with --client-ca, else none]");
  add_value(app, "--crl", strings.crl, "PATH",
            "revocation lists for clients' certificates: a file, or a directory of them");
  add_value(app, "--allow", strings.allow, "RULE", "who of these clients gets in: see below; repeat it for more [all]");
  add_value(app, "--alpn", strings.alpn, "NAME,...",
            "application protocols, best first; a client that offers only others is refused");
  add_value(app, "--profile", strings.profile, "NAME",
            "modern (TLS 1.3 alone) or intermediate (TLS 1.2 and 1.3) [intermediate]");
}

void parser::add_service_options(CLI::App& app) {
  const std::string required = &app == check_ ? "" : " (required)";
  add_value(app, "--listen", strings_.listen, "ADDR", "where to accept clients" + required);
  add_value(app, "--cert", strings_.certificate, "FILE",
            "certificate chain, PEM, the server's own first, or see below; repeat it for more");
  add_value(app, "--key", strings_.key, "FILE", "its private key, PEM");
  add_value(app, "--ocsp-response", strings_.ocsp_response, "FILE", "what to staple to it, DER");
  app.add_flag("--self-signed", strings_.self_signed,
               "instead of the pair, for development: a fresh certificate that nobody trusts");
  add_value(app, "--passphrase-file", strings_.passphrase_file, "FILE",
            "its first line is the passphrase of encrypted keys");
  add_value(app, "--unknown-name", strings_.unknown_name, "WHAT",
            "for names that no certificate has: default (show the first one) or refuse [default]");
  add_name_options(app, strings_);
  add_value(app, "--for", never_, "NAME,...", "the options behind it, of the six before it, are for these names alone");
  add_value(app, "--crl-policy", strings_.crl_policy, "POLICY",
            "if a list is missing or out of date: hard-fail (refuse) or soft-fail [hard-fail]");
  add_value(app, "--psk-file", strings_.psk_file, "FILE", "pre-shared keys; without --cert nobody else gets in");
  add_value(app, "--groups", strings_.groups, "NAME:...", "key exchange groups, best first [the profile's]");
  add_value(app, "--ticket-secret", strings_.ticket_secret, "FILE",
            "at least 32 random bytes: who has the same file resumes our sessions");
  add_value(app, "--resumption-lifetime", strings_.resumption_lifetime, "DURATION",
            "how long after a full handshake a client may resume; 0s: never [24h]");
  add_value(app, "--watch", strings_.watch, "DURATION",
            "look for changed files so often, and read them again as on SIGHUP [never]");
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
  add_value(app, "--key-threads", strings_.key_threads, "N",
            "threads for the work with private keys, if that is slow (in an HSM) [none]");
  add_value(app, "--threads", strings_.threads, "N", "threads that serve clients [the cores that the process may use]");
  add_value(app, "--log-level", strings_.level, "LEVEL", "trace, debug, info, warning, error or off [info]");
  add_value(app, "--log-format", strings_.format, "FORMAT", "text or json [text]");
}

bool parser::has_option(const std::string& name) const {
  return std::ranges::any_of(
      all_, [&](const entry& each) { return each.app->parsed() && each.app->get_option_no_throw(name) != nullptr; });
}

// "--cert --key x": no value of ours begins like an option (a file of such a name can be written ./--name).
void parser::check_values() const {
  for (const auto& [name, values] : by_name_) {
    for (const std::string& value : *values) {
      if (value.starts_with("--")) refuse(name, "needs a value, found " + in_quotes(value));
    }
  }
}

void parser::refuse_extra(const std::string& extra) const {
  const bool is_option = extra.size() > 1 && extra.front() == '-';
  const std::string kind = is_option ? "unknown option " : "unexpected argument ";
  throw startup_failure(exit_usage, kind + in_quotes(extra) + " (see --help)");
}

// What CLI11 itself has to complain about, in our words.
void parser::refuse_command_line(CLI::App& app, const CLI::ParseError& complaint) const {
  const std::string what = complaint.what();
  if (dynamic_cast<const CLI::ExtrasError*>(&complaint) != nullptr) {
    const words extras = app.remaining(true);
    if (!extras.empty()) refuse_extra(extras.front());
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&complaint) != nullptr) {
    refuse(what.substr(0, what.find(':')), "needs a value");
  }
  throw startup_failure(exit_usage, what);
}

void parser::parse(words arguments) {
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    app_.parse(std::move(arguments));
  } catch (const CLI::Success&) {  // --help, --version
    throw;
  } catch (const CLI::ParseError& complaint) {
    refuse_command_line(app_, complaint);
  }
  check_values();
}

void parser::parse_section(words arguments, name_strings& to) {
  CLI::App section;
  section.set_help_flag();
  by_name_.clear();
  add_name_options(section, to);
  std::reverse(arguments.begin(), arguments.end());
  try {
    section.parse(std::move(arguments));
  } catch (const CLI::ParseError& complaint) {
    const words extras = section.remaining(true);
    if (!extras.empty()) {
      const std::string name = extras.front().substr(0, extras.front().find('='));
      if (has_option(name)) refuse(name, "can't be for certain names alone: write it before the first --for");
    }
    refuse_command_line(section, complaint);
  }
  check_values();
}

// What CLI11 would take in a way that surprises: "--cert= --key=x" for a certificate named "--key=x".
void check_shape(const words& arguments) {
  for (const std::string& argument : arguments) {
    if (argument == "--") return;
    if (!argument.starts_with("--")) continue;
    const std::string name = argument.substr(0, argument.find('='));
    if (name == argument) continue;
    if (name == "--self-signed" || name == "--markdown") refuse(name, "takes no value");
    if (name.size() + 1 == argument.size()) refuse(name, "needs a value");
  }
}

bool is_option(const std::string& argument, std::string_view name) {
  return argument.starts_with(name) && (argument.size() == name.size() || argument[name.size()] == '=');
}

// Takes each --for and what is behind it out of `arguments`. Only --help and --version work from there, too.
std::vector<words> take_sections(words& arguments) {
  const auto is_for = [](const std::string& argument) { return is_option(argument, "--for"); };
  const auto first = std::ranges::find_if(arguments, is_for);
  std::vector<words> sections;
  words head(arguments.begin(), first);
  for (auto at = first; at != arguments.end(); ++at) {
    if (is_for(*at)) sections.emplace_back();
    if (*at == "-h" || *at == "--help" || *at == "--version") {
      head.push_back(*at);
    } else {
      sections.back().push_back(*at);
    }
  }
  arguments = std::move(head);
  return sections;
}

// The names of a section, which are taken out of it.
std::string take_names(words& section) {
  constexpr std::string_view equals = "--for=";
  const bool is_one_word = section.front().starts_with(equals);
  if (!is_one_word && (section.size() == 1 || section[1].starts_with("--"))) {
    refuse("--for", section.size() == 1 ? "needs a value" : "needs a value, found " + in_quotes(section[1]));
  }
  std::string names = is_one_word ? section.front().substr(equals.size()) : section[1];
  section.erase(section.begin(), section.begin() + (is_one_word ? 1 : 2));
  return names;
}

// As many --key as --cert: the n-th belongs to the n-th. Otherwise each belongs to the --cert before it.
void pair(const words& arguments, std::string_view option, const value_list& values,
          value_list certificate_strings::*to, std::vector<certificate_strings>& certificates) {
  const bool by_number = values.size() == certificates.size();
  std::size_t certificate = 0;  // how many there were so far
  std::size_t number = 0;
  for (const std::string& argument : arguments) {
    certificate += is_option(argument, "--cert");
    if (!is_option(argument, option) || number == values.size()) continue;
    const std::size_t owner = by_number ? number + 1 : certificate;
    if (owner == 0) refuse(option, "has no --cert before it that it could belong to");
    auto& owned = certificates[owner - 1].*to;
    owned.push_back(values[number++]);
    if (owned.size() > 1) refuse(option, "given twice for the same --cert");
  }
}

}  // namespace

void refuse(std::string_view option, const std::string& reason) {
  throw startup_failure(exit_usage, std::string(option) + ": " + reason);
}

command_line split_command_line(std::vector<std::string> arguments) {
  check_shape(arguments);
  std::vector<words> sections = take_sections(arguments);
  command_line to;
  parser parser(to.strings);
  try {
    parser.parse(arguments);
  } catch (const CLI::CallForVersion&) {
    to.answer = version_text();
    return to;
  } catch (const CLI::Success&) {
    to.answer = parser.help();
    return to;
  }
  const auto command = parser.command();
  if (!command) throw startup_failure(exit_usage, "a command is missing: " + std::string(commands) + " (see --help)");
  to.command = *command;
  if (!sections.empty() && to.command == subcommand::explain) {
    throw startup_failure(exit_usage, "unknown option \"--for\" (see --help)");
  }

  for (const std::string& certificate : to.strings.certificate) to.certificates.push_back({.certificate = certificate});
  pair(arguments, "--key", to.strings.key, &certificate_strings::keys, to.certificates);
  pair(arguments, "--ocsp-response", to.strings.ocsp_response, &certificate_strings::ocsp_responses, to.certificates);

  for (words& section : sections) {
    to.sections.push_back({{}, take_names(section)});
    parser.parse_section(std::move(section), to.sections.back());
  }
  return to;
}

}  // namespace sallyport::tool
