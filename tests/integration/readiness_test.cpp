// Readiness: waiting, what the event loop tells whom and when, and what it leaves alone.
//
// SPDX-License-Identifier: Apache-2.0
#include "server_fixture.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <deque>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace sallyport::test {
namespace {

constexpr auto wait_read = asio::socket_base::wait_read;
constexpr auto wait_write = asio::socket_base::wait_write;

std::chrono::microseconds cpu_time_of_this_thread() {
  rusage used{};
  ::getrusage(RUSAGE_THREAD, &used);
  return std::chrono::seconds(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         std::chrono::microseconds(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

class readiness : public server_fixture {
 protected:
  readiness() { listen(); }

  std::deque<connected_pair> make_pairs(int count) {
    std::deque<connected_pair> pairs;
    for (int number = 0; number < count; ++number) pairs.push_back(make_pair());
    return pairs;
  }

  /// The event loop has nothing to do, and does nothing.
  void expect_rest() {
    const auto work = asio::make_work_guard(io);
    run_ready();
    const auto before = cpu_time_of_this_thread();
    if (io.stopped()) io.restart();
    EXPECT_LE(io.run_for(200ms), 10U);
    EXPECT_LT(cpu_time_of_this_thread() - before, 60ms);
  }

  /// run() comes back by itself.
  void expect_the_end() {
    if (io.stopped()) io.restart();
    io.run_for(patience);
    EXPECT_TRUE(io.stopped());
  }
  void expect_no_end() {
    if (io.stopped()) io.restart();
    io.run_for(50ms);
    EXPECT_FALSE(io.stopped());
  }

  /// Runs `function` as a handler of the loop's own.
  template <class Function>
  void in_turn(ssl_socket& socket, Function function) {
    bool done = false;
    socket.async_wait(wait_write, [&](error_code ec) {
      EXPECT_EQ(ec, error_code());
      function();
      done = true;
    });
    run_until([&] { return done; });
  }

  /// write_some() until the kernel takes no more. How much was taken.
  static std::size_t fill(ssl_socket& socket) {
    const std::string data(64 * 1024, 'x');
    std::size_t size = 0;
    error_code ec;
    while (!ec) size += socket.write_some(asio::buffer(data), ec);
    EXPECT_EQ(ec, asio::error::would_block);
    return size;
  }
};

// --- level-triggered, without a reader ---

TEST_F(readiness, unread_data_does_not_keep_the_loop_busy) {
  auto [client, socket] = make_pair();
  client.send("unread");
  expect_rest();
  client.send(", and more");
  expect_rest();
  EXPECT_EQ(read(socket, 16), "unread, and more");
  client.send("again");
  expect_rest();
  EXPECT_EQ(read(socket, 5), "again");
}

TEST_F(readiness, the_peers_end_does_not_keep_the_loop_busy) {
  auto pairs = make_pairs(4);
  pairs[0].client.socket().finish_sending();
  pairs[1].client.socket().reset();
  pairs[2].client.send_close_notify();
  pairs[2].client.socket().close();
  pairs[3].client.send("last words");
  pairs[3].client.socket().finish_sending();
  expect_rest();
  pairs[0].client.socket().reset();
  expect_rest();

  std::string data;
  EXPECT_EQ(read_to_end(pairs[1].socket, data), error_code(ECONNRESET, boost::system::system_category()));
  EXPECT_EQ(read_to_end(pairs[2].socket, data), asio::error::eof);
  EXPECT_EQ(read_to_end(pairs[3].socket, data), stream_error::truncated);
  EXPECT_EQ(data, "last words");
  expect_rest();  // and the ends that have been told
}

TEST_F(readiness, ends_in_the_queue_do_not_keep_the_loop_busy) {
  auto client = in_background([this] {
    wire_client made(connect());
    made.handshake();
    made.send("nobody takes this");
    made.socket().finish_sending();
    return made;
  });
  auto ended = run_until_done(client);
  run_until([&] { return server.has_pending_connections(); });
  expect_rest();
  auto socket = *server.next_pending_connection();
  EXPECT_EQ(read(socket, 17), "nobody takes this");
}

TEST_F(readiness, half_a_record_does_not_keep_the_loop_busy) {
  auto [client, socket] = make_pair();
  client.put("a record in two parts");
  const auto bytes = client.take_output();
  client.socket().send(bytes.substr(0, 10));
  std::array<char, 100> room{};
  outcome got;
  socket.async_read_some(asio::buffer(room), got.handler());
  expect_rest();
  EXPECT_FALSE(got.is_done());
  client.socket().send(bytes.substr(10));
  run_until([&] { return got.is_done(); });
  EXPECT_EQ(std::string(room.data(), got.bytes), "a record in two parts");
}

TEST_F(readiness, a_stuck_writer_does_not_keep_the_loop_busy) {
  auto [client, socket] = make_pair();
  fill(socket);
  client.send("unread");
  expect_rest();
  outcome writable;
  socket.async_wait(wait_write, writable.handler());
  expect_rest();
  EXPECT_FALSE(writable.is_done());
  client.socket().reset();
  run_until([&] { return writable.is_done(); });
  expect_rest();
  error_code ec;
  socket.write_some(asio::buffer("x", 1), ec);
  EXPECT_TRUE(ec);
  EXPECT_NE(ec, asio::error::would_block);
}

TEST_F(readiness, a_handshake_that_waits_for_a_decision_does_not_keep_the_loop_busy) {
  ssl_configuration configuration = make_configuration();
  configuration.pre_shared_keys = true;
  server.set_configuration(configuration).value();
  server.set_handshake_timeout(patience);
  std::optional<deferred_pre_shared_key> deferred;
  server.pre_shared_key_authentication_required.connect(
      [&](ssl_socket& socket, ssl_pre_shared_key_authenticator&) { deferred = socket.defer_pre_shared_key(); });
  error_code failure;
  server.error_occurred.connect([&](ssl_socket&, error_code ec) { failure = ec; });
  wire_client client(connect(), {.identity = "alice", .key = "0123456789abcdef"});
  client.socket().send(client.client_hello());
  run_until([&] { return deferred.has_value(); });
  client.socket().send("what comes is not read meanwhile");
  client.socket().finish_sending();
  expect_rest();
  client.socket().reset();
  expect_rest();
  EXPECT_EQ(failure, error_code());
  deferred.reset();  // refuses
  run_until([&] { return bool(failure); });
}

TEST_F(readiness, others_are_served_beside_unread_data) {
  auto pairs = make_pairs(2);
  pairs[0].client.send("unread");
  for (int round = 0; round < 5; ++round) {
    pairs[1].client.send("read");
    EXPECT_EQ(read(pairs[1].socket, 4), "read");
  }
  EXPECT_EQ(read(pairs[0].socket, 6), "unread");
}

// --- one batch ---

TEST_F(readiness, a_handler_closes_the_others_of_its_batch_and_new_ones_take_their_descriptors) {
  constexpr int count = 8;
  auto pairs = make_pairs(count);
  std::array<std::array<char, 100>, count> rooms{};
  std::array<int, count> aborted{};
  std::vector<int> lowest;  // descriptors of our ends, before
  std::deque<wire_client> newcomers;
  int served = 0;
  for (int number = 0; number < count; ++number) {
    const auto at = static_cast<std::size_t>(number);
    pairs[at].socket.async_read_some(asio::buffer(rooms[at]), [&, at](error_code ec, std::size_t) {
      if (ec) {
        EXPECT_EQ(ec, asio::error::operation_aborted);
        ++aborted[at];
        return;
      }
      ++served;
      for (auto& each : pairs) each.socket.abort();
      for (int made = 0; made < count; ++made) {
        std::array<int, 2> ends{};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
        server.adopt({io, asio::generic::stream_protocol(AF_UNIX, 0), ends[0]});
        newcomers.emplace_back(raw_client(ends[1]));
      }
    });
  }
  run_ready();
  for (auto& each : pairs) each.client.send("to everybody");
  run_until([&] { return std::accumulate(aborted.begin(), aborted.end(), 0) == count - 1; });
  EXPECT_EQ(served, 1);

  for (auto& each : newcomers) {
    auto handshake = in_background([&] { each.handshake(); });
    auto socket = accept();
    run_until_done(handshake);
    each.send("mine");
    EXPECT_EQ(read(socket, 4), "mine");
    write(socket, "yours");
    EXPECT_EQ(each.receive_exactly(5), "yours");
  }
  EXPECT_EQ(served, 1);
}

TEST_F(readiness, a_handler_reads_what_another_of_its_batch_waits_for) {
  auto pairs = make_pairs(2);
  std::string data;
  std::array<outcome, 2> waited;
  for (std::size_t number = 0; number < 2; ++number)
    pairs[number].socket.async_wait(wait_read, [&, number](error_code ec) {
      waited[number].handler()(ec);
      for (auto& each : pairs) {
        std::array<char, 100> room{};
        error_code failure;
        const auto size = each.socket.read_some(asio::buffer(room), failure);
        data.append(room.data(), size);
      }
    });
  run_ready();
  for (auto& each : pairs) each.client.send("x");
  run_until([&] { return waited[0].is_done() && waited[1].is_done(); });
  // A read of the other is refused as long as its wait is outstanding; each is read once.
  EXPECT_EQ(data, "xx");
}

TEST_F(readiness, a_handler_cancels_and_replaces_another_of_its_batch) {
  auto pairs = make_pairs(2);
  std::array<std::array<char, 10>, 2> rooms{};
  std::array<char, 10> instead{};
  outcome replaced, replacement;
  int first = -1;
  for (int number = 0; number < 2; ++number) {
    const auto at = static_cast<std::size_t>(number);
    pairs[at].socket.async_read_some(asio::buffer(rooms[at]), [&, number](error_code ec, std::size_t size) {
      if (first >= 0) return replaced.handler()(ec, size);
      first = number;
      auto& other = pairs[static_cast<std::size_t>(1 - number)].socket;
      other.cancel();
      other.async_read_some(asio::buffer(instead), replacement.handler());
    });
  }
  run_ready();
  for (auto& each : pairs) each.client.send("hello");
  run_until([&] { return replaced.is_done() && replacement.is_done(); });
  EXPECT_EQ(replaced.error, asio::error::operation_aborted);
  EXPECT_EQ(replaced.bytes, 0U);
  EXPECT_EQ(std::string(instead.data(), replacement.bytes), "hello");
}

TEST_F(readiness, more_connections_than_a_batch_holds) {
  constexpr int count = 300;
  ssl_configuration configuration = make_configuration();
  server.set_max_pending_connections(count);
  auto pairs = make_pairs(count);
  int served = 0;
  std::array<char, 10> room{};
  for (auto& each : pairs)
    each.socket.async_read_some(asio::buffer(room),
                                [&](error_code ec, std::size_t size) { served += !ec && size == 1 ? 1 : 0; });
  run_ready();
  for (auto& each : pairs) each.client.send("x");
  run_until([&] { return served == count; });
}

// --- run() ends ---

TEST_F(readiness, run_ends_when_nothing_is_outstanding) {
  server.set_handshake_timeout(3s);  // the timer may last as long
  auto pairs = make_pairs(2);
  auto& socket = pairs[0].socket;
  server.close();
  expect_the_end();  // with idle connections that have been handed out

  std::array<char, 10> room{};
  outcome got;
  socket.async_read_some(asio::buffer(room), got.handler());
  expect_no_end();
  socket.cancel();
  expect_the_end();
  EXPECT_EQ(got.error, asio::error::operation_aborted);

  outcome waited;
  socket.async_wait(wait_read, waited.handler());
  expect_no_end();
  socket.cancel();
  expect_the_end();
  EXPECT_EQ(waited.error, asio::error::operation_aborted);

  asio::cancellation_signal signal;
  outcome slotted;
  socket.async_wait(wait_read, asio::bind_cancellation_slot(signal.slot(), slotted.handler()));
  expect_no_end();
  signal.emit(asio::cancellation_type::terminal);
  expect_the_end();
  EXPECT_EQ(slotted.error, asio::error::operation_aborted);

  // The data that nobody has asked for doesn't keep it either, and the last read ends it from inside.
  pairs[1].client.send("unread");
  outcome last;
  pairs[0].client.send("x");
  socket.async_read_some(asio::buffer(room), last.handler());
  expect_the_end();
  EXPECT_EQ(last.bytes, 1U);
}

TEST_F(readiness, run_ends_after_a_cancel_while_bytes_are_unsent) {
  server.set_handshake_timeout(3s);
  auto [client, socket] = make_pair();
  server.close();
  const auto size = fill(socket);
  std::array<char, 10> room{};
  outcome got;
  socket.async_read_some(asio::buffer(room), got.handler());
  run_ready();
  socket.cancel();
  auto reads = in_background([&client = client, size] { return client.receive_exactly(size).size(); });
  expect_the_end();  // when the rest is in the kernel
  EXPECT_EQ(reads.get(), size);
  EXPECT_EQ(got.error, asio::error::operation_aborted);
}

TEST_F(readiness, run_ends_after_a_cancelled_shutdown) {
  server.set_handshake_timeout(3s);
  server.set_shutdown_timeout(3s);
  auto [client, socket] = make_pair();
  server.close();
  outcome shut;
  socket.async_shutdown(shut.handler());
  expect_no_end();
  socket.cancel();
  expect_the_end();
  EXPECT_EQ(shut.error, asio::error::operation_aborted);
}

TEST_F(readiness, run_ends_when_the_server_pauses) {
  expect_no_end();
  server.pause_accepting();
  expect_the_end();
  server.resume_accepting();
  expect_no_end();
}

// --- what user code throws ---

struct of_the_user : std::runtime_error {
  of_the_user() : std::runtime_error("of the user") {}
};

class thrown : public readiness {
 protected:
  /// How many exceptions come out of run() until `condition` holds.
  template <class Condition>
  int run_through(Condition condition) {
    int exceptions = 0;
    for (;;) {
      try {
        run_until(condition);
        return exceptions;
      } catch (const of_the_user&) {
        ++exceptions;
      } catch (const asio::multiple_exceptions&) {  // what accept handlers throw is collected by Asio
        ++exceptions;
      }
    }
  }
};

TEST_F(thrown, by_readers_costs_the_others_nothing) {
  constexpr int count = 20;
  auto pairs = make_pairs(count);
  std::array<char, 10> room{};
  int served = 0;
  for (auto& each : pairs)
    each.socket.async_read_some(asio::buffer(room), [&](error_code, std::size_t) {
      ++served;
      throw of_the_user();
    });
  run_ready();
  for (auto& each : pairs) each.client.send("x");
  EXPECT_EQ(run_through([&] { return served == count; }), count);
  run_ready();  // none is left
}

TEST_F(thrown, by_waiters_and_writers_costs_the_others_nothing) {
  constexpr int count = 10;
  auto pairs = make_pairs(count);
  int waits = 0, writes = 0, rooms = 0;
  for (auto& each : pairs)
    each.socket.async_wait(wait_read, [&](error_code) {
      ++waits;
      throw of_the_user();
    });
  // All of these are complete at once, and delivered one after the other.
  for (auto& each : pairs) {
    each.client.send("x");
    each.socket.async_write_some(asio::buffer("y", 1), [&](error_code, std::size_t) {
      ++writes;
      each.socket.async_wait(wait_write, [&](error_code) {
        ++rooms;
        throw of_the_user();
      });
      throw of_the_user();
    });
  }
  run_through([&] { return waits == count && writes == count && rooms == count; });
  for (auto& each : pairs) {
    EXPECT_EQ(each.client.receive_exactly(1), "y");
    EXPECT_EQ(read(each.socket, 1), "x");
  }
}

TEST_F(thrown, by_accept_handlers_and_slots_costs_the_others_nothing) {
  constexpr int count = 6;
  int accepted = 0, started = 0;
  std::function<void()> accept_next = [&] {
    server.async_accept([&](error_code ec, ssl_socket) {
      if (ec) return;
      ++accepted;
      if (accepted < count) accept_next();
      throw of_the_user();
    });
  };
  accept_next();
  std::vector<std::future<stream_end>> clients;
  for (int number = 0; number < count; ++number)
    clients.push_back(in_background([this] {
      wire_client client(connect());
      client.handshake();
      return client.read_to_end().end;
    }));
  run_through([&] { return accepted == count; });
  for (auto& each : clients) EXPECT_EQ(run_until_done(each), stream_end::close_notify);

  auto pair = make_pair();
  int failed = 0;
  server.started_encryption_handshake.connect([&](ssl_socket&) {
    ++started;
    throw of_the_user();
  });
  server.error_occurred.connect([&](ssl_socket&, error_code) { ++failed; });
  std::array<char, 10> room{};
  outcome got;
  pair.socket.async_read_some(asio::buffer(room), got.handler());
  std::deque<wire_client> refused;
  for (int number = 0; number < count; ++number) {
    refused.emplace_back(connect());
    refused.back().socket().send(refused.back().client_hello());
  }
  pair.client.send("x");
  run_through([&] { return started == count && failed == count && got.is_done(); });
  EXPECT_EQ(got.bytes, 1U);
}

// --- inside of handlers ---

TEST_F(readiness, a_handler_may_poll_the_context) {
  auto pairs = make_pairs(4);
  // Asio counts what a handler posts only when the handler ends, and takes a nested poll() for the last one's end.
  const std::vector work(100, asio::make_work_guard(io));
  std::array<char, 10> room{};
  int depth = 0, deepest = 0, posted = 0;
  std::array<int, 4> served{};
  std::function<void(std::size_t)> start = [&](std::size_t at) {
    pairs[at].socket.async_read_some(asio::buffer(room), [&, at](error_code ec, std::size_t) {
      ASSERT_EQ(ec, error_code());
      deepest = std::max(deepest, ++depth);
      if (++served[at] < 3) {
        start(at);
        pairs[at].client.send("x");
      }
      asio::post(io, [&] { ++posted; });
      const int before = posted;
      for (int time = 0; time < 5; ++time) io.poll();
      EXPECT_GT(posted, before);
      --depth;
    });
  };
  for (std::size_t at = 0; at < 4; ++at) start(at);
  for (auto& each : pairs) each.client.send("x");
  run_until([&] { return std::all_of(served.begin(), served.end(), [](int times) { return times == 3; }); });
  EXPECT_EQ(deepest, 1);  // our handlers aren't nested
  expect_rest();
}

TEST_F(readiness, handlers_never_run_inside_the_function_that_starts) {
  auto [client, moved] = make_pair();
  ssl_socket& socket = moved;
  client.send("some data that is more than one read takes");
  EXPECT_EQ(read(socket, 4), "some");  // the rest waits in the session
  std::array<char, 4> room{};
  outcome read_done, write_done, readable, writable, refused;
  const auto start_all = [&] {
    socket.async_wait(asio::socket_base::wait_error, refused.handler());
    socket.async_wait(wait_read, readable.handler());
    socket.async_wait(wait_write, writable.handler());
    EXPECT_FALSE(refused.is_done() || readable.is_done() || writable.is_done());
  };
  start_all();  // from outside
  run_until([&] { return refused.is_done() && readable.is_done() && writable.is_done(); });
  refused = readable = writable = {};
  bool inside = false;
  in_turn(socket, [&] {
    inside = true;
    socket.async_wait(wait_read, [&](error_code ec) {
      EXPECT_FALSE(inside);
      readable.handler()(ec);
      inside = true;
      socket.async_read_some(asio::buffer(room), [&](error_code failure, std::size_t size) {
        EXPECT_FALSE(inside);
        read_done.handler()(failure, size);
      });
      socket.async_write_some(asio::buffer("x", 1), [&](error_code failure, std::size_t size) {
        EXPECT_FALSE(inside);
        write_done.handler()(failure, size);
      });
      inside = false;
    });
    inside = false;
  });
  run_until([&] { return read_done.is_done() && write_done.is_done(); });
  EXPECT_EQ(read_done.bytes, 4U);
}

TEST_F(readiness, completions_after_close_and_abort) {
  for (const bool aborts : {false, true}) {
    auto [client, socket] = make_pair();
    std::array<char, 10> room{};
    outcome got, writable, late_read, late_write, late_wait, late_shutdown;
    socket.async_read_some(asio::buffer(room), got.handler());
    fill(socket);
    socket.async_wait(wait_write, writable.handler());
    run_ready();
    aborts ? socket.abort() : socket.close();
    EXPECT_FALSE(socket.is_open());
    EXPECT_FALSE(got.is_done() || writable.is_done());
    socket.async_read_some(asio::buffer(room), late_read.handler());
    socket.async_write_some(asio::buffer(room), late_write.handler());
    socket.async_wait(wait_read, late_wait.handler());
    socket.async_shutdown(late_shutdown.handler());
    run_until([&] {
      return got.is_done() && writable.is_done() && late_read.is_done() && late_write.is_done() &&
             late_wait.is_done() && late_shutdown.is_done();
    });
    for (const auto* each : {&got, &writable}) EXPECT_EQ(each->error, asio::error::operation_aborted);
    for (const auto* each : {&late_read, &late_write, &late_wait, &late_shutdown})
      EXPECT_EQ(each->error, asio::error::bad_descriptor);
    for (const auto* each : {&got, &writable, &late_read, &late_write, &late_wait, &late_shutdown})
      EXPECT_EQ(each->calls, 1);
  }
}

TEST_F(readiness, what_is_complete_when_the_connection_is_closed_is_told_once) {
  auto [client, moved] = make_pair();
  ssl_socket& socket = moved;
  client.send("some data");
  EXPECT_EQ(read(socket, 4), "some");
  std::array<char, 100> room{};
  outcome got, written;
  in_turn(socket, [&] {
    socket.async_read_some(asio::buffer(room), got.handler());  // complete, and not told yet
    socket.async_write_some(asio::buffer("x", 1), written.handler());
    socket.close();
  });
  run_until([&] { return got.is_done() && written.is_done(); });
  run_ready();
  EXPECT_EQ(got.calls, 1);
  EXPECT_EQ(written.calls, 1);
  EXPECT_EQ(client.read_to_end().data, "x");
}

// --- fairness ---

// One that writes for ever to a fast reader, a message at a time, each complete at once. Others have their turn.
TEST_F(readiness, an_endless_chain_of_writes_lets_others_go_on) {
  constexpr std::size_t others = 40;
  auto pairs = make_pairs(static_cast<int>(others));
  auto [client, moved] = make_pair();
  ssl_socket& pusher = moved;
  std::atomic<bool> ends = false;
  auto reads = in_background([&, raw = client.socket().descriptor()] {
    std::vector<char> room(1 << 20);
    while (!ends) ::recv(raw, room.data(), room.size(), 0);
  });
  std::size_t pushed = 0;
  bool stop = false, stopped = false;
  std::function<void()> push = [&] {
    pusher.async_write_some(asio::buffer("tick", 4), [&](error_code ec, std::size_t) {
      ++pushed;
      if (!ec && !stop)
        push();
      else
        stopped = true;
    });
  };
  push();
  std::array<char, 10> room{};
  std::size_t served = 0;
  for (auto& each : pairs) each.client.send("x");
  for (auto& each : pairs) each.socket.async_read_some(asio::buffer(room), [&](error_code, std::size_t) { ++served; });

  bool timer_fired = false;
  asio::steady_timer timer(io, 1ms);
  timer.async_wait([&](error_code) { timer_fired = true; });
  std::size_t turns = 0, seen = 0, longest = 0;
  std::function<void()> other = [&] {
    longest = std::max(longest, pushed - seen);
    seen = pushed;
    if (++turns < 200) asio::post(io, other);
  };
  asio::post(io, other);
  run_until([&] { return timer_fired && served == others && turns == 200; });
  EXPECT_GT(pushed, 200U);
  EXPECT_LE(longest, 100U) << pushed;  // between two turns of somebody else
  stop = true;
  run_until([&] { return stopped; });
  ends = true;
  pusher.abort();
  run_until_done(reads);
}

TEST_F(readiness, an_endless_chain_of_waits_lets_others_go_on) {
  auto [client, moved] = make_pair();
  ssl_socket& socket = moved;
  std::size_t waited = 0, turns = 0, seen = 0, longest = 0;
  bool stop = false, stopped = false;
  std::function<void()> wait = [&] {
    socket.async_wait(wait_write, [&](error_code) {
      ++waited;
      if (stop)
        stopped = true;
      else
        wait();
    });
  };
  wait();
  std::function<void()> other = [&] {
    longest = std::max(longest, waited - seen);
    seen = waited;
    if (++turns < 100) asio::post(io, other);
  };
  asio::post(io, other);
  run_until([&] { return turns == 100; });
  EXPECT_GT(waited, 100U);
  EXPECT_LE(longest, 100U);
  stop = true;
  run_until([&] { return stopped; });
}

class handshake_budget : public readiness, public testing::WithParamInterface<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(steps, handshake_budget, testing::Values(1U, 3U, 1000U));

TEST_P(handshake_budget, bounds_the_steps_of_a_turn) {
  const std::size_t budget = GetParam();
  server.set_handshake_budget(budget);
  EXPECT_EQ(server.handshake_budget(), budget);
  auto open = make_pair();
  std::size_t started = 0;
  server.started_encryption_handshake.connect([&](ssl_socket&) { ++started; });
  constexpr std::size_t count = 60;
  std::deque<raw_client> burst;
  for (std::size_t number = 0; number < count; ++number) {
    burst.push_back(connect());
    burst.back().send(wire_client(connect()).client_hello());
  }
  // An open connection that has something to do all the time, and somebody else on the same loop.
  std::size_t echoes = 0, seen = 0, longest = 0, turns = 0;
  std::array<char, 10> room{};
  std::function<void()> echo = [&] {
    open.socket.async_read_some(asio::buffer(room), [&](error_code ec, std::size_t) {
      if (ec) return;
      if (started > 0 && started < count) ++echoes;
      open.client.send("x");
      echo();
    });
  };
  echo();
  open.client.send("x");
  std::function<void()> other = [&] {
    longest = std::max(longest, started - seen);
    seen = started;
    ++turns;
    if (started < count) asio::post(io, other);
  };
  asio::post(io, other);
  run_until([&] { return started == count && seen == count; });
  EXPECT_LE(longest, std::max<std::size_t>(budget, 1));
  if (budget < count) {
    EXPECT_GE(turns, count / budget);
    EXPECT_GE(echoes, count / budget / 2);
  }
  open.socket.cancel();
  run_ready();
}

TEST_F(readiness, a_handshake_budget_of_nothing_is_one) {
  EXPECT_EQ(server.handshake_budget(), 4U);
  server.set_handshake_budget(0);
  EXPECT_EQ(server.handshake_budget(), 1U);
  auto [client, socket] = make_pair();
  EXPECT_TRUE(socket.is_open());
}

// --- waiting ---

TEST_F(readiness, a_wait_and_then_the_data) {
  auto [client, socket] = make_pair();
  outcome waited;
  socket.async_wait(wait_read, waited.handler());
  run_ready();
  EXPECT_FALSE(waited.is_done());
  client.send("hello");
  run_until([&] { return waited.is_done(); });
  EXPECT_EQ(waited.error, error_code());
  std::array<char, 3> room{};
  error_code ec;
  EXPECT_EQ(socket.read_some(asio::buffer(room), ec), 3U);
  EXPECT_EQ(ec, error_code());

  // The rest isn't in the kernel any more.
  outcome again;
  socket.async_wait(wait_read, again.handler());
  run_until([&] { return again.is_done(); });
  EXPECT_EQ(socket.read_some(asio::buffer(room), ec), 2U);
  EXPECT_EQ(socket.read_some(asio::buffer(room), ec), 0U);
  EXPECT_EQ(ec, asio::error::would_block);
}

TEST_F(readiness, half_a_record_is_nothing_yet) {
  auto [client, socket] = make_pair();
  client.put("a record in two parts");
  const auto bytes = client.take_output();
  std::array<char, 100> room{};
  error_code ec;
  for (const auto& part : {bytes.substr(0, 3), bytes.substr(3, 20)}) {
    outcome waited;
    socket.async_wait(wait_read, waited.handler());
    client.socket().send(part);
    run_until([&] { return waited.is_done(); });
    EXPECT_EQ(socket.read_some(asio::buffer(room), ec), 0U);
    EXPECT_EQ(ec, asio::error::would_block);
  }
  outcome waited;
  socket.async_wait(wait_read, waited.handler());
  run_ready();
  EXPECT_FALSE(waited.is_done());
  client.socket().send(bytes.substr(23));
  run_until([&] { return waited.is_done(); });
  EXPECT_EQ(socket.read_some(asio::buffer(room), ec), 21U);
  EXPECT_EQ(ec, error_code());
}

TEST_F(readiness, a_wait_completes_at_each_end) {
  auto pairs = make_pairs(3);
  pairs[0].client.send_close_notify();
  pairs[1].client.socket().finish_sending();
  pairs[2].client.socket().reset();
  const std::array<error_code, 3> ends{asio::error::eof, stream_error::truncated,
                                       error_code(ECONNRESET, boost::system::system_category())};
  for (std::size_t number = 0; number < 3; ++number) {
    auto& socket = pairs[number].socket;
    for (int time = 0; time < 2; ++time) {  // what is over stays over
      outcome waited;
      socket.async_wait(wait_read, waited.handler());
      run_until([&] { return waited.is_done(); });
      EXPECT_EQ(waited.error, error_code());
      std::array<char, 10> room{};
      error_code ec;
      EXPECT_EQ(socket.read_some(asio::buffer(room), ec), 0U);
      EXPECT_EQ(ec, ends[number]);
    }
  }
}

TEST_F(readiness, a_wait_counts_as_the_outstanding_operation) {
  auto [client, socket] = make_pair();
  fill(socket);
  std::array<char, 10> room{};
  outcome readable, writable, second_read, second_write, second_wait, shut;
  socket.async_wait(wait_read, readable.handler());
  socket.async_wait(wait_write, writable.handler());
  socket.async_read_some(asio::buffer(room), second_read.handler());
  socket.async_write_some(asio::buffer(room), second_write.handler());
  socket.async_wait(wait_read, second_wait.handler());
  socket.async_shutdown(shut.handler());
  error_code ec;
  socket.read_some(asio::buffer(room), ec);
  EXPECT_EQ(ec, asio::error::in_progress);
  socket.write_some(asio::buffer(room), ec);
  EXPECT_EQ(ec, asio::error::in_progress);
  run_until([&] { return second_read.is_done() && second_write.is_done() && second_wait.is_done() && shut.is_done(); });
  for (const auto* each : {&second_read, &second_write, &second_wait, &shut})
    EXPECT_EQ(each->error, asio::error::in_progress);
  EXPECT_FALSE(readable.is_done() || writable.is_done());
  client.send("x");
  run_until([&] { return readable.is_done(); });
}

TEST_F(readiness, waiting_for_room_ends_when_all_is_in_the_kernel) {
  auto [client, socket] = make_pair();
  outcome at_once;
  socket.async_wait(wait_write, at_once.handler());
  run_until([&] { return at_once.is_done(); });
  const auto size = fill(socket);
  outcome waited;
  socket.async_wait(wait_write, waited.handler());
  for (int turn = 0; turn < 10; ++turn) run_ready();
  EXPECT_FALSE(waited.is_done());
  auto reads = in_background([&client = client, size] { return client.receive_exactly(size).size(); });
  run_until([&] { return waited.is_done(); });
  EXPECT_EQ(waited.error, error_code());
  EXPECT_EQ(run_until_done(reads), size);
  error_code ec;
  EXPECT_EQ(socket.write_some(asio::buffer("x", 1), ec), 1U);
  EXPECT_EQ(ec, error_code());
  EXPECT_EQ(client.receive_exactly(1), "x");
}

TEST_F(readiness, waiting_for_an_error_is_refused) {
  auto [client, socket] = make_pair();
  ssl_socket empty;
  outcome refused, nowhere;
  socket.async_wait(asio::socket_base::wait_error, refused.handler());
  empty.async_wait(wait_read, asio::bind_executor(io, nowhere.handler()));
  run_until([&] { return refused.is_done() && nowhere.is_done(); });
  EXPECT_EQ(refused.error, asio::error::operation_not_supported);
  EXPECT_EQ(nowhere.error, asio::error::bad_descriptor);
}

TEST_F(readiness, a_wait_on_another_executor) {
  auto [client, socket] = make_pair();
  asio::io_context other(1);
  bool called = false;
  socket.async_wait(wait_read, asio::bind_executor(other, [&](error_code ec) { called = !ec; }));
  std::thread runs([&] { other.run(); });  // until the handler has run, and not before
  client.send("x");
  auto ended = in_background([&] { runs.join(); });
  run_until_done(ended);
  EXPECT_TRUE(called);
}

// --- cancelling ---

TEST_F(readiness, cancel_and_then_read_again_at_once) {
  auto [client, moved] = make_pair();
  ssl_socket& socket = moved;
  for (int time = 0; time < 3; ++time) {
    std::array<char, 10> former{}, room{};
    outcome cancelled, waited, got;
    socket.async_read_some(asio::buffer(former), cancelled.handler());
    run_ready();
    if (time == 1) client.send("hello");
    socket.cancel();
    socket.async_wait(wait_read, waited.handler());
    socket.cancel();
    socket.async_read_some(asio::buffer(room), got.handler());
    if (time != 1) client.send("hello");
    run_until([&] { return cancelled.is_done() && waited.is_done() && got.is_done(); });
    EXPECT_EQ(cancelled.error, asio::error::operation_aborted);
    EXPECT_EQ(waited.error, asio::error::operation_aborted);
    EXPECT_EQ(std::string(room.data(), got.bytes), "hello");
  }
}

TEST_F(readiness, cancellation_slots) {
  auto [client, socket] = make_pair();
  std::array<char, 10> room{};
  asio::cancellation_signal of_read, of_write, of_wait;
  outcome got, written, waited;
  fill(socket);
  socket.async_read_some(asio::buffer(room), asio::bind_cancellation_slot(of_read.slot(), got.handler()));
  socket.async_write_some(asio::buffer("x", 1), asio::bind_cancellation_slot(of_write.slot(), written.handler()));
  run_ready();
  of_write.emit(asio::cancellation_type::partial);
  EXPECT_FALSE(written.is_done());
  run_until([&] { return written.is_done(); });
  EXPECT_EQ(written.error, asio::error::operation_aborted);
  EXPECT_EQ(written.bytes, 0U);
  EXPECT_FALSE(got.is_done());
  socket.async_wait(wait_write, asio::bind_cancellation_slot(of_wait.slot(), waited.handler()));
  of_wait.emit(asio::cancellation_type::none);
  run_ready();
  EXPECT_FALSE(waited.is_done());
  of_wait.emit(asio::cancellation_type::total);
  of_read.emit(asio::cancellation_type::terminal);
  run_until([&] { return waited.is_done() && got.is_done(); });
  EXPECT_EQ(waited.error, asio::error::operation_aborted);
  EXPECT_EQ(got.error, asio::error::operation_aborted);

  // The signals are for operations that are over.
  outcome next;
  socket.async_read_some(asio::buffer(room), next.handler());
  for (auto* signal : {&of_read, &of_write, &of_wait}) signal->emit(asio::cancellation_type::all);
  run_ready();
  EXPECT_FALSE(next.is_done());
  client.send("hello");
  run_until([&] { return next.is_done(); });
  EXPECT_EQ(next.bytes, 5U);
}

TEST_F(readiness, a_completed_operation_is_not_cancelled_any_more) {
  auto [client, moved] = make_pair();
  ssl_socket& socket = moved;
  client.send("some data");
  EXPECT_EQ(read(socket, 4), "some");
  std::array<char, 100> room{};
  outcome got;
  asio::cancellation_signal signal;
  in_turn(socket, [&] {
    socket.async_read_some(asio::buffer(room), asio::bind_cancellation_slot(signal.slot(), got.handler()));
    signal.emit(asio::cancellation_type::all);
    socket.cancel();
  });
  run_until([&] { return got.is_done(); });
  EXPECT_EQ(got.error, error_code());  // its bytes would be lost otherwise
  EXPECT_EQ(std::string(room.data(), got.bytes), " data");
}

TEST_F(readiness, the_timer_that_cancels_a_read) {
  auto [client, socket] = make_pair();
  std::array<char, 10> room{};
  outcome got;
  asio::cancellation_signal signal;
  asio::steady_timer timer(io, 1ms);
  socket.async_read_some(asio::buffer(room), asio::bind_cancellation_slot(signal.slot(), got.handler()));
  timer.async_wait([&](error_code) { signal.emit(asio::cancellation_type::terminal); });
  run_until([&] { return got.is_done(); });
  EXPECT_EQ(got.error, asio::error::operation_aborted);
  client.send("hello");
  EXPECT_EQ(read(socket, 5), "hello");
}

// --- threads ---

/// An echo without waiting reads or writes: wait, read_some, write_some.
asio::awaitable<void> echo_when_ready(ssl_socket socket) {
  std::vector<char> room(10'000);
  for (;;) {
    auto [gone] = co_await socket.async_wait(wait_read, asio::as_tuple(asio::use_awaitable));
    if (gone) break;
    error_code ec;
    const std::size_t size = socket.read_some(asio::buffer(room), ec);
    if (ec == asio::error::would_block) continue;
    if (ec) break;
    for (std::size_t at = 0; at < size;) {
      at += socket.write_some(asio::buffer(room.data() + at, size - at), ec);
      if (ec && ec != asio::error::would_block) co_return;
      if (ec) co_await socket.async_wait(wait_write, asio::as_tuple(asio::use_awaitable));
    }
  }
}

TEST(readiness_on_threads, servers_on_strands) {
  asio::io_context io(4);
  constexpr int count = 3;
  std::vector<std::unique_ptr<ssl_server>> servers;
  std::vector<std::uint16_t> ports;
  for (int number = 0; number < count; ++number) {
    auto strand = asio::make_strand(io);
    auto& server = *servers.emplace_back(std::make_unique<ssl_server>(strand));
    server.set_configuration(make_configuration()).value();
    ASSERT_EQ(server.listen(loopback), error_code());
    ports.push_back(server.server_port());
    asio::co_spawn(
        strand,
        [&server, strand]() -> asio::awaitable<void> {
          for (;;) {
            auto [ec, socket] = co_await server.async_accept(asio::as_tuple(asio::use_awaitable));
            if (ec) break;
            asio::co_spawn(strand, echo_when_ready(std::move(socket)), asio::detached);
          }
        },
        asio::detached);
  }
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) threads.emplace_back([&] { io.run(); });
  std::vector<std::future<bool>> clients;
  for (int number = 0; number < 6; ++number)
    clients.push_back(in_background([&, number] {
      for (int round = 0; round < 5; ++round) {
        wire_client client(raw_client::to_port(ports[static_cast<std::size_t>(number % count)]));
        client.handshake();
        const std::string text(50'000, static_cast<char>('a' + number));
        for (int time = 0; time < 4; ++time) {
          client.send(text);
          if (client.receive_exactly(text.size()) != text) return false;
        }
        client.send_close_notify();
        if (client.read_to_end().end != stream_end::close_notify) return false;
      }
      return true;
    }));
  for (auto& client : clients) EXPECT_TRUE(client.get());
  for (auto& server : servers) asio::post(server->get_executor(), [&server] { server.reset(); });
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace sallyport::test
