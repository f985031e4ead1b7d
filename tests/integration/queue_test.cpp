// The queue: only complete connections, handed out in order.
//
// SPDX-License-Identifier: Apache-2.0
#include "server_fixture.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace sallyport::test {
namespace {

/// What an async_accept's handler got.
struct accepted {
  int calls = 0;
  error_code error;
  ssl_socket socket;

  auto handler() {
    return [this](error_code ec, ssl_socket taken) {
      ++calls;
      error = ec;
      socket = std::move(taken);
    };
  }
  bool is_done() const noexcept { return calls > 0; }
};

class queue : public server_fixture {
 protected:
  queue() { listen(); }

  /// A client on its own thread that completes its handshake.
  std::future<wire_client> start_client() {
    return in_background([client_port = port()] {
      wire_client client(raw_client::to_port(client_port));
      client.handshake();
      return client;
    });
  }
};

TEST_F(queue, holds_only_complete_connections) {
  EXPECT_FALSE(server.has_pending_connections());
  EXPECT_FALSE(server.next_pending_connection());
  wire_client client(connect());
  run_until([&] { return server.handshakes_in_progress() == 1; });
  EXPECT_FALSE(server.has_pending_connections());
  EXPECT_EQ(server.open_connections(), 1U);

  auto handshake = in_background([&] { client.handshake(); });
  run_until([&] { return server.has_pending_connections(); });
  run_until_done(handshake);
  EXPECT_EQ(server.pending_connections(), 1U);
  EXPECT_EQ(server.handshakes_in_progress(), 0U);

  auto socket = server.next_pending_connection();
  ASSERT_TRUE(socket);
  EXPECT_TRUE(socket->is_open());
  EXPECT_TRUE(socket->is_encrypted());
  EXPECT_EQ(socket->phase(), handshake_phase::complete);
  EXPECT_NE(socket->native_handle(), nullptr);
  EXPECT_FALSE(server.has_pending_connections());
  EXPECT_EQ(server.open_connections(), 1U);
}

TEST_F(queue, tells_when_a_connection_has_entered) {
  int times = 0;
  server.pending_connection_available.connect([&] {
    ++times;
    EXPECT_EQ(server.pending_connections(), static_cast<std::size_t>(times));
  });
  auto first = start_client();
  run_until([&] { return times == 1; });
  auto second = start_client();
  run_until([&] { return times == 2; });
  run_until_done(first);
  run_until_done(second);
}

TEST_F(queue, a_slot_may_take_the_connection) {
  std::optional<ssl_socket> taken;
  server.pending_connection_available.connect([&] { taken = server.next_pending_connection(); });
  auto client = start_client();
  run_until([&] { return taken.has_value(); });
  write(*taken, "hello");
  EXPECT_EQ(run_until_done(client).receive_exactly(5), "hello");
}

TEST_F(queue, tells_nothing_to_those_who_wait_in_async_accept) {
  events trace;
  record(server, trace);
  accepted got;
  server.async_accept(got.handler());
  auto client = start_client();
  run_until([&] { return got.is_done(); });
  EXPECT_EQ(got.error, error_code());
  EXPECT_TRUE(got.socket.is_encrypted());
  run_until_done(client);
  EXPECT_EQ(trace, (events{"started"}));
}

TEST_F(queue, async_accept_takes_what_is_there_but_not_at_once) {
  auto client = start_client();
  run_until([&] { return server.has_pending_connections(); });
  run_until_done(client);
  accepted got;
  server.async_accept(got.handler());
  EXPECT_FALSE(got.is_done());
  run_until([&] { return got.is_done(); });
  EXPECT_TRUE(got.socket.is_encrypted());
}

TEST_F(queue, those_who_wait_are_served_in_order) {
  std::vector<int> order;
  std::deque<ssl_socket> sockets;
  for (int number = 0; number < 3; ++number)
    server.async_accept([&, number](error_code ec, ssl_socket socket) {
      EXPECT_EQ(ec, error_code());
      order.push_back(number);
      sockets.push_back(std::move(socket));
    });
  for (std::size_t number = 0; number < 3; ++number) {
    auto client = start_client();
    run_until([&] { return sockets.size() == number + 1; });
    const auto port_of_client = run_until_done(client).socket().local_port();
    EXPECT_EQ(sockets.back().remote_endpoint().port(), port_of_client);
  }
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST_F(queue, connections_leave_in_the_order_in_which_they_were_complete) {
  std::vector<std::uint16_t> ports;
  for (std::size_t number = 1; number <= 3; ++number) {
    auto client = start_client();
    run_until([&] { return server.pending_connections() == number; });
    ports.push_back(run_until_done(client).socket().local_port());
  }
  std::vector<std::uint16_t> taken;
  while (const auto socket = server.next_pending_connection()) taken.push_back(socket->remote_endpoint().port());
  EXPECT_EQ(taken, ports);
}

TEST_F(queue, a_failing_client_never_comes_out_of_async_accept) {
  accepted got;
  server.async_accept(got.handler());
  events trace;
  record(server, trace);
  {
    auto garbage = connect();
    garbage.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    run_until([&] { return trace.size() == 1; });
    connect().close();
    run_until([&] { return trace.size() == 2; });
    connect().reset();
    run_until([&] { return trace.size() == 3; });
  }
  EXPECT_FALSE(got.is_done());
  auto client = start_client();
  run_until([&] { return got.is_done(); });
  EXPECT_EQ(got.error, error_code());
  run_until_done(client);
}

// --- completion tokens ---

TEST_F(queue, async_accept_with_use_future) {
  auto client = start_client();
  auto taken = server.async_accept(asio::use_future);
  EXPECT_TRUE(run_until_done(taken).is_encrypted());
  run_until_done(client);
}

TEST_F(queue, async_accept_with_use_future_and_the_server_on_another_thread) {
  asio::io_context other(1);
  ssl_server there(other.get_executor());
  there.set_configuration(make_configuration()).value();
  ASSERT_EQ(there.listen(loopback), error_code());
  auto taken = there.async_accept(asio::use_future);
  std::thread runs([&] { other.run(); });  // ends when the accept is done and the server closed
  wire_client client(raw_client::to_port(there.server_port()));
  client.handshake();
  {
    ssl_socket socket = taken.get();
    EXPECT_TRUE(socket.is_encrypted());
    asio::post(other, [&, moved = std::move(socket)]() mutable {
      moved.close();
      there.close();
    });
  }
  EXPECT_EQ(client.read_to_end().end, stream_end::close_notify);
  client.socket().close();
  runs.join();
}

TEST_F(queue, async_accept_with_use_awaitable) {
  int taken = 0;
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        for (;;) {
          auto [ec, socket] = co_await server.async_accept(asio::as_tuple(asio::use_awaitable));
          if (ec) break;
          co_await asio::async_write(socket, asio::buffer("hi", 2), asio::use_awaitable);
          ++taken;
        }
        taken = -taken;
      },
      asio::detached);
  for (int number = 1; number <= 2; ++number) {
    auto client = start_client();
    run_until([&] { return taken == number; });
    EXPECT_EQ(run_until_done(client).receive_exactly(2), "hi");
  }
  server.close();
  run_until([&] { return taken == -2; });
}

TEST_F(queue, async_accept_with_deferred) {
  auto operation = server.async_accept(asio::deferred);
  auto client = start_client();
  run_until([&] { return server.has_pending_connections(); });  // it hasn't begun yet
  accepted got;
  std::move(operation)(got.handler());
  run_until([&] { return got.is_done(); });
  EXPECT_TRUE(got.socket.is_encrypted());
  run_until_done(client);
}

TEST_F(queue, a_handler_that_can_only_be_moved) {
  bool is_done = false;
  server.async_accept([&is_done, movable = std::make_unique<int>(1)](error_code ec, ssl_socket socket) {
    is_done = *movable == 1 && !ec && socket.is_encrypted();
  });
  auto client = start_client();
  run_until([&] { return is_done; });
  run_until_done(client);
}

// --- cancellation ---

TEST_F(queue, a_cancelled_async_accept_ends_and_the_next_is_served) {
  asio::cancellation_signal cancel_first, cancel_second;
  accepted first, second, third;
  server.async_accept(asio::bind_cancellation_slot(cancel_first.slot(), first.handler()));
  server.async_accept(asio::bind_cancellation_slot(cancel_second.slot(), second.handler()));
  server.async_accept(third.handler());
  cancel_second.emit(asio::cancellation_type::terminal);
  EXPECT_FALSE(second.is_done()) << "inside emit()";
  run_until([&] { return second.is_done(); });
  EXPECT_EQ(second.error, asio::error::operation_aborted);
  EXPECT_FALSE(second.socket.is_open());

  auto client = start_client();
  run_until([&] { return first.is_done(); });
  EXPECT_TRUE(first.socket.is_encrypted());
  run_until_done(client);
  cancel_first.emit(asio::cancellation_type::all);  // too late to matter
  cancel_second.emit(asio::cancellation_type::all);
  auto another = start_client();
  run_until([&] { return third.is_done(); });
  EXPECT_TRUE(third.socket.is_encrypted());
  run_until_done(another);
  EXPECT_EQ(first.calls + second.calls + third.calls, 3);
}

TEST_F(queue, cancelling_loses_no_connection) {
  asio::cancellation_signal cancel;
  accepted cancelled;
  server.async_accept(asio::bind_cancellation_slot(cancel.slot(), cancelled.handler()));
  cancel.emit(asio::cancellation_type::partial);
  auto client = start_client();
  run_until([&] { return server.has_pending_connections(); });
  run_until_done(client);
  EXPECT_EQ(cancelled.error, asio::error::operation_aborted);
}

TEST_F(queue, close_ends_all_who_wait) {
  accepted first, second;
  server.async_accept(first.handler());
  server.async_accept(second.handler());
  server.close();
  EXPECT_FALSE(first.is_done()) << "inside close()";
  run_until([&] { return first.is_done() && second.is_done(); });
  EXPECT_EQ(first.error, asio::error::operation_aborted);
  EXPECT_EQ(second.error, asio::error::operation_aborted);
}

TEST_F(queue, close_cuts_what_nobody_has_taken) {
  auto client = start_client();
  run_until([&] { return server.has_pending_connections(); });
  auto connected = run_until_done(client);
  server.close();
  EXPECT_FALSE(server.has_pending_connections());
  EXPECT_FALSE(server.next_pending_connection());
  EXPECT_EQ(connected.read_to_end().end, stream_end::reset);
}

TEST_F(queue, close_leaves_what_was_taken) {
  auto [client, socket] = make_pair();
  server.close();
  write(socket, "still here");
  EXPECT_EQ(client.receive_exactly(10), "still here");
}

TEST_F(queue, nothing_enters_after_close) {
  events trace;
  record(server, trace);
  wire_client client(connect());
  run_until([&] { return server.handshakes_in_progress() == 1; });
  server.close();
  EXPECT_EQ(trace, (events{"error aborted"}));
  auto handshake = in_background([&] { return client.try_handshake(); });
  EXPECT_FALSE(run_until_done(handshake));
  EXPECT_FALSE(server.has_pending_connections());
  EXPECT_EQ(server.open_connections(), 0U);
  EXPECT_EQ(trace, (events{"error aborted"}));
}

// --- the limit ---

TEST_F(queue, a_full_queue_pauses_accepting) {
  server.set_max_pending_connections(2);
  std::deque<std::future<wire_client>> clients;
  for (std::size_t number = 1; number <= 2; ++number) {
    clients.push_back(start_client());
    run_until([&] { return server.pending_connections() == number; });
  }
  // These wait in the kernel's backlog.
  wire_client third(connect()), fourth(connect());
  const auto silent = connect();
  for (int turn = 0; turn < 20; ++turn) run_ready();
  EXPECT_EQ(server.open_connections(), 2U);

  // Taking one lets others in, and the handshakes in progress complete though the queue is full again.
  const auto first = server.next_pending_connection();
  run_until([&] { return server.open_connections() == 5; });
  auto handshakes = in_background([&] {
    third.handshake();
    fourth.handshake();
  });
  run_until([&] { return server.pending_connections() == 3; });
  run_until_done(handshakes);
  for (auto& client : clients) run_until_done(client);
}

TEST_F(queue, a_larger_limit_resumes_accepting) {
  server.set_max_pending_connections(1);
  auto first = start_client();
  run_until([&] { return server.pending_connections() == 1; });
  auto second = start_client();
  for (int turn = 0; turn < 20; ++turn) run_ready();
  EXPECT_EQ(server.open_connections(), 1U);
  server.set_max_pending_connections(2);
  run_until([&] { return server.pending_connections() == 2; });
  run_until_done(first);
  run_until_done(second);
}

TEST_F(queue, async_accept_drains_a_full_queue) {
  server.set_max_pending_connections(1);
  constexpr std::size_t count = 8;
  std::vector<std::future<wire_client>> clients;
  for (std::size_t number = 0; number < count; ++number) clients.push_back(start_client());
  std::deque<accepted> all(count);
  for (auto& each : all) {
    server.async_accept(each.handler());
    run_until([&] { return each.is_done(); });
    EXPECT_TRUE(each.socket.is_encrypted());
  }
  for (auto& client : clients) run_until_done(client);
}

TEST_F(queue, limits_are_at_least_one) {
  server.set_max_pending_connections(0);
  server.set_max_handshakes(0);
  server.set_max_handshakes_per_address(0);
  server.set_handshake_timeout(0s);
  server.set_shutdown_timeout(-1s);
  EXPECT_EQ(server.max_pending_connections(), 1U);
  EXPECT_EQ(server.max_handshakes(), 1U);
  EXPECT_EQ(server.max_handshakes_per_address(), 1U);
  EXPECT_EQ(server.handshake_timeout(), 1ms);
  EXPECT_EQ(server.shutdown_timeout(), 1ms);
}

TEST_F(queue, timeouts_may_be_as_long_as_can_be) {
  server.set_handshake_timeout(std::chrono::milliseconds::max());
  server.set_shutdown_timeout(std::chrono::milliseconds::max());
  auto [client, socket] = make_pair();
  outcome done;
  socket.async_shutdown(done.handler());
  for (int turn = 0; turn < 5; ++turn) run_ready();
  EXPECT_FALSE(done.is_done());
  client.send_close_notify();
  run_until([&] { return done.is_done(); });
  EXPECT_EQ(done.error, error_code());
}

// --- connections that end while they wait ---

class queued_end : public queue, public testing::WithParamInterface<int> {};

TEST_P(queued_end, data_and_close_notify) {
  auto client = in_background([this] {
    wire_client made(connect(), {.min_version = GetParam(), .max_version = GetParam()});
    made.handshake();
    made.put("last words");
    made.put_close_notify();
    made.flush();
  });
  run_until([&] { return server.has_pending_connections(); });
  run_until_done(client);
  auto socket = *server.next_pending_connection();
  std::string data;
  EXPECT_EQ(read_to_end(socket, data), asio::error::eof);
  EXPECT_EQ(data, "last words");
}

TEST_P(queued_end, fin) {
  auto client = in_background([this] {
    wire_client made(connect(), {.min_version = GetParam(), .max_version = GetParam()});
    made.handshake();
    return made;
  });
  run_until([&] { return server.has_pending_connections(); });
  auto connected = run_until_done(client);
  connected.socket().finish_sending();  // closing with a ticket unread would reset
  auto socket = *server.next_pending_connection();
  std::string data;
  EXPECT_EQ(read_to_end(socket, data), stream_error::truncated);
}

TEST_P(queued_end, reset) {
  auto client = in_background([this] {
    wire_client made(connect(), {.min_version = GetParam(), .max_version = GetParam()});
    made.handshake();
    return made;
  });
  run_until([&] { return server.has_pending_connections(); });
  run_until_done(client).socket().reset();
  auto socket = *server.next_pending_connection();
  std::string data;
  EXPECT_EQ(read_to_end(socket, data), asio::error::connection_reset);
}

INSTANTIATE_TEST_SUITE_P(tls, queued_end, testing::Values(0x0303, 0x0304),
                         [](const auto& version) { return version.param == 0x0303 ? "v1_2" : "v1_3"; });

}  // namespace
}  // namespace sallyport::test
