// The command line: what the options mean, and the one line that is said when they are wrong.
//
// SPDX-License-Identifier: Apache-2.0
#include "configuration.hpp"
#include "failure.hpp"
#include "options.hpp"

#include <sallyport/ssl_server.hpp>

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <string>
#include <variant>
#include <vector>

namespace sallyport::tool {
namespace {

using namespace std::chrono_literals;
using words = std::vector<std::string>;

echo_options echo(words more) {
  words arguments{"echo", "--listen", "127.0.0.1:0", "--self-signed"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return std::get<echo_options>(parse_options(arguments));
}

forward_options forward(words more) {
  words arguments{"forward", "--listen", "127.0.0.1:0", "--self-signed", "--to", "127.0.0.1:80"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return std::get<forward_options>(parse_options(arguments));
}

// What is said of a command line, or "accepted".
std::string complaint(const words& arguments) {
  try {
    parse_options(arguments);
    return "accepted";
  } catch (const startup_failure& failure) {
    EXPECT_EQ(failure.status(), exit_usage);
    return failure.what();
  }
}

TEST(ToolOptions, DefaultsAreTheLibrarys) {
  const service_options options = echo({}).service;
  boost::asio::io_context context;
  const ssl_server server(context.get_executor());
  EXPECT_EQ(options.handshake_timeout, server.handshake_timeout());
  EXPECT_EQ(options.max_handshakes, server.max_handshakes());
  EXPECT_EQ(options.max_handshakes_per_address, server.max_handshakes_per_address());
  EXPECT_EQ(options.max_pending_connections, server.max_pending_connections());
  EXPECT_EQ(options.profile, ssl_configuration{}.profile);
  EXPECT_EQ(options.alpn, ssl_configuration{}.alpn_protocols);
  EXPECT_EQ(options.threads, 0u);
  EXPECT_EQ(options.shutdown_timeout, 30s);
  EXPECT_EQ(options.level, log_level::info);
  EXPECT_EQ(options.format, log_format::text);
  EXPECT_TRUE(options.self_signed);
  EXPECT_TRUE(options.certificates.empty());
  EXPECT_FALSE(options.passphrase_file);
  EXPECT_FALSE(options.client_ca);
  EXPECT_EQ(options.client_verify, ssl_configuration{}.verify_mode);
  EXPECT_FALSE(options.psk_file);
  EXPECT_EQ(options.unknown_name, ssl_configuration{}.unknown_names);
  EXPECT_EQ(options.crl_policy, ssl_configuration{}.missing_revocation_list);
  EXPECT_EQ(options.resumption_lifetime, ssl_configuration{}.resumption_lifetime);
  EXPECT_EQ(options.groups, ssl_configuration{}.groups);
  EXPECT_FALSE(options.crl);
  EXPECT_TRUE(options.allow.empty());
  EXPECT_TRUE(options.for_names.empty());
  EXPECT_FALSE(options.ticket_secret);
  EXPECT_EQ(options.watch, 0s);
  EXPECT_EQ(options.listen, (address{.host = "127.0.0.1", .port = 0}));
  EXPECT_EQ(forward({}).connect_timeout, 5s);
  EXPECT_EQ(forward({}).to, (address{.host = "127.0.0.1", .port = 80}));
}

TEST(ToolOptions, EveryOptionArrives) {
  const auto parsed = std::get<forward_options>(parse_options({"forward",
                                                               "--listen=[::1]:8443",
                                                               "--to",
                                                               "unix:/run/app.sock",
                                                               "--cert",
                                                               "a.pem",
                                                               "--key",
                                                               "a.key",
                                                               "--cert",
                                                               "b.pem",
                                                               "--key",
                                                               "b.key",
                                                               "--passphrase-file",
                                                               "secret",
                                                               "--client-ca",
                                                               "ca.pem",
                                                               "--client-verify",
                                                               "query",
                                                               "--psk-file=keys.psk",
                                                               "--unknown-name=refuse",
                                                               "--groups",
                                                               "x25519:secp256r1",
                                                               "--ticket-secret",
                                                               "tickets",
                                                               "--resumption-lifetime",
                                                               "2h",
                                                               "--watch",
                                                               "10s",
                                                               "--alpn",
                                                               "h2,http/1.1",
                                                               "--alpn",
                                                               "x",
                                                               "--profile",
                                                               "modern",
                                                               "--handshake-timeout",
                                                               "1500ms",
                                                               "--max-handshakes",
                                                               "1",
                                                               "--max-handshakes-per-address",
                                                               "2",
                                                               "--max-pending-connections",
                                                               "1000000",
                                                               "--shutdown-timeout",
                                                               "0s",
                                                               "--key-threads",
                                                               "2",
                                                               "--threads",
                                                               "3",
                                                               "--log-level",
                                                               "debug",
                                                               "--log-format",
                                                               "json",
                                                               "--connect-timeout=2m"}));
  const service_options& service = parsed.service;
  EXPECT_EQ(service.listen, (address{.host = "::1", .port = 8443}));
  EXPECT_EQ(parsed.to, (address{.path = "/run/app.sock"}));
  ASSERT_EQ(service.certificates.size(), 2u);
  EXPECT_EQ(service.certificates[0].certificate, "a.pem");
  EXPECT_EQ(service.certificates[0].key, "a.key");
  EXPECT_EQ(service.certificates[1].certificate, "b.pem");
  EXPECT_EQ(service.certificates[1].key, "b.key");
  EXPECT_FALSE(service.self_signed);
  EXPECT_EQ(service.passphrase_file, "secret");
  EXPECT_EQ(service.client_ca, "ca.pem");
  EXPECT_EQ(service.client_verify, peer_verify_mode::query);
  EXPECT_EQ(service.psk_file, "keys.psk");
  EXPECT_EQ(service.unknown_name, unknown_name_policy::refuse);
  EXPECT_EQ(service.groups, "x25519:secp256r1");
  EXPECT_EQ(service.ticket_secret, "tickets");
  EXPECT_EQ(service.resumption_lifetime, 2h);
  EXPECT_EQ(service.watch, 10s);
  EXPECT_EQ(service.alpn, (words{"h2", "http/1.1", "x"}));
  EXPECT_EQ(service.profile, security_profile::modern);
  EXPECT_EQ(service.handshake_timeout, 1500ms);
  EXPECT_EQ(service.max_handshakes, 1u);
  EXPECT_EQ(service.max_handshakes_per_address, 2u);
  EXPECT_EQ(service.threads, 3u);
  EXPECT_EQ(service.key_threads, 2u);
  EXPECT_EQ(service.max_pending_connections, 1'000'000u);
  EXPECT_EQ(service.shutdown_timeout, 0s);
  EXPECT_EQ(service.level, log_level::debug);
  EXPECT_EQ(service.format, log_format::json);
  EXPECT_EQ(parsed.connect_timeout, 2min);
}

TEST(ToolOptions, ChoicesAreTakenByName) {
  EXPECT_EQ(echo({"--profile", "intermediate"}).service.profile, security_profile::intermediate);
  const std::vector<std::pair<std::string, log_level>> levels{
      {"trace", log_level::trace},     {"debug", log_level::debug}, {"info", log_level::info},
      {"warning", log_level::warning}, {"error", log_level::error}, {"off", log_level::off}};
  for (const auto& [name, level] : levels) EXPECT_EQ(echo({"--log-level", name}).service.level, level) << name;
}

TEST(ToolOptions, ClientsAreVerifiedWhereThereIsACa) {
  EXPECT_EQ(echo({"--client-ca", "ca"}).service.client_verify, peer_verify_mode::verify);
  EXPECT_EQ(echo({"--client-ca", "ca", "--client-verify", "verify"}).service.client_verify, peer_verify_mode::verify);
  EXPECT_EQ(echo({"--client-verify", "query", "--client-ca", "ca"}).service.client_verify, peer_verify_mode::query);
  EXPECT_EQ(echo({"--client-verify", "query"}).service.client_verify, peer_verify_mode::query);
  EXPECT_EQ(echo({"--client-verify", "none"}).service.client_verify, peer_verify_mode::none);
  EXPECT_EQ(echo({"--psk-file", "keys"}).service.client_verify, peer_verify_mode::none);
}

// What each --cert of a command line got: certificate, key, OCSP response.
std::vector<words> sources(const words& more) {
  words arguments{"echo", "--listen", ":0"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  std::vector<words> all;
  const auto parsed = std::get<echo_options>(parse_options(arguments));
  for (const certificate_source& each : parsed.service.certificates) {
    all.push_back({each.certificate, each.key, each.ocsp_response});
  }
  return all;
}

TEST(ToolOptions, KeysAndOcspResponsesFindTheirCertificate) {
  using rows = std::vector<words>;
  // As many of each: by number, in whichever order.
  EXPECT_EQ(sources({"--cert", "a", "--key", "b", "--cert", "c", "--key", "d"}),
            (rows{{"a", "b", ""}, {"c", "d", ""}}));
  EXPECT_EQ(sources({"--key=b", "--cert=a", "--key=d", "--cert=c"}), (rows{{"a", "b", ""}, {"c", "d", ""}}));
  EXPECT_EQ(sources({"--ocsp-response", "o", "--cert", "a"}), (rows{{"a", "", "o"}}));
  // Fewer: each to the one before it.
  EXPECT_EQ(sources({"--cert", "a.p12", "--cert", "c", "--key", "d", "--cert=e", "--ocsp-response=f"}),
            (rows{{"a.p12", "", ""}, {"c", "d", ""}, {"e", "", "f"}}));
  EXPECT_EQ(sources({"--cert", "a", "--key", "pkcs11:object=key"}), (rows{{"a", "pkcs11:object=key", ""}}));
}

TEST(ToolOptions, WhatStandsBehindForIsForTheseNames) {
  const service_options options =
      echo({"--alpn", "h2", "--for", "a.example,*.b.example", "--client-ca", "ca", "--allow", "cn=alice", "--allow",
            "ou=staff", "--for=c.example", "--alpn=http/1.1", "--profile", "modern"})
          .service;
  EXPECT_EQ(options.alpn, words{"h2"});
  EXPECT_FALSE(options.client_ca);
  EXPECT_EQ(options.client_verify, peer_verify_mode::none);
  EXPECT_TRUE(options.allow.empty());
  EXPECT_TRUE(options.asks_for_certificates());
  ASSERT_EQ(options.for_names.size(), 2u);
  const name_options& first = options.for_names[0];
  EXPECT_EQ(first.names, (words{"a.example", "*.b.example"}));
  EXPECT_EQ(first.client_ca, "ca");
  EXPECT_EQ(first.client_verify, peer_verify_mode::verify);
  ASSERT_TRUE(first.allow && first.allow->size() == 2);
  EXPECT_EQ(first.allow->at(1).text(), "ou=staff");
  EXPECT_FALSE(first.alpn || first.profile || first.crl);
  const name_options& second = options.for_names[1];
  EXPECT_EQ(second.names, words{"c.example"});
  EXPECT_EQ(second.alpn, words{"http/1.1"});
  EXPECT_EQ(second.profile, security_profile::modern);
  EXPECT_FALSE(second.client_ca || second.client_verify || second.crl || second.allow);
}

TEST(ToolOptions, ForMayLetInWhomTheRestDoesNot) {
  const auto options = echo({"--client-ca", "ca", "--for", "open.example", "--client-verify", "none"}).service;
  EXPECT_EQ(options.for_names.at(0).client_verify, peer_verify_mode::none);
  const auto inherited = echo({"--client-ca", "ca", "--for", "a.example", "--allow", "cn=alice"}).service;
  EXPECT_FALSE(inherited.for_names.at(0).client_verify);
  EXPECT_FALSE(echo({"--for", "a.example", "--alpn", "h2"}).service.asks_for_certificates());
}

TEST(ToolOptions, CheckTakesTheOptionsOfEchoAndForward) {
  const auto checked = [](words more) {
    more.insert(more.begin(), "check");
    return std::get<check_options>(parse_options(more)).service;
  };
  EXPECT_TRUE(checked({"--self-signed"}).self_signed);
  EXPECT_EQ(checked({"--self-signed", "--listen", "[::1]:8443", "--to", "a:1"}).listen.host, "::1");
  EXPECT_EQ(complaint({"check"}), "--cert: is required, with --key; for development use --self-signed instead");
  EXPECT_EQ(complaint({"check", "--self-signed", "--to", ":80"}), "--to: \":80\" has no host to connect to");
  EXPECT_EQ(complaint({"check", "--self-signed", "--connect-timeout", "0s"}),
            "--connect-timeout: must be longer than 0");
}

TEST(ToolOptions, PreSharedKeysNeedNoCertificate) {
  const auto parsed = std::get<echo_options>(parse_options({"echo", "--listen", ":0", "--psk-file", "keys"}));
  EXPECT_TRUE(parsed.service.certificates.empty());
  EXPECT_FALSE(parsed.service.self_signed);
  EXPECT_EQ(parsed.service.psk_file, "keys");
  EXPECT_TRUE(echo({"--psk-file", "keys"}).service.self_signed);
}

TEST(ToolOptions, ExplainTakesAReasonOrNone) {
  const auto explained = [](const words& arguments) { return std::get<explain_options>(parse_options(arguments)); };
  EXPECT_EQ(explained({"explain", "not_tls"}).reason, "not_tls");
  EXPECT_FALSE(explained({"explain", "not_tls"}).markdown);
  EXPECT_FALSE(explained({"explain"}).reason);
  EXPECT_TRUE(explained({"explain", "--markdown"}).markdown);
  EXPECT_EQ(complaint({"explain", "not_tls", "--markdown"}), "--markdown: is for all reasons: leave \"not_tls\" out");
  EXPECT_EQ(complaint({"explain", "not_tls", "evicted"}), "explain: one reason at a time, found also \"evicted\"");
  EXPECT_EQ(complaint({"explain", "--markdown=yes"}), "--markdown: takes no value");
  EXPECT_EQ(complaint({"explain", "--listen", ":0"}), "unknown option \"--listen\" (see --help)");
}

TEST(ToolOptions, SaysWhatIsWrongWithAValue) {
  struct row {
    words arguments;
    std::string message;
  };
  const std::string expected = " (expected HOST:PORT, [IPv6]:PORT or unix:PATH)";
  const std::string long_name(256, 'a');
  const std::vector<row> rows{
      {{"--handshake-timeout", "5"}, "--handshake-timeout: \"5\" has no unit (write it like 500ms, 5s, 2m or 1h)"},
      {{"--handshake-timeout", "0s"}, "--handshake-timeout: must be longer than 0"},
      {{"--handshake-timeout", ""}, "--handshake-timeout: \"\" is not a duration (write it like 500ms, 5s, 2m or 1h)"},
      {{"--shutdown-timeout", "soon"},
       "--shutdown-timeout: \"soon\" is not a duration (write it like 500ms, 5s, 2m or 1h)"},
      {{"--max-handshakes", "0"}, "--max-handshakes: \"0\" is not a whole number from 1 to 1000000"},
      {{"--max-handshakes", "1000001"}, "--max-handshakes: \"1000001\" is not a whole number from 1 to 1000000"},
      {{"--max-handshakes", "99999999999999999999999"},
       "--max-handshakes: \"99999999999999999999999\" is not a whole number from 1 to 1000000"},
      {{"--max-handshakes", "-1"}, "--max-handshakes: \"-1\" is not a whole number from 1 to 1000000"},
      {{"--max-handshakes-per-address", "many"},
       "--max-handshakes-per-address: \"many\" is not a whole number from 1 to 1000000"},
      {{"--max-pending-connections", "1.5"},
       "--max-pending-connections: \"1.5\" is not a whole number from 1 to 1000000"},
      {{"--max-pending-connections", "1e3"},
       "--max-pending-connections: \"1e3\" is not a whole number from 1 to 1000000"},
      {{"--threads", "0"}, "--threads: \"0\" is not a whole number from 1 to 1024"},
      {{"--threads", "1025"}, "--threads: \"1025\" is not a whole number from 1 to 1024"},
      {{"--alpn", ""}, "--alpn: \"\" has an empty protocol name"},
      {{"--alpn", "h2,,http/1.1"}, "--alpn: \"h2,,http/1.1\" has an empty protocol name"},
      {{"--alpn", "h2,"}, "--alpn: \"h2,\" has an empty protocol name"},
      {{"--alpn", ",h2"}, "--alpn: \",h2\" has an empty protocol name"},
      {{"--alpn", long_name}, "--alpn: \"" + long_name + "\" is longer than 255 bytes"},
      {{"--profile", "old"}, "--profile: \"old\" is not one of modern, intermediate"},
      {{"--profile", "Modern"}, "--profile: \"Modern\" is not one of modern, intermediate"},
      {{"--log-level", "loud"}, "--log-level: \"loud\" is not one of trace, debug, info, warning, error, off"},
      {{"--log-format", "xml"}, "--log-format: \"xml\" is not one of text, json"},
      {{"--log-format", "x\ny"}, R"(--log-format: "x\ny" is not one of text, json)"},
      {{"--log-format", "json", "--log-format", "json"}, "--log-format: given more than once"},
      {{"--listen", "127.0.0.1:1"}, "--listen: given more than once"},
      {{"--threads"}, "--threads: needs a value"},
      {{"--threads="}, "--threads: needs a value"},
      {{"--alpn", "--threads"}, "--alpn: needs a value, found \"--threads\""},
      {{"--self-signed=yes"}, "--self-signed: takes no value"},
      {{"--cert", "a.pem"}, "--self-signed: excludes --cert"},
      {{"--key", "a.key"}, "--key: has no --cert before it that it could belong to"},
      {{"--ocsp-response", "a.ocsp"}, "--ocsp-response: has no --cert before it that it could belong to"},
      {{"--passphrase-file", "x"}, "--passphrase-file: is for the keys of --key; --self-signed has none"},
      {{"--client-ca", ""}, "--client-ca: the file or directory name is empty"},
      {{"--client-ca", "a", "--client-ca", "b"}, "--client-ca: given more than once"},
      {{"--client-verify", "yes"}, "--client-verify: \"yes\" is not one of none, query, verify"},
      {{"--client-ca", "ca", "--client-verify", "none"},
       "--client-ca: is of no use with --client-verify none: everybody would be let in"},
      {{"--client-verify", "verify"},
       "--client-verify: verify needs --client-ca: somebody has to vouch for the clients"},
      {{"--unknown-name", "guess"}, "--unknown-name: \"guess\" is not one of default, refuse"},
      {{"--crl", "crl"}, "--crl: needs --client-ca: it is about clients' certificates"},
      {{"--crl-policy", "soft-fail"}, "--crl-policy: needs --crl"},
      {{"--client-ca", "ca", "--crl", "crl", "--crl-policy", "soft"},
       "--crl-policy: \"soft\" is not one of hard-fail, soft-fail"},
      {{"--allow", "cn=alice"},
       "--allow: needs --client-ca, and not --client-verify query: otherwise everybody would be let in"},
      {{"--client-ca", "ca", "--client-verify", "query", "--allow", "cn=alice"},
       "--allow: needs --client-ca, and not --client-verify query: otherwise everybody would be let in"},
      {{"--groups", ""}, "--groups: the list is empty"},
      {{"--ticket-secret", ""}, "--ticket-secret: the file name is empty"},
      {{"--resumption-lifetime", "169h"}, "--resumption-lifetime: must be at most 7 days (168h)"},
      {{"--resumption-lifetime", "1500ms"}, "--resumption-lifetime: must be whole seconds"},
      {{"--resumption-lifetime", "0s", "--ticket-secret", "x"},
       "--ticket-secret: is of no use with --resumption-lifetime 0s: nothing would be resumed"},
      {{"--watch", "0s"}, "--watch: must be longer than 0"},
      {{"--for", "a.example"}, "--for: for a.example: nothing stands behind it that is to be different"},
      {{"--for", "a.example,", "--alpn", "h2"}, "--for: \"a.example,\" has an empty name"},
      {{"--for"}, "--for: needs a value"},
      {{"--for="}, "--for: needs a value"},
      {{"--for", "--alpn", "h2"}, "--for: needs a value, found \"--alpn\""},
      {{"--for", "a.example", "--alpn"}, "--alpn: needs a value"},
      {{"--for", "a.example", "--alpn", "--threads"}, "--alpn: needs a value, found \"--threads\""},
      {{"--for", "a.example", "--threads", "1"},
       "--threads: can't be for certain names alone: write it before the first --for"},
      {{"--for", "a.example", "--threads=1"},
       "--threads: can't be for certain names alone: write it before the first --for"},
      {{"--for", "a.example", "--bogus"}, "unknown option \"--bogus\" (see --help)"},
      {{"--for", "a.example", "--to", "a:1"}, "unknown option \"--to\" (see --help)"},
      {{"--for", "a.example", "extra"}, "unexpected argument \"extra\" (see --help)"},
      {{"--for", "a.example", "--client-verify", "verify"},
       "--client-verify: for a.example: verify needs --client-ca: somebody has to vouch for the clients"},
      {{"--for", "a.example", "--crl", "crl"},
       "--crl: for a.example: needs --client-ca: it is about clients' certificates"},
      {{"--for", "a.example", "--allow", "cn=alice"},
       "--allow: for a.example: needs --client-ca, and not --client-verify query: otherwise everybody would be let in"},
      {{"--for", "a.example", "--client-ca", "ca", "--client-verify", "none"},
       "--client-ca: for a.example: is of no use with --client-verify none: everybody would be let in"},
      {{"--for", "a.example", "--alpn", "h2", "--for", "b.example", "--profile", "old"},
       "--profile: \"old\" is not one of modern, intermediate"},
      {{"--psk-file", ""}, "--psk-file: the file name is empty"},
      {{"--psk-file", "a", "--psk-file", "b"}, "--psk-file: given more than once"},
      {{"--to", "127.0.0.1:80"}, "unknown option \"--to\" (see --help)"},
      {{"--bogus"}, "unknown option \"--bogus\" (see --help)"},
      {{"-x"}, "unknown option \"-x\" (see --help)"},
      {{"extra"}, "unexpected argument \"extra\" (see --help)"},
      {{"a\nb"}, R"(unexpected argument "a\nb" (see --help))"},
      {{"forward"}, "one command at a time: echo, forward, check or explain (see --help)"},
  };
  for (const row& row : rows) {
    words arguments{"echo", "--listen", "127.0.0.1:0", "--self-signed"};
    arguments.insert(arguments.end(), row.arguments.begin(), row.arguments.end());
    EXPECT_EQ(complaint(arguments), row.message);
  }
}

TEST(ToolOptions, SaysWhatIsMissing) {
  struct row {
    words arguments;
    std::string message;
  };
  const words listen{"echo", "--listen", ":0"};
  const std::vector<row> rows{
      {{}, "a command is missing: echo, forward, check or explain (see --help)"},
      {{"serve"}, "unexpected argument \"serve\" (see --help)"},
      {{""}, "unexpected argument \"\" (see --help)"},
      {{"--self-signed"}, "unknown option \"--self-signed\" (see --help)"},
      {{"echo", "--self-signed"}, "--listen: is required, for instance --listen 127.0.0.1:8443"},
      {{"echo", "--listen", ":0"}, "--cert: is required, with --key; for development use --self-signed instead"},
      {{"echo", "--listen", ":0", "--key", "a"}, "--key: has no --cert before it that it could belong to"},
      {{"echo", "--listen", ":0", "--key", "a", "--cert", "a", "--cert", "b"},
       "--key: has no --cert before it that it could belong to"},
      {{"echo", "--listen", ":0", "--cert", "a", "--key", "a", "--key", "b"}, "--key: given twice for the same --cert"},
      {{"echo", "--listen", ":0", "--cert=", "--key=a"}, "--cert: needs a value"},
      {{"echo", "--listen", ":0", "--cert", "", "--key", "a"}, "--cert: the file name is empty"},
      {{"echo", "--listen", ":0", "--cert", "a", "--key", ""}, "--key: the file name is empty"},
      {{"echo", "--listen", ":0", "--cert", "a", "--key", "a", "--passphrase-file", ""},
       "--passphrase-file: the file name is empty"},
      {{"echo", "--listen", ":0", "--psk-file", "a", "--passphrase-file", "a"},
       "--passphrase-file: is for the keys of --key; there is none"},
      {{"echo", "--listen", ":0", "--psk-file", "a", "--client-ca", "a"},
       "--client-ca: needs --cert: a server without a certificate can't ask clients for theirs"},
      {{"echo", "--listen", ":0", "--psk-file", "a", "--client-verify", "query"},
       "--client-verify: needs --cert: a server without a certificate can't ask clients for theirs"},
      {{"echo", "--listen", "", "--self-signed"},
       "--listen: the address is empty (expected HOST:PORT, [IPv6]:PORT or unix:PATH)"},
      {{"forward", "--listen", ":0", "--self-signed"}, "--to: is required, for instance --to 127.0.0.1:8080"},
      {{"forward", "--listen", ":0", "--self-signed", "--to", ":80"}, "--to: \":80\" has no host to connect to"},
      {{"forward", "--listen", ":0", "--self-signed", "--to", "a:1", "--to", "a:1"}, "--to: given more than once"},
      {{"forward", "--listen", ":0", "--self-signed", "--to", "a:1", "--connect-timeout", "0ms"},
       "--connect-timeout: must be longer than 0"},
  };
  for (const row& row : rows) EXPECT_EQ(complaint(row.arguments), row.message);
}

TEST(ToolOptions, HelpAndVersionAreAnswers) {
  const auto text = [](const words& arguments) { return std::get<information>(parse_options(arguments)).text; };
  EXPECT_TRUE(text({"--version"}).starts_with("sallyport 0.1.0\nbuilt with OpenSSL ")) << text({"--version"});
  EXPECT_NE(text({"--version"}).find("\nrunning on OpenSSL "), std::string::npos);
  EXPECT_EQ(text({"echo", "--version"}), text({"--version"}));
  for (const words& arguments : {words{"--help"}, words{"-h"}, words{"echo", "--help"}, words{"forward", "--help"}}) {
    EXPECT_NE(text(arguments).find("Usage: sallyport "), std::string::npos) << text(arguments);
    EXPECT_NE(text(arguments).find(" --listen "), std::string::npos) << "no example in " << text(arguments);
  }
}

TEST(ToolOptions, HelpFitsAndNamesEveryOption) {
  const std::string help = std::get<information>(parse_options({"forward", "--help"})).text;
  for (const std::string option : {"--listen",
                                   "--to",
                                   "--connect-timeout",
                                   "--cert",
                                   "--key",
                                   "--self-signed",
                                   "--passphrase-file",
                                   "--client-ca",
                                   "--client-verify",
                                   "--crl",
                                   "--crl-policy",
                                   "--allow",
                                   "--for",
                                   "--unknown-name",
                                   "--ocsp-response",
                                   "--groups",
                                   "--ticket-secret",
                                   "--resumption-lifetime",
                                   "--watch",
                                   "--psk-file",
                                   "--handshake-timeout",
                                   "--max-handshakes",
                                   "--max-handshakes-per-address",
                                   "--max-pending-connections",
                                   "--shutdown-timeout",
                                   "--key-threads",
                                   "--threads",
                                   "--alpn",
                                   "--profile",
                                   "--log-level",
                                   "--log-format"}) {
    EXPECT_NE(help.find("  " + option), std::string::npos) << option;
  }
  EXPECT_EQ(help.find(" ... "), std::string::npos) << help;  // how CLI11 writes options with lists
  for (std::size_t begin = 0; begin < help.size();) {
    const std::size_t end = std::min(help.find('\n', begin), help.size());
    EXPECT_LE(end - begin, 120u) << help.substr(begin, end - begin);
    begin = end + 1;
  }
}

TEST(ToolConfiguration, SelfSignedNamesAreThisMachinesAndTheListenHost) {
  const words usual{"localhost", "127.0.0.1", "::1"};
  const auto with = [&](const std::string& name) {
    words names = usual;
    names.push_back(name);
    return names;
  };
  EXPECT_EQ(self_signed_names({.host = ""}), usual);
  EXPECT_EQ(self_signed_names({.host = "0.0.0.0"}), usual);
  EXPECT_EQ(self_signed_names({.host = "::"}), usual);
  EXPECT_EQ(self_signed_names({.host = "localhost"}), usual);
  EXPECT_EQ(self_signed_names({.host = "0:0:0:0:0:0:0:1"}), usual);
  EXPECT_EQ(self_signed_names({.path = "/run/app.sock"}), usual);
  EXPECT_EQ(self_signed_names({.host = "192.0.2.1"}), with("192.0.2.1"));
  EXPECT_EQ(self_signed_names({.host = "2001:db8:0::1"}), with("2001:db8::1"));
  EXPECT_EQ(self_signed_names({.host = "fe80::1%lo"}), with("fe80::1"));
  EXPECT_EQ(self_signed_names({.host = "server.example."}), with("server.example"));
}

}  // namespace
}  // namespace sallyport::tool
