// Listening: where a server listens, whom it lets in, and when it stops.
//
// SPDX-License-Identifier: Apache-2.0
#include "server_fixture.hpp"

#include "support/temporary_directory.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <sys/socket.h>

#include <array>
#include <filesystem>
#include <string>
#include <system_error>

namespace sallyport::test {
namespace {

using unix_endpoint = asio::local::stream_protocol::endpoint;

class listening : public server_fixture {
 protected:
  /// A client connects to `address` and completes its handshake; what our end of the connection calls it.
  std::string peer_name_of_client(const std::string& address) {
    auto client = in_background([address, client_port = port()] {
      wire_client connected(raw_client::to_port(client_port, address));
      connected.handshake();
      return connected;
    });
    const auto socket = accept();
    const auto name = socket.peer_name();
    const auto client_port = run_until_done(client).socket().local_port();
    EXPECT_EQ(socket.remote_endpoint().port(), client_port);
    EXPECT_EQ(socket.local_endpoint().port(), port());
    return name.substr(0, name.rfind(':'));
  }
};

TEST_F(listening, on_ipv4) {
  listen();
  EXPECT_TRUE(server.is_listening());
  EXPECT_NE(server.server_port(), 0);
  EXPECT_EQ(server.local_endpoint().address(), asio::ip::address_v4::loopback());
  EXPECT_EQ(peer_name_of_client("127.0.0.1"), "127.0.0.1");
}

TEST_F(listening, on_ipv6) {
  ASSERT_EQ(server.listen(tcp::endpoint(asio::ip::address_v6::loopback(), 0)), error_code());
  EXPECT_EQ(peer_name_of_client("::1"), "[::1]");
}

TEST_F(listening, on_both_with_one_socket) {
  ASSERT_EQ(server.listen(tcp::endpoint(tcp::v6(), 0)), error_code());
  EXPECT_EQ(peer_name_of_client("::1"), "[::1]");
  EXPECT_EQ(peer_name_of_client("127.0.0.1"), "127.0.0.1");
}

TEST_F(listening, on_ipv6_only) {
  ASSERT_EQ(server.listen(tcp::endpoint(tcp::v6(), 0), {.v6_only = true}), error_code());
  EXPECT_EQ(peer_name_of_client("::1"), "[::1]");
  EXPECT_THROW(raw_client::to_port(port(), "127.0.0.1"), std::system_error);
}

TEST_F(listening, without_a_configuration_is_refused) {
  ssl_server bare(io.get_executor());
  EXPECT_EQ(bare.listen(loopback), asio::error::invalid_argument);
  EXPECT_FALSE(bare.is_listening());
  EXPECT_EQ(bare.server_port(), 0);
}

TEST_F(listening, twice_is_refused_and_the_first_goes_on) {
  listen();
  const auto first = port();
  EXPECT_EQ(server.listen(loopback), asio::error::already_open);
  EXPECT_EQ(port(), first);
  EXPECT_EQ(peer_name_of_client("127.0.0.1"), "127.0.0.1");
}

TEST_F(listening, where_another_listens_is_refused) {
  listen();
  ssl_server other(io.get_executor());
  other.set_configuration(make_configuration()).value();
  EXPECT_EQ(other.listen(server.local_endpoint()), asio::error::address_in_use);
  EXPECT_FALSE(other.is_listening());
}

TEST_F(listening, two_servers_share_a_port_if_both_ask_for_it) {
  ASSERT_EQ(server.listen(loopback, {.reuse_port = true}), error_code());
  ssl_server other(io.get_executor());
  other.set_configuration(make_configuration()).value();
  EXPECT_EQ(other.listen(server.local_endpoint(), {.reuse_port = true}), error_code());
}

TEST_F(listening, again_after_close) {
  listen();
  const auto endpoint = server.local_endpoint();
  server.close();
  EXPECT_FALSE(server.is_listening());
  EXPECT_EQ(server.local_endpoint(), tcp::endpoint());
  EXPECT_THROW(raw_client::to_port(endpoint.port()), std::system_error);
  ASSERT_EQ(server.listen(endpoint), error_code());
  EXPECT_EQ(server.local_endpoint(), endpoint);
  EXPECT_EQ(peer_name_of_client("127.0.0.1"), "127.0.0.1");
}

TEST_F(listening, a_refused_configuration_leaves_the_former_one) {
  EXPECT_FALSE(server.set_configuration({}));
  listen();
  EXPECT_EQ(peer_name_of_client("127.0.0.1"), "127.0.0.1");
}

TEST_F(listening, close_without_listening_does_nothing) {
  server.close();
  server.close();
  EXPECT_FALSE(server.is_listening());
}

// --- unix sockets ---

class unix_listening : public listening {
 protected:
  void expect_to_serve() {
    auto client = in_background([this] {
      wire_client connected(raw_client::to_unix(path));
      connected.handshake();
      return connected.receive_exactly(2);
    });
    auto socket = accept();
    EXPECT_EQ(socket.peer_name(), "unix");
    EXPECT_EQ(socket.remote_endpoint(), tcp::endpoint());
    write(socket, "hi");
    EXPECT_EQ(run_until_done(client), "hi");
  }

  temporary_directory directory;
  const std::string path = (directory.path() / "server.socket").string();
};

TEST_F(unix_listening, serves_and_removes_its_file) {
  ASSERT_EQ(server.listen(unix_endpoint(path)), error_code());
  EXPECT_EQ(server.local_endpoint(), tcp::endpoint());
  expect_to_serve();
  server.close();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(unix_listening, destroying_the_server_removes_the_file) {
  {
    ssl_server other(io.get_executor());
    other.set_configuration(make_configuration()).value();
    ASSERT_EQ(other.listen(unix_endpoint(path)), error_code());
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(unix_listening, a_stale_file_is_replaced) {
  { asio::local::stream_protocol::acceptor dead(io, unix_endpoint(path)); }
  ASSERT_TRUE(std::filesystem::is_socket(path));
  ASSERT_EQ(server.listen(unix_endpoint(path)), error_code());
  expect_to_serve();
}

TEST_F(unix_listening, a_living_one_is_left_alone) {
  asio::local::stream_protocol::acceptor living(io, unix_endpoint(path));
  EXPECT_EQ(server.listen(unix_endpoint(path)), asio::error::address_in_use);
  raw_client::to_unix(path);  // throws if nobody listens
}

TEST_F(unix_listening, a_file_of_another_kind_is_left_alone) {
  directory.write("server.socket", "precious");
  EXPECT_EQ(server.listen(unix_endpoint(path)), asio::error::address_in_use);
  EXPECT_EQ(std::filesystem::file_size(path), 8U);
}

TEST_F(unix_listening, an_abstract_name_leaves_no_file) {
  const std::string name("\0sallyport-test", 15);
  const auto unique = name + path;
  EXPECT_EQ(server.listen(unix_endpoint(unique)), error_code());
  EXPECT_TRUE(server.is_listening());
  server.close();
}

// --- pausing ---

TEST_F(listening, pause_and_resume_without_listening_do_nothing) {
  server.pause_accepting();
  server.resume_accepting();
  server.pause_accepting();
  listen();
  EXPECT_EQ(peer_name_of_client("127.0.0.1"), "127.0.0.1");  // the pause was none
  server.close();
  server.resume_accepting();
  server.pause_accepting();
  run_ready();
}

TEST_F(listening, a_pause_leaves_clients_in_the_backlog) {
  listen();
  server.pause_accepting();
  const auto first = connect();
  const auto second = connect();
  run_ready();
  run_ready();
  EXPECT_EQ(server.open_connections(), 0U);
  server.resume_accepting();
  server.resume_accepting();
  run_until([&] { return server.open_connections() == 2; });
}

TEST_F(listening, a_pause_lets_handshakes_in_progress_complete) {
  listen();
  wire_client client(connect());
  run_until([&] { return server.handshakes_in_progress() == 1; });
  server.pause_accepting();
  auto handshake = in_background([&] { client.handshake(); });
  accept();
  run_until_done(handshake);
}

// --- adopting ---

TEST_F(listening, an_adopted_socket_is_like_an_accepted_one) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  wire_client client{raw_client(ends[1])};
  asio::generic::stream_protocol::socket ours(io, asio::generic::stream_protocol(AF_UNIX, 0), ends[0]);
  server.adopt(std::move(ours));
  EXPECT_EQ(server.handshakes_in_progress(), 1U);
  auto handshake = in_background([&] { client.handshake(); });
  EXPECT_EQ(accept().peer_name(), "unix");
  run_until_done(handshake);
}

TEST_F(listening, adopting_what_cannot_be_served_is_told) {
  events trace;
  record(server, trace);
  server.adopt(asio::generic::stream_protocol::socket(io));
  ASSERT_EQ(trace.size(), 1U);
  EXPECT_THAT(trace[0], testing::StartsWith("accept_error"));

  ssl_server bare(io.get_executor());
  events bare_trace;
  record(bare, bare_trace);
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  raw_client client(ends[1]);
  bare.adopt({io, asio::generic::stream_protocol(AF_UNIX, 0), ends[0]});
  EXPECT_EQ(bare_trace, (events{"accept_error Invalid argument"}));
  EXPECT_EQ(client.read_to_end().end, stream_end::fin);
}

TEST_F(listening, adopting_a_socket_that_is_not_connected_ends_in_an_error) {
  events trace;
  record(server, trace);
  asio::generic::stream_protocol::socket unconnected(io);
  unconnected.open(asio::generic::stream_protocol(tcp::v4()));
  server.adopt(std::move(unconnected));
  run_until([&] { return !trace.empty(); });
  EXPECT_EQ(trace.size(), 1U);
  EXPECT_EQ(server.open_connections(), 0U);
}

}  // namespace
}  // namespace sallyport::test
