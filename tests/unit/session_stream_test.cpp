// session: data, closing, and what ends a complete connection.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/session.hpp>

#include "support/record_sealer.hpp"
#include "support/session_steps.hpp"
#include "support/test_servers.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>

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
      : session_steps(
            basic_server(),
            {.version = version, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256", .ciphersuites = "TLS_AES_128_GCM_SHA256"},
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
  const auto number = [&](std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
  };
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

TEST_P(session_stream, closed_by_the_client_first) {
  for (const delivery& how : {delivery{}, single_bytes}) {
    connection(GetParam(), how)
        .client_sends("last words")
        .client_closes()
        .reads_to_the_end("last words")
        .read(progress::peer_closed)
        .read(progress::peer_closed)
        .writes("and ours")
        .client_receives("and ours")
        .shutdown(progress::done, {close_notify_sent})
        .client_saw_the_end()
        .read(progress::peer_closed);
  }
}

TEST_P(session_stream, closed_by_us_first) {
  for (const delivery& how : {delivery{}, single_bytes}) {
    connection(GetParam(), how)
        .writes("last words")
        .shutdown(progress::done, {close_notify_sent})
        .client_receives("last words")
        .client_saw_the_end()
        .client_sends("not so fast")
        .reads("not so fast")
        .client_sends("I am done now")
        .client_closes()
        .reads_to_the_end("I am done now")
        .read(progress::peer_closed);
  }
}

TEST_P(session_stream, close_notify_is_sent_once) {
  connection steps(GetParam());
  steps.shutdown(progress::done, {close_notify_sent}).client_saw_the_end();
  for (int i = 0; i < 3; ++i) {
    steps.shutdown(progress::done, {});
    EXPECT_EQ(steps.unsent_output(), "");
  }
}

TEST_P(session_stream, close_notify_waits_for_room) {
  for (const std::size_t room : {1, 2, 6, 7, 20}) {
    SCOPED_TRACE(room);
    connection steps(GetParam());
    io_window no_room;
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(words(steps.server().shutdown(no_room).what), "want_output");
      EXPECT_TRUE(steps.server().events().empty());
    }
    std::string sent;
    for (int i = 0; i < 100; ++i) {
      std::vector<std::byte> out(room);
      io_window window{.output = out};
      const step result = steps.server().shutdown(window);
      sent.append(reinterpret_cast<const char*>(out.data()), window.produced);
      if (result.what == progress::done) break;
      ASSERT_EQ(words(result.what), "want_output");
      ASSERT_EQ(window.produced, room);
    }
    EXPECT_EQ(steps.server().events().size(), 1U);
    steps.client().input(sent);
    steps.client_saw_the_end().shutdown(progress::done, {});
  }
}

TEST_P(session_stream, writing_after_our_close_notify_fails) {
  connection(GetParam())
      .shutdown(progress::done, {close_notify_sent})
      .write_fails(stream_error::protocol_violation, {});
}

// What comes behind it was written by somebody else, or by mistake.
TEST_P(session_stream, nothing_is_read_behind_the_close_notify) {
  connection steps(GetParam());
  steps.client_closes().input("garbage").reads_to_the_end("").read(progress::peer_closed);
  EXPECT_EQ(steps.unread_input(), "garbage");
}

// ---- what ends a connection ----

TEST_P(session_stream, record_that_does_not_decrypt) {
  for (const delivery& how : {delivery{}, single_bytes}) {
    connection(GetParam(), how)
        .client_sends("hello")
        .change_input([](std::string& input) { input.back() = static_cast<char>(input.back() ^ 1); })
        .read_fails(stream_error::protocol_violation, {"alert_sent fatal bad_record_mac"})
        .phase(handshake_phase::complete)
        .client_was_alerted({"fatal bad record mac"});
  }
}

TEST_P(session_stream, each_byte_of_a_record_counts) {
  connection original(GetParam());
  original.client_sends("hello");
  for (std::size_t at = 0; at < original.unread_input().size(); ++at) {
    SCOPED_TRACE(at);
    connection steps(GetParam());
    // Longer than claimed, or the record could end in the middle of nowhere.
    steps.client_sends("hello").client_sends(some_bytes(300)).change_input([&](std::string& input) {
      input[at] = static_cast<char>(input[at] ^ 1);
    });
    std::vector<std::byte> buffer(1000);
    const step result = steps.run([&](io_window& window) { return steps.server().read(window, buffer); });
    EXPECT_EQ(words(result.what), "failed");
    EXPECT_EQ(steps.server().error(), stream_error::protocol_violation) << steps.server().error_detail();
    EXPECT_EQ(steps.seen().size(), 1U);
  }
}

TEST_P(session_stream, data_before_the_bad_record_is_not_lost) {
  connection steps(GetParam());
  steps.client_sends("good ").client_sends("too").client_sends("bad").change_input(
      [](std::string& input) { input.back() = static_cast<char>(input.back() ^ 1); });
  std::vector<std::byte> buffer(100);
  const step result = steps.run([&](io_window& window) { return steps.server().read(window, buffer); });
  EXPECT_EQ(words(result.what), "done");
  EXPECT_EQ(result.bytes, 8U);
  EXPECT_EQ(steps.seen(), events{"alert_sent fatal bad_record_mac"});
  EXPECT_EQ(steps.server().error(), stream_error::protocol_violation);
  steps.stays_failed().client_was_alerted({"fatal bad record mac"});
}

TEST_P(session_stream, plaintext_in_an_encrypted_connection) {
  for (const char* type : {"\x14", "\x15", "\x16", "\x17", "\x18", "G"}) {
    SCOPED_TRACE(type);
    connection steps(GetParam());
    steps.input(type + std::string("\x03\x03\x00\x02\x01\x00", 6) + std::string(100, 'x'));
    std::vector<std::byte> buffer(100);
    const step result = steps.run([&](io_window& window) { return steps.server().read(window, buffer); });
    EXPECT_EQ(words(result.what), "failed");
    EXPECT_EQ(steps.server().error(), stream_error::protocol_violation) << steps.server().error_detail();
    ASSERT_EQ(steps.seen().size(), 1U);
    EXPECT_TRUE(steps.seen()[0].starts_with("alert_sent fatal "));
  }
}

TEST_P(session_stream, fatal_alert_of_the_peer) {
  for (const delivery& how : {delivery{}, single_bytes}) {
    connection steps(GetParam(), how);
    record_sealer sealer(steps.client());
    steps.input(sealer.seal(record_type::application_data, "oh"))
        .reads("oh")
        .input(sealer.seal(record_type::alert, "\x02\x50"))
        .read_fails(stream_error::alert_from_peer, {"alert_received fatal internal_error"});
    EXPECT_EQ(steps.server().error_detail(), "the peer sent the alert 'internal error' (80)");
    EXPECT_EQ(steps.unsent_output(), "");
  }
}

// TLS 1.3 goes by what an alert says, TLS 1.2 by its level (RFC 8446 section 6).
TEST_P(session_stream, close_notify_of_level_fatal) {
  connection steps(GetParam());
  record_sealer sealer(steps.client());
  steps.input(sealer.seal(record_type::alert, std::string("\x02\x00", 2)));
  if (GetParam() == TLS1_3_VERSION) {
    steps.read(progress::peer_closed, {"alert_received fatal close_notify"}).writes("bye");
    return;
  }
  steps.read_fails(stream_error::alert_from_peer, {"alert_received fatal close_notify"});
  EXPECT_EQ(words(steps.write("bye", 1000).what), "failed");
}

// Otherwise whoever writes would wait for ever for room that is there.
TEST_P(session_stream, a_failure_whose_alert_finds_no_room) {
  for (const std::size_t room : {0U, 5U}) {
    connection steps(GetParam());
    steps.client_sends("hello").change_input(
        [](std::string& input) { input.back() = static_cast<char>(input.back() ^ 1); });
    const std::string record = steps.unread_input();
    std::vector<std::byte> out(room);
    std::vector<std::byte> buffer(100);
    io_window little{std::as_bytes(std::span(record)), out, 0};
    EXPECT_EQ(words(steps.server().read(little, buffer).what), "want_output");
    EXPECT_EQ(ERR_peek_error(), 0U);
    std::vector<std::byte> enough(1000);
    io_window window{{}, enough, 0};
    EXPECT_EQ(words(steps.server().read(window, buffer).what), "failed");
    EXPECT_EQ(words(steps.server().read(window, buffer).what), "failed");
  }
}

// One step takes them all, as there is data between them: OpenSSL ends a connection after five in a row.
TEST_P(session_stream, none_of_many_alerts_in_one_read_is_lost) {
  for (const std::size_t count : {7U, 8U, 9U, 400U}) {
    SCOPED_TRACE(count);
    connection steps(GetParam());
    record_sealer sealer(steps.client());
    std::string data;
    while (data.size() < count) {
      data += 'x';
      steps.input(sealer.seal(record_type::application_data, "x")).input(sealer.seal(record_type::alert, "\x01\x5a"));
    }
    std::vector<std::byte> buffer(1000);
    const step result = steps.run([&](io_window& window) { return steps.server().read(window, buffer); });
    EXPECT_EQ(words(result.what), "done");
    EXPECT_EQ(result.bytes, count);
    EXPECT_EQ(steps.seen(), events(count, "alert_received warning user_canceled"));
    steps.read(progress::want_input, {}).writes("still here");
  }
}

TEST_P(session_stream, alert_that_is_none) {
  for (const std::string& content :
       {std::string(), std::string("\x02"), std::string("\x02\x50\x00", 3), std::string("\x07\x50")}) {
    connection steps(GetParam());
    record_sealer sealer(steps.client());
    steps.input(sealer.seal(record_type::alert, content));
    std::vector<std::byte> buffer(100);
    const step result = steps.run([&](io_window& window) { return steps.server().read(window, buffer); });
    EXPECT_EQ(words(result.what), "failed") << content.size();
    EXPECT_TRUE(steps.server().error() == stream_error::protocol_violation ||
                steps.server().error() == stream_error::alert_from_peer)
        << steps.server().error_detail();
  }
}

TEST_P(session_stream, record_of_an_unknown_type) {
  connection steps(GetParam());
  record_sealer sealer(steps.client());
  steps.input(sealer.seal(static_cast<record_type>(99), "what?"))
      .read_fails(stream_error::protocol_violation, {"alert_sent fatal unexpected_message"});
}

// A server's messages, a client's at the wrong time, and one that nobody knows. (TLS 1.2's ClientHello is a request
// to renegotiate, TLS 1.3's KeyUpdate is welcome.)
TEST_P(session_stream, handshake_message_out_of_place) {
  std::vector<int> types{2, 4, 8, 11, 15, 16, 20, 254};
  types.push_back(tls_1_3() ? 1 : 24);
  for (const int type : types) {
    SCOPED_TRACE(type);
    connection steps(GetParam());
    record_sealer sealer(steps.client());
    steps.input(sealer.seal(record_type::handshake, static_cast<char>(type) + std::string("\x00\x00\x01\x00", 4)))
        .read_fails(stream_error::protocol_violation, {"alert_sent fatal unexpected_message"});
  }
}

// ---- messages that cost us more than the peer ----

class session_key_updates : public testing::Test {
 protected:
  connection steps_{TLS1_3_VERSION};
};

TEST_F(session_key_updates, thirty_two_in_a_row_are_fine) {
  steps_.client_updates_keys(32).read(progress::want_input).client_sends("still here").reads("still here");
}

TEST_F(session_key_updates, and_again_after_data) {
  for (int i = 0; i < 5; ++i) steps_.client_updates_keys(32).client_sends("x").reads("x");
}

TEST_F(session_key_updates, one_more_is_a_flood) {
  steps_.client_updates_keys(33).read_fails(stream_error::message_flood, {});
  EXPECT_EQ(steps_.server().error_detail(), "too many KeyUpdates or renegotiations without data");
}

TEST_F(session_key_updates, one_more_is_a_flood_even_if_data_follows) {
  steps_.client_updates_keys(33).client_sends("too late").read_fails(stream_error::message_flood, {});
}

TEST_F(session_key_updates, they_add_up_over_several_steps) {
  for (int i = 0; i < 32; ++i) steps_.client_updates_keys(1).read(progress::want_input);
  steps_.client_updates_keys(1).read_fails(stream_error::message_flood, {});
}

TEST_F(session_key_updates, they_add_up_in_single_bytes) {
  connection(TLS1_3_VERSION, single_bytes).client_updates_keys(33).read_fails(stream_error::message_flood, {});
}

// The window may hold hundreds: the work ends with the one that is too many.
TEST_F(session_key_updates, the_rest_of_a_flood_is_not_even_read) {
  steps_.client_updates_keys(1000);
  const std::size_t flood = steps_.unread_input().size();
  steps_.read_fails(stream_error::message_flood, {});
  EXPECT_EQ(steps_.unread_input().size(), flood / 1000 * (1000 - 33));
}

TEST_F(session_key_updates, what_came_before_a_flood_is_not_lost) {
  steps_.client_sends("before").client_updates_keys(100);
  std::vector<std::byte> buffer(100);
  const step result = steps_.run([&](io_window& window) { return steps_.server().read(window, buffer); });
  EXPECT_EQ(words(result.what), "done");
  EXPECT_EQ(result.bytes, 6U);
  EXPECT_EQ(steps_.server().error(), stream_error::message_flood);
  steps_.stays_failed();
}

TEST_F(session_key_updates, between_data_they_never_end_it) {
  for (int i = 0; i < 300; ++i) steps_.client_updates_keys(10).client_sends("x");
  steps_.reads(std::string(300, 'x'));
}

TEST_F(session_key_updates, data_that_is_written_does_not_count) {
  for (int i = 0; i < 32; ++i) steps_.client_updates_keys(1).read(progress::want_input).writes("x");
  steps_.client_updates_keys(1).read_fails(stream_error::message_flood, {});
}

TEST_F(session_key_updates, requested_ones_are_answered) {
  steps_.client_updates_keys(32, true)
      .read(progress::want_input)
      .writes("with our new key")
      .client_receives("with our new key")
      .client_sends("fine")
      .reads("fine");
}

// OpenSSL answers a request when the next one comes, or with the next write. An answer that finds no room is neither
// lost nor in the way of what is written first, wherever it was cut.
TEST_F(session_key_updates, an_answer_waits_for_room) {
  for (std::size_t room = 0; room < 30; ++room) {
    SCOPED_TRACE(room);
    connection steps(TLS1_3_VERSION);
    steps.client_updates_keys(2, true);
    const std::string updates = steps.unread_input();
    const std::size_t answer = updates.size() / 2;
    std::vector<std::byte> out(room), buffer(100);
    io_window window{.input = std::as_bytes(std::span(updates)), .output = out};
    const step result = steps.server().read(window, buffer);
    EXPECT_EQ(words(result.what), room < answer ? "want_output" : "want_input");
    EXPECT_EQ(window.produced, std::min(room, answer));
    EXPECT_TRUE(window.input.empty());
    steps.client().input({reinterpret_cast<const char*>(out.data()), window.produced});
    steps.change_input([](std::string& input) { input.clear(); });
    if (room % 2 == 0) steps.read(progress::want_input);
    steps.writes("ours").client_receives("ours").client_sends("theirs").reads("theirs");
    steps.shutdown(progress::done, {close_notify_sent}).client_saw_the_end();
  }
}

TEST_F(session_key_updates, after_our_close_notify) {
  steps_.shutdown(progress::done, {close_notify_sent})
      .client_saw_the_end()
      .client_updates_keys(3, true)
      .client_sends("more")
      .reads("more")
      .client_updates_keys(33)
      .read_fails(stream_error::message_flood, {});
}

TEST_F(session_key_updates, with_something_behind_it_in_its_record) {
  record_sealer sealer(steps_.client());
  const std::string key_update("\x18\x00\x00\x01\x00", 5);
  steps_.input(sealer.seal(record_type::handshake, key_update + key_update))
      .read_fails(stream_error::protocol_violation, {"alert_sent fatal unexpected_message"});
}

constexpr const char* refusal = "alert_sent warning no_renegotiation";

class session_renegotiation : public testing::Test {
 protected:
  session_renegotiation() {
    memory_client other({.version = TLS1_2_VERSION});
    other.handshake();
    client_hello_ = other.output().substr(5);
  }

  std::string request() { return sealer_.seal(record_type::handshake, client_hello_); }
  std::string data(std::string_view text) { return sealer_.seal(record_type::application_data, text); }

  std::string client_hello_;
  connection steps_{TLS1_2_VERSION};
  record_sealer sealer_{steps_.client()};
};

TEST_F(session_renegotiation, is_refused_and_the_connection_lives_on) {
  steps_.input(request())
      .read(progress::want_input, {refusal})
      .phase(handshake_phase::complete)
      .input(data("still here"))
      .reads("still here");
  steps_.client_was_alerted({"warning no renegotiation"});
}

TEST_F(session_renegotiation, in_single_bytes) {
  connection steps(TLS1_2_VERSION, single_bytes);
  record_sealer sealer(steps.client());
  steps.input(sealer.seal(record_type::handshake, client_hello_))
      .read(progress::want_input, {refusal})
      .input(sealer.seal(record_type::application_data, "still here"))
      .reads("still here");
}

TEST_F(session_renegotiation, writing_goes_on) {
  steps_.input(request())
      .read(progress::want_input, {refusal})
      .writes("ours")
      .shutdown(progress::done, {close_notify_sent});
}

TEST_F(session_renegotiation, thirty_two_in_a_row_are_fine_and_one_more_is_a_flood) {
  for (int i = 0; i < 32; ++i) steps_.input(request()).read(progress::want_input, {refusal});
  steps_.input(data("x")).reads("x");
  for (int i = 0; i < 32; ++i) steps_.input(request()).read(progress::want_input, {refusal});
  steps_.input(request()).read_fails(stream_error::message_flood, {refusal});
}

TEST_F(session_renegotiation, the_rest_of_a_flood_is_not_even_read) {
  for (int i = 0; i < 500; ++i) steps_.input(request());
  const std::size_t flood = steps_.unread_input().size();
  steps_.read_fails(stream_error::message_flood, events(33, refusal));
  EXPECT_EQ(steps_.unread_input().size(), flood / 500 * (500 - 33));
}

// A refusal that finds no room is still a request that was made.
TEST_F(session_renegotiation, a_flood_is_told_without_room_for_refusals) {
  std::string flood;
  for (int i = 0; i < 500; ++i) flood += request();
  std::vector<std::byte> buffer(100);
  io_window window{.input = std::as_bytes(std::span(flood))};
  const step result = steps_.server().read(window, buffer);
  EXPECT_EQ(words(result.what), "failed");
  EXPECT_EQ(steps_.server().error(), stream_error::message_flood);
  EXPECT_EQ(window.input.size(), flood.size() / 500 * (500 - 33));
}

TEST_F(session_renegotiation, after_our_close_notify_is_ignored) {
  steps_.shutdown(progress::done, {close_notify_sent})
      .input(request())
      .read(progress::want_input)
      .input(data("x"))
      .reads("x");
}

}  // namespace
}  // namespace sallyport::test
