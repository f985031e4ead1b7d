// What ssl_server has of QTcpServer, one test per sentence.
//
// SPDX-License-Identifier: Apache-2.0
#include "contract_fixture.hpp"
#include "support/child_process.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <deque>
#include <fstream>
#include <memory>
#include <string>

namespace sallyport::test {
namespace {

class tcp_server : public contract_fixture {
 protected:
  /// A client that completes its handshake and stays.
  std::future<wire_client> start_client() {
    return in_background([port = port()] {
      wire_client client(raw_client::to_port(port));
      client.handshake();
      return client;
    });
  }
  wire_client complete_client() {
    const auto already = server.pending_connections();
    auto client = start_client();
    run_until([&] { return server.pending_connections() > already; });
    return run_until_done(client);
  }
  /// Whoever could be taken by now has been.
  void run_turns() {
    for (int turn = 0; turn < 20; ++turn) run_ready();
  }
  static stream_end end_of(wire_client& client) {
    try {
      return client.read_to_end().end;
    } catch (const std::runtime_error&) {
      return stream_end::reset;
    }
  }
  static int listening_descriptor() {
    const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::bind(made, loopback.data(), static_cast<socklen_t>(loopback.size())), 0);
    EXPECT_EQ(::listen(made, 16), 0);
    return made;
  }
  ssl_server& another() {
    auto& made = others_.emplace_back(io.get_executor());
    made.set_configuration(make_configuration()).value();
    return made;
  }

 private:
  std::deque<ssl_server> others_;
};

// --- construction and destruction ---

TEST_F(tcp_server, constructor_makes_one_that_does_not_listen_and_has_no_error) {
  EXPECT_FALSE(server.is_listening());
  EXPECT_EQ(server.server_error(), error_code());
  EXPECT_EQ(server.error_string(), "");
  EXPECT_FALSE(server.has_pending_connections());
}

TEST_F(tcp_server, destructor_closes_and_its_connections_go_with_it) {
  auto mortal = std::make_unique<ssl_server>(io.get_executor());
  mortal->set_configuration(make_configuration()).value();
  ASSERT_EQ(mortal->listen(loopback), error_code());
  const auto port = mortal->server_port();
  auto client = in_background([port] {
    wire_client made(raw_client::to_port(port));
    made.handshake();
    return made;
  });
  run_until([&] { return mortal->has_pending_connections(); });
  auto taken = *mortal->next_pending_connection();
  auto connected = run_until_done(client);
  mortal.reset();
  EXPECT_FALSE(taken.is_open());
  EXPECT_THROW(raw_client::to_port(port), std::system_error);
  auto end = in_background([&] { return end_of(connected); });
  EXPECT_NE(run_until_done(end), stream_end::close_notify);
}

// --- listen ---

TEST_F(tcp_server, listen_when_listening_is_refused_and_the_error_stays_as_it_was) {
  listen();
  const auto first = port();
  EXPECT_EQ(server.listen(loopback), asio::error::already_open);
  EXPECT_EQ(server.server_error(), error_code());
  EXPECT_EQ(server.error_string(), "");
  EXPECT_EQ(port(), first);
}

TEST_F(tcp_server, listen_sets_reuse_address) {
  listen();
  int reuse = 0;
  socklen_t size = sizeof reuse;
  ASSERT_EQ(::getsockopt(server.socket_descriptor(), SOL_SOCKET, SO_REUSEADDR, &reuse, &size), 0);
  EXPECT_NE(reuse, 0);
}

TEST_F(tcp_server, listen_without_a_port_takes_a_free_one) {
  listen();
  EXPECT_NE(port(), 0);
  EXPECT_TRUE(run({}).let_in);
}

TEST_F(tcp_server, listen_on_a_used_port_fails_with_address_in_use) {
  listen();
  auto& other = another();
  EXPECT_EQ(other.listen(server.local_endpoint()), asio::error::address_in_use);
  EXPECT_FALSE(other.is_listening());
  EXPECT_EQ(other.server_error(), asio::error::address_in_use);
  EXPECT_EQ(other.error_string(), "127.0.0.1:" + std::to_string(port()) + ": Address already in use");
}

TEST_F(tcp_server, listen_on_a_foreign_address_fails_with_address_not_available) {
  const tcp::endpoint foreign(asio::ip::make_address("192.0.2.1"), 4433);
  EXPECT_EQ(server.listen(foreign), boost::system::errc::address_not_available);
  EXPECT_EQ(server.error_string(), "192.0.2.1:4433: Cannot assign requested address");
}

TEST_F(tcp_server, listen_below_1024_without_privileges_fails_with_permission_denied) {
  // What is privileged is the kernel's setting, which containers often lower to 0.
  int first_unprivileged = 1024;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> first_unprivileged;
  const auto outcome = run_unprivileged([&] {
    asio::io_context context;
    ssl_server unprivileged(context.get_executor());
    unprivileged.set_configuration(make_configuration()).value();
    unprivileged.listen(tcp::endpoint(asio::ip::address_v4::loopback(), 997));
    return unprivileged.is_listening() ? "listens" : unprivileged.error_string();
  });
  if (first_unprivileged > 997) {
    EXPECT_EQ(outcome, "127.0.0.1:997: Permission denied");
  } else {
    EXPECT_EQ(outcome, "listens");
  }
}

TEST_F(tcp_server, listen_on_any_address_is_dual_stack) {
  ASSERT_EQ(server.listen(tcp::endpoint(tcp::v6(), 0)), error_code());
  for (const char* address : {"127.0.0.1", "::1"}) {
    auto client =
        in_background([address, port = port()] { return run_client(raw_client::to_port(port, address), {}); });
    EXPECT_TRUE(serve(client).let_in) << address;
  }
}

TEST_F(tcp_server, listen_without_a_configuration_is_refused) {
  ssl_server bare(io.get_executor());
  EXPECT_EQ(bare.listen(loopback), asio::error::invalid_argument);
  EXPECT_EQ(bare.error_string(), "127.0.0.1:0: no configuration is set");
}

TEST_F(tcp_server, listen_backlog_size_is_the_kernels) {
  ASSERT_EQ(server.listen(loopback, {.backlog = 11}), error_code());
  tcp_info info{};
  socklen_t size = sizeof info;
  ASSERT_EQ(::getsockopt(server.socket_descriptor(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
  EXPECT_EQ(info.tcpi_sacked, 11U);  // of a listening socket, this is its backlog
}

TEST_F(tcp_server, is_listening_is_true_from_listen_to_close) {
  EXPECT_FALSE(server.is_listening());
  listen();
  EXPECT_TRUE(server.is_listening());
  server.close();
  EXPECT_FALSE(server.is_listening());
  listen();
  EXPECT_TRUE(run({}).let_in);
}

TEST_F(tcp_server, port_address_and_descriptor_when_not_listening) {
  const auto expect_none = [&] {
    EXPECT_EQ(server.server_port(), 0);
    EXPECT_EQ(server.local_endpoint(), tcp::endpoint());
    EXPECT_EQ(server.socket_descriptor(), -1);
  };
  expect_none();
  listen();
  EXPECT_NE(server.server_port(), 0);
  EXPECT_EQ(server.local_endpoint(), tcp::endpoint(asio::ip::address_v4::loopback(), port()));
  EXPECT_GE(server.socket_descriptor(), 0);
  server.close();
  expect_none();
}

TEST_F(tcp_server, set_socket_descriptor_takes_over_a_listening_one) {
  ASSERT_EQ(server.set_socket_descriptor(listening_descriptor()), error_code());
  EXPECT_TRUE(server.is_listening());
  EXPECT_TRUE(run({}).let_in);
}

TEST_F(tcp_server, set_socket_descriptor_when_listening_is_refused) {
  listen();
  const int refused = listening_descriptor();
  EXPECT_EQ(server.set_socket_descriptor(refused), asio::error::already_open);
  ::close(refused);
  EXPECT_TRUE(run({}).let_in);
}

// --- close ---

TEST_F(tcp_server, close_ends_the_pending_connections_and_not_those_taken) {
  listen();
  auto first = complete_client();
  auto taken = *server.next_pending_connection();
  auto second = complete_client();
  server.close();
  EXPECT_FALSE(server.has_pending_connections());
  EXPECT_EQ(server.open_connections(), 1U);
  auto end = in_background([&] { return end_of(second); });
  EXPECT_EQ(run_until_done(end), stream_end::reset);
  EXPECT_TRUE(taken.is_encrypted());
  write(taken, "still here");
  auto reads = in_background([&] { return first.receive_exactly(10); });
  EXPECT_EQ(run_until_done(reads), "still here");
}

TEST_F(tcp_server, close_when_not_listening_does_nothing) {
  server.close();
  EXPECT_EQ(server.server_error(), error_code());
  listen();
  EXPECT_TRUE(run({}).let_in);
}

// --- the queue and its limit ---

TEST_F(tcp_server, max_pending_connections_is_128_by_default) {
  EXPECT_EQ(server.max_pending_connections(), 128U);
  server.set_max_pending_connections(30);
  EXPECT_EQ(server.max_pending_connections(), 30U);
}

TEST_F(tcp_server, max_pending_connections_is_at_least_one) {
  server.set_max_pending_connections(0);
  EXPECT_EQ(server.max_pending_connections(), 1U);
  listen();
  EXPECT_TRUE(run({}).let_in);
}

TEST_F(tcp_server, at_max_pending_connections_the_others_stay_in_the_backlog) {
  server.set_max_pending_connections(2);
  listen();
  const auto first = complete_client();
  const auto second = complete_client();
  const auto third = connect();
  run_turns();
  EXPECT_EQ(server.open_connections(), 2U);
}

TEST_F(tcp_server, next_pending_connection_accepts_again) {
  server.set_max_pending_connections(1);
  listen();
  const auto first = complete_client();
  auto second = start_client();
  run_turns();
  EXPECT_EQ(server.open_connections(), 1U);
  const auto taken = server.next_pending_connection();
  run_until([&] { return server.has_pending_connections(); });
  run_until_done(second);
}

TEST_F(tcp_server, next_pending_connection_takes_the_first) {
  listen();
  auto first = complete_client();
  auto second = complete_client();
  EXPECT_EQ(server.next_pending_connection()->remote_endpoint().port(), first.socket().local_port());
  EXPECT_EQ(server.next_pending_connection()->remote_endpoint().port(), second.socket().local_port());
}

TEST_F(tcp_server, next_pending_connection_of_an_empty_queue_is_empty) {
  EXPECT_FALSE(server.next_pending_connection().has_value());
  listen();
  EXPECT_FALSE(server.next_pending_connection().has_value());
}

TEST_F(tcp_server, next_pending_connection_needs_no_listener) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  server.adopt({io, asio::generic::stream_protocol(AF_UNIX, 0), ends[0]});
  auto client = in_background([&] { return run_client(raw_client(ends[1]), {}); });
  EXPECT_TRUE(serve(client).let_in);
  EXPECT_FALSE(server.is_listening());
}

TEST_F(tcp_server, has_pending_connections_counts_only_encrypted_ones) {
  listen();
  const auto silent = connect();
  run_until([&] { return server.handshakes_in_progress() == 1; });
  EXPECT_FALSE(server.has_pending_connections());
  EXPECT_EQ(server.pending_connections(), 0U);
  const auto complete = complete_client();
  EXPECT_TRUE(server.has_pending_connections());
  EXPECT_TRUE(server.next_pending_connection()->is_encrypted());
  EXPECT_FALSE(server.has_pending_connections());
}

TEST_F(tcp_server, pending_connection_available_once_for_each) {
  listen();
  const auto first = complete_client();
  const auto second = complete_client();
  EXPECT_EQ(trace, (events{"started", "available", "started", "available"}));
}

// --- pausing ---

TEST_F(tcp_server, pause_accepting_leaves_clients_waiting_until_resume_accepting) {
  listen();
  server.pause_accepting();
  const auto waiting = connect();
  run_turns();
  EXPECT_EQ(server.open_connections(), 0U);
  server.resume_accepting();
  run_until([&] { return server.open_connections() == 1; });
}

// --- the entrance for connected sockets ---

TEST_F(tcp_server, incoming_connection_is_adopt) {
  asio::ip::tcp::acceptor elsewhere(io, loopback);
  auto client =
      in_background([port = elsewhere.local_endpoint().port()] { return run_client(raw_client::to_port(port), {}); });
  asio::generic::stream_protocol::socket connected(elsewhere.accept());
  server.adopt(std::move(connected));
  EXPECT_EQ(server.handshakes_in_progress(), 1U);
  EXPECT_TRUE(serve(client).let_in);
  EXPECT_EQ(trace, (events{"started", "available"}));
}

// --- waiting ---

TEST_F(tcp_server, wait_for_new_connection_waits_for_ever_with_a_negative_time) {
  listen();
  auto client = start_client();
  bool timed_out = true;
  EXPECT_TRUE(server.wait_for_new_connection(-1ms, &timed_out));
  EXPECT_FALSE(timed_out);
  // Other than Qt's: an encrypted connection, not just a TCP one.
  EXPECT_TRUE(server.next_pending_connection()->is_encrypted());
  client.get();
}

TEST_F(tcp_server, wait_for_new_connection_tells_that_the_time_is_over) {
  listen();
  bool timed_out = false;
  EXPECT_FALSE(server.wait_for_new_connection(5ms, &timed_out));
  EXPECT_TRUE(timed_out);
  EXPECT_EQ(server.server_error(), asio::error::timed_out);
  EXPECT_EQ(server.error_string(), "waiting for a connection: none came within 5 ms");
}

TEST_F(tcp_server, wait_for_new_connection_does_not_wait_by_default) {
  listen();
  EXPECT_FALSE(server.wait_for_new_connection());
  EXPECT_EQ(server.server_error(), asio::error::timed_out);
}

TEST_F(tcp_server, wait_for_new_connection_without_listening_changes_nothing) {
  bool timed_out = false;
  EXPECT_FALSE(server.wait_for_new_connection(-1ms, &timed_out));
  EXPECT_FALSE(timed_out);
  EXPECT_EQ(server.server_error(), error_code());
}

// --- errors ---

TEST_F(tcp_server, server_error_and_error_string_are_never_reset_by_success) {
  auto& other = another();
  ASSERT_EQ(other.listen(loopback), error_code());
  EXPECT_EQ(server.listen(other.local_endpoint()), asio::error::address_in_use);
  const auto sentence = server.error_string();
  listen();
  EXPECT_TRUE(run({}).let_in);
  EXPECT_EQ(server.server_error(), asio::error::address_in_use);
  EXPECT_EQ(server.error_string(), sentence);
}

TEST_F(tcp_server, accept_error_comes_after_server_error_and_error_string_are_set) {
  listen();
  int told = 0;
  server.accept_error.connect([&](error_code error) {
    ++told;
    EXPECT_EQ(error, asio::error::no_descriptors);
    EXPECT_EQ(server.server_error(), error);
    EXPECT_EQ(server.error_string(), "127.0.0.1:" + std::to_string(port()) + ": Too many open files");
  });
  server.pause_accepting();
  const auto client = connect();
  {
    const descriptor_shortage meanwhile;
    server.resume_accepting();
    run_until([&] { return told > 0; });
  }
  EXPECT_EQ(trace[0], "accept_error Too many open files");
}

TEST_F(tcp_server, several_servers_on_one_io_context) {
  listen();
  auto& other = another();
  ASSERT_EQ(other.listen(loopback), error_code());
  EXPECT_NE(other.server_port(), port());
  auto to_other = in_background([port = other.server_port()] {
    wire_client client(raw_client::to_port(port));
    client.handshake();
  });
  EXPECT_TRUE(run({}).let_in);
  run_until([&] { return other.has_pending_connections(); });
  run_until_done(to_other);
}

}  // namespace
}  // namespace sallyport::test
