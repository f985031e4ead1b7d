// Lifetimes: what is destroyed in which order, draining, threads, and when the event loop may end.
//
// SPDX-License-Identifier: Apache-2.0
#include "server_fixture.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace sallyport::test {
namespace {

class lifetime : public server_fixture {
 protected:
  lifetime() { listen(); }
};

// --- the server goes first ---

TEST_F(lifetime, a_server_is_destroyed_with_everything_outstanding) {
  auto victim = std::make_unique<ssl_server>(io.get_executor());
  victim->set_configuration(make_configuration()).value();
  ASSERT_EQ(victim->listen(loopback), error_code());
  const auto new_client = [port = victim->server_port()] {
    return in_background([port] {
      wire_client client(raw_client::to_port(port));
      client.handshake();
      return client;
    });
  };
  std::vector<std::future<wire_client>> futures;
  std::vector<ssl_socket> sockets;
  for (int number = 0; number < 4; ++number) {
    futures.push_back(new_client());
    run_until([&] { return victim->has_pending_connections(); });
    if (number < 3) sockets.push_back(*victim->next_pending_connection());  // the fourth stays in the queue
  }
  std::vector<wire_client> clients;
  for (auto& future : futures) clients.push_back(run_until_done(future));
  auto handshaking = raw_client::to_port(victim->server_port());
  run_until([&] { return victim->handshakes_in_progress() == 1; });

  events trace;
  record(*victim, trace);
  std::array<char, 10> room{};
  const std::string data(64 << 20, 'x');
  outcome read, write, shut, drained;
  sockets[0].async_read_some(asio::buffer(room), read.handler());
  asio::async_write(sockets[1], asio::buffer(data), write.handler());
  sockets[2].async_shutdown(shut.handler());
  victim->async_drain(1h, drained.handler());
  for (int turn = 0; turn < 100; ++turn) run_ready();

  victim.reset();
  EXPECT_FALSE(read.is_done() || write.is_done() || shut.is_done() || drained.is_done());
  run_until([&] { return read.is_done() && write.is_done() && shut.is_done() && drained.is_done(); });
  for (const auto* each : {&read, &write, &shut, &drained}) {
    EXPECT_EQ(each->error, asio::error::operation_aborted);
    EXPECT_EQ(each->calls, 1);
  }
  EXPECT_EQ(trace, events{});

  // The sockets are valid objects that know what they knew.
  for (auto& socket : sockets) {
    EXPECT_FALSE(socket.is_open());
    EXPECT_NE(socket.id(), 0U);
    EXPECT_THAT(socket.peer_name(), testing::StartsWith("127.0.0.1:"));
    EXPECT_NE(socket.session_protocol(), tls_version::unknown);
    outcome gone;
    socket.async_read_some(asio::buffer(room), gone.handler());
    run_until([&] { return gone.is_done(); });
    EXPECT_EQ(gone.error, asio::error::bad_descriptor);
    socket.close();
    socket.abort();
  }
  auto ends = in_background([&] {
    std::vector<stream_end> seen;
    for (auto& client : clients) seen.push_back(client.read_to_end().end);
    handshaking.read_to_end();
    return seen;
  });
  // The third was told goodbye before.
  EXPECT_EQ(run_until_done(ends),
            (std::vector{stream_end::reset, stream_end::reset, stream_end::close_notify, stream_end::reset}));
}

TEST_F(lifetime, a_waiting_accept_ends_with_the_server) {
  auto victim = std::make_unique<ssl_server>(io.get_executor());
  error_code error;
  bool is_open = true;
  bool called = false;
  victim->async_accept([&](error_code ec, ssl_socket socket) {
    called = true;
    error = ec;
    is_open = socket.is_open();
  });
  victim.reset();
  run_until([&] { return called; });
  EXPECT_EQ(error, asio::error::operation_aborted);
  EXPECT_FALSE(is_open);
}

// --- the execution context goes first ---

/// What a coroutine holds while it waits; it must go with the coroutine.
struct coroutine_case {
  std::string name;
  std::function<asio::awaitable<void>(std::shared_ptr<ssl_server>, ssl_socket)> wait;
};

std::vector<coroutine_case> all_waits() {
  using asio::use_awaitable;
  return {
      {"read",
       [](std::shared_ptr<ssl_server>, ssl_socket socket) -> asio::awaitable<void> {
         std::array<char, 10> room{};
         co_await socket.async_read_some(asio::buffer(room), use_awaitable);
       }},
      {"write",
       [](std::shared_ptr<ssl_server>, ssl_socket socket) -> asio::awaitable<void> {
         const std::string data(64 << 20, 'x');
         co_await asio::async_write(socket, asio::buffer(data), use_awaitable);
       }},
      {"accept",
       [](std::shared_ptr<ssl_server> server, ssl_socket) -> asio::awaitable<void> {
         co_await server->async_accept(use_awaitable);
       }},
      {"shutdown",
       [](std::shared_ptr<ssl_server>, ssl_socket socket) -> asio::awaitable<void> {
         co_await socket.async_shutdown(use_awaitable);
       }},
      {"drain",
       [](std::shared_ptr<ssl_server> server, ssl_socket) -> asio::awaitable<void> {
         co_await server->async_drain(1h, use_awaitable);
       }},
      {"timer",
       [](std::shared_ptr<ssl_server> server, ssl_socket) -> asio::awaitable<void> {
         asio::steady_timer timer(server->get_executor(), 1h);
         co_await timer.async_wait(use_awaitable);
       }},
  };
}

class context_destroyed : public testing::TestWithParam<coroutine_case> {
 protected:
  /// Runs `io` until the client on the other thread is connected and the coroutine waits.
  static void settle(asio::io_context& io, std::future<wire_client>& client) {
    const auto give_up = std::chrono::steady_clock::now() + patience;
    while (client.wait_for(0s) != std::future_status::ready) {
      ASSERT_LT(std::chrono::steady_clock::now(), give_up);
      io.run_one_for(10ms);
    }
    for (int turn = 0; turn < 200; ++turn) io.poll();
  }
  static std::future<wire_client> connect(std::uint16_t port) {
    return in_background([port] {
      wire_client client(raw_client::to_port(port));
      client.handshake();
      return client;
    });
  }
};

TEST_P(context_destroyed, while_a_coroutine_waits_that_owns_the_server) {
  std::weak_ptr<int> witness;
  bool is_over = false;
  std::future<wire_client> client, queued;
  raw_client handshaking(-1);
  {
    asio::io_context io(1);
    auto server = std::make_shared<ssl_server>(io.get_executor());
    server->set_configuration(make_configuration()).value();
    ASSERT_EQ(server->listen(loopback), error_code());
    client = connect(server->server_port());
    const auto port = server->server_port();
    asio::co_spawn(
        io,
        [](std::shared_ptr<ssl_server> server, std::shared_ptr<int> held,
           bool& is_over) -> asio::awaitable<void> {
          auto socket = co_await server->async_accept(asio::use_awaitable);
          co_await GetParam().wait(server, std::move(socket));
          is_over = true;
          (void)held;
        }(
                              server,
                              [&] {
                                auto held = std::make_shared<int>();
                                witness = held;
                                return held;
                              }(),
                              is_over),
        asio::detached);
    server.reset();  // the coroutine's alone
    settle(io, client);
    if (GetParam().name != "accept" && GetParam().name != "drain") {
      queued = connect(port);
      settle(io, queued);
      handshaking = raw_client::to_port(port);
      for (int turn = 0; turn < 50; ++turn) io.poll();
    }
    ASSERT_FALSE(is_over);
    ASSERT_FALSE(witness.expired());
  }
  EXPECT_TRUE(witness.expired());
  EXPECT_FALSE(is_over);
}

TEST_P(context_destroyed, after_the_server) {
  std::weak_ptr<int> witness;
  std::future<wire_client> client;
  {
    asio::io_context io(1);
    ssl_server server(io.get_executor());
    server.set_configuration(make_configuration()).value();
    ASSERT_EQ(server.listen(loopback), error_code());
    client = connect(server.server_port());
    asio::co_spawn(
        io,
        [](ssl_server& server, std::shared_ptr<int> held) -> asio::awaitable<void> {
          auto socket = co_await server.async_accept(asio::use_awaitable);
          // Not the server's owner, so it is destroyed while this waits.
          co_await GetParam().wait(std::shared_ptr<ssl_server>(std::shared_ptr<void>(), &server), std::move(socket));
          (void)held;
        }(server,
                                                          [&] {
                                                            auto held = std::make_shared<int>();
                                                            witness = held;
                                                            return held;
                                                          }()),
        asio::detached);
    settle(io, client);
    ASSERT_FALSE(witness.expired());
  }
  EXPECT_TRUE(witness.expired());
}

INSTANTIATE_TEST_SUITE_P(all, context_destroyed, testing::ValuesIn(all_waits()),
                         [](const auto& each) { return each.param.name; });

// --- the event loop ends when nothing is left ---

class event_loop : public server_fixture {
 protected:
  event_loop() {
    listen();
    server.set_handshake_timeout(1h);
    server.set_shutdown_timeout(1h);
  }
  /// run() returns by itself.
  void expect_to_end() {
    if (io.stopped()) io.restart();
    io.run_for(patience);
    EXPECT_TRUE(io.stopped());
  }
};

TEST_F(event_loop, ends_after_close) {
  run_ready();
  server.close();
  expect_to_end();
}

TEST_F(event_loop, ends_after_connections_that_came_and_went) {
  {
    auto [client, socket] = make_pair();
    socket.close();
    EXPECT_EQ(client.read_to_end().end, stream_end::close_notify);
  }
  connect().close();
  run_until([&] { return server.open_connections() == 0; });
  server.close();
  expect_to_end();
}

TEST_F(event_loop, ends_after_close_with_handshakes_in_progress) {
  const auto first = connect();
  run_until([&] { return server.handshakes_in_progress() == 1; });
  server.close();
  expect_to_end();
}

TEST_F(event_loop, ends_when_the_last_connection_goes_after_close) {
  auto [client, socket] = make_pair();
  server.close();
  outcome shut;
  socket.async_shutdown(shut.handler());
  auto ends = in_background([&client = client] {
    client.read_to_end();
    client.send_close_notify();
    client.socket().close();
  });
  run_until_done(ends);
  run_until([&] { return shut.is_done(); });
  socket.close();
  expect_to_end();
}

TEST_F(event_loop, ends_after_a_drain) {
  outcome drained;
  server.async_drain(1h, drained.handler());
  expect_to_end();
  EXPECT_TRUE(drained.is_done());
}

TEST_F(event_loop, ends_after_a_drain_of_connections_that_came_and_went) {
  bool gone = false;
  server.error_occurred.connect([&](ssl_socket&, error_code) { gone = true; });
  connect().close();
  run_until([&] { return gone; });
  outcome drained;
  server.async_drain(1h, drained.handler());
  expect_to_end();
  EXPECT_TRUE(drained.is_done());
}

TEST_F(event_loop, goes_on_while_an_accept_waits) {
  bool called = false;
  server.async_accept([&](error_code, ssl_socket) { called = true; });
  asio::post(io, [&] { server.close(); });
  expect_to_end();
  EXPECT_TRUE(called);
}

TEST_F(event_loop, ends_when_the_server_is_destroyed) {
  auto victim = std::make_unique<ssl_server>(io.get_executor());
  victim->set_configuration(make_configuration()).value();
  ASSERT_EQ(victim->listen(loopback), error_code());
  const auto client = raw_client::to_port(victim->server_port());
  run_until([&] { return victim->handshakes_in_progress() == 1; });
  server.close();
  victim.reset();
  expect_to_end();
}

// --- draining ---

class draining : public server_fixture {
 protected:
  draining() { listen(); }
  void drain(std::chrono::milliseconds deadline) { server.async_drain(deadline, drained.handler()); }

  outcome drained;
};

TEST_F(draining, without_connections_is_done_at_once_but_not_inside) {
  const auto former_port = port();
  drain(1h);
  EXPECT_FALSE(drained.is_done());
  EXPECT_FALSE(server.is_listening());
  EXPECT_THROW(raw_client::to_port(former_port), std::system_error);
  run_until([&] { return drained.is_done(); });
  EXPECT_EQ(drained.error, error_code());
  listen();
  make_pair();
}

TEST_F(draining, without_ever_having_listened) {
  ssl_server other(io.get_executor());
  other.async_drain(1h, drained.handler());
  run_until([&] { return drained.is_done(); });
  EXPECT_EQ(drained.error, error_code());
}

TEST_F(draining, waits_for_open_connections) {
  auto [client, socket] = make_pair();
  drain(1h);
  write(socket, "not yet");
  EXPECT_EQ(client.receive_exactly(7), "not yet");
  EXPECT_FALSE(drained.is_done());
  socket.close();
  client.read_to_end();
  client.socket().close();
  run_until([&] { return drained.is_done(); });
  EXPECT_EQ(drained.error, error_code());
}

TEST_F(draining, waits_for_handshakes_in_progress_which_may_be_taken) {
  wire_client client(connect());
  run_until([&] { return server.handshakes_in_progress() == 1; });
  std::optional<ssl_socket> taken;
  server.async_accept([&](error_code ec, ssl_socket socket) {
    if (!ec) taken = std::move(socket);
  });
  drain(1h);
  auto handshake = in_background([&] { client.handshake(); });
  run_until([&] { return taken.has_value(); });
  run_until_done(handshake);
  EXPECT_FALSE(drained.is_done());
  taken->abort();
  run_until([&] { return drained.is_done(); });
  EXPECT_EQ(drained.error, error_code());
}

TEST_F(draining, aborts_what_is_left_at_the_deadline) {
  auto first = make_pair();
  auto second = in_background([this] {
    wire_client client(connect());
    client.handshake();
    return client;
  });
  run_until([&] { return server.has_pending_connections(); });
  auto queued = run_until_done(second);
  auto handshaking = connect();
  run_until([&] { return server.handshakes_in_progress() == 1; });
  events trace;
  record(server, trace);
  std::array<char, 10> room{};
  outcome read;
  first.socket.async_read_some(asio::buffer(room), read.handler());

  drain(100ms);
  run_until([&] { return drained.is_done() && read.is_done(); });
  EXPECT_EQ(drained.error, asio::error::timed_out);
  EXPECT_EQ(read.error, asio::error::operation_aborted);
  EXPECT_EQ(trace, (events{"error aborted"}));
  EXPECT_EQ(server.open_connections(), 0U);
  EXPECT_FALSE(server.has_pending_connections());
  EXPECT_EQ(first.client.read_to_end().end, stream_end::reset);
  EXPECT_EQ(queued.read_to_end().end, stream_end::reset);
  handshaking.read_to_end();
}

TEST_F(draining, ends_those_who_wait_in_async_accept) {
  bool called = false;
  server.async_accept([&](error_code ec, ssl_socket) { called = ec == asio::error::operation_aborted; });
  drain(1h);
  run_until([&] { return called && drained.is_done(); });
}

TEST_F(draining, twice_is_refused) {
  auto pair = make_pair();
  drain(1h);
  outcome second;
  server.async_drain(1h, second.handler());
  run_until([&] { return second.is_done(); });
  EXPECT_EQ(second.error, asio::error::in_progress);
  EXPECT_FALSE(drained.is_done());
  pair.socket.abort();
  run_until([&] { return drained.is_done(); });
}

TEST_F(draining, can_be_cancelled) {
  auto [client, socket] = make_pair();
  asio::cancellation_signal signal;
  server.async_drain(1h, asio::bind_cancellation_slot(signal.slot(), drained.handler()));
  run_ready();
  signal.emit(asio::cancellation_type::terminal);
  EXPECT_FALSE(drained.is_done());
  run_until([&] { return drained.is_done(); });
  EXPECT_EQ(drained.error, asio::error::operation_aborted);
  write(socket, "still here");
  EXPECT_EQ(client.receive_exactly(10), "still here");
  listen();
}

TEST_F(draining, its_deadline_may_be_as_long_as_can_be) {
  auto pair = make_pair();
  drain(std::chrono::milliseconds::max());
  for (int turn = 0; turn < 20; ++turn) run_ready();
  EXPECT_FALSE(drained.is_done());
  pair.socket.abort();
  run_until([&] { return drained.is_done(); });
  EXPECT_EQ(drained.error, error_code());
}

TEST_F(draining, a_slot_that_throws_at_the_deadline_leaves_nothing_behind) {
  const auto first = connect(), second = connect();
  run_until([&] { return server.handshakes_in_progress() == 2; });
  server.error_occurred.connect([](ssl_socket&, error_code) { throw std::runtime_error("thrown by a slot"); });
  drain(50ms);
  EXPECT_THROW(run_until([&] { return drained.is_done(); }), std::runtime_error);
  run_until([&] { return drained.is_done(); });
  EXPECT_EQ(drained.error, asio::error::timed_out);
  EXPECT_EQ(server.open_connections(), 0U);
}

// --- threads ---

TEST(threads, a_server_on_a_strand) {
  asio::io_context io(4);
  auto strand = asio::make_strand(io);
  std::optional<ssl_server> server(std::in_place, strand);
  server->set_configuration(make_configuration()).value();
  ASSERT_EQ(server->listen(loopback), error_code());
  const auto port = server->server_port();
  int served = 0;  // on the strand
  asio::co_spawn(
      strand,
      [&]() -> asio::awaitable<void> {
        for (;;) {
          auto [ec, socket] = co_await server->async_accept(asio::as_tuple(asio::use_awaitable));
          if (ec) break;
          asio::co_spawn(
              strand,
              [](ssl_socket accepted, int& served) -> asio::awaitable<void> {
                std::array<char, 1000> room{};
                for (;;) {
                  auto [error, size] =
                      co_await accepted.async_read_some(asio::buffer(room), asio::as_tuple(asio::use_awaitable));
                  if (error) break;
                  co_await asio::async_write(accepted, asio::buffer(room, size), asio::use_awaitable);
                }
                ++served;
                co_await accepted.async_shutdown(asio::as_tuple(asio::use_awaitable));
              }(std::move(socket), served),
              asio::detached);
        }
      },
      asio::detached);
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) threads.emplace_back([&] { io.run(); });

  std::vector<std::future<bool>> clients;
  for (int number = 0; number < 4; ++number)
    clients.push_back(in_background([port, number] {
      for (int round = 0; round < 10; ++round) {
        wire_client client(raw_client::to_port(port));
        client.handshake();
        const std::string text(5000, static_cast<char>('a' + number));
        client.send(text);
        if (client.receive_exactly(text.size()) != text) return false;
        client.send_close_notify();
        if (client.read_to_end().end != stream_end::close_notify) return false;
      }
      return true;
    }));
  for (auto& client : clients) EXPECT_TRUE(client.get());
  std::promise<error_code> drained;
  asio::post(strand, [&] { server->async_drain(10s, [&](error_code ec) { drained.set_value(ec); }); });
  EXPECT_EQ(drained.get_future().get(), error_code());
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(served, 40);
}

TEST(threads, servers_on_their_own_strands) {
  asio::io_context io(4);
  constexpr int count = 4;
  std::vector<std::unique_ptr<ssl_server>> servers;
  std::vector<std::uint16_t> ports;
  std::atomic<int> served = 0;
  for (int number = 0; number < count; ++number) {
    auto strand = asio::make_strand(io);
    auto& server = *servers.emplace_back(std::make_unique<ssl_server>(strand));
    server.set_configuration(make_configuration()).value();
    ASSERT_EQ(server.listen(loopback), error_code());
    ports.push_back(server.server_port());
    server.async_accept([&](error_code ec, ssl_socket socket) {
      if (!ec) ++served;
      socket.close();
    });
  }
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) threads.emplace_back([&] { io.run(); });
  std::vector<std::future<stream_end>> clients;
  for (const auto port : ports)
    clients.push_back(in_background([port] {
      wire_client client(raw_client::to_port(port));
      client.handshake();
      return client.read_to_end().end;
    }));
  for (auto& client : clients) EXPECT_EQ(client.get(), stream_end::close_notify);
  for (auto& server : servers) asio::post(server->get_executor(), [&server] { server.reset(); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(served, count);
}

// --- out of descriptors ---

class out_of_descriptors : public server_fixture {
 protected:
  out_of_descriptors() {
    listen();
    ::getrlimit(RLIMIT_NOFILE, &former_);
  }
  ~out_of_descriptors() override { ::setrlimit(RLIMIT_NOFILE, &former_); }

  /// No descriptor beyond those in use.
  void use_up() {
    const int next = ::dup(0);
    ASSERT_GE(next, 0);
    ::close(next);
    const rlimit none{static_cast<rlim_t>(next), former_.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  void give_back() { ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &former_), 0); }

 private:
  rlimit former_{};
};

TEST_F(out_of_descriptors, accepting_rests_and_recovers) {
  events trace;
  record(server, trace);
  server.pause_accepting();
  const auto client = connect();
  use_up();
  server.resume_accepting();
  run_until([&] { return trace.size() >= 3; });
  const auto start = std::chrono::steady_clock::now();
  const auto already = trace.size();
  run_until([&] { return std::chrono::steady_clock::now() - start > 500ms; });
  EXPECT_LE(trace.size() - already, 10U);  // it doesn't spin
  for (const auto& line : trace) EXPECT_THAT(line, testing::HasSubstr("accept_error"));
  give_back();
  run_until([&] { return server.handshakes_in_progress() == 1; });
}

TEST_F(out_of_descriptors, a_silent_client_gives_its_descriptor_to_the_next) {
  events trace;
  record(server, trace);
  auto silent = connect();
  run_until([&] { return server.handshakes_in_progress() == 1; });
  server.pause_accepting();
  auto next = connect();
  use_up();
  server.resume_accepting();
  run_until([&] { return !trace.empty(); });
  EXPECT_EQ(trace, (events{"error evicted"}));
  auto ends = in_background([&] { return silent.read_to_end().end; });
  EXPECT_EQ(run_until_done(ends), stream_end::fin);
  EXPECT_EQ(server.handshakes_in_progress(), 1U);
}

TEST_F(out_of_descriptors, a_client_that_was_not_listened_to_yet_is_not_silent) {
  events trace;
  record(server, trace);
  server.pause_accepting();
  wire_client first(connect());
  first.socket().send(first.client_hello());
  const auto second = connect();
  const int spare = ::dup(0);
  use_up();
  ::close(spare);  // for one of them
  server.resume_accepting();
  auto handshake = in_background([&] { first.handshake(); });
  run_until_done(handshake);
  EXPECT_THAT(trace, testing::Not(testing::Contains("error evicted")));
}

TEST_F(out_of_descriptors, a_connection_that_closes_lets_the_next_in) {
  auto pair = make_pair();
  server.pause_accepting();
  const auto next = connect();
  use_up();
  events trace;
  record(server, trace);
  server.resume_accepting();
  run_until([&] { return trace.size() >= 2; });
  pair.socket.abort();
  run_until([&] { return server.handshakes_in_progress() == 1; });
}

}  // namespace
}  // namespace sallyport::test
