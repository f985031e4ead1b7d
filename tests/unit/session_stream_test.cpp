// session: data, closing, and what ends a complete connection.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/session.hpp>

#include "support/record_sealer.hpp"
#include "support/session_steps.hpp"
#include "support/test_servers.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace sallyport::test {
namespace {

constexpr const char* close_notify_sent = "alert_sent warning close_notify";
constexpr const char* close_notify_received = "alert_received warning close_notify";

std::string some_bytes(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 + i / 251);
  return text;
}

/// A complete connection with AES-128-GCM (which record_sealer knows).
class connection : public session_steps {
 public:
  explicit connection(int version, const delivery& how = {})
      : session_steps(basic_server(),
                      {.version = version,
                       .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256",
                       .ciphersuites = "TLS_AES_128_GCM_SHA256"},
                      how) {
    client_handshake();
    handshake(progress::want_input, {"started", "client_hello"});
    client_handshake();
    handshake(progress::done, {});
    client_is_connected();
  }

  /// One call of write with so much room.
  step write(std::string_view plaintext, std::size_t room) {
    std::vector<std::byte> out(room);
    io_window window{.output = out};
    const step result = server().write(window, std::as_bytes(std::span(plaintext)));
    client().input({reinterpret_cast<const char*>(out.data()), window.produced});
    if (result.what != progress::done) {
      EXPECT_EQ(window.produced, 0U);
    }
    return result;
  }
};

class session_stream : public testing::TestWithParam<int> {
 protected:
  static bool tls_1_3() { return GetParam() == TLS1_3_VERSION; }
};
INSTANTIATE_TEST_SUITE_P(versions, session_stream, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& tested) { return tested.param == TLS1_3_VERSION ? "tls_1_3" : "tls_1_2"; });

// ---- reading ----

TEST_P(session_stream, read_with_buffers_of_every_size) {
  const std::string message = some_bytes(3000);
  for (const delivery& how : {delivery{}, single_bytes}) {
    connection steps(GetParam(), how);
    for (const std::size_t size : {1, 2, 3, 16, 1000, 2999, 3000, 3001}) {
      SCOPED_TRACE(size);
      steps.client_sends(message).reads(message, size);
    }
  }
}

TEST_P(session_stream, what_a_small_buffer_leaves_is_read_without_input) {
  connection steps(GetParam());
  steps.client_sends("abcdef");
  std::string record = steps.unread_input();
  std::vector<std::byte> four(4);
  io_window window{.input = std::as_bytes(std::span(record))};
  EXPECT_FALSE(steps.server().has_buffered_plaintext());
  EXPECT_EQ(steps.server().read(window, four).bytes, 4U);
  EXPECT_TRUE(steps.server().has_buffered_plaintext());
  EXPECT_TRUE(window.input.empty());

  io_window nothing;
  const step rest = steps.server().read(nothing, four);
  EXPECT_EQ(words(rest.what), "done");
  EXPECT_EQ(rest.bytes, 2U);
  EXPECT_FALSE(steps.server().has_buffered_plaintext());
  EXPECT_EQ(words(steps.server().read(nothing, four).what), "want_input");
}

TEST_P(session_stream, one_read_takes_many_records) {
  connection steps(GetParam());
  for (int i = 0; i < 1000; ++i) steps.client_sends("0123456789");
  std::vector<std::byte> buffer(64 * 1024);
  const step result = steps.run([&](io_window& window) { return steps.server().read(window, buffer); });
  EXPECT_EQ(result.bytes, 10000U);
  steps.read(progress::want_input);
}

TEST_P(session_stream, records_that_do_not_fit_stay_in_the_window) {
  connection steps(GetParam());
  for (int i = 0; i < 10; ++i) steps.client_sends("0123456789");
  const std::size_t record = steps.unread_input().size() / 10;
  std::vector<std::byte> buffer(30);
  EXPECT_EQ(steps.run([&](io_window& window) { return steps.server().read(window, buffer); }).bytes, 30U);
  EXPECT_EQ(steps.unread_input().size(), 7 * record);
  std::string rest;
  for (int i = 0; i < 7; ++i) rest += "0123456789";
  steps.reads(rest);
}

TEST_P(session_stream, half_a_record_wants_the_other_half) {
  connection steps(GetParam());
  std::string rest;
  steps.client_sends("whole")
      .client_sends("halved")
      .change_input([&](std::string& input) {
        rest = input.substr(input.size() - 10);
        input.resize(input.size() - 10);
      })
      .reads("whole")
      .read(progress::want_input)
      .input(rest)
      .reads("halved");
}

TEST_P(session_stream, empty_records_bring_nothing_and_are_no_end) {
  connection steps(GetParam());
  record_sealer sealer(steps.client());
  for (int i = 0; i < 5; ++i) steps.input(sealer.seal(record_type::application_data, ""));
  steps.read(progress::want_input).input(sealer.seal(record_type::application_data, "data")).reads("data");
}

TEST_P(session_stream, a_flood_of_empty_records_is_cut_off) {
  connection steps(GetParam());
  record_sealer sealer(steps.client());
  for (int i = 0; i < 500; ++i) steps.input(sealer.seal(record_type::application_data, ""));
  const std::size_t flood = steps.unread_input().size();
  steps.read_fails(stream_error::protocol_violation, {"alert_sent fatal unexpected_message"});
  EXPECT_GT(steps.unread_input().size(), flood * 4 / 5);
}

// ---- writing ----

TEST_P(session_stream, write_sizes_around_a_full_record) {
  connection steps(GetParam());
  for (const std::size_t size : {1UL, 2UL, 1000UL, 16383UL, 16384UL, 16385UL, 32767UL, 32768UL, 32769UL, 40000UL}) {
    SCOPED_TRACE(size);
    const std::string message = some_bytes(size);
    steps.writes(message).client_receives(message);
    steps.client_sends(message).reads(message);
  }
}

TEST_P(session_stream, every_size_from_16300_to_16400) {
  connection steps(GetParam());
  for (std::size_t size = 16300; size <= 16400; ++size) {
    const std::string message = some_bytes(size);
    steps.writes(message).client_receives(message).client_sends(message).reads(message);
  }
}

TEST_P(session_stream, write_takes_what_there_is_room_for) {
  const std::string message = some_bytes(100000);
  for (std::size_t room = 600; room < 60000; room = room * 5 / 4 + 1) {
    SCOPED_TRACE(room);
    connection steps(GetParam());
    std::size_t taken = 0;
    while (taken < message.size()) {
      const step result = steps.write(std::string_view(message).substr(taken), room);
      ASSERT_EQ(words(result.what), "done");
      ASSERT_GE(result.bytes, 1U);
      ASSERT_LE(result.bytes, room);
      taken += result.bytes;
    }
    steps.client_receives(message);
  }
}

TEST_P(session_stream, max_record_size_always_suffices) {
  connection steps(GetParam());
  const std::string message = some_bytes(100000);
  std::size_t taken = 0;
  while (taken < message.size()) {
    const step result = steps.write(std::string_view(message).substr(taken), session::max_record_size);
    ASSERT_EQ(words(result.what), "done");
    EXPECT_GE(result.bytes, std::min<std::size_t>(16000, message.size() - taken));
    taken += result.bytes;
  }
  steps.client_receives(message);
}

TEST_P(session_stream, write_without_room_wants_output_and_takes_nothing) {
  connection steps(GetParam());
  for (std::size_t room = 0; room <= 100; ++room) {
    const step result = steps.write("hello", room);
    EXPECT_EQ(words(result.what), "want_output");
    EXPECT_EQ(result.bytes, 0U);
  }
  steps.client_receives("").writes("hello").client_receives("hello");
}

// Whatever was wanted before: another buffer, other bytes, another size.
TEST_P(session_stream, after_want_output_the_next_write_is_free) {
  connection steps(GetParam());
  EXPECT_EQ(words(steps.write(some_bytes(20000), 10).what), "want_output");
  steps.writes("x").client_receives("x");
}

TEST_P(session_stream, write_fills_the_output_after_what_is_there) {
  connection steps(GetParam());
  std::string out = "before" + std::string(10000, '.');
  io_window window{.output = std::as_writable_bytes(std::span(out)), .produced = 6};
  EXPECT_EQ(steps.server().write(window, std::as_bytes(std::span("abc", 3))).bytes, 3U);
  EXPECT_EQ(out.substr(0, 7), "before\x17");
  EXPECT_EQ(out.substr(window.produced), std::string(out.size() - window.produced, '.'));
  steps.client().input(out.substr(6, window.produced - 6));
  steps.client_receives("abc");
}

TEST_P(session_stream, random_chunks_in_both_directions_arrive_as_they_were) {
  std::mt19937 random(20240229);  // NOLINT: the same bytes each time
  const auto number = [&](std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(random); };
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE(round);
    const std::size_t piece = 1 + number(5000);
    connection steps(GetParam(), {.first_piece = piece, .piece = piece, .output_room = 40000});
    for (int message = 0; message < 20; ++message) {
      const std::string up = some_bytes(1 + number(number(4) == 0 ? 50000 : 500));
      const std::string down = some_bytes(1 + number(number(4) == 0 ? 30000 : 500));
      steps.client_sends(up).reads(up, 1 + number(20000)).writes(down).client_receives(down);
      if (tls_1_3() && number(3) == 0) steps.client_updates_keys(1, number(2) == 0);
    }
  }
}

// ---- closing ----

TEST_P(session_stream, closed_by_the_client_and_then_by_us) {
  for (const delivery& how : {delivery{}, single_bytes}) {
    connection(GetParam(), how)
        .client_sends("last words")
        .client_closes()
        .reads_then_closed("last words");
  }
}

}  // namespace
}  // namespace sallyport::test
