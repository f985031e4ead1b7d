// contract_fixture: a server with a whole trace of its signals, and clients of which it is known what they saw.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_CONTRACT_CONTRACT_FIXTURE_HPP
#define SALLYPORT_TESTS_CONTRACT_CONTRACT_FIXTURE_HPP

#include "integration/server_fixture.hpp"
#include "support/program.hpp"
#include "support/temporary_directory.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::test {

inline const std::string alices_key(32, 'k');

inline std::string line_of_errors(std::string line, std::span<const ssl_error> errors) {
  for (const auto& error : errors) line += " " + std::string(to_string(error.code));
  return line;
}

/// Every signal of a server, one line each, in the order in which they came:
///
///   started
///   peer_verify_error certificate_expired
///   ssl_errors certificate_expired                    (several: separated by a space)
///   handshake_interrupted_on_error certificate_expired
///   pre_shared_key_authentication_required alice
///   alert_sent fatal certificate_expired
///   alert_received fatal unknown_ca
///   error client_certificate_expired
///   available
///   accept_error Too many open files
///
/// Connect it first: then a line comes before what the test's own slots do.
inline void record_all(ssl_server& server, events& trace) {
  server.started_encryption_handshake.connect([&trace](ssl_socket&) { trace.push_back("started"); });
  server.peer_verify_error.connect([&trace](ssl_socket&, const ssl_error& error) {
    trace.push_back(line_of_errors("peer_verify_error", {&error, 1}));
  });
  server.ssl_errors.connect([&trace](ssl_socket&, std::span<const ssl_error> errors) {
    trace.push_back(line_of_errors("ssl_errors", errors));
  });
  server.handshake_interrupted_on_error.connect([&trace](ssl_socket&, const ssl_error& error) {
    trace.push_back(line_of_errors("handshake_interrupted_on_error", {&error, 1}));
  });
  server.pre_shared_key_authentication_required.connect(
      [&trace](ssl_socket&, ssl_pre_shared_key_authenticator& authenticator) {
        trace.push_back("pre_shared_key_authentication_required " + authenticator.identity());
      });
  const auto record_alert = [&trace](const char* name) {
    return [&trace, name](ssl_socket&, alert_level level, alert_type type, std::string_view text) {
      EXPECT_EQ(text, description(type));
      trace.push_back(std::string(name) + " " + std::string(to_string(level)) + " " + std::string(to_string(type)));
    };
  };
  server.alert_sent.connect(record_alert("alert_sent"));
  server.alert_received.connect(record_alert("alert_received"));
  server.error_occurred.connect([&trace](ssl_socket&, error_code error) {
    EXPECT_EQ(error.category(), handshake_category());
    trace.push_back("error " + std::string(to_string(static_cast<handshake_error>(error.value()))));
  });
  server.pending_connection_available.connect([&trace] { trace.push_back("available"); });
  server.accept_error.connect([&trace](error_code error) { trace.push_back("accept_error " + error.message()); });
}

/// The CA that our servers trust, and the kinds of clients there are. Made once: making keys takes time.
struct client_kinds {
  credentials ca = make_ca("Client CA");
  credentials alice = issue(ca, {.common_name = "alice", .extended_key_usage = "clientAuth"});
  credentials expired = issue(
      ca, {.common_name = "expired", .valid_from = -std::chrono::hours{48}, .valid_until = -std::chrono::hours{24}});
  credentials not_yet_valid =
      issue(ca, {.common_name = "early", .valid_from = std::chrono::hours{24}, .valid_until = std::chrono::hours{48}});
  credentials wrong_purpose = issue(ca, {.common_name = "webserver", .extended_key_usage = "serverAuth"});
  credentials self_signed = make_self_signed({.common_name = "self"});
  credentials other_ca = make_ca("Other CA");
  credentials stranger = issue(other_ca, {.common_name = "stranger"});
};

inline const client_kinds& clients() {
  static const client_kinds made;
  return made;
}

/// A configuration that trusts clients().ca.
inline ssl_configuration make_verifying_configuration(peer_verify_mode mode) {
  auto configuration = make_configuration();
  configuration.verify_mode = mode;
  configuration.ca_certificates = trust_store::from_pem(clients().ca.certificate).value();
  return configuration;
}

/// A client that speaks only this version.
inline wire_client_options only(tls_version version) {
  return {.min_version = static_cast<int>(version), .max_version = static_cast<int>(version)};
}

inline wire_client_options with_certificate(tls_version version, const credentials& certificate) {
  auto options = only(version);
  options.certificate = certificate;
  return options;
}

/// With a pre-shared key; no certificates are involved. TLS 1.2: ECDHE with a pre-shared key.
inline wire_client_options with_key(tls_version version, const std::string& identity, const std::string& key) {
  auto options = only(version);
  options.identity = identity;
  options.key = key;
  if (version == tls_version::tls_1_2) options.ciphers = "ECDHE-PSK-CHACHA20-POLY1305";
  return options;
}

/// What one client saw of its connection.
struct client_view {
  bool let_in = false;      ///< it has read what the server writes to those who are let in
  bool handshaked = false;  ///< its side of the handshake was complete; in TLS 1.3 that isn't being let in
  std::string alert;        ///< the fatal alert that it has read, "unknown_ca"; "" if there was none
  std::string failure;      ///< OpenSSL's words about a handshake or a read that has failed
  std::optional<std::string> identity_hint;
  std::optional<std::vector<std::string>> requested_cas;
  std::vector<std::shared_ptr<SSL_SESSION>> tickets;
  bool resumed = false;
  std::string application_protocol;
};

/// What the server writes to those who are let in.
constexpr std::string_view welcome = "welcome\n";

/// Connects, completes the handshake, and reads either the welcome or the end.
inline client_view run_client(raw_client socket, const wire_client_options& options) {
  wire_client client(std::move(socket), options);
  client_view view;
  view.handshaked = client.try_handshake();
  view.failure = client.failure();
  if (view.handshaked) {
    try {
      std::string data;
      while (data.size() < welcome.size() && !client.ended()) data += client.receive();
      view.let_in = data == welcome;
    } catch (const std::exception& thrown) {
      view.failure = thrown.what();  // an alert, or a reset
    }
  }
  if (const auto alert = client.alert_received()) view.alert = to_string(static_cast<alert_type>(*alert));
  view.identity_hint = client.identity_hint();
  view.requested_cas = client.requested_cas();
  view.tickets = client.tickets();
  view.resumed = client.resumed();
  view.application_protocol = client.application_protocol();
  return view;
}

/// No descriptor beyond those in use, while it lives.
class descriptor_shortage {
 public:
  descriptor_shortage() {
    ::getrlimit(RLIMIT_NOFILE, &former_);
    const int next = ::dup(0);
    if (next < 0) throw std::runtime_error("dup failed");
    ::close(next);
    const rlimit none{static_cast<rlim_t>(next), former_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  descriptor_shortage(const descriptor_shortage&) = delete;
  descriptor_shortage& operator=(const descriptor_shortage&) = delete;
  ~descriptor_shortage() { ::setrlimit(RLIMIT_NOFILE, &former_); }

 private:
  rlimit former_{};
};

/// `server` records from the start; whoever is let in gets the welcome, and is `accepted` until the next one comes.
class contract_fixture : public server_fixture {
 protected:
  contract_fixture() { record_all(server, trace); }

  /// Replaces the configuration and listens if it doesn't yet.
  void use(const ssl_configuration& configuration) {
    server.set_configuration(configuration).value();
    if (!server.is_listening()) listen();
  }

  /// Runs the event loop until the client on the other thread is done, and welcomes whoever is let in.
  template <class T>
  T serve(std::future<T>& client) {
    run_until([&] {
      if (auto socket = server.next_pending_connection()) {
        accepted.emplace(std::move(*socket));
        // A client that has gone by now is no concern of the server.
        accepted->async_write_some(asio::buffer(welcome), [](error_code, std::size_t) {});
      }
      return client.wait_for(0s) == std::future_status::ready;
    });
    run_until([&] { return server.handshakes_in_progress() == 0; });
    return client.get();
  }

  /// One client from its connection to the welcome or the end.
  client_view run(const wire_client_options& options) {
    accepted.reset();
    auto client = in_background([options, port = port()] { return run_client(raw_client::to_port(port), options); });
    return serve(client);
  }

  /// The same with another program, "PORT" standing for the port. It is welcomed, and then the server ends the
  /// connection (close_notify and FIN).
  program_run run_command(std::vector<std::string> arguments, const std::string& input = {}) {
    accepted.reset();
    for (auto& argument : arguments) {
      if (const auto at = argument.find("PORT"); at != std::string::npos)
        argument.replace(at, 4, std::to_string(port()));
    }
    auto program = in_background([=] { return run_program(arguments, input); });
    run_until([&] {
      if (auto socket = server.next_pending_connection()) {
        accepted.emplace(std::move(*socket));
        asio::async_write(*accepted, asio::buffer(welcome), [this](error_code, std::size_t) {
          if (accepted) accepted->close();
        });
      }
      return program.wait_for(0s) == std::future_status::ready;
    });
    return program.get();
  }
  program_run run_s_client(const std::vector<std::string>& options, const std::string& input = {}) {
    std::vector<std::string> arguments{"openssl", "s_client", "-connect", "127.0.0.1:PORT"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return run_command(std::move(arguments), input);
  }
  program_run run_gnutls_cli(const std::vector<std::string>& options, const std::string& input = {}) {
    std::vector<std::string> arguments{"gnutls-cli", "--insecure", "--port", "PORT", "127.0.0.1"};
    arguments.insert(arguments.end() - 1, options.begin(), options.end());
    return run_command(std::move(arguments), input);
  }

  /// Certificate and key as files, for other programs: their names.
  std::pair<std::string, std::string> files_of(const credentials& both) {
    const auto number = std::to_string(++files_);
    directory_.write("certificate" + number, both.certificate);
    directory_.write("key" + number, both.key);
    return {(directory_.path() / ("certificate" + number)).string(), (directory_.path() / ("key" + number)).string()};
  }

  /// Answers everybody who names `identity`.
  void answer_with_key(const std::string& identity, const std::string& key) {
    server.pre_shared_key_authentication_required.connect(
        [identity, key](ssl_socket&, ssl_pre_shared_key_authenticator& authenticator) {
          if (authenticator.identity() != identity) return;
          EXPECT_TRUE(authenticator.set_pre_shared_key(std::as_bytes(std::span(key))));
        });
  }

  void ignore_all_ssl_errors() {
    server.ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) { socket.ignore_ssl_errors(); });
  }

  events trace;
  std::optional<ssl_socket> accepted;  ///< the last one that was let in by run() or serve()

 private:
  temporary_directory directory_;
  int files_ = 0;
};

/// For tests of both versions: INSTANTIATE_TEST_SUITE_P(both, name, both_versions(), name_of_version).
inline auto both_versions() { return testing::Values(tls_version::tls_1_2, tls_version::tls_1_3); }
inline std::string name_of_version(const testing::TestParamInfo<tls_version>& info) {
  return info.param == tls_version::tls_1_2 ? "tls_1_2" : "tls_1_3";
}
class contract_in_both_versions : public contract_fixture, public testing::WithParamInterface<tls_version> {
 protected:
  tls_version version() const { return GetParam(); }
};

}  // namespace sallyport::test

#endif
