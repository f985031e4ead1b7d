// Reading and writing without waiting: read_some() and write_some() in every state, and what goes out together.
//
// SPDX-License-Identifier: Apache-2.0
#include "server_fixture.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

constexpr auto wait_read = asio::socket_base::wait_read;
constexpr auto wait_write = asio::socket_base::wait_write;

/// What Linux has behind the tcp_info that glibc knows.
struct longer_tcp_info {
  tcp_info known;
  std::array<std::uint64_t, 4> rates_and_bytes;
  std::uint32_t segments_sent, segments_received, not_sent, smallest_round_trip, data_segments_received;
};

/// How often the server's kernel was given something to send to `client`: nothing small is put together on the way,
/// as the connections have TCP_NODELAY.
std::uint32_t segments_at(wire_client& client) {
  longer_tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(client.socket().descriptor(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || size != sizeof info)
    throw std::system_error(errno, std::system_category(), "TCP_INFO");
  return info.data_segments_received;
}

std::string pattern(std::size_t size, std::uint32_t seed = 1) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

std::size_t write_some(ssl_socket& socket, std::string_view data) {
  error_code ec;
  const auto size = socket.write_some(asio::buffer(data), ec);
  EXPECT_EQ(ec, error_code());
  return size;
}
error_code read_error(ssl_socket& socket) {
  std::array<char, 100> room{};
  error_code ec;
  EXPECT_EQ(socket.read_some(asio::buffer(room), ec), 0U);
  return ec;
}
error_code write_error(ssl_socket& socket) {
  error_code ec;
  EXPECT_EQ(socket.write_some(asio::buffer("x", 1), ec), 0U);
  return ec;
}
std::size_t fill(ssl_socket& socket) {
  const std::string data(64 * 1024, 'x');
  std::size_t size = 0;
  error_code ec;
  while (!ec) size += socket.write_some(asio::buffer(data), ec);
  EXPECT_EQ(ec, asio::error::would_block);
  return size;
}

class without_waiting : public server_fixture {
 protected:
  without_waiting() { listen(); }

  /// Runs `function` as a handler of the loop's own.
  template <class Function>
  void in_turn(ssl_socket& socket, Function function) {
    bool done = false;
    socket.async_wait(wait_write, [&](error_code ec) {
      EXPECT_EQ(ec, error_code());
      done = true;
      function();
    });
    run_until([&] { return done; });
  }
};

// --- every state ---

TEST_F(without_waiting, without_a_connection) {
  ssl_socket empty;
  EXPECT_EQ(read_error(empty), asio::error::bad_descriptor);
  EXPECT_EQ(write_error(empty), asio::error::bad_descriptor);
}

TEST_F(without_waiting, during_the_handshake) {
  int asked = 0;
  server.started_encryption_handshake.connect([&](ssl_socket& socket) {
    ++asked;
    EXPECT_EQ(read_error(socket), asio::error::not_connected);
    EXPECT_EQ(write_error(socket), asio::error::not_connected);
  });
  auto [client, socket] = make_pair();
  EXPECT_EQ(asked, 1);
  EXPECT_TRUE(socket.is_encrypted());
}

TEST_F(without_waiting, on_an_open_connection) {
  auto [client, socket] = make_pair();
  EXPECT_EQ(read_error(socket), asio::error::would_block);
  EXPECT_EQ(write_some(socket, "hello"), 5U);
  EXPECT_EQ(client.receive_exactly(5), "hello");
  client.send("world");
  std::array<char, 3> room{};
  error_code ec = asio::error::fault;
  EXPECT_EQ(socket.read_some(asio::buffer(room), ec), 3U);
  EXPECT_EQ(ec, error_code());
  EXPECT_EQ(socket.read_some(asio::buffer(room), ec), 2U);
  EXPECT_EQ(read_error(socket), asio::error::would_block);
  EXPECT_EQ(socket.error(), error_code());
}

TEST_F(without_waiting, empty_buffers) {
  auto [client, socket] = make_pair();
  error_code ec = asio::error::fault;
  EXPECT_EQ(socket.read_some(asio::mutable_buffer(), ec), 0U);
  EXPECT_EQ(ec, error_code());
  ec = asio::error::fault;
  EXPECT_EQ(socket.write_some(std::vector<asio::const_buffer>(3), ec), 0U);
  EXPECT_EQ(ec, error_code());
}

TEST_F(without_waiting, while_an_operation_is_outstanding) {
  auto [client, socket] = make_pair();
  std::array<char, 10> room{};
  outcome got, written;
  socket.async_read_some(asio::buffer(room), got.handler());
  EXPECT_EQ(read_error(socket), asio::error::in_progress);
  EXPECT_EQ(write_some(socket, "x"), 1U);
  client.send("for the reader");
  run_until([&] { return got.is_done(); });
  const auto size = fill(socket);
  socket.async_write_some(asio::buffer("y", 1), written.handler());
  EXPECT_EQ(write_error(socket), asio::error::in_progress);
  auto reads = in_background([&client = client, size] { return client.receive_exactly(size + 2).back(); });
  EXPECT_EQ(run_until_done(reads), 'y');
}

TEST_F(without_waiting, after_shutdown_send) {
  auto [client, socket] = make_pair();
  outcome shut;
  socket.async_shutdown_send(shut.handler());
  EXPECT_EQ(write_error(socket), asio::error::shut_down);
  run_until([&] { return shut.is_done(); });
  EXPECT_EQ(write_error(socket), asio::error::shut_down);
  client.send("still");
  EXPECT_EQ(read(socket, 5), "still");
}

TEST_F(without_waiting, after_shutdown) {
  auto [client, socket] = make_pair();
  outcome shut;
  socket.async_shutdown(shut.handler());
  EXPECT_EQ(write_error(socket), asio::error::shut_down);
  EXPECT_EQ(read_error(socket), asio::error::shut_down);
  client.send_close_notify();
  run_until([&] { return shut.is_done(); });
  EXPECT_EQ(shut.error, error_code());
}

TEST_F(without_waiting, after_the_peers_close_notify) {
  auto [client, socket] = make_pair();
  client.put("last");
  client.put_close_notify();
  client.flush();
  EXPECT_EQ(read(socket, 4), "last");
  for (int time = 0; time < 2; ++time) EXPECT_EQ(read_error(socket), asio::error::eof);
  EXPECT_EQ(write_some(socket, "answer"), 6U);
  EXPECT_EQ(client.socket().receive().empty(), false);
}

TEST_F(without_waiting, after_a_truncation) {
  auto [client, socket] = make_pair();
  client.socket().finish_sending();
  for (int time = 0; time < 2; ++time) EXPECT_EQ(read_error(socket), stream_error::truncated);
  EXPECT_EQ(socket.error(), stream_error::truncated);
  EXPECT_EQ(write_some(socket, "answer"), 6U);
  EXPECT_EQ(client.receive_exactly(6), "answer");
}

TEST_F(without_waiting, after_a_reset) {
  auto [client, socket] = make_pair();
  client.socket().reset();
  const error_code reset(ECONNRESET, boost::system::system_category());
  for (int time = 0; time < 2; ++time) EXPECT_EQ(read_error(socket), reset);
  EXPECT_EQ(socket.error(), reset);
  EXPECT_TRUE(write_error(socket));
}

TEST_F(without_waiting, an_error_of_the_session_is_told) {
  auto [client, socket] = make_pair();
  client.put("good");
  client.socket().send(client.take_output() + "this is no record at all");
  EXPECT_EQ(read(socket, 4), "good");
  const auto ec = read_error(socket);
  EXPECT_TRUE(ec);
  EXPECT_NE(ec, asio::error::would_block);
  EXPECT_EQ(read_error(socket), ec);
  EXPECT_EQ(socket.error(), ec);
  EXPECT_TRUE(write_error(socket));
}

TEST_F(without_waiting, after_close_and_abort) {
  for (const bool aborts : {false, true}) {
    auto [client, socket] = make_pair();
    aborts ? socket.abort() : socket.close();
    EXPECT_EQ(read_error(socket), asio::error::bad_descriptor);
    EXPECT_EQ(write_error(socket), asio::error::bad_descriptor);
  }
}

// What the kernel says when it is given the bytes, at the end of the turn, is told by the next call.
TEST_F(without_waiting, an_error_of_corked_bytes_is_told_by_the_next_call) {
  auto [client, socket] = make_pair();
  client.socket().reset();
  in_turn(socket, [&socket = socket] { EXPECT_EQ(write_some(socket, "into the void"), 13U); });
  const auto ec = write_error(socket);
  EXPECT_TRUE(ec);
  EXPECT_NE(ec, asio::error::would_block);
  EXPECT_EQ(socket.error(), ec);
  outcome written, writable;
  socket.async_write_some(asio::buffer("x", 1), written.handler());
  run_until([&] { return written.is_done(); });
  EXPECT_EQ(written.error, ec);
  socket.async_wait(wait_write, writable.handler());
  run_until([&] { return writable.is_done(); });
}

// --- what goes out together ---

TEST_F(without_waiting, small_writes_of_one_handler_go_out_together) {
  auto [client, socket] = make_pair();
  const auto before = segments_at(client);
  in_turn(socket, [&client = client, &socket = socket, before] {
    for (int number = 0; number < 20; ++number) EXPECT_EQ(write_some(socket, "piece;"), 6U);
    EXPECT_EQ(segments_at(client), before);
  });
  EXPECT_EQ(segments_at(client), before + 1);
  std::string all;
  for (int number = 0; number < 20; ++number) all += "piece;";
  EXPECT_EQ(client.receive_exactly(all.size()), all);
}

TEST_F(without_waiting, outside_of_a_turn_each_is_sent_at_once) {
  auto [client, socket] = make_pair();
  auto before = segments_at(client);
  write_some(socket, "main");
  EXPECT_EQ(segments_at(client), ++before);
  bool done = false;
  asio::post(io, [&, &client = client, &socket = socket] {
    write_some(socket, "post");
    EXPECT_EQ(segments_at(client), ++before);
    write_some(socket, "post");
    EXPECT_EQ(segments_at(client), ++before);
    done = true;
  });
  run_until([&] { return done; });
  done = false;
  asio::steady_timer timer(io, 1ms);
  timer.async_wait([&, &client = client, &socket = socket](error_code) {
    write_some(socket, "timer");
    EXPECT_EQ(segments_at(client), ++before);
    done = true;
  });
  run_until([&] { return done; });
  EXPECT_EQ(client.receive_exactly(17), "mainpostposttimer");
}

TEST_F(without_waiting, an_answer_in_two_writes_to_each_request) {
  auto [client, moved] = make_pair();
  ssl_socket& socket = moved;
  int requests = 0;
  std::function<void()> serve = [&] {
    socket.async_wait(wait_read, [&](error_code ec) {
      std::array<char, 100> room{};
      if (ec || socket.read_some(asio::buffer(room), ec) == 0) return;
      ++requests;
      write_some(socket, "head ");
      write_some(socket, "body");
      serve();
    });
  };
  serve();
  for (int number = 1; number <= 5; ++number) {
    const auto before = segments_at(client);
    client.send("request");
    run_until([&] { return requests == number; });
    EXPECT_EQ(segments_at(client), before + 1);
    EXPECT_EQ(client.receive_exactly(9), "head body");
  }
}

TEST_F(without_waiting, order_among_all_ways_to_write) {
  auto [client, moved] = make_pair();
  ssl_socket& socket = moved;
  outcome written, shut;
  in_turn(socket, [&] {
    write_some(socket, "one ");
    socket.async_write_some(asio::buffer("two ", 4), [&](error_code ec, std::size_t size) {
      written.handler()(ec, size);
      write_some(socket, "three ");
      write_some(socket, "four ");
      socket.async_shutdown_send(shut.handler());
    });
    EXPECT_EQ(write_error(socket), asio::error::in_progress);
  });
  run_until([&] { return written.is_done() && shut.is_done(); });
  EXPECT_EQ(written.bytes, 4U);
  EXPECT_EQ(shut.error, error_code());
  const auto all = client.read_to_end();
  EXPECT_EQ(all.data, "one two three four ");
  EXPECT_EQ(all.end, stream_end::close_notify);
}

TEST_F(without_waiting, close_sends_what_is_left) {
  for (const bool notifies : {true, false}) {
    auto [client, socket] = make_pair();
    in_turn(socket, [notifies, &socket = socket] {
      write_some(socket, "one ");
      write_some(socket, "two");
      notifies ? socket.close() : socket.close_without_notify();
    });
    const auto all = client.read_to_end();
    EXPECT_EQ(all.data, "one two");
    EXPECT_EQ(all.end, notifies ? stream_end::close_notify : stream_end::fin);
  }
}

TEST_F(without_waiting, close_sends_what_the_kernel_had_no_room_for) {
  auto [client, socket] = make_pair();
  const auto size = fill(socket);
  socket.close();
  auto reads = in_background([&client = client] { return client.read_to_end(); });
  const auto all = run_until_done(reads);
  EXPECT_EQ(all.data.size(), size);
  EXPECT_EQ(all.end, stream_end::close_notify);
}

TEST_F(without_waiting, abort_drops_what_is_left) {
  auto [client, socket] = make_pair();
  in_turn(socket, [&socket = socket] {
    write_some(socket, "never");
    socket.abort();
  });
  const auto all = client.read_to_end();
  EXPECT_EQ(all.data, "");
  EXPECT_EQ(all.end, stream_end::reset);

  auto other = make_pair();  // nothing of it comes to others
  in_turn(other.socket, [&] { write_some(other.socket, "hello"); });
  EXPECT_EQ(other.client.receive_exactly(5), "hello");
}

TEST_F(without_waiting, what_was_written_is_sent_when_the_handler_throws) {
  auto [client, socket] = make_pair();
  bool thrown = false;
  try {
    in_turn(socket, [&socket = socket] {
      write_some(socket, "before ");
      write_some(socket, "it");
      throw std::out_of_range("of the user");
    });
  } catch (const std::out_of_range&) {
    thrown = true;
  }
  EXPECT_TRUE(thrown);
  EXPECT_EQ(client.receive_exactly(9), "before it");
}

TEST_F(without_waiting, a_handler_writes_to_several_connections_by_turns) {
  auto first = make_pair();
  auto second = make_pair();
  outcome written;
  in_turn(first.socket, [&] {
    for (int number = 0; number < 3; ++number) {
      write_some(first.socket, "first ");
      write_some(second.socket, "second ");
    }
    write_some(first.socket, "end");
    second.socket.async_write_some(asio::buffer("end", 3), written.handler());
  });
  run_until([&] { return written.is_done(); });
  EXPECT_EQ(first.client.receive_exactly(21), "first first first end");
  EXPECT_EQ(second.client.receive_exactly(24), "second second second end");
}

TEST_F(without_waiting, reading_from_others_does_not_touch_what_waits_to_be_sent) {
  auto first = make_pair();
  auto second = make_pair();
  second.client.send("request");
  first.client.send("mine");
  in_turn(first.socket, [&] {
    write_some(first.socket, "one ");
    std::array<char, 100> room{};
    error_code ec;
    EXPECT_EQ(second.socket.read_some(asio::buffer(room), ec), 7U);
    write_some(first.socket, "two ");
    EXPECT_EQ(first.socket.read_some(asio::buffer(room), ec), 4U);
    write_some(first.socket, "three");
    second.socket.close();
  });
  EXPECT_EQ(first.client.receive_exactly(13), "one two three");
}

TEST_F(without_waiting, waiting_for_room_in_the_handler_that_has_written) {
  auto [client, moved] = make_pair();
  ssl_socket& socket = moved;
  outcome writable;
  in_turn(socket, [&] {
    write_some(socket, "hello");
    socket.async_wait(wait_write, writable.handler());
    EXPECT_FALSE(writable.is_done());
  });
  run_until([&] { return writable.is_done(); });
  EXPECT_EQ(writable.error, error_code());
  EXPECT_EQ(client.receive_exactly(5), "hello");
}

TEST_F(without_waiting, a_nested_poll_between_writes) {
  auto [client, moved] = make_pair();
  ssl_socket& socket = moved;
  const std::vector work(20, asio::make_work_guard(io));  // Asio counts what is posted when the handler ends
  in_turn(socket, [&] {
    write_some(socket, "one ");
    asio::post(io, [&] { write_some(socket, "two "); });
    io.poll();
    write_some(socket, "three");
  });
  EXPECT_EQ(client.receive_exactly(13), "one two three");
}

// --- size ---

TEST_F(without_waiting, a_hundred_and_twenty_eight_kilobytes_at_a_time) {
  auto [client, moved] = make_pair();
  ssl_socket& socket = moved;
  const auto data = pattern(200'000);
  auto reads = in_background([&client = client] { return client.receive_exactly(200'000 + 5); });
  std::size_t at = 0;
  in_turn(socket, [&] {
    write_some(socket, "small");
    at = write_some(socket, data);
    EXPECT_EQ(at, 128U * 1024);
  });
  while (at < data.size()) {
    run_until([&] {
      error_code ec;
      at += socket.write_some(asio::buffer(std::string_view(data).substr(at)), ec);
      EXPECT_TRUE(!ec || ec == asio::error::would_block) << ec;
      return !ec;
    });
  }
  EXPECT_TRUE(run_until_done(reads) == "small" + data);
}

TEST_F(without_waiting, many_sizes_in_one_handler) {
  auto [client, moved] = make_pair();
  ssl_socket& socket = moved;
  std::string all;
  in_turn(socket, [&] {
    for (const std::size_t size : {1U, 16'000U, 300U, 16'300U, 16'384U, 5U, 40'000U, 1U, 70'000U, 2U}) {
      const auto data = pattern(size, static_cast<std::uint32_t>(size));
      error_code ec;
      all += data.substr(0, socket.write_some(asio::buffer(data), ec));
      if (ec) break;  // the kernel's buffer
    }
  });
  EXPECT_GT(all.size(), 16'000U);
  auto reads = in_background([&client = client, size = all.size()] { return client.receive_exactly(size); });
  EXPECT_TRUE(run_until_done(reads) == all);
}

TEST_F(without_waiting, several_small_buffers) {
  auto [client, socket] = make_pair();
  const std::string one = "one ", two = "two ", three = "three";
  error_code ec;
  EXPECT_EQ(socket.write_some(
                std::vector<asio::const_buffer>{asio::buffer(one), {}, asio::buffer(two), asio::buffer(three)}, ec),
            13U);
  EXPECT_EQ(client.receive_exactly(13), "one two three");
}

TEST_F(without_waiting, everything_arrives_under_back_pressure) {
  auto [client, moved] = make_pair();
  ssl_socket& socket = moved;
  const auto data = pattern(8 << 20);
  std::size_t at = 0;
  bool done = false;
  std::function<void()> go_on = [&] {
    error_code ec;
    while (at < data.size() && !ec) {
      const std::size_t piece = 1 + (at * 7919) % 90'000;
      at += socket.write_some(asio::buffer(std::string_view(data).substr(at, piece)), ec);
    }
    if (at == data.size()) {
      socket.close();
      done = true;
    } else {
      ASSERT_EQ(ec, asio::error::would_block);
      socket.async_wait(wait_write, [&](error_code) { go_on(); });
    }
  };
  in_turn(socket, go_on);
  auto reads = in_background([&client = client] { return client.read_to_end(); });
  run_until([&] { return done; });
  const auto all = run_until_done(reads);
  EXPECT_TRUE(all.data == data);
  EXPECT_EQ(all.end, stream_end::close_notify);
}

// --- the socket in its own handler ---

TEST_F(without_waiting, a_socket_is_moved_or_destroyed_in_its_own_handler) {
  for (const bool is_moved : {true, false}) {
    auto [client, socket] = make_pair();
    auto owned = std::make_unique<ssl_socket>(std::move(socket));
    ssl_socket kept;
    client.send("go");
    bool done = false;
    owned->async_wait(wait_read, [&](error_code) {
      write_some(*owned, "last ");
      if (is_moved) kept = std::move(*owned);
      owned.reset();
      if (is_moved) write_some(kept, "and more");
      done = true;
    });
    run_until([&] { return done; });
    if (is_moved) {
      EXPECT_EQ(client.receive_exactly(13), "last and more");
    } else {
      const auto all = client.read_to_end();
      EXPECT_EQ(all.data, "last ");
      EXPECT_EQ(all.end, stream_end::close_notify);
    }
  }
}

TEST_F(without_waiting, the_server_is_destroyed_in_a_handler_that_has_written) {
  auto other = std::make_unique<ssl_server>(io.get_executor());
  other->set_configuration(make_configuration()).value();
  ASSERT_EQ(other->listen(loopback), error_code());
  auto connecting = in_background([port = other->server_port()] {
    wire_client client(raw_client::to_port(port));
    client.handshake();
    return client;
  });
  run_until([&] { return other->has_pending_connections(); });
  auto socket = *other->next_pending_connection();
  auto client = run_until_done(connecting);
  in_turn(socket, [&] {
    write_some(socket, "dropped");
    other.reset();
    EXPECT_EQ(write_error(socket), asio::error::bad_descriptor);
  });
  EXPECT_EQ(client.read_to_end().end, stream_end::reset);
}

// --- the ticket ---

class ticket : public without_waiting {
 protected:
  /// The client's side; it is sent with the first thing that the server says.
  auto client_in_background(std::size_t size) {
    return in_background([this, size] {
      wire_client client(connect());
      client.handshake();
      const std::string data = client.receive_exactly(size);
      return std::tuple(std::move(client), data);
    });
  }
};

TEST_F(ticket, goes_out_with_what_the_application_says_first) {
  std::optional<ssl_socket> socket;
  server.async_accept([&](error_code, ssl_socket accepted) {
    socket.emplace(std::move(accepted));
    write_some(*socket, "hello");
  });
  auto connecting = client_in_background(5);
  auto [client, data] = run_until_done(connecting);
  EXPECT_EQ(data, "hello");
  EXPECT_FALSE(client.tickets().empty());
  EXPECT_EQ(segments_at(client), 2U);  // the server's flight, and the rest
}

TEST_F(ticket, arrives_if_the_application_says_nothing) {
  auto [client, socket] = make_pair();
  client.socket().finish_sending();
  EXPECT_EQ(read_error(socket), stream_error::truncated);
  EXPECT_EQ(segments_at(client), 2U);
  socket.close_without_notify();
  EXPECT_EQ(client.read_to_end().end, stream_end::fin);
  EXPECT_FALSE(client.tickets().empty());
}

TEST_F(ticket, arrives_if_the_accept_handler_closes_or_throws) {
  for (const bool throws : {false, true}) {
    std::optional<ssl_socket> kept;
    server.async_accept([&](error_code, ssl_socket accepted) {
      if (!throws) return;  // and closes
      kept.emplace(std::move(accepted));
      throw std::out_of_range("of the user");
    });
    auto connecting = in_background([this] {
      wire_client client(connect());
      client.handshake();
      const auto end = client.read_to_end().end;
      return std::pair(end, client.tickets().size());
    });
    try {
      run_until([&] { return connecting.wait_for(0s) == std::future_status::ready; });
    } catch (const std::out_of_range&) {
      EXPECT_TRUE(throws);
      kept->close();
    }
    const auto [end, count] = run_until_done(connecting);
    EXPECT_EQ(end, stream_end::close_notify);
    EXPECT_GT(count, 0U);
  }
}

TEST_F(ticket, of_several_that_complete_in_one_turn) {
  std::vector<std::future<std::size_t>> clients;
  std::vector<ssl_socket> sockets;
  server.pending_connection_available.connect([&] {
    sockets.push_back(*server.next_pending_connection());
    for (auto& each : sockets) write_some(each, "x");
  });
  constexpr std::size_t count = 6;
  for (std::size_t number = 0; number < count; ++number)
    clients.push_back(in_background([this] {
      wire_client client(connect());
      client.handshake();
      const auto all = client.read_to_end();
      EXPECT_EQ(all.end, stream_end::close_notify);
      EXPECT_FALSE(client.tickets().empty());
      return all.data.size();
    }));
  run_until([&] { return sockets.size() == count; });
  for (auto& each : sockets) each.close();
  std::size_t all = 0;
  for (auto& each : clients) all += run_until_done(each);
  EXPECT_EQ(all, count * (count + 1) / 2);
}

}  // namespace
}  // namespace sallyport::test
