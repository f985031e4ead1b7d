// How connections end: close_notify, FIN, reset; from either side.
//
// SPDX-License-Identifier: Apache-2.0
#include "server_fixture.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

namespace sallyport::test {
namespace {

class ending : public server_fixture, public testing::WithParamInterface<int> {
 protected:
  ending() { listen(); }

  connected_pair connect_pair() { return make_pair({.min_version = GetParam(), .max_version = GetParam()}); }

  /// The result of `start(handler)`.
  template <class Start>
  outcome wait_for(Start start) {
    outcome done;
    start(done.handler());
    run_until([&] { return done.is_done(); });
    return done;
  }
  error_code shut_down(ssl_socket& socket) {
    return wait_for([&](auto handler) { socket.async_shutdown(handler); }).error;
  }
  error_code shut_down_send(ssl_socket& socket) {
    return wait_for([&](auto handler) { socket.async_shutdown_send(handler); }).error;
  }
  error_code write_error(ssl_socket& socket) {
    return wait_for([&](auto handler) { socket.async_write_some(asio::buffer("x", 1), handler); }).error;
  }
  error_code read_error(ssl_socket& socket) {
    std::string data;
    return read_some(socket, data).error;
  }
};

// --- the client ends ---

TEST_P(ending, close_notify_is_the_end_of_the_stream) {
  auto [client, socket] = connect_pair();
  client.send("bye");
  client.send_close_notify();
  std::string data;
  EXPECT_EQ(read_to_end(socket, data), asio::error::eof);
  EXPECT_EQ(data, "bye");
  EXPECT_EQ(read_error(socket), asio::error::eof);  // and stays
  write(socket, "and goodbye");                     // the other direction is open still
  EXPECT_EQ(client.receive_exactly(11), "and goodbye");
}

TEST_P(ending, data_and_close_notify_in_one_packet) {
  auto [client, socket] = connect_pair();
  client.put("bye");
  client.put_close_notify();
  client.flush();  // and no FIN: nothing else comes
  std::string data;
  EXPECT_EQ(read_to_end(socket, data), asio::error::eof);
  EXPECT_EQ(data, "bye");
}

TEST_P(ending, data_and_close_notify_read_byte_by_byte) {
  auto [client, socket] = connect_pair();
  client.put("bye");
  client.put_close_notify();
  client.flush();
  EXPECT_EQ(read(socket, 1), "b");
  EXPECT_EQ(read(socket, 1), "y");
  EXPECT_EQ(read(socket, 1), "e");
  EXPECT_EQ(read_error(socket), asio::error::eof);
}

TEST_P(ending, data_and_a_broken_record_in_one_packet) {
  auto [client, socket] = connect_pair();
  client.put("good");
  client.socket().send(client.take_output() + std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
  std::string data;
  EXPECT_EQ(read_to_end(socket, data), stream_error::protocol_violation);
  EXPECT_EQ(data, "good");
  EXPECT_EQ(socket.error(), stream_error::protocol_violation);
  EXPECT_FALSE(socket.error_string().empty());
}

TEST_P(ending, fin_without_close_notify_is_truncation) {
  auto [client, socket] = connect_pair();
  client.send("the first half");
  client.socket().finish_sending();
  std::string data;
  EXPECT_EQ(read_to_end(socket, data), stream_error::truncated);
  EXPECT_EQ(data, "the first half");
  EXPECT_EQ(socket.error(), stream_error::truncated);
  EXPECT_THAT(socket.error_string(), testing::HasSubstr("close_notify"));
  EXPECT_EQ(read_error(socket), stream_error::truncated);
}

TEST_P(ending, fin_inside_a_record_is_truncation) {
  auto [client, socket] = connect_pair();
  client.put("never complete");
  client.socket().send(client.take_output().substr(0, 20));
  client.socket().finish_sending();
  std::string data;
  EXPECT_EQ(read_to_end(socket, data), stream_error::truncated);
  EXPECT_EQ(data, "");
}

TEST_P(ending, reset) {
  auto [client, socket] = connect_pair();
  client.socket().reset();
  std::string data;
  EXPECT_EQ(read_to_end(socket, data), asio::error::connection_reset);
  EXPECT_EQ(socket.error(), asio::error::connection_reset);
  EXPECT_NE(write_error(socket), error_code());
}

TEST_P(ending, reset_while_a_read_waits) {
  auto [client, socket] = connect_pair();
  std::array<char, 10> room{};
  outcome got;
  socket.async_read_some(asio::buffer(room), got.handler());
  run_ready();
  client.socket().reset();
  run_until([&] { return got.is_done(); });
  EXPECT_EQ(got.error, asio::error::connection_reset);
}

TEST_P(ending, reset_while_a_write_waits) {
  auto [client, socket] = connect_pair();
  const std::string data(64 << 20, 'x');
  outcome done;
  asio::async_write(socket, asio::buffer(data), done.handler());
  for (int turn = 0; turn < 100; ++turn) run_ready();
  EXPECT_FALSE(done.is_done());
  client.socket().reset();
  run_until([&] { return done.is_done(); });
  EXPECT_THAT(done.error,
              testing::AnyOf(error_code(asio::error::connection_reset), error_code(asio::error::broken_pipe)));
  EXPECT_EQ(socket.error(), done.error);
  EXPECT_EQ(write_error(socket), done.error);
}

// --- async_shutdown ---

TEST_P(ending, shutdown_in_both_directions) {
  auto [client, socket] = connect_pair();
  auto ends = in_background([&client = client] {
    const auto end = client.read_to_end().end;
    client.send_close_notify();
    return end;
  });
  EXPECT_EQ(shut_down(socket), error_code());
  EXPECT_EQ(run_until_done(ends), stream_end::close_notify);
  EXPECT_EQ(read_error(socket), asio::error::shut_down);
  EXPECT_EQ(write_error(socket), asio::error::shut_down);
}

TEST_P(ending, shutdown_after_the_clients) {
  auto [client, socket] = connect_pair();
  client.send_close_notify();
  EXPECT_EQ(read_error(socket), asio::error::eof);
  EXPECT_EQ(shut_down(socket), error_code());
  EXPECT_EQ(client.read_to_end().end, stream_end::close_notify);
}

TEST_P(ending, shutdown_drops_what_still_comes) {
  auto [client, socket] = connect_pair();
  auto ends = in_background([&client = client] {
    for (int piece = 0; piece < 100; ++piece) client.send(std::string(20'000, 'x'));
    client.put("and more");
    client.put_close_notify();
    client.flush();  // and no FIN
    return client.read_to_end().end;
  });
  EXPECT_EQ(shut_down(socket), error_code());
  EXPECT_EQ(run_until_done(ends), stream_end::close_notify);
}

TEST_P(ending, shutdown_with_unread_data) {
  auto [client, socket] = connect_pair();
  client.put("read this and leave the rest");
  client.put("the rest");
  client.put_close_notify();
  client.flush();
  EXPECT_EQ(read(socket, 4), "read");
  EXPECT_EQ(shut_down(socket), error_code());
}

TEST_P(ending, shutdown_of_a_client_that_only_ends_tcp) {
  auto [client, socket] = connect_pair();
  auto ends = in_background([&client = client] {
    client.read_to_end();
    client.socket().finish_sending();
  });
  EXPECT_EQ(shut_down(socket), stream_error::truncated);
  run_until_done(ends);
}

TEST_P(ending, shutdown_of_a_client_that_does_not_answer) {
  server.set_shutdown_timeout(100ms);
  auto [client, socket] = connect_pair();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(shut_down(socket), asio::error::timed_out);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 100ms);
  EXPECT_EQ(client.read_to_end().end, stream_end::close_notify);
}

TEST_P(ending, shutdown_cancels_a_read) {
  auto [client, socket] = connect_pair();
  std::array<char, 10> room{};
  outcome got, shut;
  socket.async_read_some(asio::buffer(room), got.handler());
  run_ready();
  socket.async_shutdown(shut.handler());
  EXPECT_FALSE(got.is_done());
  run_until([&] { return got.is_done(); });
  EXPECT_EQ(got.error, asio::error::operation_aborted);
  EXPECT_FALSE(shut.is_done());
  client.send_close_notify();
  run_until([&] { return shut.is_done(); });
  EXPECT_EQ(shut.error, error_code());
}

TEST_P(ending, shutdown_while_one_is_outstanding) {
  auto [client, socket] = connect_pair();
  outcome first;
  socket.async_shutdown(first.handler());
  EXPECT_EQ(shut_down(socket), asio::error::in_progress);
  EXPECT_EQ(shut_down_send(socket), asio::error::in_progress);
  EXPECT_EQ(write_error(socket), asio::error::shut_down);
  socket.cancel();
  run_until([&] { return first.is_done(); });
  EXPECT_EQ(first.error, asio::error::operation_aborted);
  client.send_close_notify();
  EXPECT_EQ(shut_down(socket), error_code());  // it may be tried again
}

TEST_P(ending, shutdown_while_a_write_is_outstanding) {
  auto [client, socket] = connect_pair();
  const std::string data(64 << 20, 'x');
  outcome done;
  asio::async_write(socket, asio::buffer(data), done.handler());
  for (int turn = 0; turn < 100; ++turn) run_ready();
  EXPECT_EQ(shut_down(socket), asio::error::in_progress);
  EXPECT_EQ(shut_down_send(socket), asio::error::in_progress);
  auto reads = in_background([&client = client, &data] { return client.receive_exactly(data.size()).size(); });
  EXPECT_EQ(run_until_done(reads), data.size());  // the stream is whole
  run_until([&] { return done.is_done(); });
  EXPECT_EQ(done.error, error_code());
}

// --- half-close ---

TEST_P(ending, shutdown_send_and_go_on_reading) {
  auto [client, socket] = connect_pair();
  write(socket, "my last words");
  EXPECT_EQ(shut_down_send(socket), error_code());
  EXPECT_EQ(write_error(socket), asio::error::shut_down);
  EXPECT_EQ(client.receive_exactly(13), "my last words");
  EXPECT_EQ(client.read_to_end().end, stream_end::close_notify);
  client.send("and now mine");
  EXPECT_EQ(read(socket, 12), "and now mine");
  EXPECT_EQ(shut_down_send(socket), error_code());  // a second one has nothing to do
  client.send_close_notify();
  EXPECT_EQ(read_error(socket), asio::error::eof);
  EXPECT_EQ(shut_down(socket), error_code());
}

TEST_P(ending, shutdown_send_without_waiting) {
  auto [client, socket] = connect_pair();
  write(socket, "my last words");
  error_code failure;
  socket.shutdown_send(failure);
  EXPECT_EQ(failure, error_code());
  EXPECT_EQ(write_error(socket), asio::error::shut_down);
  EXPECT_EQ(client.read_to_end().data, "my last words");
  EXPECT_EQ(client.ended(), stream_end::close_notify);
  client.send("and now mine");
  EXPECT_EQ(read(socket, 12), "and now mine");
  socket.close();
  socket.shutdown_send(failure);
  EXPECT_EQ(failure, asio::error::bad_descriptor);
  ssl_socket().shutdown_send(failure);
  EXPECT_EQ(failure, asio::error::bad_descriptor);
}

TEST_P(ending, shutdown_send_without_waiting_for_a_client_that_does_not_read) {
  auto [client, socket] = connect_pair();
  const std::string piece(100'000, 'x');
  std::size_t taken = 0;
  error_code failure;
  for (failure = {}; !failure;) taken += socket.write_some(asio::buffer(piece), failure);
  EXPECT_EQ(failure, asio::error::would_block);
  socket.shutdown_send(failure);
  EXPECT_EQ(failure, asio::error::would_block);  // close_notify is behind what was written
  socket.shutdown_send(failure);
  EXPECT_EQ(failure, asio::error::would_block);
  outcome done;
  socket.async_shutdown_send(done.handler());
  for (int turn = 0; turn < 100; ++turn) run_ready();
  EXPECT_FALSE(done.is_done());
  socket.shutdown_send(failure);
  EXPECT_EQ(failure, asio::error::in_progress);
  auto reads = in_background([&client = client] { return client.read_to_end(); });
  const auto got = run_until_done(reads);
  EXPECT_EQ(got.data.size(), taken);
  EXPECT_EQ(got.end, stream_end::close_notify);
  run_until([&] { return done.is_done(); });
  EXPECT_EQ(done.error, error_code());
}

TEST_P(ending, shutdown_send_to_a_client_that_is_gone) {
  auto [client, socket] = connect_pair();
  client.socket().reset();
  error_code failure;
  EXPECT_EQ(read_error(socket), asio::error::connection_reset);
  socket.shutdown_send(failure);
  EXPECT_EQ(failure, asio::error::broken_pipe);
}

TEST_P(ending, shutdown_send_with_a_read_outstanding) {
  auto [client, socket] = connect_pair();
  std::array<char, 10> room{};
  outcome got;
  socket.async_read_some(asio::buffer(room), got.handler());
  EXPECT_EQ(shut_down_send(socket), error_code());
  EXPECT_FALSE(got.is_done());
  client.send("still");
  run_until([&] { return got.is_done(); });
  EXPECT_EQ(got.bytes, 5U);
}

// --- close and abort ---

TEST_P(ending, close_says_goodbye) {
  auto [client, socket] = connect_pair();
  socket.close();
  EXPECT_FALSE(socket.is_open());
  EXPECT_FALSE(socket.is_encrypted());
  EXPECT_EQ(read_error(socket), asio::error::bad_descriptor);
  EXPECT_EQ(write_error(socket), asio::error::bad_descriptor);
  EXPECT_EQ(shut_down(socket), asio::error::bad_descriptor);
  EXPECT_EQ(client.read_to_end().end, stream_end::close_notify);
  EXPECT_EQ(client.socket().receive(), "");
  EXPECT_EQ(client.socket().ended(), stream_end::fin);
  client.socket().close();
  run_until([&] { return server.open_connections() == 0; });
  EXPECT_FALSE(socket.peer_name().empty());  // still known
}

TEST_P(ending, close_without_notify_is_truncation_for_the_client) {
  auto [client, socket] = connect_pair();
  auto talks = in_background([&client = client] {
    client.send(std::string(300'000, 'q'));
    return client.read_to_end();
  });
  const std::string answer(100'000, 'a');
  write(socket, answer);
  socket.close_without_notify();
  EXPECT_FALSE(socket.is_open());
  const auto got = run_until_done(talks);
  EXPECT_EQ(got.data.size(), answer.size());  // what was written arrives
  EXPECT_EQ(got.end, stream_end::fin);
  client.socket().close();
  run_until([&] { return server.open_connections() == 0; });
}

TEST_P(ending, destroying_the_socket_closes) {
  auto pair = connect_pair();
  { const ssl_socket taken = std::move(pair.socket); }
  EXPECT_EQ(pair.client.read_to_end().end, stream_end::close_notify);
}

TEST_P(ending, assigning_to_a_socket_closes_what_it_held) {
  auto first = connect_pair(), second = connect_pair();
  first.socket = std::move(second.socket);
  EXPECT_EQ(first.client.read_to_end().end, stream_end::close_notify);
  write(first.socket, "hi");
  EXPECT_EQ(second.client.receive_exactly(2), "hi");
}

TEST_P(ending, close_ends_what_is_outstanding) {
  auto [client, socket] = connect_pair();
  const std::string data(64 << 20, 'x');
  std::array<char, 10> room{};
  outcome read, write;
  socket.async_read_some(asio::buffer(room), read.handler());
  asio::async_write(socket, asio::buffer(data), write.handler());
  for (int turn = 0; turn < 100; ++turn) run_ready();
  socket.close();
  EXPECT_FALSE(read.is_done() || write.is_done());
  run_until([&] { return read.is_done() && write.is_done(); });
  EXPECT_EQ(read.error, asio::error::operation_aborted);
  EXPECT_EQ(write.error, asio::error::operation_aborted);
  // What was in the kernel or on its way arrives, and the goodbye behind it.
  auto reads = in_background([&client = client] { return client.read_to_end(); });
  const auto got = run_until_done(reads);
  EXPECT_EQ(got.end, stream_end::close_notify);
  EXPECT_EQ(got.data.size(), write.bytes);
}

TEST_P(ending, close_loses_nothing_though_the_client_sent_more_than_was_read) {
  for (int round = 0; round < 10; ++round) {
    auto [client, socket] = connect_pair();
    auto talks = in_background([&client = client] {
      client.send(std::string(300'000, 'q'));
      return client.read_to_end();
    });
    EXPECT_EQ(read(socket, 10), "qqqqqqqqqq");
    const std::string answer(100'000, 'a');
    write(socket, answer);
    socket.close();
    const auto got = run_until_done(talks);
    EXPECT_TRUE(got.data == answer) << got.data.size();
    EXPECT_EQ(got.end, stream_end::close_notify);
  }
}

TEST_P(ending, a_client_that_does_not_go_is_cut_off_after_close) {
  auto [client, socket] = connect_pair();
  socket.close();
  EXPECT_EQ(server.open_connections(), 1U);
  const auto start = std::chrono::steady_clock::now();
  run_until([&] { return server.open_connections() == 0; });
  EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
}

TEST_P(ending, abort_resets) {
  auto [client, socket] = connect_pair();
  std::array<char, 10> room{};
  outcome got;
  socket.async_read_some(asio::buffer(room), got.handler());
  socket.abort();
  EXPECT_FALSE(got.is_done());
  EXPECT_FALSE(socket.is_open());
  run_until([&] { return got.is_done(); });
  EXPECT_EQ(got.error, asio::error::operation_aborted);
  EXPECT_EQ(client.read_to_end().end, stream_end::reset);
  EXPECT_EQ(server.open_connections(), 0U);
  socket.abort();
  socket.close();
}

TEST_P(ending, abort_after_close_ends_the_waiting) {
  auto [client, socket] = connect_pair();
  socket.close();
  EXPECT_EQ(server.open_connections(), 1U);
  socket.abort();
  EXPECT_EQ(server.open_connections(), 0U);
}

// --- the last bytes and the FIN: one segment, and one wake-up of the client ---

class last_segment : public ending {
 protected:
  /// How many segments the client gets while `end(client, socket)` ends a connection. The fewest of some tries: where
  /// this process has to pause, acknowledgements don't wait for data to go with.
  template <class End>
  std::uint32_t segments_of(End end) {
    constexpr int tries = 5;
    std::uint32_t fewest = UINT32_MAX;
    for (int i = 0; i < tries && fewest > 1; ++i) {
      auto [client, socket] = connect_pair();
      client.send("hello");
      read(socket, 5);
      write(socket, "hello");
      client.receive_exactly(5);
      const std::uint32_t before = client.socket().segments_received();
      end(client, socket);
      fewest = std::min(fewest, client.socket().segments_received() - before);
    }
    return fewest;
  }
  static void expect_close_notify_and_fin(wire_client& client) {
    EXPECT_EQ(client.read_to_end().end, stream_end::close_notify);
    EXPECT_EQ(client.socket().receive(), "");
    EXPECT_EQ(client.socket().ended(), stream_end::fin);
  }
  /// What a handler writes is sent when it has returned.
  template <class Close>
  void write_in_a_handler_and(ssl_socket& socket, Close close) {
    std::array<char, 4> room{};
    socket.async_read_some(asio::buffer(room), [&](error_code, std::size_t) {
      error_code failure;
      EXPECT_EQ(socket.write_some(asio::buffer("last", 4), failure), 4U);
      close();
    });
    run_until([&] { return !socket.is_open(); });
  }
};

TEST_P(last_segment, close) {
  EXPECT_EQ(segments_of([&](wire_client& client, ssl_socket& socket) {
              socket.close();
              expect_close_notify_and_fin(client);
            }),
            1U);
}

TEST_P(last_segment, close_with_bytes_that_were_not_sent_yet) {
  EXPECT_EQ(segments_of([&](wire_client& client, ssl_socket& socket) {
              client.send("ping");
              write_in_a_handler_and(socket, [&] { socket.close(); });
              const auto got = client.read_to_end();
              EXPECT_EQ(got.data, "last");
              EXPECT_EQ(got.end, stream_end::close_notify);
              EXPECT_EQ(client.socket().receive(), "");
            }),
            1U);
}

TEST_P(last_segment, close_without_notify_of_bytes_that_were_not_sent_yet) {
  EXPECT_EQ(segments_of([&](wire_client& client, ssl_socket& socket) {
              client.send("ping");
              write_in_a_handler_and(socket, [&] { socket.close_without_notify(); });
              const auto got = client.read_to_end();
              EXPECT_EQ(got.data, "last");
              EXPECT_EQ(got.end, stream_end::fin);
            }),
            1U);
}

TEST_P(last_segment, close_after_the_clients_end) {
  EXPECT_EQ(segments_of([&](wire_client& client, ssl_socket& socket) {
              client.put_close_notify();
              client.socket().send(client.take_output());
              client.socket().finish_sending();
              EXPECT_EQ(read_error(socket), asio::error::eof);
              socket.close();
              expect_close_notify_and_fin(client);
            }),
            1U);
}

TEST_P(last_segment, shutdown) {
  EXPECT_EQ(segments_of([&](wire_client& client, ssl_socket& socket) {
              outcome done;
              socket.async_shutdown(done.handler());
              expect_close_notify_and_fin(client);
              client.send_close_notify();
              run_until([&] { return done.is_done(); });
              EXPECT_EQ(done.error, error_code());
            }),
            1U);
}

TEST_P(last_segment, shutdown_send_after_the_clients_close_notify) {
  EXPECT_EQ(segments_of([&](wire_client& client, ssl_socket& socket) {
              client.send_close_notify();
              EXPECT_EQ(read_error(socket), asio::error::eof);
              EXPECT_EQ(shut_down_send(socket), error_code());
              expect_close_notify_and_fin(client);
              EXPECT_EQ(shut_down(socket), error_code());
            }),
            1U);
}

TEST_P(last_segment, shutdown_send_before_the_clients_close_notify_has_no_fin) {
  auto [client, socket] = connect_pair();
  EXPECT_EQ(shut_down_send(socket), error_code());
  EXPECT_EQ(client.read_to_end().end, stream_end::close_notify);
  client.send("more");
  EXPECT_EQ(read(socket, 4), "more");
  EXPECT_FALSE(client.socket().has_received_fin());
}

const auto version_name = [](const auto& version) { return version.param == 0x0303 ? "v1_2" : "v1_3"; };

INSTANTIATE_TEST_SUITE_P(tls, ending, testing::Values(0x0303, 0x0304), version_name);
INSTANTIATE_TEST_SUITE_P(tls, last_segment, testing::Values(0x0303, 0x0304), version_name);

}  // namespace
}  // namespace sallyport::test
