// Contract section 3: the socket as the user of a server sees it.
//
// SPDX-License-Identifier: Apache-2.0
#include "contract_fixture.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

constexpr auto about_stranger = {ssl_error_code::unable_to_get_local_issuer_certificate,
                                 ssl_error_code::unable_to_verify_first_certificate};

std::vector<ssl_error_code> codes_of(std::span<const ssl_error> errors) {
  std::vector<ssl_error_code> codes;
  for (const auto& error : errors) codes.push_back(error.code);
  return codes;
}

class ssl_socket_contract : public contract_in_both_versions {
 protected:
  connected_pair make_pair() { return server_fixture::make_pair(only(version())); }

  /// A client's end as it sees it, on a thread of its own.
  received read_to_end_of(wire_client& client) {
    auto end = in_background([&] { return client.read_to_end(); });
    return run_until_done(end);
  }
  received read_to_end_of(raw_client& client) {
    auto end = in_background([&] { return client.read_to_end(); });
    return run_until_done(end);
  }
};
INSTANTIATE_TEST_SUITE_P(both, ssl_socket_contract, both_versions(), name_of_version);

// --- setSocketDescriptor(): adopt() ---

TEST_P(ssl_socket_contract, adopted_descriptor_keeps_its_ports_and_addresses) {
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  const auto port = acceptor.local_endpoint().port();
  auto client = in_background([this, port] { return run_client(raw_client::to_port(port), only(version())); });
  tcp::socket connected(io);
  acceptor.accept(connected);
  const auto remote = connected.remote_endpoint();
  server.adopt(std::move(connected));
  EXPECT_TRUE(serve(client).let_in);
  EXPECT_EQ(accepted->local_endpoint().port(), port);
  EXPECT_EQ(accepted->remote_endpoint(), remote);
}

// --- mode(): phase() ---

TEST_P(ssl_socket_contract, phase_goes_forward_and_stays_after_the_end) {
  listen();
  std::vector<handshake_phase> phases;
  server.started_encryption_handshake.connect([&](ssl_socket& socket) { phases.push_back(socket.phase()); });
  auto pair = make_pair();
  ASSERT_EQ(phases.size(), 1U);
  EXPECT_NE(phases[0], handshake_phase::complete);
  EXPECT_EQ(pair.socket.phase(), handshake_phase::complete);
  pair.socket.abort();
  EXPECT_EQ(pair.socket.phase(), handshake_phase::complete);
}

TEST_P(ssl_socket_contract, phase_of_a_failed_handshake_is_how_far_it_came) {
  listen();
  std::vector<handshake_phase> phases;
  server.error_occurred.connect([&](ssl_socket& socket, error_code) { phases.push_back(socket.phase()); });
  auto silent = connect();
  run_until([&] { return server.handshakes_in_progress() == 1; });
  silent.close();
  run_until([&] { return phases.size() == 1; });
  auto halfway = connect();
  halfway.send(wire_client(raw_client(-1), only(version())).client_hello());
  halfway.finish_sending();
  run_until([&] { return phases.size() == 2; });
  EXPECT_EQ(phases, (std::vector{handshake_phase::before_client_hello, handshake_phase::in_handshake}));
}

// --- isEncrypted() ---

TEST_P(ssl_socket_contract, is_encrypted_from_pending_connection_available_until_the_end) {
  listen();
  std::optional<ssl_socket> taken;
  server.pending_connection_available.connect([&] {
    taken = server.next_pending_connection();
    EXPECT_TRUE(taken->is_encrypted());
  });
  auto client = in_background([port = port(), this] {
    wire_client connected(raw_client::to_port(port), only(version()));
    connected.handshake();
    return connected;
  });
  const auto peer = run_until_done(client);
  run_until([&] { return taken.has_value(); });
  EXPECT_TRUE(taken->is_open());
  EXPECT_TRUE(taken->is_encrypted());
  taken->close();
  EXPECT_FALSE(taken->is_encrypted());
  EXPECT_FALSE(taken->is_open());
}

// QSslSocket disconnects by itself; here the connection is open for writing until it is closed.
TEST_P(ssl_socket_contract, is_encrypted_though_the_peer_has_said_goodbye_until_closed) {
  listen();
  auto pair = make_pair();
  pair.client.send_close_notify();
  std::string data;
  EXPECT_EQ(read_some(pair.socket, data).error, asio::error::eof);
  EXPECT_TRUE(pair.socket.is_encrypted());
  write(pair.socket, "goodbye");
  pair.socket.close();
  EXPECT_FALSE(pair.socket.is_encrypted());
  EXPECT_EQ(read_to_end_of(pair.client).data, "goodbye");
}

// --- encrypted(): pending_connection_available ---

// QSslSocket emits encrypted() before the server's last flight is handed to TCP.
TEST_P(ssl_socket_contract, the_last_flight_is_sent_before_pending_connection_available) {
  listen();
  auto client = in_background([port = port(), this] {
    wire_client connected(raw_client::to_port(port), only(version()));
    connected.handshake();
    return true;
  });
  bool completed = false;
  server.pending_connection_available.connect([&] {
    // Nothing can be sent meanwhile: the server's thread is here.
    completed = client.wait_for(patience) == std::future_status::ready;
  });
  run_until([&] { return server.has_pending_connections(); });
  EXPECT_TRUE(completed);
}

// --- peerCertificate(), peerCertificateChain() ---

TEST_P(ssl_socket_contract, peer_certificate_is_known_in_every_slot_about_it) {
  auto configuration = make_verifying_configuration(peer_verify_mode::verify);
  std::vector<std::string> names;
  const auto note = [&](const ssl_socket& socket) {
    const auto certificate = socket.peer_certificate();
    names.push_back(certificate ? certificate->common_name() : "");
  };
  server.peer_verify_error.connect([&](ssl_socket& socket, const ssl_error&) { note(socket); });
  // QSslSocket has it only in the error there.
  server.handshake_interrupted_on_error.connect([&](ssl_socket& socket, const ssl_error& error) {
    note(socket);
    EXPECT_EQ(error.certificate, socket.peer_certificate());
    socket.continue_interrupted_handshake();
  });
  server.ssl_errors.connect([&](ssl_socket& socket, std::span<const ssl_error>) { note(socket); });
  server.error_occurred.connect([&](ssl_socket& socket, error_code) { note(socket); });
  for (const bool interrupts : {false, true}) {
    names.clear();
    configuration.handshake_must_interrupt_on_error = interrupts;
    use(configuration);
    run(with_certificate(version(), clients().expired));
    EXPECT_EQ(names, (std::vector<std::string>{"expired", "expired", "expired"}));
  }
}

TEST_P(ssl_socket_contract, peer_certificate_chain_begins_with_the_clients_own) {
  const auto intermediate = issue(clients().ca, {.common_name = "Intermediate CA", .is_ca = true});
  const auto client = issue(intermediate, {.common_name = "bob", .extended_key_usage = "clientAuth"});
  use(make_verifying_configuration(peer_verify_mode::verify));
  auto options = with_certificate(version(), client);
  options.chain = intermediate.certificate;
  EXPECT_TRUE(run(options).let_in);
  ASSERT_EQ(accepted->peer_certificate_chain().size(), 2U);
  EXPECT_EQ(accepted->peer_certificate_chain()[0].common_name(), "bob");
  EXPECT_EQ(accepted->peer_certificate_chain()[1].common_name(), "Intermediate CA");
  EXPECT_EQ(*accepted->peer_certificate(), accepted->peer_certificate_chain()[0]);
}

TEST_P(ssl_socket_contract, peer_certificate_survives_the_end) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  EXPECT_TRUE(run(with_certificate(version(), clients().alice)).let_in);
  accepted->abort();
  ASSERT_FALSE(accepted->is_open());
  ASSERT_TRUE(accepted->peer_certificate().has_value());
  EXPECT_EQ(accepted->peer_certificate()->common_name(), "alice");
  EXPECT_EQ(accepted->peer_certificate_chain().size(), 1U);
}

TEST_P(ssl_socket_contract, peer_certificate_is_another_ones_for_another_connection) {
  use(make_verifying_configuration(peer_verify_mode::query));
  EXPECT_TRUE(run(with_certificate(version(), clients().alice)).let_in);
  EXPECT_EQ(accepted->peer_certificate()->common_name(), "alice");
  EXPECT_TRUE(run(only(version())).let_in);
  EXPECT_FALSE(accepted->peer_certificate().has_value());
  EXPECT_TRUE(accepted->peer_certificate_chain().empty());
}

// --- localCertificate() ---

TEST_P(ssl_socket_contract, local_certificate_is_the_servers_own) {
  listen();
  auto pair = make_pair();
  ASSERT_TRUE(pair.socket.local_certificate().has_value());
  EXPECT_EQ(*pair.socket.local_certificate(), certificate::from_pem(server_credentials().certificate).value());
  EXPECT_EQ(pair.client.server_common_name(), "localhost");
}

TEST_P(ssl_socket_contract, local_certificate_is_the_first_of_a_chain) {
  const auto server_of_chain = issue(clients().ca, {.common_name = "first", .names = {"localhost"}});
  auto configuration = make_configuration();
  configuration.identities = {
      identity::from_pem(server_of_chain.certificate + clients().ca.certificate, server_of_chain.key).value()};
  use(configuration);
  EXPECT_TRUE(run(only(version())).let_in);
  EXPECT_EQ(accepted->local_certificate()->common_name(), "first");
}

// QSslServer has no way to choose (section 9, number 11).
TEST_P(ssl_socket_contract, local_certificate_is_the_one_for_the_name_that_was_asked_for) {
  const auto other = make_self_signed({.common_name = "other", .names = {"other.example"}});
  auto configuration = make_configuration();
  configuration.identities.push_back(identity::from_pem(other.certificate, other.key).value());
  use(configuration);
  auto options = only(version());
  options.server_name = "other.example";
  EXPECT_TRUE(run(options).let_in);
  EXPECT_EQ(accepted->local_certificate()->common_name(), "other");
  EXPECT_EQ(accepted->server_name(), "other.example");
}

TEST_P(ssl_socket_contract, a_new_identity_affects_only_future_handshakes) {
  listen();
  auto pair = make_pair();
  const auto other = make_self_signed({.common_name = "other", .names = {"localhost"}});
  auto configuration = make_configuration();
  configuration.identities = {identity::from_pem(other.certificate, other.key).value()};
  use(configuration);
  EXPECT_EQ(pair.socket.local_certificate()->common_name(), "localhost");
  pair.client.send("still here");
  EXPECT_EQ(read(pair.socket, 10), "still here");
  EXPECT_EQ(make_pair().socket.local_certificate()->common_name(), "other");
}

// --- sessionCipher(), sessionProtocol() ---

TEST_P(ssl_socket_contract, session_protocol_is_the_version_that_was_negotiated) {
  listen();
  auto pair = make_pair();
  EXPECT_EQ(pair.socket.session_protocol(), version());
}

TEST_P(ssl_socket_contract, session_cipher_is_the_one_that_was_negotiated_by_its_iana_name) {
  listen();
  auto options = only(version());
  options.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
  options.ciphersuites = "TLS_AES_256_GCM_SHA384";
  auto pair = server_fixture::make_pair(options);
  EXPECT_EQ(pair.socket.session_cipher(),
            version() == tls_version::tls_1_3 ? "TLS_AES_256_GCM_SHA384" : "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
}

TEST_P(ssl_socket_contract, session_cipher_is_empty_before_the_handshake_is_complete) {
  listen();
  bool called = false;
  server.started_encryption_handshake.connect([&](ssl_socket& socket) {
    called = true;
    EXPECT_EQ(socket.session_cipher(), "");
  });
  make_pair();
  EXPECT_TRUE(called);
}

// QSslSocket forgets both: they are null and UnknownProtocol after the end.
TEST_P(ssl_socket_contract, session_cipher_and_protocol_survive_the_end) {
  listen();
  auto pair = make_pair();
  const std::string cipher(pair.socket.session_cipher());
  EXPECT_NE(cipher, "");
  pair.socket.abort();
  EXPECT_EQ(pair.socket.session_cipher(), cipher);
  EXPECT_EQ(pair.socket.session_protocol(), version());
}

// --- sslHandshakeErrors() ---

TEST_P(ssl_socket_contract, ssl_handshake_errors_is_the_list_of_ssl_errors) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  std::vector<ssl_error> told, readable;
  server.ssl_errors.connect([&](ssl_socket& socket, std::span<const ssl_error> errors) {
    told.assign(errors.begin(), errors.end());
    const auto same = socket.ssl_handshake_errors();
    readable.assign(same.begin(), same.end());
  });
  run(with_certificate(version(), clients().stranger));
  EXPECT_THAT(codes_of(told), testing::ElementsAreArray(about_stranger));
  EXPECT_EQ(readable, told);
}

TEST_P(ssl_socket_contract, ssl_handshake_errors_stay_readable_after_ignoring_and_after_the_end) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  ignore_all_ssl_errors();
  EXPECT_TRUE(run(with_certificate(version(), clients().stranger)).let_in);
  EXPECT_THAT(codes_of(accepted->ssl_handshake_errors()), testing::ElementsAreArray(about_stranger));
  accepted->abort();
  EXPECT_THAT(codes_of(accepted->ssl_handshake_errors()), testing::ElementsAreArray(about_stranger));
}

TEST_P(ssl_socket_contract, ssl_handshake_errors_are_readable_in_query_too) {
  use(make_verifying_configuration(peer_verify_mode::query));
  EXPECT_TRUE(run(with_certificate(version(), clients().expired)).let_in);
  EXPECT_THAT(codes_of(accepted->ssl_handshake_errors()), testing::ElementsAre(ssl_error_code::certificate_expired));
}

TEST_P(ssl_socket_contract, ssl_handshake_errors_are_readable_in_error_occurred) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  std::vector<ssl_error_code> codes;
  server.error_occurred.connect(
      [&](ssl_socket& socket, error_code) { codes = codes_of(socket.ssl_handshake_errors()); });
  run(with_certificate(version(), clients().expired));
  EXPECT_THAT(codes, testing::ElementsAre(ssl_error_code::certificate_expired));
}

TEST_P(ssl_socket_contract, ssl_handshake_errors_are_empty_for_a_good_certificate) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  EXPECT_TRUE(run(with_certificate(version(), clients().alice)).let_in);
  EXPECT_TRUE(accepted->ssl_handshake_errors().empty());
}

// --- ignoreSslErrors(), continueInterruptedHandshake(): more in peer_verify_mode_test.cpp ---

TEST_P(ssl_socket_contract, ignore_ssl_errors_is_kept_until_the_errors_come) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  server.started_encryption_handshake.connect([](ssl_socket& socket) { socket.ignore_ssl_errors(); });
  EXPECT_TRUE(run(with_certificate(version(), clients().stranger)).let_in);
}

TEST_P(ssl_socket_contract, decisions_on_an_open_connection_have_no_effect) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  EXPECT_TRUE(run(with_certificate(version(), clients().alice)).let_in);
  accepted->ignore_ssl_errors();
  accepted->ignore_ssl_errors({});
  accepted->continue_interrupted_handshake();
  auto nothing = accepted->defer_interrupted_handshake();
  nothing.abort();
  auto no_key = accepted->defer_pre_shared_key();
  no_key.refuse();
  run_ready();
  EXPECT_TRUE(accepted->is_encrypted());
  EXPECT_TRUE(accepted->ssl_handshake_errors().empty());
}

// --- write() ---

// QSslSocket keeps it and sends it later.
TEST_P(ssl_socket_contract, write_before_encrypted_fails_and_sends_nothing) {
  listen();
  outcome written;
  server.started_encryption_handshake.connect([&](ssl_socket& socket) {
    socket.async_write_some(asio::buffer("too early", 9), written.handler());
    EXPECT_FALSE(written.is_done());
  });
  EXPECT_TRUE(run(only(version())).let_in);
  EXPECT_EQ(written.calls, 1);
  EXPECT_EQ(written.error, asio::error::not_connected);
  EXPECT_EQ(written.bytes, 0U);
}

// QSslSocket::bytesWritten() comes when the bytes are encrypted, not when they are sent.
TEST_P(ssl_socket_contract, write_reports_plaintext_bytes_once_they_are_in_the_kernel) {
  listen();
  auto pair = make_pair();
  outcome written;
  pair.socket.async_write_some(asio::buffer("hello", 5), written.handler());
  EXPECT_FALSE(written.is_done());
  run_until([&] { return written.is_done(); });
  EXPECT_EQ(written.error, error_code());
  EXPECT_EQ(written.bytes, 5U);
  // They arrive though the event loop has no more turns.
  EXPECT_EQ(pair.client.receive_exactly(5), "hello");
}

// --- disconnectFromHost(): async_shutdown_send() and close() ---

TEST_P(ssl_socket_contract, close_sends_what_was_written_then_close_notify_then_fin) {
  listen();
  auto pair = make_pair();
  write(pair.socket, "the last words");
  pair.socket.close();
  const auto seen = read_to_end_of(pair.client);
  EXPECT_EQ(seen.data, "the last words");
  EXPECT_EQ(seen.end, stream_end::close_notify);
  EXPECT_EQ(read_to_end_of(pair.client.socket()).end, stream_end::fin);
}

TEST_P(ssl_socket_contract, close_does_not_wait_for_the_peers_close_notify) {
  listen();
  auto pair = make_pair();
  pair.socket.close();
  EXPECT_FALSE(pair.socket.is_open());
}

TEST_P(ssl_socket_contract, close_during_the_handshake_ends_tcp_without_close_notify) {
  listen();
  server.started_encryption_handshake.connect([](ssl_socket& socket) { socket.close(); });
  // In TLS 1.3 our whole flight is out by then, and the client complete; in TLS 1.2 it isn't.
  auto client = in_background([this, port = port()] {
    wire_client cut_off(raw_client::to_port(port), only(version()));
    if (!cut_off.try_handshake()) return cut_off.failure();
    const auto end = cut_off.read_to_end().end;
    return std::string(end == stream_end::close_notify ? "close_notify" : end == stream_end::fin ? "fin" : "reset");
  });
  EXPECT_THAT(run_until_done(client), testing::AnyOf("end of stream", "fin", "reset"));
  EXPECT_EQ(trace, (events{"started", "error aborted"}));
  EXPECT_EQ(server.handshakes_in_progress(), 0U);
}

// --- abort() ---

TEST_P(ssl_socket_contract, abort_resets_without_close_notify) {
  listen();
  auto pair = make_pair();
  outcome read;
  std::string buffer(10, '\0');
  pair.socket.async_read_some(asio::buffer(buffer), read.handler());
  pair.socket.abort();
  EXPECT_FALSE(pair.socket.is_open());
  run_until([&] { return read.is_done(); });
  EXPECT_EQ(read.error, asio::error::operation_aborted);
  EXPECT_EQ(read_to_end_of(pair.client).end, stream_end::reset);
}

TEST_P(ssl_socket_contract, abort_in_a_slot_ends_the_handshake) {
  listen();
  server.started_encryption_handshake.connect([](ssl_socket& socket) { socket.abort(); });
  const auto view = run(only(version()));
  EXPECT_FALSE(view.let_in);
  EXPECT_EQ(view.alert, "");
  EXPECT_EQ(trace, (events{"started", "error aborted"}));
}

// --- the peer's end ---

// QSslSocket reports both as RemoteHostClosedError.
TEST_P(ssl_socket_contract, close_notify_of_the_peer_is_eof) {
  listen();
  auto pair = make_pair();
  pair.client.put("all of it");
  pair.client.put_close_notify();
  pair.client.flush();
  std::string data;
  EXPECT_EQ(read_to_end(pair.socket, data), asio::error::eof);
  EXPECT_EQ(data, "all of it");
}

TEST_P(ssl_socket_contract, fin_of_the_peer_without_close_notify_is_truncated) {
  listen();
  auto pair = make_pair();
  pair.client.send("part of it");
  pair.client.socket().finish_sending();
  std::string data;
  EXPECT_EQ(read_to_end(pair.socket, data), stream_error::truncated);
  EXPECT_EQ(data, "part of it");
  EXPECT_EQ(pair.socket.error(), stream_error::truncated);
  EXPECT_NE(pair.socket.error_string(), "");
}

// --- disconnected() ---

// QSslSocket resets them right after its signal.
TEST_P(ssl_socket_contract, endpoints_survive_the_end) {
  listen();
  auto pair = make_pair();
  const auto client_port = pair.client.socket().local_port();
  pair.socket.abort();
  ASSERT_FALSE(pair.socket.is_open());
  EXPECT_EQ(pair.socket.remote_endpoint().port(), client_port);
  EXPECT_EQ(pair.socket.local_endpoint().port(), port());
  EXPECT_EQ(pair.socket.peer_name(), "127.0.0.1:" + std::to_string(client_port));
}

// --- errorString() ---

TEST_P(ssl_socket_contract, error_string_is_a_sentence_and_empty_while_there_is_no_error) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  std::string sentence;
  server.error_occurred.connect([&](ssl_socket& socket, error_code) { sentence = socket.error_string(); });
  run(with_certificate(version(), clients().expired));
  EXPECT_THAT(sentence, testing::HasSubstr("expired"));
  EXPECT_TRUE(run(with_certificate(version(), clients().alice)).let_in);
  EXPECT_EQ(accepted->error(), error_code());
  EXPECT_EQ(accepted->error_string(), "");
}

}  // namespace
}  // namespace sallyport::test
