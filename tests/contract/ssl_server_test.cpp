// Contract section 2: the server itself.
//
// SPDX-License-Identifier: Apache-2.0
#include "contract_fixture.hpp"

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

class ssl_server_contract : public contract_fixture {};
class ssl_server_contract_of_both : public contract_in_both_versions {};
INSTANTIATE_TEST_SUITE_P(both, ssl_server_contract_of_both, both_versions(), name_of_version);

/// Another certificate than that of the other tests.
const credentials& other_credentials() {
  static const credentials made = make_self_signed({.common_name = "other", .names = {"localhost"}});
  return made;
}
ssl_configuration other_configuration() {
  ssl_configuration configuration;
  configuration.identities = {identity::from_pem(other_credentials().certificate, other_credentials().key).value()};
  return configuration;
}

// --- construction and configuration ---

// QSslServer starts with QSslConfiguration::defaultConfiguration(), with which no handshake can succeed.
TEST_F(ssl_server_contract, a_new_server_has_no_configuration_and_cannot_listen) {
  ssl_server fresh(io.get_executor());
  EXPECT_TRUE(fresh.configuration().identities.empty());
  EXPECT_EQ(fresh.listen(loopback), asio::error::invalid_argument);
  EXPECT_FALSE(fresh.is_listening());
}

TEST_P(ssl_server_contract_of_both, configuration_is_used_for_each_connection_accepted_later) {
  listen();
  EXPECT_TRUE(run(only(version())).let_in);
  EXPECT_EQ(accepted->local_certificate()->common_name(), "localhost");
  use(other_configuration());
  EXPECT_TRUE(run(only(version())).let_in);
  EXPECT_EQ(accepted->local_certificate()->common_name(), "other");
}

TEST_P(ssl_server_contract_of_both, running_handshakes_keep_their_configuration) {
  listen();
  auto socket = connect();
  run_until([&] { return server.handshakes_in_progress() == 1; });
  use(other_configuration());
  auto options = only(version());
  options.trusted_certificate = server_credentials().certificate;
  auto client = in_background([&] { return run_client(std::move(socket), options); });
  EXPECT_TRUE(serve(client).let_in);
  EXPECT_EQ(accepted->local_certificate()->common_name(), "localhost");
}

// setSslConfiguration() checks nothing; each client then meets the error.
TEST_P(ssl_server_contract_of_both, wrong_configuration_is_refused_and_the_former_one_stays) {
  listen();
  auto wrong = other_configuration();
  wrong.ciphers = "NO-SUCH-CIPHER";
  const auto refused = server.set_configuration(wrong);
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, configuration_error::bad_ciphers);
  EXPECT_THAT(refused.error().detail, testing::HasSubstr("NO-SUCH-CIPHER"));
  EXPECT_TRUE(run(only(version())).let_in);
  EXPECT_EQ(accepted->local_certificate()->common_name(), "localhost");
}

TEST_F(ssl_server_contract, configuration_is_the_one_that_was_set) {
  auto configuration = other_configuration();
  configuration.alpn_protocols = {"h2"};
  server.set_configuration(configuration).value();
  ASSERT_EQ(server.configuration().identities.size(), 1U);
  EXPECT_EQ(server.configuration().identities[0].certificate_pem(), configuration.identities[0].certificate_pem());
  EXPECT_EQ(server.configuration().alpn_protocols, (std::vector<std::string>{"h2"}));
}

// --- the handshake timeout ---

TEST_F(ssl_server_contract, handshake_timeout_is_5000_ms_unless_set) {
  EXPECT_EQ(server.handshake_timeout(), 5000ms);
  server.set_handshake_timeout(1234ms);
  EXPECT_EQ(server.handshake_timeout(), 1234ms);
}

TEST_F(ssl_server_contract, handshake_timeout_is_for_connections_accepted_later) {
  listen();
  server.set_handshake_timeout(60s);
  const auto earlier = connect();
  run_until([&] { return server.handshakes_in_progress() == 1; });
  server.set_handshake_timeout(50ms);
  const auto later = connect();
  std::vector<std::uint16_t> timed_out;
  server.error_occurred.connect(
      [&](ssl_socket& socket, error_code) { timed_out.push_back(socket.remote_endpoint().port()); });
  run_until([&] { return !timed_out.empty(); });
  EXPECT_EQ(timed_out, std::vector{later.local_port()});
  EXPECT_EQ(server.handshakes_in_progress(), 1U);
}

// QSslServer: 0 drops every client at the next turn of the event loop, a negative one means no timeout at all.
TEST_F(ssl_server_contract, handshake_timeout_of_zero_or_less_is_one_millisecond) {
  listen();
  for (const auto timeout : {0ms, -1ms, -5000ms}) {
    trace.clear();
    server.set_handshake_timeout(timeout);
    EXPECT_EQ(server.handshake_timeout(), 1ms);
    const auto silent = connect();
    run_until([&] { return !trace.empty(); });
    EXPECT_EQ(trace, (events{"error timeout_before_client_hello"}));
  }
}

// QSslServer emits it for a socket that is Unconnected already, with peerPort() 0 and errorString() "Unknown error".
TEST_F(ssl_server_contract, at_a_timeout_the_socket_is_closed_and_its_peer_still_known) {
  listen();
  server.set_handshake_timeout(50ms);
  const auto silent = connect();
  bool told = false;
  server.error_occurred.connect([&](ssl_socket& socket, error_code error) {
    told = true;
    EXPECT_EQ(error, handshake_error::timeout_before_client_hello);
    EXPECT_FALSE(socket.is_open());
    EXPECT_FALSE(socket.is_encrypted());
    EXPECT_EQ(socket.remote_endpoint().port(), silent.local_port());
    EXPECT_EQ(socket.error(), error);
    EXPECT_THAT(socket.error_string(), testing::HasSubstr("timeout"));
    EXPECT_EQ(server.handshakes_in_progress(), 0U);
  });
  run_until([&] { return told; });
}

TEST_P(ssl_server_contract_of_both, a_client_that_stops_after_its_first_bytes_is_timed_out) {
  listen();
  server.set_handshake_timeout(200ms);
  auto raw = connect();
  raw.send(wire_client(raw_client(-1), only(version())).client_hello());
  run_until([&] { return trace.size() >= 2; });
  EXPECT_EQ(trace, (events{"started", "error timeout_in_handshake"}));
  auto ended = in_background([&] { return raw.read_to_end().end; });
  run_until_done(ended);
  EXPECT_EQ(server.open_connections(), 0U);
}

// --- counters ---

// QSslServer's totalPendingConnections() is the sum of both.
TEST_F(ssl_server_contract, handshakes_and_pending_connections_are_counted_apart) {
  listen();
  const auto silent = connect();
  auto halfway = connect();
  halfway.send(wire_client(raw_client(-1)).client_hello());
  auto complete = in_background([port = port()] {
    wire_client client(raw_client::to_port(port));
    client.handshake();
    return client;
  });
  const auto client = run_until_done(complete);
  run_until([&] { return server.pending_connections() == 1 && server.handshakes_in_progress() == 2; });
  EXPECT_TRUE(server.has_pending_connections());
  EXPECT_EQ(server.open_connections(), 3U);
  const auto taken = server.next_pending_connection();
  EXPECT_EQ(server.pending_connections(), 0U);
  EXPECT_EQ(server.handshakes_in_progress(), 2U);
  EXPECT_EQ(server.open_connections(), 3U);
}

// --- the first bytes ---

TEST_F(ssl_server_contract, handshake_starts_with_the_clients_first_record_and_not_before) {
  listen();
  auto raw = connect();
  run_until([&] { return server.handshakes_in_progress() == 1; });
  run_ready();
  EXPECT_EQ(trace, events());
  raw.send(wire_client(raw_client(-1)).client_hello().substr(0, 60));
  run_until([&] { return !trace.empty(); });
  EXPECT_EQ(trace, (events{"started"}));
}

// QSslServer drops such a client without any signal.
TEST_F(ssl_server_contract, a_first_byte_that_is_not_0x16_ends_the_connection_with_a_reason) {
  listen();
  for (const auto& [bytes, reason] : {std::pair<std::string, std::string>{"\x15\x03\x03", "not_tls"},
                                      {"hello, is anybody there?\r\n", "not_tls"},
                                      {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "plain_http"}}) {
    trace.clear();
    auto raw = connect();
    raw.send(bytes);
    run_until([&] { return !trace.empty(); });
    run_until([&] { return server.open_connections() == 0; });
    EXPECT_EQ(trace, (events{"error " + reason}));
  }
}

TEST_F(ssl_server_contract, a_first_byte_0x16_is_not_enough_where_no_client_hello_follows) {
  listen();
  auto raw = connect();
  raw.send(std::string("\x16\x03\x01\x00\x08", 5) + "garbage!");
  run_until([&] { return server.handshakes_in_progress() == 0 && !trace.empty(); });
  EXPECT_EQ(trace, (events{"error not_tls"}));
}

TEST_F(ssl_server_contract, garbage_in_a_client_hello_starts_and_then_fails) {
  listen();
  auto raw = connect();
  raw.send(std::string("\x16\x03\x01\x00\x08\x01\x00\x00\x04", 9) + "garb");
  run_until([&] { return server.handshakes_in_progress() == 0 && !trace.empty(); });
  EXPECT_EQ(trace, (events{"started", "alert_sent fatal decode_error", "error protocol_violation"}));
}

// --- how a connection ends up ---

TEST_P(ssl_server_contract_of_both, error_before_encrypted_is_the_last_signal_and_the_connection_is_gone) {
  listen();
  auto options = only(version());
  options.trusted_certificate = other_credentials().certificate;
  EXPECT_FALSE(run(options).handshaked);
  EXPECT_THAT(trace,
              testing::ElementsAre("started", testing::StartsWith("alert_received fatal "), "error alert_from_client"));
  EXPECT_EQ(server.handshakes_in_progress(), 0U);
  EXPECT_EQ(server.open_connections(), 0U);
  EXPECT_FALSE(server.has_pending_connections());
}

TEST_P(ssl_server_contract_of_both, after_encrypted_no_signal_comes_for_the_socket) {
  listen();
  const std::vector<std::function<void(wire_client&)>> ends{
      [](wire_client& client) { client.send_close_notify(); },
      [](wire_client& client) { client.socket().finish_sending(); },
      [](wire_client& client) { client.socket().reset(); },
      [](wire_client& client) { client.socket().send("this is no record"); },
      // A fatal alert of a client that has lost its keys.
      [](wire_client& client) { client.socket().send(std::string("\x15\x03\x03\x00\x02\x02\x50", 7)); }};
  for (const auto& end : ends) {
    trace.clear();
    auto pair = make_pair(only(version()));
    EXPECT_EQ(trace, (events{"started", "available"}));
    end(pair.client);
    std::string data;
    EXPECT_NE(read_to_end(pair.socket, data), error_code());
    pair.socket.close();
    for (int turn = 0; turn < 5; ++turn) run_ready();
    EXPECT_EQ(trace, (events{"started", "available"}));
  }
}

TEST_P(ssl_server_contract_of_both, a_pending_connection_that_dies_stays_queued_and_its_read_tells) {
  listen();
  auto connecting = in_background([this, port = port()] {
    wire_client client(raw_client::to_port(port), only(version()));
    client.handshake();
    return client;
  });
  auto dying = run_until_done(connecting);
  run_until([&] { return server.has_pending_connections(); });
  dying.socket().reset();
  for (int turn = 0; turn < 5; ++turn) run_ready();
  ASSERT_EQ(server.pending_connections(), 1U);
  auto socket = server.next_pending_connection();
  std::string data;
  EXPECT_EQ(read_to_end(*socket, data), asio::error::connection_reset);
}

// QSslServer's sockets are its children; here whoever takes one owns it.
TEST_P(ssl_server_contract_of_both, a_taken_socket_belongs_to_its_taker) {
  listen();
  auto pair = make_pair(only(version()));
  {
    const ssl_socket taken = std::move(pair.socket);
    EXPECT_TRUE(taken.is_open());
    EXPECT_FALSE(pair.socket.is_open());
  }
  auto end = in_background([&] { return pair.client.read_to_end().end; });
  EXPECT_EQ(run_until_done(end), stream_end::close_notify);
}

TEST_P(ssl_server_contract_of_both, the_destructor_ends_tcp_without_close_notify) {
  std::optional<ssl_server> destroyed(std::in_place, io.get_executor());
  destroyed->set_configuration(make_configuration()).value();
  ASSERT_EQ(destroyed->listen(loopback), error_code());
  const auto connect_client = [this, port = destroyed->server_port()] {
    return in_background([this, port] {
      wire_client client(raw_client::to_port(port), only(version()));
      client.handshake();
      return client;
    });
  };
  auto taken = connect_client();
  run_until([&] { return destroyed->has_pending_connections(); });
  const auto socket = destroyed->next_pending_connection();
  auto pending = connect_client();
  run_until([&] { return destroyed->has_pending_connections(); });
  auto client_of_taken = run_until_done(taken);
  auto client_of_pending = run_until_done(pending);
  auto silent = raw_client::to_port(destroyed->server_port());
  run_until([&] { return destroyed->handshakes_in_progress() == 1; });

  destroyed.reset();
  EXPECT_FALSE(socket->is_open());
  auto ends = in_background([&] {
    EXPECT_EQ(silent.read_to_end().data, "");
    return std::vector{client_of_taken.read_to_end().end, client_of_pending.read_to_end().end};
  });
  EXPECT_THAT(run_until_done(ends), testing::Each(testing::Ne(stream_end::close_notify)));
}

TEST_P(ssl_server_contract_of_both, a_socket_stays_a_valid_object_when_its_server_is_gone) {
  std::optional<ssl_server> destroyed(std::in_place, io.get_executor());
  destroyed->set_configuration(make_configuration()).value();
  ASSERT_EQ(destroyed->listen(loopback), error_code());
  auto client = in_background([this, port = destroyed->server_port()] {
    wire_client connected(raw_client::to_port(port), only(version()));
    connected.handshake();
    return connected;
  });
  run_until([&] { return destroyed->has_pending_connections(); });
  auto socket = destroyed->next_pending_connection();
  const auto peer = run_until_done(client);
  destroyed.reset();
  EXPECT_FALSE(socket->is_open());
  EXPECT_NE(socket->error(), error_code());
  std::string data;
  EXPECT_EQ(read_some(*socket, data).error, asio::error::bad_descriptor);
  socket->close();
}

// --- the signals ---

static_assert(std::same_as<decltype(ssl_server::alert_sent),
                           signal<void(ssl_socket&, alert_level, alert_type, std::string_view)>&>);
static_assert(std::same_as<decltype(ssl_server::alert_received),
                           signal<void(ssl_socket&, alert_level, alert_type, std::string_view)>&>);
static_assert(std::same_as<decltype(ssl_server::error_occurred), signal<void(ssl_socket&, error_code)>&>);
static_assert(
    std::same_as<decltype(ssl_server::handshake_interrupted_on_error), signal<void(ssl_socket&, const ssl_error&)>&>);
static_assert(std::same_as<decltype(ssl_server::peer_verify_error), signal<void(ssl_socket&, const ssl_error&)>&>);
static_assert(std::same_as<decltype(ssl_server::pre_shared_key_authentication_required),
                           signal<void(ssl_socket&, ssl_pre_shared_key_authenticator&)>&>);
static_assert(std::same_as<decltype(ssl_server::ssl_errors), signal<void(ssl_socket&, std::span<const ssl_error>)>&>);
static_assert(std::same_as<decltype(ssl_server::started_encryption_handshake), signal<void(ssl_socket&)>&>);

TEST_P(ssl_server_contract_of_both, alert_sent_has_level_type_and_text) {
  auto configuration = make_configuration();
  configuration.alpn_protocols = {"h2"};
  use(configuration);
  int calls = 0;
  server.alert_sent.connect([&](ssl_socket& socket, alert_level level, alert_type type, std::string_view text) {
    ++calls;
    EXPECT_NE(socket.id(), 0U);
    EXPECT_EQ(level, alert_level::fatal);
    EXPECT_EQ(type, alert_type::no_application_protocol);
    EXPECT_EQ(text, "no application protocol");
  });
  auto options = only(version());
  options.application_protocols = {"http/1.1"};
  EXPECT_EQ(run(options).alert, "no_application_protocol");
  EXPECT_EQ(calls, 1);
}

TEST_P(ssl_server_contract_of_both, alert_received_has_level_type_and_text) {
  listen();
  int calls = 0;
  server.alert_received.connect([&](ssl_socket& socket, alert_level level, alert_type type, std::string_view text) {
    ++calls;
    EXPECT_TRUE(socket.is_open());
    EXPECT_EQ(level, alert_level::fatal);
    EXPECT_EQ(type, alert_type::unknown_ca);
    EXPECT_EQ(text, "unknown CA");
  });
  auto options = only(version());
  // One that has signed itself would be a bad certificate rather than one of an unknown CA.
  auto configuration = make_configuration();
  const auto issued = issue(clients().ca, {.common_name = "issued", .names = {"localhost"}});
  configuration.identities = {identity::from_pem(issued.certificate, issued.key).value()};
  use(configuration);
  options.trusted_certificate = clients().other_ca.certificate;
  EXPECT_FALSE(run(options).handshaked);
  EXPECT_EQ(calls, 1);
}

TEST_P(ssl_server_contract_of_both, error_occurred_has_a_reason_of_the_handshake) {
  listen();
  int calls = 0;
  server.error_occurred.connect([&](ssl_socket& socket, error_code error) {
    ++calls;
    EXPECT_EQ(error, handshake_error::closed_by_client);
    EXPECT_EQ(error.category(), handshake_category());
    EXPECT_EQ(socket.error(), error);
    EXPECT_EQ(socket.report().reason, handshake_error::closed_by_client);
    EXPECT_EQ(socket.report().detected_by, detected_by::client);
  });
  auto raw = connect();
  raw.send(wire_client(raw_client(-1), only(version())).client_hello());
  raw.finish_sending();
  run_until([&] { return calls > 0; });
  EXPECT_EQ(trace, (events{"started", "error closed_by_client"}));
}

TEST_P(ssl_server_contract_of_both, started_encryption_handshake_has_an_open_socket_that_is_not_encrypted) {
  listen();
  int calls = 0;
  server.started_encryption_handshake.connect([&](ssl_socket& socket) {
    ++calls;
    EXPECT_TRUE(socket.is_open());
    EXPECT_FALSE(socket.is_encrypted());
    EXPECT_EQ(socket.remote_endpoint().address(), asio::ip::address_v4::loopback());
    EXPECT_EQ(socket.local_endpoint().port(), port());
  });
  EXPECT_TRUE(run(only(version())).let_in);
  EXPECT_EQ(calls, 1);
}

TEST_P(ssl_server_contract_of_both, all_signals_name_the_same_connection_and_come_on_the_servers_thread) {
  auto configuration = make_verifying_configuration(peer_verify_mode::verify);
  use(configuration);
  std::vector<std::uint64_t> ids;
  const auto thread = std::this_thread::get_id();
  const auto note = [&](const ssl_socket& socket) {
    ids.push_back(socket.id());
    EXPECT_EQ(std::this_thread::get_id(), thread);
  };
  server.started_encryption_handshake.connect([&](ssl_socket& socket) { note(socket); });
  server.peer_verify_error.connect([&](ssl_socket& socket, const ssl_error&) { note(socket); });
  server.ssl_errors.connect([&](ssl_socket& socket, std::span<const ssl_error>) { note(socket); });
  server.alert_sent.connect([&](ssl_socket& socket, alert_level, alert_type, std::string_view) { note(socket); });
  server.error_occurred.connect([&](ssl_socket& socket, error_code) { note(socket); });
  run(with_certificate(version(), clients().expired));
  ASSERT_EQ(ids.size(), 5U);
  EXPECT_THAT(ids, testing::Each(ids[0]));

  ids.clear();
  configuration.handshake_must_interrupt_on_error = true;
  use(configuration);
  server.handshake_interrupted_on_error.connect([&](ssl_socket& socket, const ssl_error&) { note(socket); });
  run(with_certificate(version(), clients().expired));
  ASSERT_EQ(ids.size(), 4U);
  EXPECT_THAT(ids, testing::Each(ids[0]));

  ids.clear();
  configuration = make_configuration();
  configuration.pre_shared_keys = true;
  use(configuration);
  server.pre_shared_key_authentication_required.connect(
      [&](ssl_socket& socket, ssl_pre_shared_key_authenticator&) { note(socket); });
  run(with_key(version(), "alice", std::string(32, 'k')));
  ASSERT_EQ(ids.size(), 4U);
  EXPECT_THAT(ids, testing::Each(ids[0]));
}

TEST_P(ssl_server_contract_of_both, slots_are_called_directly_in_the_order_in_which_they_were_connected) {
  listen();
  for (const std::string name : {"first", "second", "third"})
    server.started_encryption_handshake.connect([this, name](ssl_socket&) { trace.push_back(name); });
  EXPECT_TRUE(run(only(version())).let_in);
  EXPECT_EQ(trace, (events{"started", "first", "second", "third", "available"}));
}

}  // namespace
}  // namespace sallyport::test
