// What ssl_server has of QTcpServer: descriptors from elsewhere, its errors, waiting without an event loop.
//
// SPDX-License-Identifier: Apache-2.0
#include "server_fixture.hpp"

#include "support/temporary_directory.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace sallyport::test {
namespace {

using unix_endpoint = asio::local::stream_protocol::endpoint;
using any_endpoint = asio::generic::stream_protocol::endpoint;

[[noreturn]] void throw_errno(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

/// A descriptor of the test's, until release().
class descriptor {
 public:
  explicit descriptor(int number) : number_(number) {
    if (number < 0) throw_errno("descriptor");
  }
  descriptor(descriptor&& other) noexcept : number_(other.release()) {}
  descriptor& operator=(descriptor&&) = delete;
  ~descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const noexcept { return number_; }
  int release() noexcept { return std::exchange(number_, -1); }

 private:
  int number_;
};

bool is_open(int number) { return ::fcntl(number, F_GETFD) >= 0; }
bool is_blocking(int number) { return (::fcntl(number, F_GETFL) & O_NONBLOCK) == 0; }
bool is_inheritable(int number) { return (::fcntl(number, F_GETFD) & FD_CLOEXEC) == 0; }

/// As systemd makes them: bound, blocking, and kept over an exec.
descriptor bound_socket(const any_endpoint& where, int type = SOCK_STREAM) {
  descriptor made(::socket(where.protocol().family(), type, 0));
  if (::bind(made.number(), where.data(), static_cast<socklen_t>(where.size())) != 0) throw_errno("bind");
  return made;
}

descriptor listening_socket(const any_endpoint& where = loopback, int type = SOCK_STREAM) {
  descriptor made = bound_socket(where, type);
  if (::listen(made.number(), 16) != 0) throw_errno("listen");
  return made;
}

std::uint16_t port_of(const descriptor& bound) {
  tcp::endpoint where;
  auto size = static_cast<socklen_t>(where.capacity());
  if (::getsockname(bound.number(), where.data(), &size) != 0) throw_errno("getsockname");
  return where.port();
}

class inherited : public server_fixture {
 protected:
  /// A client connects to `connected` and completes its handshake with `serving`, which is greeted.
  void expect_service(ssl_server& serving, raw_client connected) {
    auto client = in_background([&connected] {
      wire_client made(std::move(connected));
      made.handshake();
      return made.receive_exactly(2);
    });
    run_until([&] { return serving.has_pending_connections(); });
    auto socket = *serving.next_pending_connection();
    write(socket, "hi");
    EXPECT_EQ(run_until_done(client), "hi");
  }
  void expect_service() { expect_service(server, connect()); }
};

// --- a listening descriptor ---

TEST_F(inherited, a_listening_descriptor_is_served) {
  descriptor listening = listening_socket();
  const int number = listening.number();
  const auto where = port_of(listening);
  ASSERT_TRUE(is_blocking(number));
  ASSERT_TRUE(is_inheritable(number));

  ASSERT_EQ(server.set_socket_descriptor(number), error_code());
  listening.release();
  EXPECT_TRUE(server.is_listening());
  EXPECT_EQ(server.socket_descriptor(), number);
  EXPECT_EQ(server.local_endpoint(), tcp::endpoint(asio::ip::address_v4::loopback(), where));
  EXPECT_FALSE(is_blocking(number));
  EXPECT_FALSE(is_inheritable(number));
  expect_service();

  server.close();
  EXPECT_FALSE(is_open(number));
  EXPECT_EQ(server.socket_descriptor(), -1);
  EXPECT_THROW(raw_client::to_port(where), std::system_error);
}

TEST_F(inherited, who_came_before_is_served) {
  descriptor listening = listening_socket();
  auto early = raw_client::to_port(port_of(listening));
  ASSERT_EQ(server.set_socket_descriptor(listening.release()), error_code());
  expect_service(server, std::move(early));
}

TEST_F(inherited, a_listening_descriptor_of_ipv6) {
  descriptor listening = listening_socket(tcp::endpoint(asio::ip::address_v6::loopback(), 0));
  ASSERT_EQ(server.set_socket_descriptor(listening.release()), error_code());
  EXPECT_EQ(server.local_endpoint().address(), asio::ip::address_v6::loopback());
  expect_service(server, raw_client::to_port(port(), "::1"));
}

TEST_F(inherited, a_unix_socket_that_another_made_keeps_its_file) {
  const temporary_directory directory;
  const std::string path = (directory.path() / "inherited.socket").string();
  descriptor listening = listening_socket(unix_endpoint(path));
  ASSERT_EQ(server.set_socket_descriptor(listening.release()), error_code());
  EXPECT_EQ(server.local_endpoint(), tcp::endpoint());
  expect_service(server, raw_client::to_unix(path));
  server.close();
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_THROW(raw_client::to_unix(path), std::system_error);
}

TEST_F(inherited, whose_file_it_is_goes_by_who_made_it) {
  const temporary_directory directory;
  const std::string path = (directory.path() / "server.socket").string();
  ASSERT_EQ(server.listen(unix_endpoint(path)), error_code());
  server.close();
  EXPECT_FALSE(std::filesystem::exists(path));
  ASSERT_EQ(server.set_socket_descriptor(listening_socket(unix_endpoint(path)).release()), error_code());
  server.close();
  EXPECT_TRUE(std::filesystem::exists(path));
  ASSERT_EQ(server.listen(unix_endpoint(path)), error_code());  // it is stale now
  server.close();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(inherited, another_process_may_go_on_with_the_descriptor) {
  descriptor listening = listening_socket();
  const descriptor theirs(::dup(listening.number()));
  ASSERT_EQ(server.set_socket_descriptor(listening.release()), error_code());
  expect_service();
  server.close();

  auto waiting = raw_client::to_port(port_of(theirs));  // nobody's connection is lost between the two
  ssl_server next(io.get_executor());
  next.set_configuration(make_configuration()).value();
  ASSERT_EQ(next.set_socket_descriptor(::dup(theirs.number())), error_code());
  expect_service(next, std::move(waiting));
}

TEST_F(inherited, socket_descriptor_is_also_that_of_listen) {
  EXPECT_EQ(server.socket_descriptor(), -1);
  listen();
  ASSERT_GE(server.socket_descriptor(), 0);
  tcp::endpoint where;
  auto size = static_cast<socklen_t>(where.capacity());
  ASSERT_EQ(::getsockname(server.socket_descriptor(), where.data(), &size), 0);
  EXPECT_EQ(where.port(), port());
}

struct refused_descriptor {
  std::string name;
  descriptor (*make)();
  std::string reason;
};

class refused : public inherited, public testing::WithParamInterface<refused_descriptor> {};

TEST_P(refused, stays_as_it_was) {
  const descriptor offered = GetParam().make();
  const bool was_blocking = is_blocking(offered.number());
  EXPECT_EQ(server.set_socket_descriptor(offered.number()), asio::error::invalid_argument);
  EXPECT_FALSE(server.is_listening());
  EXPECT_EQ(server.socket_descriptor(), -1);
  EXPECT_TRUE(is_open(offered.number()));
  EXPECT_TRUE(is_inheritable(offered.number()));
  EXPECT_EQ(is_blocking(offered.number()), was_blocking);
  EXPECT_EQ(server.server_error(), asio::error::invalid_argument);
  EXPECT_EQ(server.error_string(), "descriptor " + std::to_string(offered.number()) + ": " + GetParam().reason);

  ASSERT_EQ(server.set_socket_descriptor(listening_socket().release()), error_code());
  expect_service();
}

descriptor connected_socket() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) throw_errno("socketpair");
  ::close(ends[1]);
  return descriptor(ends[0]);
}

descriptor end_of_a_pipe() {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) throw_errno("pipe");
  ::close(ends[1]);
  return descriptor(ends[0]);
}

INSTANTIATE_TEST_SUITE_P(
    descriptors, refused,
    testing::Values(refused_descriptor{"bound", [] { return bound_socket(loopback); }, "it doesn't listen"},
                    refused_descriptor{"connected", connected_socket, "it doesn't listen"},
                    refused_descriptor{"udp", [] { return bound_socket(loopback, SOCK_DGRAM); },
                                       "it isn't a stream socket"},
                    refused_descriptor{"seqpacket",
                                       [] {
                                         const std::string name = "sallyport-test-" + std::to_string(::getpid());
                                         return listening_socket(unix_endpoint('\0' + name), SOCK_SEQPACKET);
                                       },
                                       "it isn't a stream socket"},
                    refused_descriptor{"pipe", end_of_a_pipe, "it isn't a socket"}),
    [](const auto& offered) { return offered.param.name; });

TEST_F(inherited, a_closed_descriptor_is_refused) {
  int number = -1;
  {
    const descriptor closed = listening_socket();
    number = closed.number();
  }
  EXPECT_EQ(server.set_socket_descriptor(number), asio::error::invalid_argument);
  EXPECT_EQ(server.error_string(), "descriptor " + std::to_string(number) + ": it isn't open");
  EXPECT_EQ(server.set_socket_descriptor(-1), asio::error::invalid_argument);
  EXPECT_EQ(server.error_string(), "descriptor -1: it isn't open");
  EXPECT_FALSE(server.is_listening());
}

TEST_F(inherited, a_descriptor_without_a_configuration_is_refused) {
  const descriptor listening = listening_socket();
  ssl_server bare(io.get_executor());
  EXPECT_EQ(bare.set_socket_descriptor(listening.number()), asio::error::invalid_argument);
  EXPECT_EQ(bare.error_string(), "descriptor " + std::to_string(listening.number()) + ": no configuration is set");
  EXPECT_FALSE(bare.is_listening());
  EXPECT_TRUE(is_open(listening.number()));
}

TEST_F(inherited, a_descriptor_that_another_server_has_is_refused) {
  const int number = listening_socket().release();
  ASSERT_EQ(server.set_socket_descriptor(number), error_code());
  {
    ssl_server other(io.get_executor());
    other.set_configuration(make_configuration()).value();
    EXPECT_EQ(other.set_socket_descriptor(number), boost::system::errc::file_exists);
    EXPECT_FALSE(other.is_listening());
  }
  EXPECT_TRUE(is_open(number));
  expect_service();
}

TEST_F(inherited, a_descriptor_while_listening_is_refused_and_the_first_goes_on) {
  listen();
  const auto first = port();
  const descriptor listening = listening_socket();
  EXPECT_EQ(server.set_socket_descriptor(listening.number()), asio::error::already_open);
  EXPECT_EQ(server.server_error(), error_code());
  EXPECT_TRUE(is_open(listening.number()));
  EXPECT_EQ(port(), first);
  expect_service();
}

TEST_F(inherited, a_pause_ends_with_the_listening) {
  listen();
  server.pause_accepting();
  server.close();
  ASSERT_EQ(server.set_socket_descriptor(listening_socket().release()), error_code());
  expect_service();
}

// --- adopting ---

class adopting : public inherited {
 protected:
  struct tcp_pair {
    raw_client client;
    asio::generic::stream_protocol::socket ours;
  };
  /// A connection that somebody else has accepted.
  tcp_pair make_connection() {
    const descriptor listening = listening_socket();
    auto client = raw_client::to_port(port_of(listening));
    const int accepted = ::accept4(listening.number(), nullptr, nullptr, SOCK_CLOEXEC);
    if (accepted < 0) throw_errno("accept");
    return {std::move(client), {io, asio::generic::stream_protocol(tcp::v4()), accepted}};
  }

  static std::vector<std::byte> bytes_of(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
  }

  /// The client's first bytes, read from our end.
  static std::vector<std::byte> read_ahead(asio::generic::stream_protocol::socket& ours, std::size_t size) {
    std::vector<std::byte> bytes(size);
    asio::read(ours, asio::buffer(bytes));
    return bytes;
  }

  /// What the client of a refused connection sees.
  static void expect_end(raw_client& client) { EXPECT_EQ(client.read_to_end().data, ""); }
};

class adopted_after : public adopting, public testing::WithParamInterface<std::tuple<std::size_t, int>> {};

TEST_P(adopted_after, some_bytes) {
  const auto [wanted, version] = GetParam();
  auto [raw, ours] = make_connection();
  wire_client client(std::move(raw), {.min_version = version, .max_version = version});
  const std::string hello = client.client_hello();
  ASSERT_GT(hello.size(), 100U);
  client.socket().send(hello);

  auto already_read = read_ahead(ours, std::min(wanted, hello.size()));
  server.adopt(std::move(ours), already_read);
  std::fill(already_read.begin(), already_read.end(), std::byte{0});  // they have been copied
  EXPECT_EQ(server.handshakes_in_progress(), 1U);

  auto conversation = in_background([&client = client] {
    client.handshake();
    client.send("hello");
    return client.receive_exactly(7);
  });
  auto socket = accept();
  EXPECT_EQ(socket.remote_endpoint().port(), client.socket().local_port());
  EXPECT_EQ(read(socket, 5), "hello");
  write(socket, "goodbye");
  EXPECT_EQ(run_until_done(conversation), "goodbye");
}

constexpr std::size_t all = 1 << 20;
INSTANTIATE_TEST_SUITE_P(hello, adopted_after,
                         testing::Combine(testing::Values(std::size_t{0}, std::size_t{1}, std::size_t{5},
                                                          std::size_t{100}, all),
                                          testing::Values(0x0303, 0x0304)),
                         [](const auto& made) {
                           const std::size_t size = std::get<0>(made.param);
                           return (size == all ? "all" : std::to_string(size)) +
                                  (std::get<1>(made.param) == 0x0303 ? "_v1_2" : "_v1_3");
                         });

TEST_F(adopting, bytes_that_are_http_are_told_as_such) {
  events trace;
  record(server, trace);
  auto [client, ours] = make_connection();
  client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto already_read = read_ahead(ours, 16);
  server.adopt(std::move(ours), already_read);
  run_until([&] { return !trace.empty(); });
  EXPECT_EQ(trace, (events{"error plain_http"}));
  EXPECT_EQ(server.open_connections(), 0U);
}

TEST_F(adopting, a_client_that_has_gone_after_its_first_bytes) {
  events trace;
  record(server, trace);
  auto [raw, ours] = make_connection();
  wire_client client(std::move(raw));
  const std::string hello = client.client_hello();
  client.socket().finish_sending();
  server.adopt(std::move(ours), bytes_of(hello.substr(0, 10)));
  run_until([&] { return !trace.empty(); });
  EXPECT_EQ(trace, (events{"error closed_by_client"}));
}

TEST_F(adopting, sixty_four_kilobytes_are_the_most) {
  events trace;
  record(server, trace);
  const std::vector<std::byte> most(64 * 1024);  // no TLS: they are looked at
  auto [first, first_ours] = make_connection();
  server.adopt(std::move(first_ours), most);
  run_until([&] { return !trace.empty(); });
  EXPECT_EQ(trace, (events{"error not_tls"}));
  EXPECT_EQ(server.server_error(), error_code());
  trace.clear();

  const std::vector<std::byte> too_many(64 * 1024 + 1);
  auto [second, second_ours] = make_connection();
  server.adopt(std::move(second_ours), too_many);
  EXPECT_EQ(trace, (events{"accept_error Message too long"}));
  EXPECT_EQ(server.server_error(), asio::error::message_size);
  EXPECT_EQ(server.error_string(),
            "adopted connection: 65537 bytes were read before, and 65536 are the most that may be");
  EXPECT_EQ(server.open_connections(), 0U);
  expect_end(second);
}

TEST_F(adopting, without_listening_serves_those_who_wait) {
  bool is_done = false;
  server.async_accept([&](error_code ec, ssl_socket socket) { is_done = !ec && socket.is_encrypted(); });
  auto [raw, ours] = make_connection();
  server.adopt(std::move(ours));
  wire_client client(std::move(raw));
  auto handshake = in_background([&] { client.handshake(); });
  run_until([&] { return is_done; });
  run_until_done(handshake);
}

TEST_F(adopting, after_close_is_refused_until_it_listens_again) {
  events trace;
  record(server, trace);
  server.close();
  auto [client, ours] = make_connection();
  server.adopt(std::move(ours));
  EXPECT_EQ(trace, (events{"accept_error Operation canceled"}));
  EXPECT_EQ(server.server_error(), asio::error::operation_aborted);
  EXPECT_EQ(server.error_string(), "adopted connection: the server is closed");
  EXPECT_EQ(server.open_connections(), 0U);
  expect_end(client);

  listen();
  auto [second, second_ours] = make_connection();
  server.adopt(std::move(second_ours));
  expect_service(server, std::move(second));
}

TEST_F(adopting, inside_close_is_refused) {
  listen();
  const auto silent = connect();
  run_until([&] { return server.handshakes_in_progress() == 1; });
  auto [client, ours] = make_connection();
  server.error_occurred.connect([&, &adopted = ours](ssl_socket&, error_code) { server.adopt(std::move(adopted)); });
  server.close();
  EXPECT_EQ(server.open_connections(), 0U);
  EXPECT_EQ(server.server_error(), asio::error::operation_aborted);
  expect_end(client);
}

TEST_F(adopting, during_and_after_a_drain_is_refused) {
  listen();
  auto [client, socket] = make_pair();
  outcome drained;
  server.async_drain(patience, drained.handler());
  auto [during, during_ours] = make_connection();
  server.adopt(std::move(during_ours));
  EXPECT_EQ(server.server_error(), asio::error::operation_aborted);
  EXPECT_EQ(server.open_connections(), 1U);
  expect_end(during);

  socket.abort();
  run_until([&] { return drained.is_done(); });
  EXPECT_EQ(drained.error, error_code());
  auto [after, after_ours] = make_connection();
  server.adopt(std::move(after_ours));
  EXPECT_EQ(server.open_connections(), 0U);
  expect_end(after);
}

TEST_F(inherited, listening_again_ends_a_drain) {
  listen();
  auto [client, socket] = make_pair();
  outcome drained;
  server.async_drain(1h, drained.handler());
  listen();
  EXPECT_FALSE(drained.is_done()) << "inside listen()";
  run_until([&] { return drained.is_done(); });
  EXPECT_EQ(drained.error, asio::error::operation_aborted);

  // The end of the former connections is nothing special any more.
  socket.abort();
  bool is_accepted = false;
  server.async_accept([&](error_code ec, ssl_socket) { is_accepted = !ec; });
  auto next = in_background([connected = connect()]() mutable { wire_client(std::move(connected)).handshake(); });
  run_until([&] { return is_accepted; });
  run_until_done(next);
}

// --- waiting without an event loop ---

class waiting : public inherited {
 protected:
  std::future<wire_client> start_client() {
    return in_background([client_port = port()] {
      wire_client client(raw_client::to_port(client_port));
      client.handshake();
      return client;
    });
  }
};

TEST_F(waiting, ends_with_a_connection) {
  listen();
  auto client = start_client();
  bool timed_out = true;
  EXPECT_TRUE(server.wait_for_new_connection(patience, &timed_out));
  EXPECT_FALSE(timed_out);
  EXPECT_EQ(server.pending_connections(), 1U);
  EXPECT_TRUE(server.next_pending_connection()->is_encrypted());
  EXPECT_EQ(server.server_error(), error_code());
  client.get();
}

TEST_F(waiting, for_ever) {
  listen();
  for (int round = 0; round < 2; ++round) {
    auto client = start_client();
    ASSERT_TRUE(server.wait_for_new_connection(-1ms));
    EXPECT_TRUE(server.next_pending_connection());
    client.get();
  }
}

TEST_F(waiting, as_long_as_can_be) {
  listen();
  auto client = start_client();
  EXPECT_TRUE(server.wait_for_new_connection(std::chrono::milliseconds::max()));
  client.get();
}

TEST_F(waiting, without_time_gets_on_with_each_call) {
  listen();
  auto client = start_client();
  const auto give_up = std::chrono::steady_clock::now() + patience;
  bool timed_out = false;
  while (!server.wait_for_new_connection(0ms, &timed_out)) {
    ASSERT_TRUE(timed_out);
    ASSERT_LT(std::chrono::steady_clock::now(), give_up);
  }
  EXPECT_FALSE(timed_out);
  client.get();
}

TEST_F(waiting, without_time_ends_though_a_handler_always_posts_another) {
  listen();
  int calls = 0;
  struct again {
    asio::io_context& io;
    int& calls;
    void operator()() const {
      ++calls;
      asio::post(io, *this);
    }
  };
  asio::post(io, again{io, calls});
  EXPECT_FALSE(server.wait_for_new_connection());
  EXPECT_GT(calls, 0);
}

TEST_F(waiting, is_over_at_once_if_one_is_there) {
  listen();
  auto client = start_client();
  run_until([&] { return server.has_pending_connections(); });
  client.get();
  bool is_run = false;
  asio::post(io, [&] { is_run = true; });
  EXPECT_TRUE(server.wait_for_new_connection(patience));
  EXPECT_FALSE(is_run);
}

TEST_F(waiting, is_over_after_the_time) {
  listen();
  const auto silent = connect();  // a TCP connection is none yet
  bool timed_out = false;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(server.wait_for_new_connection(30ms, &timed_out));
  EXPECT_GE(std::chrono::steady_clock::now() - start, 30ms);
  EXPECT_TRUE(timed_out);
  EXPECT_EQ(server.server_error(), asio::error::timed_out);
  EXPECT_EQ(server.error_string(), "waiting for a connection: none came within 30 ms");
  EXPECT_EQ(server.handshakes_in_progress(), 1U);
  EXPECT_FALSE(server.wait_for_new_connection(1ms));  // nobody asks whether it timed out
}

TEST_F(waiting, without_listening_changes_nothing) {
  bool timed_out = true;
  EXPECT_FALSE(server.wait_for_new_connection(-1ms, &timed_out));
  EXPECT_FALSE(timed_out);
  EXPECT_EQ(server.server_error(), error_code());
  EXPECT_EQ(server.error_string(), "");
}

TEST_F(waiting, works_on_an_io_context_that_has_been_stopped) {
  io.run();  // without work
  ASSERT_TRUE(io.stopped());
  listen();
  io.stop();
  auto client = start_client();
  EXPECT_TRUE(server.wait_for_new_connection(patience));
  client.get();
}

TEST_F(waiting, on_a_paused_server_needs_no_other_work) {
  listen();
  server.pause_accepting();
  run_ready();
  const auto backlogged = connect();
  bool timed_out = false;
  EXPECT_FALSE(server.wait_for_new_connection(20ms, &timed_out));
  EXPECT_TRUE(timed_out);
  EXPECT_EQ(server.open_connections(), 0U);

  bool is_run = false;
  asio::post(io, [&] { is_run = true; });
  io.poll();
  EXPECT_TRUE(is_run) << "the context was left stopped";
}

TEST_F(waiting, runs_others_handlers_meanwhile) {
  listen();
  std::future<wire_client> client;
  asio::post(io, [&] { client = start_client(); });
  EXPECT_TRUE(server.wait_for_new_connection(patience));
  client.get();
}

TEST_F(waiting, ends_when_the_server_is_closed) {
  listen();
  asio::post(io, [&] { server.close(); });
  bool timed_out = true;
  EXPECT_FALSE(server.wait_for_new_connection(-1ms, &timed_out));
  EXPECT_FALSE(timed_out);
  EXPECT_EQ(server.server_error(), error_code());
}

TEST_F(waiting, ends_when_the_server_is_destroyed) {
  auto victim = std::make_unique<ssl_server>(io.get_executor());
  victim->set_configuration(make_configuration()).value();
  ASSERT_EQ(victim->listen(loopback), error_code());
  asio::post(io, [&] { victim.reset(); });
  EXPECT_FALSE(victim->wait_for_new_connection(-1ms));
  EXPECT_FALSE(victim);
}

TEST_F(waiting, ends_when_the_io_context_is_stopped) {
  listen();
  asio::post(io, [&] { io.stop(); });
  bool timed_out = true;
  EXPECT_FALSE(server.wait_for_new_connection(-1ms, &timed_out));
  EXPECT_FALSE(timed_out);
  EXPECT_EQ(server.server_error(), asio::error::operation_aborted);
  EXPECT_EQ(server.error_string(), "waiting for a connection: the io_context was stopped");
  EXPECT_TRUE(io.stopped());
  expect_service();
}

TEST_F(waiting, lets_the_exceptions_of_slots_through) {
  listen();
  const auto throws =
      server.started_encryption_handshake.connect([](ssl_socket&) { throw std::runtime_error("thrown by a slot"); });
  {
    auto client =
        in_background([client_port = port()] { return wire_client(raw_client::to_port(client_port)).try_handshake(); });
    EXPECT_THROW(server.wait_for_new_connection(patience), std::runtime_error);
    client.get();  // in TLS 1.3 its part may have been done before
  }
  throws.disconnect();
  auto client = start_client();
  EXPECT_TRUE(server.wait_for_new_connection(patience));
  client.get();
}

TEST_F(waiting, inside_a_handler_is_refused) {
  listen();
  bool is_refused = false;
  asio::post(io, [&] { is_refused = !server.wait_for_new_connection(-1ms); });
  run_until([&] { return is_refused; });
  EXPECT_EQ(server.server_error(), asio::error::operation_not_supported);
  expect_service();
}

TEST_F(waiting, needs_an_io_context_of_its_own_thread) {
  asio::thread_pool pool(1);
  const std::vector<asio::any_io_executor> executors{asio::make_strand(io), pool.get_executor()};
  for (const auto& executor : executors) {
    ssl_server other(executor);
    other.set_configuration(make_configuration()).value();
    bool timed_out = true;
    EXPECT_FALSE(other.wait_for_new_connection(-1ms, &timed_out));
    EXPECT_FALSE(timed_out);
    EXPECT_EQ(other.server_error(), asio::error::operation_not_supported);
    EXPECT_EQ(other.error_string(), "waiting for a connection: the server's executor isn't an io_context's");
  }
}

// --- errors ---

TEST_F(inherited, a_new_server_has_no_error) {
  EXPECT_EQ(server.server_error(), error_code());
  EXPECT_EQ(server.error_string(), "");
}

TEST_F(inherited, a_port_in_use_is_told_and_stays_told) {
  listen();
  ssl_server other(io.get_executor());
  other.set_configuration(make_configuration()).value();
  EXPECT_EQ(other.listen(server.local_endpoint()), asio::error::address_in_use);
  const std::string sentence = "127.0.0.1:" + std::to_string(port()) + ": Address already in use";
  EXPECT_EQ(other.server_error(), asio::error::address_in_use);
  EXPECT_EQ(other.error_string(), sentence);

  ASSERT_EQ(other.listen(loopback), error_code());
  expect_service(other, raw_client::to_port(other.server_port()));
  EXPECT_EQ(other.listen(loopback), asio::error::already_open);
  EXPECT_EQ(other.server_error(), asio::error::address_in_use);
  EXPECT_EQ(other.error_string(), sentence);
}

TEST_F(inherited, an_address_of_others_is_told) {
  const tcp::endpoint foreign(asio::ip::make_address("192.0.2.1"), 4433);
  EXPECT_EQ(server.listen(foreign), boost::system::errc::address_not_available);
  EXPECT_EQ(server.error_string(), "192.0.2.1:4433: Cannot assign requested address");
}

TEST_F(inherited, an_error_names_a_unix_socket) {
  const temporary_directory directory;
  const std::string path = (directory.path() / "taken.socket").string();
  const descriptor living = listening_socket(unix_endpoint(path));
  EXPECT_EQ(server.listen(unix_endpoint(path)), asio::error::address_in_use);
  EXPECT_EQ(server.error_string(), path + ": Address already in use");

  const std::string name = "sallyport-test-" + std::to_string(::getpid()) + "\n";
  const descriptor abstract = listening_socket(unix_endpoint('\0' + name));
  EXPECT_EQ(server.listen(unix_endpoint('\0' + name)), asio::error::address_in_use);
  EXPECT_EQ(server.error_string(), "@sallyport-test-" + std::to_string(::getpid()) + "?: Address already in use");
}

TEST_F(inherited, a_missing_configuration_is_told) {
  ssl_server bare(io.get_executor());
  EXPECT_EQ(bare.listen(loopback), asio::error::invalid_argument);
  EXPECT_EQ(bare.server_error(), asio::error::invalid_argument);
  EXPECT_EQ(bare.error_string(), "127.0.0.1:0: no configuration is set");
}

/// No more descriptors for this process, while it lives. One is left, as poll() counts its arguments against them.
class no_descriptors {
 public:
  no_descriptors() {
    ::getrlimit(RLIMIT_NOFILE, &former_);
    const rlimit none{1, former_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~no_descriptors() { ::setrlimit(RLIMIT_NOFILE, &former_); }
  no_descriptors(const no_descriptors&) = delete;
  no_descriptors& operator=(const no_descriptors&) = delete;

 private:
  rlimit former_{};
};

TEST_F(inherited, an_error_of_accept_is_told_and_goes_by) {
  listen();
  int told = 0;
  server.accept_error.connect([&](error_code ec) {
    ++told;
    EXPECT_EQ(server.server_error(), ec);  // inside the slot already
  });
  auto client = connect();
  {
    const no_descriptors meanwhile;
    run_until([&] { return told > 0; });
  }
  const std::string sentence = "127.0.0.1:" + std::to_string(port()) + ": Too many open files";
  EXPECT_EQ(server.server_error(), asio::error::no_descriptors);
  EXPECT_EQ(server.error_string(), sentence);
  expect_service(server, std::move(client));
  EXPECT_EQ(server.error_string(), sentence);
}

// --- settings ---

TEST_F(inherited, the_configuration_in_use_can_be_read) {
  ssl_server other(io.get_executor());
  EXPECT_TRUE(other.configuration().identities.empty());

  auto first = make_configuration();
  first.alpn_protocols = {"first"};
  other.set_configuration(first).value();
  EXPECT_EQ(other.configuration().identities.size(), 1U);
  EXPECT_EQ(other.configuration().alpn_protocols, first.alpn_protocols);

  auto second = make_configuration();
  second.alpn_protocols = {"second"};
  second.ciphers = "no such cipher";
  EXPECT_FALSE(other.set_configuration(second));
  EXPECT_EQ(other.configuration().alpn_protocols, first.alpn_protocols);
  EXPECT_EQ(other.configuration().ciphers, "");

  other.set_configuration(other.configuration()).value();
  EXPECT_EQ(other.configuration().identities.size(), 1U);
  EXPECT_EQ(other.configuration().alpn_protocols, first.alpn_protocols);
}

TEST_F(inherited, the_backlog_is_the_kernels) {
  ASSERT_EQ(server.listen(loopback, {.backlog = 7}), error_code());
  tcp_info info{};
  socklen_t size = sizeof info;
  ASSERT_EQ(::getsockopt(server.socket_descriptor(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
  EXPECT_EQ(info.tcpi_sacked, 7U);  // where Linux tells it of a listening socket
}

TEST_F(inherited, several_servers_on_one_io_context) {
  listen();
  ssl_server second(io.get_executor()), third(io.get_executor());
  second.set_configuration(make_configuration()).value();
  third.set_configuration(make_configuration()).value();
  ASSERT_EQ(second.listen(loopback), error_code());
  ASSERT_EQ(third.set_socket_descriptor(listening_socket().release()), error_code());

  // The limits of one aren't the others'.
  second.set_max_pending_connections(1);
  auto waits = in_background([client_port = second.server_port()] {
    wire_client client(raw_client::to_port(client_port));
    client.handshake();
    return client;
  });
  run_until([&] { return second.has_pending_connections(); });
  const auto backlogged = raw_client::to_port(second.server_port());
  server.pause_accepting();
  expect_service(third, raw_client::to_port(third.server_port()));
  EXPECT_EQ(second.open_connections(), 1U);
  server.resume_accepting();
  expect_service();
  run_until_done(waits);

  third.close();
  EXPECT_TRUE(second.is_listening());
  expect_service();
}

}  // namespace
}  // namespace sallyport::test
