// Slots that misbehave: whatever a slot does, the server stays whole.
//
// SPDX-License-Identifier: Apache-2.0
#include "server_fixture.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::test {
namespace {

struct thrown_by_slot : std::runtime_error {
  thrown_by_slot() : std::runtime_error("thrown by a slot") {}
};

/// A signal, and a client that makes the server emit it.
struct provoked_signal {
  std::string name;
  bool has_socket;
  std::function<void(ssl_server&, std::function<void(ssl_socket*)>)> connect_slot;
  std::function<std::shared_ptr<void>(ssl_server&)> provoke;  // returns what has to stay meanwhile
};

std::shared_ptr<raw_client> connect_to(ssl_server& server) {
  return std::make_shared<raw_client>(raw_client::to_port(server.server_port()));
}

std::string client_hello(const wire_client_options& options = {}) {
  return wire_client(raw_client(-1), options).client_hello();
}

std::vector<provoked_signal> all_signals() {
  const auto ignoring_alert = [](auto slot) {
    return [slot](ssl_socket& socket, alert_level, alert_type, std::string_view) { slot(&socket); };
  };
  return {
      {"started_encryption_handshake", true,
       [](ssl_server& server, auto slot) {
         server.started_encryption_handshake.connect([slot](ssl_socket& socket) { slot(&socket); });
       },
       [](ssl_server& server) {
         auto client = connect_to(server);
         client->send(client_hello());
         return client;
       }},
      {"alert_sent", true,
       [ignoring_alert](ssl_server& server, auto slot) { server.alert_sent.connect(ignoring_alert(slot)); },
       [](ssl_server& server) {
         auto client = connect_to(server);
         client->send(client_hello({.max_version = 0x0302}));
         return client;
       }},
      {"alert_received", true,
       [ignoring_alert](ssl_server& server, auto slot) { server.alert_received.connect(ignoring_alert(slot)); },
       [](ssl_server& server) {
         auto client = connect_to(server);
         client->send(client_hello({.max_version = 0x0303}) + std::string("\x15\x03\x03\x00\x02\x02\x30", 7));
         return client;
       }},
      {"error_occurred", true,
       [](ssl_server& server, auto slot) {
         server.error_occurred.connect([slot](ssl_socket& socket, error_code) { slot(&socket); });
       },
       [](ssl_server& server) {
         auto client = connect_to(server);
         client->close();
         return client;
       }},
      {"error_occurred_by_deadline", true,
       [](ssl_server& server, auto slot) {
         server.error_occurred.connect([slot](ssl_socket& socket, error_code) { slot(&socket); });
       },
       [](ssl_server& server) {
         server.set_handshake_timeout(20ms);
         return connect_to(server);
       }},
      {"error_occurred_by_eviction", true,
       [](ssl_server& server, auto slot) {
         server.error_occurred.connect([slot](ssl_socket& socket, error_code) { slot(&socket); });
       },
       [](ssl_server& server) {
         server.set_max_handshakes(1);
         auto clients = std::make_shared<std::vector<raw_client>>();
         for (int number = 0; number < 2; ++number) clients->push_back(raw_client::to_port(server.server_port()));
         return clients;
       }},
      {"pending_connection_available", false,
       [](ssl_server& server, auto slot) { server.pending_connection_available.connect([slot] { slot(nullptr); }); },
       [](ssl_server& server) {
         return std::make_shared<std::future<void>>(in_background([port = server.server_port()] {
           wire_client client(raw_client::to_port(port));
           client.try_handshake();
           try {
             client.read_to_end();
           } catch (const std::runtime_error&) {
             // the server may be cut off in the middle of anything
           }
         }));
       }},
  };
}

class slots : public server_fixture, public testing::WithParamInterface<provoked_signal> {
 protected:
  slots() {
    victim = std::make_unique<ssl_server>(io.get_executor());
    victim->set_configuration(make_configuration()).value();
    EXPECT_EQ(victim->listen(loopback), error_code());
  }
  ~slots() override { victim.reset(); }  // before `client`, which may wait for its end

  void connect_slot(std::function<void(ssl_socket*)> slot) {
    GetParam().connect_slot(*victim, [this, slot = std::move(slot)](ssl_socket* socket) {
      ++calls;
      slot(socket);
    });
  }
  void run_turns() {
    for (int turn = 0; turn < 20; ++turn) run_ready();
  }
  /// The victim still does its work.
  void expect_to_serve() {
    victim->set_handshake_timeout(5s);
    auto good = in_background([port = victim->server_port()] {
      wire_client connected(raw_client::to_port(port));
      connected.handshake();
      return connected.receive_exactly(2);
    });
    const auto already = victim->pending_connections();
    run_until([&] { return victim->pending_connections() > already; });
    while (auto socket = victim->next_pending_connection()) write(*socket, "ok");
    EXPECT_EQ(run_until_done(good), "ok");
  }

  std::shared_ptr<void> client;
  std::unique_ptr<ssl_server> victim;
  int calls = 0;
};

TEST_P(slots, throw_and_the_server_goes_on) {
  bool throws = true;
  connect_slot([&](ssl_socket*) {
    if (std::exchange(throws, false)) throw thrown_by_slot();
  });
  events trace;
  record(*victim, trace);
  client = GetParam().provoke(*victim);
  EXPECT_THROW(run_until([&] { return calls > 1; }), thrown_by_slot);
  EXPECT_EQ(calls, 1);
  if (GetParam().name == "error_occurred_by_eviction") {
    EXPECT_EQ(victim->handshakes_in_progress(), 1U);  // the newcomer has nothing to do with it
  } else if (GetParam().has_socket) {
    run_until([&] { return victim->open_connections() == 0; });
  }
  // One terminal event at most: where the slot itself was the terminal event's, those behind it don't get it.
  EXPECT_LE(std::count_if(trace.begin(), trace.end(), [](const auto& line) { return line.starts_with("error"); }), 1);
  expect_to_serve();
}

TEST_P(slots, throw_from_each_call) {
  connect_slot([&](ssl_socket*) { throw thrown_by_slot(); });
  victim->error_occurred.connect([](ssl_socket&, error_code) { throw thrown_by_slot(); });
  client = GetParam().provoke(*victim);
  EXPECT_THROW(run_until([&] { return calls > 1; }), thrown_by_slot);
  run_turns();
  if (GetParam().has_socket) {
    EXPECT_EQ(victim->open_connections(), victim->handshakes_in_progress());
  }
}

TEST_P(slots, destroy_the_server) {
  int later_calls = 0;
  connect_slot([&](ssl_socket* socket) {
    victim.reset();
    if (socket != nullptr) {
      EXPECT_FALSE(socket->is_open());
      EXPECT_NE(socket->id(), 0U);
      EXPECT_FALSE(socket->peer_name().empty());
      socket->close();
      socket->abort();
    }
  });
  victim->error_occurred.connect([&](ssl_socket&, error_code) { ++later_calls; });
  client = GetParam().provoke(*victim);
  run_until([&] { return calls == 1; });
  run_turns();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(later_calls, 0);  // a server that is gone says nothing
}

TEST_P(slots, close_the_server) {
  std::vector<std::uint64_t> ended;
  victim->error_occurred.connect([&](ssl_socket& socket, error_code) { ended.push_back(socket.id()); });
  connect_slot([&](ssl_socket*) { victim->close(); });
  client = GetParam().provoke(*victim);
  run_until([&] { return calls > 0; });
  run_until([&] { return victim->open_connections() == 0; });
  EXPECT_FALSE(victim->has_pending_connections());
  EXPECT_EQ(victim->handshakes_in_progress(), 0U);
  EXPECT_EQ(ended.size(), GetParam().has_socket ? 1U : 0U);
  ASSERT_EQ(victim->listen(loopback), error_code());
}

TEST_P(slots, drain_the_server) {
  outcome drained;
  connect_slot([&](ssl_socket*) {
    if (calls == 1) victim->async_drain(50ms, drained.handler());
  });
  client = GetParam().provoke(*victim);
  run_until([&] { return drained.is_done(); });
  EXPECT_EQ(victim->open_connections(), 0U);
  ASSERT_EQ(victim->listen(loopback), error_code());
}

TEST_P(slots, abort_or_close_the_connection) {
  for (const bool aborts : {true, false}) {
    SCOPED_TRACE(aborts ? "abort" : "close");
    std::vector<std::uint64_t> ended;
    const boost::signals2::scoped_connection counted =
        victim->error_occurred.connect([&](ssl_socket& socket, error_code) { ended.push_back(socket.id()); });
    calls = 0;
    connect_slot([&](ssl_socket* socket) {
      if (socket != nullptr) aborts ? socket->abort() : socket->close();
    });
    client = GetParam().provoke(*victim);
    run_until([&] { return calls > 0; });
    if (GetParam().name == "error_occurred_by_eviction") {
      EXPECT_EQ(victim->handshakes_in_progress(), 1U);
      return;
    }
    if (GetParam().has_socket) {
      run_until([&] { return victim->open_connections() == 0; });
      EXPECT_EQ(ended.size(), 1U);
    } else {
      *victim->next_pending_connection();
      client.reset();
    }
  }
}

TEST_P(slots, move_the_lent_socket_away) {
  if (!GetParam().has_socket) {
    // Nothing is lent there: the slot may take the connection, which is its own then.
    std::vector<ssl_socket> kept;
    connect_slot([&](ssl_socket*) { kept.push_back(*victim->next_pending_connection()); });
    client = GetParam().provoke(*victim);
    run_until([&] { return !kept.empty(); });
    EXPECT_TRUE(kept[0].is_open());
    return;
  }
  std::vector<ssl_socket> stolen;
  connect_slot([&](ssl_socket* socket) { stolen.push_back(std::move(*socket)); });
  std::vector<std::uint64_t> ended;
  victim->error_occurred.connect([&](ssl_socket& socket, error_code) { ended.push_back(socket.id()); });
  client = GetParam().provoke(*victim);
  run_until([&] { return !stolen.empty(); });
  run_turns();
  EXPECT_FALSE(stolen[0].is_open());
  EXPECT_EQ(victim->open_connections(), victim->handshakes_in_progress());
  stolen.clear();
  run_turns();
}

TEST_P(slots, start_operations) {
  outcome read, written, shut;
  char byte = 0;
  connect_slot([&](ssl_socket* socket) {
    if (socket == nullptr || calls > 1) return;
    socket->async_read_some(asio::buffer(&byte, 1), read.handler());
    socket->async_write_some(asio::buffer(&byte, 1), written.handler());
    socket->async_shutdown(shut.handler());
    EXPECT_FALSE(read.is_done() || written.is_done() || shut.is_done());
  });
  client = GetParam().provoke(*victim);
  run_until([&] { return calls > 0; });
  if (!GetParam().has_socket) return;
  run_until([&] { return read.is_done() && written.is_done() && shut.is_done(); });
  // A connection in handshake isn't connected yet; one that has ended has no descriptor any more.
  const error_code expected = GetParam().name.starts_with("error_occurred") ? asio::error::bad_descriptor
                                                                            : error_code(asio::error::not_connected);
  EXPECT_EQ(read.error, expected);
  EXPECT_EQ(written.error, expected);
  EXPECT_EQ(shut.error, expected);
}

INSTANTIATE_TEST_SUITE_P(all, slots, testing::ValuesIn(all_signals()),
                         [](const auto& signal) { return signal.param.name; });

// --- what has no client ---

class accept_error_slot : public server_fixture {
 protected:
  void provoke(ssl_server& victim) { victim.adopt(asio::generic::stream_protocol::socket(io)); }
};

TEST_F(accept_error_slot, throws) {
  server.accept_error.connect([](error_code) { throw thrown_by_slot(); });
  listen();
  EXPECT_THROW(provoke(server), thrown_by_slot);
  const auto pair = make_pair();
  EXPECT_TRUE(pair.socket.is_open());
}

TEST_F(accept_error_slot, destroys_the_server) {
  auto victim = std::make_unique<ssl_server>(io.get_executor());
  int calls = 0;
  victim->accept_error.connect([&](error_code) {
    ++calls;
    victim.reset();
  });
  victim->accept_error.connect([&](error_code) { ++calls; });
  provoke(*victim);
  EXPECT_EQ(calls, 1);
}

class slots_and_others : public server_fixture {};

TEST_F(slots_and_others, a_slot_that_throws_in_close_leaves_nothing_behind) {
  listen();
  const auto first = connect();
  const auto second = connect();
  const auto third = connect();
  run_until([&] { return server.handshakes_in_progress() == 3; });
  int calls = 0;
  server.error_occurred.connect([&](ssl_socket&, error_code) {
    ++calls;
    throw thrown_by_slot();
  });
  EXPECT_THROW(server.close(), thrown_by_slot);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(server.handshakes_in_progress(), 0U);
  EXPECT_EQ(server.open_connections(), 0U);
}

TEST_F(slots_and_others, a_newcomer_is_not_let_in_when_its_eviction_closes_the_server) {
  listen();
  server.set_max_handshakes(1);
  const auto first = connect();
  run_until([&] { return server.handshakes_in_progress() == 1; });
  server.error_occurred.connect([&](ssl_socket&, error_code) { server.close(); });
  auto second = connect();
  auto end = in_background([&] { return second.read_to_end().end; });
  EXPECT_NE(run_until_done(end), stream_end::close_notify);
  EXPECT_EQ(server.open_connections(), 0U);
  EXPECT_EQ(server.handshakes_in_progress(), 0U);
}

TEST_F(slots_and_others, a_newcomer_may_destroy_the_server_by_eviction) {
  auto victim = std::make_unique<ssl_server>(io.get_executor());
  victim->set_configuration(make_configuration()).value();
  ASSERT_EQ(victim->listen(loopback), error_code());
  victim->set_max_handshakes(1);
  const auto first = raw_client::to_port(victim->server_port());
  run_until([&] { return victim->handshakes_in_progress() == 1; });
  victim->error_occurred.connect([&](ssl_socket&, error_code) { victim.reset(); });
  auto second = raw_client::to_port(victim->server_port());
  run_until([&] { return victim == nullptr; });
  auto end = in_background([&] { return second.read_to_end().end; });
  EXPECT_NE(run_until_done(end), stream_end::close_notify);
}

TEST_F(slots_and_others, slots_are_called_in_order_and_may_disconnect) {
  listen();
  std::string order;
  server.started_encryption_handshake.connect([&](ssl_socket&) { order += '1'; });
  boost::signals2::connection second = server.started_encryption_handshake.connect([&](ssl_socket&) { order += '2'; });
  server.started_encryption_handshake.connect([&](ssl_socket&) {
    order += '3';
    second.disconnect();
  });
  make_pair();
  make_pair();
  EXPECT_EQ(order, "12313");
}

TEST_F(slots_and_others, assigning_to_the_lent_socket_leaves_both_connections_accounted_for) {
  listen();
  auto other = make_pair();
  server.started_encryption_handshake.connect([&](ssl_socket& socket) { socket = std::move(other.socket); });
  std::vector<error_code> errors;
  server.error_occurred.connect([&](ssl_socket&, error_code error) { errors.push_back(error); });
  auto client = connect();
  client.send(client_hello());
  run_until([&] { return server.open_connections() == 0; });
  EXPECT_EQ(errors, std::vector<error_code>{handshake_error::aborted});
}

// --- handlers ---

TEST_F(slots_and_others, an_accept_handler_may_throw_or_destroy_the_server) {
  auto victim = std::make_unique<ssl_server>(io.get_executor());
  victim->set_configuration(make_configuration()).value();
  ASSERT_EQ(victim->listen(loopback), error_code());
  const auto serve_one = [&] {
    return in_background([port = victim->server_port()] {
      wire_client client(raw_client::to_port(port));
      client.handshake();
      return client.read_to_end().end;
    });
  };
  int calls = 0;
  victim->async_accept([&](error_code, ssl_socket) {
    ++calls;
    throw thrown_by_slot();
  });
  auto first = serve_one();
  EXPECT_THROW(run_until([&] { return calls > 1; }), thrown_by_slot);
  EXPECT_EQ(run_until_done(first), stream_end::close_notify);  // the socket went with the exception

  std::optional<ssl_socket> kept;
  victim->async_accept([&](error_code, ssl_socket socket) {
    victim.reset();
    kept = std::move(socket);
  });
  auto second = serve_one();
  run_until([&] { return kept.has_value(); });
  EXPECT_FALSE(kept->is_open());
  EXPECT_EQ(run_until_done(second), stream_end::reset);
}

TEST_F(slots_and_others, a_read_handler_may_destroy_the_server) {
  auto victim = std::make_unique<ssl_server>(io.get_executor());
  victim->set_configuration(make_configuration()).value();
  ASSERT_EQ(victim->listen(loopback), error_code());
  auto client = in_background([port = victim->server_port()] {
    wire_client connected(raw_client::to_port(port));
    connected.handshake();
    connected.send("x");
    return connected.read_to_end().end;
  });
  run_until([&] { return victim->has_pending_connections(); });
  auto socket = *victim->next_pending_connection();
  char byte = 0;
  bool called = false;
  socket.async_read_some(asio::buffer(&byte, 1), [&](error_code ec, std::size_t) {
    EXPECT_EQ(ec, error_code());
    victim.reset();
    called = true;
  });
  run_until([&] { return called; });
  EXPECT_FALSE(socket.is_open());
  EXPECT_EQ(run_until_done(client), stream_end::reset);
}

}  // namespace
}  // namespace sallyport::test
