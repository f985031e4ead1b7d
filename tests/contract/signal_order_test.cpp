// Signal order: what a server tells about one connection, as one whole trace per scenario, in TLS 1.2 and 1.3.
//
// SPDX-License-Identifier: Apache-2.0
#include "contract_fixture.hpp"

#include <boost/asio/error.hpp>

#include <string>

namespace sallyport::test {
namespace {

class signal_order : public contract_in_both_versions {
 protected:
  /// The alert for a client that has shown no certificate (RFC 8446 section 4.4.2.4; TLS 1.2 has no such alert).
  std::string certificate_required() const {
    return version() == tls_version::tls_1_3 ? "certificate_required" : "handshake_failure";
  }
  /// The alert for a client whose pre-shared key is unknown or wrong: what OpenSSL sends for a Finished that doesn't
  /// decrypt (TLS 1.2), and for a binder that isn't right (TLS 1.3, where RFC 8446 section 4.2.11 leaves it open).
  std::string wrong_key() const { return version() == tls_version::tls_1_3 ? "illegal_parameter" : "bad_record_mac"; }
  /// Serves with pre-shared keys and nothing else.
  ssl_configuration keys_alone() const {
    ssl_configuration configuration;
    configuration.pre_shared_keys = true;
    return configuration;
  }
  /// Stops at each error of a certificate.
  ssl_configuration interrupting() const {
    auto configuration = make_verifying_configuration(peer_verify_mode::verify);
    configuration.handshake_must_interrupt_on_error = true;
    return configuration;
  }
};

// --- 1. success ---

TEST_P(signal_order, scenario_1_success) {
  listen();
  EXPECT_TRUE(run(only(version())).let_in);
  EXPECT_EQ(trace, (events{"started", "available"}));
}

TEST_P(signal_order, scenario_1_success_with_a_client_certificate) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  EXPECT_TRUE(run(with_certificate(version(), clients().alice)).let_in);
  EXPECT_EQ(trace, (events{"started", "available"}));
}

TEST_P(signal_order, scenario_1_in_query_mode_errors_are_told_and_the_client_is_let_in) {
  use(make_verifying_configuration(peer_verify_mode::query));
  EXPECT_TRUE(run(with_certificate(version(), clients().expired)).let_in);
  EXPECT_EQ(trace, (events{"started", "peer_verify_error certificate_expired", "ssl_errors certificate_expired",
                           "available"}));
}

TEST_P(signal_order, scenario_1_ignored_errors_let_the_client_in) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  ignore_all_ssl_errors();
  EXPECT_TRUE(run(with_certificate(version(), clients().expired)).let_in);
  EXPECT_EQ(trace, (events{"started", "peer_verify_error certificate_expired", "ssl_errors certificate_expired",
                           "available"}));
}

// --- 2. the client's certificate is refused ---

TEST_P(signal_order, scenario_2_client_certificate_rejected) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  const auto client = run(with_certificate(version(), clients().expired));
  EXPECT_FALSE(client.let_in);
  EXPECT_EQ(client.alert, "certificate_expired");
  EXPECT_EQ(trace, (events{"started", "peer_verify_error certificate_expired", "ssl_errors certificate_expired",
                           "alert_sent fatal certificate_expired", "error client_certificate_expired"}));
}

TEST_P(signal_order, scenario_2_client_certificate_with_several_errors_rejected) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  const auto client = run(with_certificate(version(), clients().stranger));
  EXPECT_FALSE(client.let_in);
  EXPECT_EQ(client.alert, "unknown_ca");
  // OpenSSL tells both: it looks for the issuer, and then can't check the signature.
  EXPECT_EQ(trace, (events{"started", "peer_verify_error unable_to_get_local_issuer_certificate",
                           "peer_verify_error unable_to_verify_first_certificate",
                           "ssl_errors unable_to_get_local_issuer_certificate unable_to_verify_first_certificate",
                           "alert_sent fatal unknown_ca", "error client_certificate_unknown_ca"}));
}

TEST_P(signal_order, scenario_2_client_without_a_certificate_rejected) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  const auto client = run(only(version()));
  EXPECT_FALSE(client.let_in);
  EXPECT_EQ(client.alert, certificate_required());
  EXPECT_EQ(trace, (events{"started", "peer_verify_error no_peer_certificate", "ssl_errors no_peer_certificate",
                           "alert_sent fatal " + certificate_required(), "error no_client_certificate"}));
}

TEST_P(signal_order, scenario_2b_missing_certificate_is_fatal) {
  auto configuration = make_verifying_configuration(peer_verify_mode::verify);
  configuration.missing_certificate_is_fatal = true;
  use(configuration);
  const auto client = run(only(version()));
  EXPECT_FALSE(client.let_in);
  EXPECT_EQ(client.alert, certificate_required());
  EXPECT_EQ(trace, (events{"started", "alert_sent fatal " + certificate_required(), "error no_client_certificate"}));
}

TEST_P(signal_order, scenario_2c_abort_inside_ssl_errors) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  server.ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) { socket.abort(); });
  server.error_occurred.connect([](ssl_socket& socket, error_code) { EXPECT_FALSE(socket.is_open()); });
  const auto client = run(with_certificate(version(), clients().expired));
  EXPECT_FALSE(client.let_in);
  EXPECT_EQ(client.alert, "");  // a reset
  EXPECT_EQ(trace, (events{"started", "peer_verify_error certificate_expired", "ssl_errors certificate_expired",
                           "error aborted"}));
}

// As in Qt, where error_occurred comes when all slots of ssl_errors have had their turn.
TEST_P(signal_order, scenario_2c_error_occurred_is_the_last_signal_for_all_slots) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  server.ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) { socket.abort(); });
  server.ssl_errors.connect([this](ssl_socket&, std::span<const ssl_error>) { trace.push_back("second slot"); });
  run(with_certificate(version(), clients().expired));
  EXPECT_EQ(trace, (events{"started", "peer_verify_error certificate_expired", "ssl_errors certificate_expired",
                           "second slot", "error aborted"}));
}

TEST_P(signal_order, scenario_2c_abort_inside_peer_verify_error) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  server.peer_verify_error.connect([](ssl_socket& socket, const ssl_error&) { socket.abort(); });
  EXPECT_FALSE(run(with_certificate(version(), clients().stranger)).let_in);
  EXPECT_EQ(trace, (events{"started", "peer_verify_error unable_to_get_local_issuer_certificate", "error aborted"}));
}

// --- 3. the client refuses the server ---

TEST_P(signal_order, scenario_3_client_rejects_the_server) {
  listen();
  auto options = only(version());
  options.trusted_certificate = clients().ca.certificate;  // not the server's
  EXPECT_FALSE(run(options).handshaked);
  EXPECT_EQ(trace, (events{"started", "alert_received fatal unknown_ca", "error alert_from_client"}));
}

// --- 4. pre-shared keys ---

TEST_P(signal_order, scenario_4_pre_shared_key_accepted) {
  use(keys_alone());
  answer_with_key("alice", alices_key);
  EXPECT_TRUE(run(with_key(version(), "alice", alices_key)).let_in);
  EXPECT_EQ(trace, (events{"started", "pre_shared_key_authentication_required alice", "available"}));
}

TEST_P(signal_order, scenario_4_pre_shared_key_accepted_where_certificates_are_verified) {
  auto configuration = make_verifying_configuration(peer_verify_mode::verify);
  configuration.pre_shared_keys = true;
  use(configuration);
  answer_with_key("alice", alices_key);
  ignore_all_ssl_errors();
  EXPECT_TRUE(run(with_key(version(), "alice", alices_key)).let_in);
  EXPECT_EQ(trace, (events{"started", "pre_shared_key_authentication_required alice",
                           "peer_verify_error no_peer_certificate", "ssl_errors no_peer_certificate", "available"}));
}

TEST_P(signal_order, scenario_4_pre_shared_key_does_not_replace_a_certificate_unless_ignored) {
  auto configuration = make_verifying_configuration(peer_verify_mode::verify);
  configuration.pre_shared_keys = true;
  use(configuration);
  answer_with_key("alice", alices_key);
  const auto client = run(with_key(version(), "alice", alices_key));
  EXPECT_FALSE(client.let_in);
  // As if the key were wrong: it may be somebody who only knows her name.
  EXPECT_EQ(client.alert, wrong_key());
  EXPECT_EQ(trace, (events{"started", "pre_shared_key_authentication_required alice",
                           "peer_verify_error no_peer_certificate", "ssl_errors no_peer_certificate",
                           "alert_sent fatal " + wrong_key(), "error no_client_certificate"}));
}

TEST_P(signal_order, scenario_4_pre_shared_key_ignored) {
  use(keys_alone());
  const auto client = run(with_key(version(), "alice", alices_key));
  EXPECT_FALSE(client.let_in);
  EXPECT_EQ(client.alert, wrong_key());
  // Not unknown_psk_identity: who exists is nobody's business.
  EXPECT_EQ(trace, (events{"started", "pre_shared_key_authentication_required alice", "alert_sent fatal " + wrong_key(),
                           "error bad_pre_shared_key"}));
}

TEST_P(signal_order, scenario_4_pre_shared_key_wrong) {
  use(keys_alone());
  answer_with_key("alice", alices_key);
  const auto client = run(with_key(version(), "alice", std::string(32, 'x')));
  EXPECT_FALSE(client.let_in);
  EXPECT_EQ(client.alert, wrong_key());
  EXPECT_EQ(trace, (events{"started", "pre_shared_key_authentication_required alice", "alert_sent fatal " + wrong_key(),
                           "error bad_pre_shared_key"}));
}

// --- 5. interrupted ---

TEST_P(signal_order, scenario_5_interrupted_and_not_continued) {
  use(interrupting());
  const auto client = run(with_certificate(version(), clients().stranger));
  EXPECT_FALSE(client.let_in);
  EXPECT_EQ(client.alert, "unknown_ca");
  EXPECT_EQ(trace, (events{"started", "handshake_interrupted_on_error unable_to_get_local_issuer_certificate",
                           "alert_sent fatal unknown_ca", "error client_certificate_unknown_ca"}));
}

TEST_P(signal_order, scenario_5_the_alert_follows_the_error) {
  use(interrupting());
  EXPECT_EQ(run(with_certificate(version(), clients().expired)).alert, "certificate_expired");
  EXPECT_EQ(trace, (events{"started", "handshake_interrupted_on_error certificate_expired",
                           "alert_sent fatal certificate_expired", "error client_certificate_expired"}));
}

TEST_P(signal_order, scenario_5_continued_and_not_ignored) {
  use(interrupting());
  server.handshake_interrupted_on_error.connect(
      [](ssl_socket& socket, const ssl_error&) { socket.continue_interrupted_handshake(); });
  const auto client = run(with_certificate(version(), clients().expired));
  EXPECT_FALSE(client.let_in);
  EXPECT_EQ(client.alert, "certificate_expired");
  EXPECT_EQ(trace,
            (events{"started", "handshake_interrupted_on_error certificate_expired", "ssl_errors certificate_expired",
                    "alert_sent fatal certificate_expired", "error client_certificate_expired"}));
}

TEST_P(signal_order, scenario_5_continued_and_ignored) {
  use(interrupting());
  server.handshake_interrupted_on_error.connect(
      [](ssl_socket& socket, const ssl_error&) { socket.continue_interrupted_handshake(); });
  ignore_all_ssl_errors();
  EXPECT_TRUE(run(with_certificate(version(), clients().stranger)).let_in);
  EXPECT_EQ(trace, (events{"started", "handshake_interrupted_on_error unable_to_get_local_issuer_certificate",
                           "handshake_interrupted_on_error unable_to_verify_first_certificate",
                           "ssl_errors unable_to_get_local_issuer_certificate unable_to_verify_first_certificate",
                           "available"}));
}

TEST_P(signal_order, scenario_5_interrupted_in_query_mode_too) {
  auto configuration = interrupting();
  configuration.verify_mode = peer_verify_mode::query;
  use(configuration);
  EXPECT_FALSE(run(with_certificate(version(), clients().expired)).let_in);
  EXPECT_EQ(trace, (events{"started", "handshake_interrupted_on_error certificate_expired",
                           "alert_sent fatal certificate_expired", "error client_certificate_expired"}));
}

// --- 7. silent clients, once they have sent something ---

TEST_P(signal_order, scenario_7_silent_after_client_hello) {
  server.set_handshake_timeout(50ms);
  listen();
  auto client = connect();
  client.send(wire_client(raw_client(-1), only(version())).client_hello());
  run_until([&] { return trace.size() >= 2 && server.open_connections() == 0; });
  EXPECT_EQ(trace, (events{"started", "error timeout_in_handshake"}));
}

// --- 9. and 10.: once encrypted the server says nothing more ---

TEST_P(signal_order, scenario_9_peer_closes_after_encrypted) {
  listen();
  auto pair = make_pair(only(version()));
  pair.client.send_close_notify();
  pair.client.socket().close();
  std::string nothing;
  EXPECT_EQ(read_to_end(pair.socket, nothing), asio::error::eof);
  pair.socket.close();
  run_until([&] { return server.open_connections() == 0; });
  EXPECT_EQ(trace, (events{"started", "available"}));
}

TEST_P(signal_order, scenario_9_peer_resets_after_encrypted) {
  listen();
  auto pair = make_pair(only(version()));
  pair.client.socket().reset();
  std::string nothing;
  EXPECT_EQ(read_to_end(pair.socket, nothing), asio::error::connection_reset);
  EXPECT_EQ(trace, (events{"started", "available"}));
}

TEST_P(signal_order, scenario_10_server_closes) {
  listen();
  auto pair = make_pair(only(version()));
  pair.socket.close();
  EXPECT_FALSE(pair.socket.is_encrypted());
  auto end = in_background([&] { return pair.client.read_to_end().end; });
  EXPECT_EQ(run_until_done(end), stream_end::close_notify);
  pair.client.socket().close();
  run_until([&] { return server.open_connections() == 0; });
  EXPECT_EQ(trace, (events{"started", "available"}));
}

INSTANTIATE_TEST_SUITE_P(both, signal_order, both_versions(), name_of_version);

// --- 6., 7., 8.: clients of no version ---

class signal_order_without_tls : public contract_fixture {
 protected:
  signal_order_without_tls() {
    server.error_occurred.connect([this](ssl_socket& socket, error_code) { peer = socket.remote_endpoint(); });
  }
  std::string peer_of(const raw_client& client) const { return "127.0.0.1:" + std::to_string(client.local_port()); }

  tcp::endpoint peer;
};

TEST_F(signal_order_without_tls, scenario_6_plaintext_client) {
  listen();
  auto client = connect();
  client.send("hello, is anybody there?\r\n");
  run_until([&] { return !trace.empty() && server.handshakes_in_progress() == 0; });
  EXPECT_EQ(trace, (events{"error not_tls"}));
  EXPECT_EQ(peer.port(), client.local_port());
}

TEST_F(signal_order_without_tls, scenario_6_plaintext_http_client) {
  listen();
  auto client = connect();
  client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  run_until([&] { return !trace.empty() && server.handshakes_in_progress() == 0; });
  EXPECT_EQ(trace, (events{"error plain_http"}));
}

TEST_F(signal_order_without_tls, scenario_7_silent_client) {
  server.set_handshake_timeout(50ms);
  listen();
  const auto client = connect();
  run_until([&] { return !trace.empty() && server.open_connections() == 0; });
  EXPECT_EQ(trace, (events{"error timeout_before_client_hello"}));
  EXPECT_EQ(peer.port(), client.local_port());
}

TEST_F(signal_order_without_tls, scenario_7_silent_after_0x16) {
  server.set_handshake_timeout(50ms);
  listen();
  auto client = connect();
  client.send("\x16");
  run_until([&] { return !trace.empty() && server.open_connections() == 0; });
  // One byte isn't a handshake yet: the record's header is.
  EXPECT_EQ(trace, (events{"error timeout_before_client_hello"}));
}

TEST_F(signal_order_without_tls, scenario_7_silent_after_the_first_header) {
  server.set_handshake_timeout(50ms);
  listen();
  auto client = connect();
  client.send(wire_client(raw_client(-1)).client_hello().substr(0, 20));
  run_until([&] { return server.open_connections() == 0 && trace.size() == 2; });
  EXPECT_EQ(trace, (events{"started", "error timeout_before_client_hello"}));
}

TEST_F(signal_order_without_tls, scenario_8_client_closes_before_client_hello) {
  listen();
  { const auto client = connect(); }
  run_until([&] { return !trace.empty() && server.open_connections() == 0; });
  EXPECT_EQ(trace, (events{"error closed_by_client"}));
}

TEST_F(signal_order_without_tls, scenario_8_client_resets_before_client_hello) {
  listen();
  connect().reset();
  run_until([&] { return !trace.empty() && server.open_connections() == 0; });
  EXPECT_EQ(trace, (events{"error reset_by_client"}));
}

TEST_F(signal_order_without_tls, scenario_8_client_closes_after_the_first_header) {
  listen();
  auto client = connect();
  client.send(wire_client(raw_client(-1)).client_hello().substr(0, 20));
  client.close();
  run_until([&] { return trace.size() >= 2 && server.open_connections() == 0; });
  EXPECT_EQ(trace, (events{"started", "error closed_by_client"}));
}

// --- outcomes decided by the first flight: started is first all the same ---

TEST_F(signal_order_without_tls, first_flight_of_another_version) {
  listen();
  const auto client = run({.max_version = 0x0302});
  EXPECT_EQ(client.alert, "protocol_version");
  EXPECT_EQ(trace, (events{"started", "alert_sent fatal protocol_version", "error no_common_version"}));
}

TEST_F(signal_order_without_tls, first_flight_with_garbage_after_the_header) {
  listen();
  auto client = connect();
  client.send(std::string("\x16\x03\x01\x00\x0c\x01\x00\x00\x08", 9) + "garbage!");
  run_until([&] { return !trace.empty() && server.handshakes_in_progress() == 0; });
  EXPECT_EQ(trace, (events{"started", "alert_sent fatal decode_error", "error protocol_violation"}));
}

TEST_F(signal_order_without_tls, first_flight_without_a_common_cipher) {
  listen();
  const auto client = run({.max_version = 0x0303, .ciphers = "AES128-SHA"});
  EXPECT_EQ(client.alert, "handshake_failure");
  EXPECT_EQ(trace, (events{"started", "alert_sent fatal handshake_failure", "error no_common_cipher"}));
}

}  // namespace
}  // namespace sallyport::test
