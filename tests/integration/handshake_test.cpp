// Handshakes: what the server tells about each, in which order, and who may be in one.
//
// SPDX-License-Identifier: Apache-2.0
#include "server_fixture.hpp"

#include "support/temporary_directory.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <deque>
#include <map>
#include <string>
#include <vector>

namespace sallyport::test {
namespace {

constexpr int tls_1_1 = 0x0302, tls_1_2 = 0x0303, tls_1_3 = 0x0304;

std::string name_of(const testing::TestParamInfo<int>& version) { return version.param == tls_1_2 ? "v1_2" : "v1_3"; }

class handshake : public server_fixture, public testing::WithParamInterface<int> {
 protected:
  handshake() {
    listen();
    record(server, trace);
  }

  wire_client_options options() const { return {.min_version = GetParam(), .max_version = GetParam()}; }
  void wait_for_events(std::size_t count) {
    run_until([&] { return trace.size() >= count; });
  }
  /// The whole trace, after everything has had the chance to add to it.
  const events& final_trace() {
    run_until([&] { return server.handshakes_in_progress() == 0; });
    for (int turn = 0; turn < 5; ++turn) run_ready();
    return trace;
  }

  events trace;
};

class admission : public server_fixture {
 protected:
  admission() {
    listen();
    record(server, trace);
  }
  const events& final_trace(std::size_t count = 1) {
    run_until([&] { return trace.size() >= count; });
    for (int turn = 0; turn < 5; ++turn) run_ready();
    EXPECT_EQ(server.handshakes_in_progress(), 0U);
    return trace;
  }

  events trace;
};

// --- traces ---

TEST_P(handshake, success) {
  auto pair = make_pair(options());
  EXPECT_EQ(final_trace(), (events{"started", "available"}));
  EXPECT_EQ(pair.socket.error(), error_code());
  EXPECT_EQ(pair.socket.session_protocol(), static_cast<tls_version>(GetParam()));
  EXPECT_THAT(std::string(pair.socket.session_cipher()), testing::StartsWith("TLS_"));
  EXPECT_FALSE(pair.socket.session_resumed());

  // The server's signals are silent about a connection that was handed out.
  pair.client.socket().reset();
  std::string data;
  EXPECT_EQ(read_to_end(pair.socket, data), asio::error::connection_reset);
  pair.socket.close();
  EXPECT_EQ(final_trace(), (events{"started", "available"}));
}

TEST_P(handshake, what_was_negotiated) {
  auto configuration = make_configuration();
  configuration.alpn_protocols = {"h2", "http/1.1"};
  server.set_configuration(configuration).value();
  auto with = options();
  with.server_name = "localhost";
  with.application_protocols = {"http/1.1"};
  const auto pair = make_pair(with);
  EXPECT_EQ(pair.socket.server_name(), "localhost");
  EXPECT_EQ(pair.socket.next_negotiated_protocol(), "http/1.1");
}

TEST_P(handshake, stops_after_its_client_hello) {
  server.set_handshake_timeout(400ms);
  auto raw = connect();
  wire_client hello(raw_client(-1), options());
  raw.send(hello.client_hello());
  wait_for_events(2);
  EXPECT_EQ(final_trace(), (events{"started", "error timeout_in_handshake"}));
  auto rest = in_background([&] { return raw.read_to_end().end; });
  EXPECT_NE(run_until_done(rest), stream_end::close_notify);
}

TEST_P(handshake, stops_in_the_middle_of_its_client_hello) {
  server.set_handshake_timeout(400ms);
  auto raw = connect();
  wire_client hello(raw_client(-1), options());
  const auto bytes = hello.client_hello();
  raw.send(bytes.substr(0, bytes.size() / 2));
  wait_for_events(2);
  EXPECT_EQ(final_trace(), (events{"started", "error timeout_before_client_hello"}));
}

TEST_P(handshake, closes_after_its_client_hello) {
  auto raw = connect();
  raw.send(wire_client(raw_client(-1), options()).client_hello());
  raw.finish_sending();
  wait_for_events(2);
  EXPECT_EQ(final_trace(), (events{"started", "error closed_by_client"}));
}

TEST_P(handshake, resets_after_its_client_hello) {
  auto raw = connect();
  raw.send(wire_client(raw_client(-1), options()).client_hello());
  wait_for_events(1);
  raw.reset();
  wait_for_events(2);
  EXPECT_EQ(final_trace(), (events{"started", "error reset_by_client"}));
}

TEST_P(handshake, garbage_after_its_client_hello) {
  auto raw = connect();
  raw.send(wire_client(raw_client(-1), options()).client_hello());
  wait_for_events(1);
  raw.send("this is no TLS record at all");
  wait_for_events(3);
  EXPECT_THAT(final_trace(),
              testing::ElementsAre("started", testing::StartsWith("alert_sent "), "error protocol_violation"));
}

TEST_P(handshake, a_client_that_refuses_our_certificate) {
  auto with = options();
  with.trusted_certificate = make_ca("Another CA").certificate;
  auto client = in_background([this, with] { return wire_client(connect(), with).try_handshake(); });
  EXPECT_FALSE(run_until_done(client));
  wait_for_events(3);
  const auto& seen = final_trace();
  EXPECT_THAT(seen, testing::ElementsAre("started",
                                         testing::AnyOf("alert_received unknown_ca", "alert_received bad_certificate"),
                                         "error alert_from_client"));
}

TEST_P(handshake, no_common_application_protocol) {
  auto configuration = make_configuration();
  configuration.alpn_protocols = {"h2"};
  server.set_configuration(configuration).value();
  auto with = options();
  with.application_protocols = {"http/1.1"};
  auto client = in_background([this, with] {
    wire_client refused(connect(), with);
    EXPECT_FALSE(refused.try_handshake());
    return refused.alert_received();
  });
  EXPECT_EQ(run_until_done(client), static_cast<int>(alert_type::no_application_protocol));
  EXPECT_EQ(final_trace(),
            (events{"started", "alert_sent no_application_protocol", "error no_common_application_protocol"}));
}

TEST_P(handshake, no_common_version) {
  auto configuration = make_configuration();
  int offered = tls_1_1;
  if (GetParam() == tls_1_3) {
    configuration.profile = security_profile::modern;
    offered = tls_1_2;
  }
  server.set_configuration(configuration).value();
  auto client = in_background([this, offered] {
    wire_client refused(connect(), {.min_version = offered, .max_version = offered});
    EXPECT_FALSE(refused.try_handshake());
    return refused.alert_received();
  });
  // The alert reaches the client, though the connection is over for us.
  EXPECT_EQ(run_until_done(client), static_cast<int>(alert_type::protocol_version));
  EXPECT_EQ(final_trace(), (events{"started", "alert_sent protocol_version", "error no_common_version"}));
}

TEST_P(handshake, an_alert_reaches_a_client_that_has_sent_more) {
  auto configuration = make_configuration();
  configuration.alpn_protocols = {"h2"};
  server.set_configuration(configuration).value();
  auto with = options();
  with.application_protocols = {"http/1.1"};
  auto client = in_background([this, with] {
    auto raw = connect();
    // Bytes that the server never looks at: closing with them unread would reset, and the alert would be lost.
    raw.send(wire_client(raw_client(-1), with).client_hello() + std::string(200'000, 'x'));
    return raw.read_to_end();
  });
  const auto answer = run_until_done(client);
  EXPECT_EQ(answer.end, stream_end::fin);
  EXPECT_EQ(answer.data, std::string("\x15\x03\x03\x00\x02\x02\x78", 7));  // fatal no_application_protocol
}

TEST_P(handshake, client_hello_in_single_bytes) {
  auto client = in_background([this] {
    wire_client slow(connect(), options());
    const auto hello = slow.client_hello();
    for (const char byte : hello) slow.socket().send({&byte, 1});
    slow.handshake();
    return true;
  });
  accept();
  EXPECT_TRUE(run_until_done(client));
  EXPECT_EQ(final_trace(), (events{"started", "available"}));
}

TEST_P(handshake, what_a_slot_of_error_occurred_can_ask) {
  server.set_handshake_timeout(400ms);
  auto raw = connect();
  auto with = options();
  with.server_name = "asked.example";
  raw.send(wire_client(raw_client(-1), with).client_hello());
  bool called = false;
  server.error_occurred.connect([&](ssl_socket& socket, error_code error) {
    called = true;
    EXPECT_EQ(error, handshake_error::timeout_in_handshake);
    EXPECT_EQ(socket.error(), error);
    EXPECT_THAT(socket.error_string(), testing::HasSubstr("timeout"));
    EXPECT_EQ(socket.remote_endpoint().port(), raw.local_port());
    EXPECT_EQ(socket.local_endpoint().port(), port());
    EXPECT_EQ(socket.peer_name(), "127.0.0.1:" + std::to_string(raw.local_port()));
    EXPECT_EQ(socket.phase(), handshake_phase::in_handshake);
    EXPECT_GE(socket.handshake_duration(), 400ms);
    EXPECT_EQ(socket.handshake_duration(), socket.handshake_duration());  // it stands still
    EXPECT_EQ(socket.server_name(), "asked.example");
    EXPECT_NE(socket.id(), 0U);
    EXPECT_FALSE(socket.is_open());
    EXPECT_FALSE(socket.is_encrypted());
    EXPECT_EQ(socket.get_executor(), server.get_executor());
  });
  run_until([&] { return called; });
}

TEST_P(handshake, the_identity_is_the_same_in_every_event) {
  std::vector<std::uint64_t> identities;
  server.started_encryption_handshake.connect([&](ssl_socket& socket) {
    identities.push_back(socket.id());
    EXPECT_TRUE(socket.is_open());
    EXPECT_FALSE(socket.is_encrypted());
    EXPECT_NE(socket.native_handle(), nullptr);
  });
  auto first = make_pair(options());
  auto second = make_pair(options());
  EXPECT_EQ(identities, (std::vector{first.socket.id(), second.socket.id()}));
  EXPECT_NE(identities[0], identities[1]);
}

INSTANTIATE_TEST_SUITE_P(tls, handshake, testing::Values(tls_1_2, tls_1_3), name_of);

TEST_F(admission, silent) {
  server.set_handshake_timeout(50ms);
  auto raw = connect();
  EXPECT_EQ(final_trace(), (events{"error timeout_before_client_hello"}));
  EXPECT_EQ(raw.read_to_end().end, stream_end::fin);
}

TEST_F(admission, plain_http) {
  auto raw = connect();
  raw.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(final_trace(), (events{"error plain_http"}));
}

TEST_F(admission, garbage) {
  auto raw = connect();
  raw.send(std::string(100, '\xff'));
  EXPECT_EQ(final_trace(), (events{"error not_tls"}));
}

TEST_F(admission, closes) {
  connect().close();
  EXPECT_EQ(final_trace(), (events{"error closed_by_client"}));
}

TEST_F(admission, resets) {
  auto raw = connect();
  run_until([&] { return server.handshakes_in_progress() == 1; });
  raw.reset();
  EXPECT_EQ(final_trace(), (events{"error reset_by_client"}));
}

TEST_F(admission, every_end_gives_its_place_and_descriptor_back) {
  server.set_max_handshakes(1000);
  for (std::size_t round = 0; round < 40; ++round) {
    auto raw = connect();
    switch (round % 4) {
      case 0:
        raw.send("GET / HTTP/1.1\r\n\r\n");
        break;
      case 1:
        raw.close();
        break;
      case 2:
        raw.reset();
        break;
      default:
        raw.send(std::string(10, '\0'));
    }
    run_until([&] { return trace.size() == round + 1; });
  }
  EXPECT_EQ(server.handshakes_in_progress(), 0U);
  run_until([&] { return server.open_connections() == 0; });
}

// --- deadlines ---

TEST_F(admission, no_byte_restarts_the_deadline) {
  server.set_handshake_timeout(300ms);
  auto raw = connect();
  run_until([&] { return server.handshakes_in_progress() == 1; });
  const auto start = std::chrono::steady_clock::now();
  auto dripping = in_background([&] {
    const auto hello = wire_client(raw_client(-1)).client_hello();
    try {
      for (const char byte : hello) {
        raw.send({&byte, 1});
        // Until the server has cut us off, a byte every 20 ms.
        timeval pause{0, 20'000};
        ::setsockopt(raw.descriptor(), SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof pause);
        try {
          raw.receive();
          if (raw.ended()) return;
        } catch (const std::system_error&) {
          // nothing came: go on
        }
      }
    } catch (const std::system_error&) {
      // the server has cut us off
    }
  });
  run_until_done(dripping);
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(final_trace(2), (events{"started", "error timeout_before_client_hello"}));
  EXPECT_GE(took, 250ms);
  EXPECT_LT(took, 3s);  // a byte each 20 ms would have kept it for longer than 4 s
}

TEST_F(admission, a_new_timeout_is_for_later_connections) {
  std::map<std::uint16_t, std::chrono::steady_clock::duration> durations;
  server.error_occurred.connect([&](ssl_socket& socket, error_code) {
    durations[socket.remote_endpoint().port()] = socket.handshake_duration();
  });
  server.set_handshake_timeout(1500ms);
  const auto first = connect();
  run_until([&] { return server.handshakes_in_progress() == 1; });
  server.set_handshake_timeout(50ms);
  const auto second = connect();
  run_until([&] { return durations.size() == 1; });
  EXPECT_EQ(durations.count(second.local_port()), 1U);
  run_until([&] { return durations.size() == 2; });
  EXPECT_GE(durations[first.local_port()], 1500ms);
}

TEST_F(admission, many_silent_clients_go_and_a_good_one_is_served_meanwhile) {
  server.set_handshake_timeout(2s);
  std::deque<raw_client> silent;
  for (int number = 0; number < 200; ++number) silent.push_back(connect());
  const auto pair = make_pair();
  EXPECT_EQ(trace, (events{"started", "available"}));
  run_until([&] { return trace.size() == 202; });
  EXPECT_EQ(server.open_connections(), 1U);
}

// --- places ---

TEST_F(admission, the_oldest_silent_client_is_evicted) {
  server.set_max_handshakes(2);
  std::vector<std::uint16_t> evicted;
  server.error_occurred.connect([&](ssl_socket& socket, error_code error) {
    EXPECT_EQ(error, handshake_error::evicted);
    EXPECT_FALSE(socket.error_string().empty());
    evicted.push_back(socket.remote_endpoint().port());
  });
  auto first = connect();
  run_until([&] { return server.handshakes_in_progress() == 1; });
  auto second = connect();
  run_until([&] { return server.handshakes_in_progress() == 2; });
  first.send(wire_client(raw_client(-1)).client_hello());
  run_until([&] { return trace == events{"started"}; });

  const auto third = connect();
  run_until([&] { return evicted.size() == 1; });
  EXPECT_EQ(evicted[0], second.local_port());  // not the first, which has sent its ClientHello
  EXPECT_EQ(second.read_to_end().end, stream_end::fin);
  EXPECT_EQ(server.handshakes_in_progress(), 2U);
  EXPECT_EQ(trace, (events{"started", "error evicted"}));
}

TEST_F(admission, silent_clients_in_all_places_keep_no_good_one_out) {
  server.set_max_handshakes(3);
  std::deque<raw_client> silent;
  for (int number = 0; number < 3; ++number) silent.push_back(connect());
  run_until([&] { return server.handshakes_in_progress() == 3; });
  const auto pair = make_pair();
  EXPECT_EQ(trace, (events{"error evicted", "started", "available"}));
}

TEST_F(admission, an_address_beyond_its_share_displaces_its_own) {
  server.close();
  ASSERT_EQ(server.listen(tcp::endpoint(tcp::v6(), 0)), error_code());
  server.set_max_handshakes_per_address(2);
  std::vector<std::uint16_t> evicted;
  server.error_occurred.connect(
      [&](ssl_socket& socket, error_code) { evicted.push_back(socket.remote_endpoint().port()); });
  const auto other = raw_client::to_port(port(), "::1");
  run_until([&] { return server.handshakes_in_progress() == 1; });
  const auto first = connect();
  run_until([&] { return server.handshakes_in_progress() == 2; });
  const auto second = connect();
  run_until([&] { return server.handshakes_in_progress() == 3; });
  const auto third = connect();
  run_until([&] { return !evicted.empty(); });
  EXPECT_EQ(evicted, std::vector{first.local_port()});
  EXPECT_EQ(server.handshakes_in_progress(), 3U);
}

TEST_F(admission, unix_clients_have_no_share) {
  const temporary_directory directory;
  const auto path = (directory.path() / "socket").string();
  server.close();
  ASSERT_EQ(server.listen(asio::local::stream_protocol::endpoint(path)), error_code());
  server.set_max_handshakes_per_address(1);
  std::deque<raw_client> clients;
  for (int number = 0; number < 3; ++number) clients.push_back(raw_client::to_unix(path));
  run_until([&] { return server.handshakes_in_progress() == 3; });
  EXPECT_EQ(trace, events{});
}

TEST_F(admission, fewer_places_while_they_are_in_use) {
  std::deque<raw_client> clients;
  for (int number = 0; number < 5; ++number) clients.push_back(connect());
  run_until([&] { return server.handshakes_in_progress() == 5; });
  server.set_max_handshakes(2);
  clients.push_back(connect());
  run_until([&] { return trace.size() == 4; });
  EXPECT_EQ(server.handshakes_in_progress(), 2U);
  EXPECT_EQ(trace, events(4, "error evicted"));
}

TEST_F(admission, a_complete_handshake_gives_its_place_back) {
  server.set_max_handshakes(1);
  const auto first = make_pair();
  const auto second = make_pair();
  EXPECT_EQ(trace, (events{"started", "available", "started", "available"}));
  EXPECT_TRUE(first.socket.is_open());
}

}  // namespace
}  // namespace sallyport::test
