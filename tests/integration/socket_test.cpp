// Sockets: reading, writing and cancelling on an open connection.
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
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <sys/socket.h>

#include <array>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace sallyport::test {
namespace {

/// Bytes in which every piece is somewhere else only.
std::string pattern(std::size_t size, std::uint32_t seed = 1) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

class socket_operations : public server_fixture {
 protected:
  socket_operations() { listen(); }

  /// Writes until the kernel takes no more, as the client doesn't read. The last write is outstanding. What its
  /// handlers have reported so far is in `written`.
  void write_until_stuck(ssl_socket& socket, std::string_view data) {
    start_write(socket, data);
    auto seen = written;
    auto since = std::chrono::steady_clock::now();
    run_until([&] {
      if (written != seen) {
        seen = written;
        since = std::chrono::steady_clock::now();
      }
      return std::chrono::steady_clock::now() - since > 200ms;
    });
    ASSERT_LT(written, data.size());
  }
  void start_write(ssl_socket& socket, std::string_view data) {
    socket.async_write_some(asio::buffer(data), [this, &socket, data](error_code ec, std::size_t size) {
      written += size;
      write_error = ec;
      if (!ec && size < data.size())
        start_write(socket, data.substr(size));
      else
        write_is_over = true;
    });
  }

  std::size_t written = 0;
  error_code write_error;
  bool write_is_over = false;
};

// --- reading and writing ---

TEST_F(socket_operations, read_and_write) {
  auto [client, socket] = make_pair();
  client.send("hello");
  std::string data;
  const auto got = read_some(socket, data);
  EXPECT_EQ(got.error, error_code());
  EXPECT_EQ(data, "hello");
  write(socket, "world");
  EXPECT_EQ(client.receive_exactly(5), "world");
}

TEST_F(socket_operations, one_record_in_small_reads) {
  auto [client, socket] = make_pair();
  const auto sent = pattern(1000);
  client.send(sent);
  std::string data;
  while (data.size() < sent.size()) data += read(socket, 7 < sent.size() - data.size() ? 7 : sent.size() - data.size());
  EXPECT_EQ(data, sent);
}

TEST_F(socket_operations, many_records_in_one_read) {
  auto [client, socket] = make_pair();
  std::string sent;
  for (int number = 0; number < 50; ++number) {
    client.put("record " + std::to_string(number));
    sent += "record " + std::to_string(number);
  }
  client.flush();
  std::string data;
  while (data.size() < sent.size()) {
    std::string more;
    ASSERT_EQ(read_some(socket, more).error, error_code());
    data += more;
  }
  EXPECT_EQ(data, sent);
}

TEST_F(socket_operations, a_record_in_single_bytes) {
  auto [client, socket] = make_pair();
  client.put("in pieces");
  std::string data;
  std::string buffer(100, '\0');
  outcome got;
  socket.async_read_some(asio::buffer(buffer), got.handler());
  for (const char byte : client.take_output()) {
    EXPECT_FALSE(got.is_done());
    client.socket().send({&byte, 1});
    run_ready();
  }
  run_until([&] { return got.is_done(); });
  EXPECT_EQ(buffer.substr(0, got.bytes), "in pieces");
}

TEST_F(socket_operations, scattered_reads_fill_the_first_buffer_that_has_room) {
  auto [client, socket] = make_pair();
  client.send("hello");
  std::array<char, 8> room{};
  const std::vector<asio::mutable_buffer> buffers{{}, asio::buffer(room), {}};
  outcome got;
  socket.async_read_some(buffers, got.handler());
  run_until([&] { return got.is_done(); });
  EXPECT_EQ(std::string(room.data(), got.bytes), "hello");
}

TEST_F(socket_operations, forty_small_buffers) {
  auto [client, socket] = make_pair();
  std::vector<std::string> pieces;
  std::string all;
  for (int number = 0; number < 40; ++number) {
    pieces.push_back(number % 5 == 0 ? "" : "piece " + std::to_string(number) + ";");
    all += pieces.back();
  }
  std::vector<asio::const_buffer> buffers;
  for (const auto& piece : pieces) buffers.push_back(asio::buffer(piece));

  outcome some;
  socket.async_write_some(buffers, some.handler());
  run_until([&] { return some.is_done(); });
  EXPECT_EQ(some.error, error_code());
  EXPECT_GT(some.bytes, pieces[1].size());  // several together
  EXPECT_EQ(client.receive_exactly(some.bytes), all.substr(0, some.bytes));

  outcome whole;
  asio::async_write(socket, buffers, whole.handler());
  run_until([&] { return whole.is_done(); });
  EXPECT_EQ(whole.bytes, all.size());
  EXPECT_EQ(client.receive_exactly(all.size()), all);
}

TEST_F(socket_operations, empty_buffers_complete_with_nothing) {
  auto [client, socket] = make_pair();
  outcome read, written_nothing, read_none;
  socket.async_read_some(asio::mutable_buffer(), read.handler());
  socket.async_read_some(std::vector<asio::mutable_buffer>(3), read_none.handler());
  socket.async_write_some(std::vector<asio::const_buffer>(3), written_nothing.handler());
  EXPECT_FALSE(read.is_done() || read_none.is_done() || written_nothing.is_done());
  run_until([&] { return read.is_done() && read_none.is_done() && written_nothing.is_done(); });
  EXPECT_EQ(read.error, error_code());
  EXPECT_EQ(read_none.error, error_code());
  EXPECT_EQ(written_nothing.error, error_code());
  EXPECT_EQ(read.bytes + read_none.bytes + written_nothing.bytes, 0U);
}

TEST_F(socket_operations, one_read_and_one_write_at_a_time) {
  auto [client, socket] = make_pair();
  std::array<char, 10> room{}, more{};
  outcome first, second;
  socket.async_read_some(asio::buffer(room), first.handler());
  socket.async_read_some(asio::buffer(more), second.handler());
  run_until([&] { return second.is_done(); });
  EXPECT_EQ(second.error, asio::error::in_progress);
  EXPECT_FALSE(first.is_done());
  client.send("for first");
  run_until([&] { return first.is_done(); });
  EXPECT_EQ(first.bytes, 9U);

  const auto data = pattern(64 << 20);
  write_until_stuck(socket, data);
  outcome other;
  socket.async_write_some(asio::buffer("x", 1), other.handler());
  run_until([&] { return other.is_done(); });
  EXPECT_EQ(other.error, asio::error::in_progress);
}

TEST_F(socket_operations, an_empty_socket_has_no_descriptor) {
  ssl_socket empty;
  EXPECT_FALSE(empty.is_open());
  EXPECT_EQ(empty.id(), 0U);
  EXPECT_EQ(empty.peer_name(), "");
  EXPECT_EQ(empty.session_protocol(), tls_version::unknown);
  EXPECT_EQ(empty.native_handle(), nullptr);
  empty.cancel();
  empty.close();
  empty.abort();
  std::array<char, 10> room{};
  outcome read, write, shut, half;
  empty.async_read_some(asio::buffer(room), asio::bind_executor(io, read.handler()));
  empty.async_write_some(asio::buffer(room), asio::bind_executor(io, write.handler()));
  empty.async_shutdown(asio::bind_executor(io, shut.handler()));
  empty.async_shutdown_send(asio::bind_executor(io, half.handler()));
  run_until([&] { return read.is_done() && write.is_done() && shut.is_done() && half.is_done(); });
  for (const auto* each : {&read, &write, &shut, &half}) EXPECT_EQ(each->error, asio::error::bad_descriptor);

  auto [client, socket] = make_pair();
  const ssl_socket taken = std::move(socket);
  EXPECT_FALSE(socket.is_open());  // NOLINT: what is left after a move is an empty socket
  EXPECT_TRUE(taken.is_open());
}

TEST_F(socket_operations, handlers_never_run_inside_the_function_that_starts) {
  auto [client, moved] = make_pair();
  ssl_socket& socket = moved;
  client.send("some data that is more than one read takes");
  std::array<char, 4> room{};
  outcome first;
  socket.async_read_some(asio::buffer(room), first.handler());
  run_until([&] { return first.is_done(); });  // the rest waits in the session now

  // From the event loop's own thread, where a handler could run at once.
  outcome read, again, write, shut, nothing, gone;
  asio::post(io, [&] {
    socket.async_read_some(asio::buffer(room), read.handler());
    EXPECT_FALSE(read.is_done());
    socket.async_read_some(asio::buffer(room), again.handler());
    EXPECT_FALSE(again.is_done());
    socket.async_write_some(asio::buffer("x", 1), write.handler());
    EXPECT_FALSE(write.is_done());
    socket.cancel();
    EXPECT_FALSE(read.is_done());
  });
  run_until([&] { return read.is_done() && again.is_done() && write.is_done(); });
  asio::post(io, [&] {
    socket.async_shutdown_send(shut.handler());
    EXPECT_FALSE(shut.is_done());
    socket.async_write_some(asio::buffer("x", 1), nothing.handler());
    EXPECT_FALSE(nothing.is_done());
    socket.close();
    EXPECT_FALSE(shut.is_done() || nothing.is_done());
    socket.async_read_some(asio::buffer(room), gone.handler());
    EXPECT_FALSE(gone.is_done());
  });
  run_until([&] { return shut.is_done() && nothing.is_done() && gone.is_done(); });
}

// --- executors ---

TEST_F(socket_operations, a_handler_runs_on_its_own_executor) {
  auto [client, socket] = make_pair();
  asio::io_context other(1);
  auto work = asio::make_work_guard(other);
  std::thread runs([&] { other.run(); });
  const auto here = std::this_thread::get_id();
  std::array<char, 10> room{};

  client.send("x");
  std::promise<std::thread::id> read_on, written_on, accepted_on;
  socket.async_read_some(asio::buffer(room), asio::bind_executor(other, [&](error_code, std::size_t) {
                           read_on.set_value(std::this_thread::get_id());
                         }));
  socket.async_write_some(asio::buffer("y", 1), asio::bind_executor(other, [&](error_code, std::size_t) {
                            written_on.set_value(std::this_thread::get_id());
                          }));
  server.async_accept(
      asio::bind_executor(other, [&](error_code, ssl_socket) { accepted_on.set_value(std::this_thread::get_id()); }));
  server.close();
  auto read = read_on.get_future(), write = written_on.get_future(), accept = accepted_on.get_future();
  EXPECT_EQ(run_until_done(read), runs.get_id());
  EXPECT_EQ(run_until_done(write), runs.get_id());
  EXPECT_EQ(run_until_done(accept), runs.get_id());
  EXPECT_NE(runs.get_id(), here);
  work.reset();
  runs.join();
}

TEST_F(socket_operations, a_handlers_executor_is_kept_running_meanwhile) {
  auto [client, socket] = make_pair();
  asio::io_context other(1);
  std::array<char, 10> room{};
  bool called = false;
  socket.async_read_some(asio::buffer(room),
                         asio::bind_executor(other, [&](error_code, std::size_t) { called = true; }));
  std::thread runs([&] { other.run(); });  // returns when the handler has run, and not before
  client.send("x");
  auto ended = in_background([&] { runs.join(); });
  run_until_done(ended);
  EXPECT_TRUE(called);
}

TEST_F(socket_operations, a_handler_on_a_strand) {
  auto [client, socket] = make_pair();
  auto strand = asio::make_strand(io);
  std::array<char, 10> room{};
  bool called = false;
  socket.async_read_some(asio::buffer(room), asio::bind_executor(strand, [&](error_code, std::size_t) {
                           called = strand.running_in_this_thread();
                         }));
  client.send("x");
  run_until([&] { return called; });
}

TEST_F(socket_operations, with_use_future) {
  auto [client, socket] = make_pair();
  client.send("hello");
  std::array<char, 10> room{};
  auto read = socket.async_read_some(asio::buffer(room), asio::use_future);
  EXPECT_EQ(run_until_done(read), 5U);
  auto shut = socket.async_shutdown_send(asio::use_future);
  run_until_done(shut);
  EXPECT_EQ(client.read_to_end().end, stream_end::close_notify);
}

// --- cancelling ---

TEST_F(socket_operations, a_cancelled_read_loses_nothing) {
  auto [client, socket] = make_pair();
  std::array<char, 10> room{};
  outcome first, second;
  asio::cancellation_signal signal;
  socket.async_read_some(asio::buffer(room), asio::bind_cancellation_slot(signal.slot(), first.handler()));
  client.send("hello");
  signal.emit(asio::cancellation_type::total);
  EXPECT_FALSE(first.is_done());
  run_until([&] { return first.is_done(); });
  EXPECT_EQ(first.error, asio::error::operation_aborted);
  EXPECT_EQ(read(socket, 5), "hello");

  socket.async_read_some(asio::buffer(room), second.handler());
  run_ready();
  socket.cancel();
  run_until([&] { return second.is_done(); });
  EXPECT_EQ(second.error, asio::error::operation_aborted);
  client.send("again");
  EXPECT_EQ(read(socket, 5), "again");
  signal.emit(asio::cancellation_type::all);  // of an operation that is over
  EXPECT_EQ(first.calls + second.calls, 2);
}

TEST_F(socket_operations, a_read_cancelled_in_the_middle_of_a_record_loses_nothing) {
  auto [client, socket] = make_pair();
  client.put("a record in two parts");
  const auto bytes = client.take_output();
  std::array<char, 100> room{};
  outcome cancelled;
  socket.async_read_some(asio::buffer(room), cancelled.handler());
  client.socket().send(bytes.substr(0, 10));
  for (int turn = 0; turn < 10; ++turn) run_ready();
  socket.cancel();
  run_until([&] { return cancelled.is_done(); });
  EXPECT_EQ(cancelled.error, asio::error::operation_aborted);
  client.socket().send(bytes.substr(10));
  EXPECT_EQ(read(socket, 21), "a record in two parts");
}

TEST_F(socket_operations, a_cancelled_write_keeps_the_stream_whole) {
  auto [client, socket] = make_pair();
  const auto data = pattern(64 << 20);
  write_until_stuck(socket, data);
  socket.cancel();
  run_until([&] { return write_is_over; });
  EXPECT_EQ(write_error, asio::error::operation_aborted);
  EXPECT_TRUE(socket.is_open());
  const auto before = written;

  // The bytes that it has reported arrive, and then the next write's.
  auto reads = in_background([&client = client, size = before + 4] { return client.receive_exactly(size); });
  write(socket, "next");
  const auto arrived = run_until_done(reads);
  EXPECT_TRUE(arrived.substr(0, before) == data.substr(0, before));
  EXPECT_EQ(arrived.substr(before), "next");
}

TEST_F(socket_operations, a_write_cancelled_before_its_turn_writes_nothing) {
  auto [client, socket] = make_pair();
  const auto data = pattern(64 << 20);
  write_until_stuck(socket, data);
  socket.cancel();
  run_until([&] { return write_is_over; });
  asio::cancellation_signal signal;
  outcome behind;
  socket.async_write_some(asio::buffer("never", 5), asio::bind_cancellation_slot(signal.slot(), behind.handler()));
  run_ready();
  signal.emit(asio::cancellation_type::terminal);
  run_until([&] { return behind.is_done(); });
  EXPECT_EQ(behind.error, asio::error::operation_aborted);
  EXPECT_EQ(behind.bytes, 0U);
  auto reads = in_background([&client = client, size = written + 1] { return client.receive_exactly(size); });
  write(socket, "!");
  EXPECT_EQ(run_until_done(reads).back(), '!');
}

// --- a lot of data ---

TEST_F(socket_operations, back_pressure_and_then_everything_arrives) {
  auto [client, socket] = make_pair();
  const auto data = pattern(64 << 20);
  write_until_stuck(socket, data);
  auto reads = in_background([&client = client, &data] { return client.receive_exactly(data.size()) == data; });
  EXPECT_TRUE(run_until_done(reads));
  run_until([&] { return write_is_over; });
  EXPECT_EQ(write_error, error_code());
  EXPECT_EQ(written, data.size());
}

TEST_F(socket_operations, both_directions_at_once) {
  auto [client, socket] = make_pair();
  const auto down = pattern(8 << 20, 1), up = pattern(8 << 20, 2);
  auto sends = in_background([&client = client, &up] {
    // One SSL isn't for two threads: the answer is read afterwards, so the server's writing stalls meanwhile.
    for (std::size_t at = 0; at < up.size(); at += 10'000) client.send(std::string_view(up).substr(at, 10'000));
    return client.receive_exactly(8 << 20);
  });
  std::string got(up.size(), '\0');
  outcome read, write;
  asio::async_read(socket, asio::buffer(got), read.handler());
  asio::async_write(socket, asio::buffer(down), write.handler());
  run_until([&] { return read.is_done() && write.is_done(); });
  EXPECT_EQ(read.error, error_code());
  EXPECT_EQ(write.error, error_code());
  EXPECT_TRUE(got == up);
  EXPECT_TRUE(run_until_done(sends) == down);
}

// With this buffer size a unix socket on Linux takes one write of the largest size and then nothing of the next one,
// which is the most that can be unsent. That must not stop reading.
TEST_F(socket_operations, a_write_that_waits_does_not_stop_reading) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const int size = 33'000;
  ASSERT_EQ(::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
  wire_client client{raw_client(ends[1])};
  server.adopt({io, asio::generic::stream_protocol(AF_UNIX, 0), ends[0]});
  auto handshake = in_background([&] { client.handshake(); });
  auto socket = accept();
  run_until_done(handshake);

  const auto down = pattern(16 << 20, 1), up = pattern(4 << 20, 2);
  write_until_stuck(socket, down);
  auto sends = in_background([&] { client.send(up); });
  EXPECT_TRUE(read(socket, up.size()) == up);
  run_until_done(sends);
  auto reads = in_background([&] { return client.receive_exactly(down.size()) == down; });
  EXPECT_TRUE(run_until_done(reads));
}

TEST_F(socket_operations, an_echo_through_random_chunks) {
  asio::co_spawn(
      io,
      [this]() -> asio::awaitable<void> {
        auto socket = co_await server.async_accept(asio::use_awaitable);
        std::mt19937 random(7);
        std::string room(100'000, '\0');
        for (;;) {
          const auto size = random() % room.size() + 1;
          auto [ec, got] =
              co_await socket.async_read_some(asio::buffer(room, size), asio::as_tuple(asio::use_awaitable));
          if (ec) {
            EXPECT_EQ(ec, asio::error::eof);
            break;
          }
          co_await asio::async_write(socket, asio::buffer(room, got), asio::use_awaitable);
        }
        co_await socket.async_shutdown(asio::use_awaitable);
      },
      asio::detached);
  const auto data = pattern(4 << 20);
  auto client = in_background([this, &data] {
    wire_client connected(connect());
    connected.handshake();
    std::mt19937 random(8);
    std::string echoed;
    for (std::size_t at = 0; at < data.size();) {
      const auto piece = std::string_view(data).substr(at, random() % 60'000 + 1);
      connected.send(piece);
      echoed += connected.receive();  // so that neither side waits for the other for ever
      at += piece.size();
    }
    connected.send_close_notify();
    const auto rest = connected.read_to_end();
    EXPECT_EQ(rest.end, stream_end::close_notify);
    return echoed + rest.data;
  });
  EXPECT_TRUE(run_until_done(client) == data);
  run_until([&] { return server.open_connections() == 0; });
}

}  // namespace
}  // namespace sallyport::test
