// session_steps: a session and a client, driven without a socket, written as a table of expected steps.
//
// SPDX-License-Identifier: Apache-2.0
#include "session_steps.hpp"

#include <gtest/gtest.h>

namespace sallyport::test {
namespace {

testing::ScopedTrace at(const std::source_location& row) {
  return {row.file_name(), static_cast<int>(row.line()), "this row"};
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

ssl_session_ptr ticket_of(const context& server, int version) {
  session_steps steps(server, {.version = version});
  steps.client_handshake()
      .handshake(progress::want_input, {"started", "client_hello"})
      .client_handshake()
      .handshake(progress::done, {})
      .client_is_connected()
      .client_receives("");
  const auto& tickets = steps.client().tickets();
  return tickets.size() == 1 ? tickets.front() : nullptr;
}

session_steps::session_steps(const context& server, const memory_client_options& client, const delivery& how)
    : server_(session(server), how), client_(client) {}

void session_steps::deliver_output() {
  client_.input(server_.output);
  server_.output.clear();
}

session_steps& session_steps::client_handshake() {
  deliver_output();
  client_.handshake();
  return input(client_.output());
}

session_steps& session_steps::client_sends(std::string_view plaintext) {
  deliver_output();
  client_.write(plaintext);
  return input(client_.output());
}

session_steps& session_steps::client_updates_keys(int times, bool requested) {
  deliver_output();
  for (int i = 0; i < times; ++i) client_.update_key(requested);
  return input(client_.output());
}

session_steps& session_steps::client_closes() {
  deliver_output();
  client_.shutdown();
  return input(client_.output());
}

session_steps& session_steps::client_receives(std::string_view plaintext, where row) {
  const auto trace = at(row);
  deliver_output();
  const std::string received = client_.read();
  EXPECT_TRUE(received == plaintext) << "the client received " << received.size() << " bytes, not these "
                                     << plaintext.size() << " ones; " << client_.failure();
  return *this;
}

session_steps& session_steps::client_is_connected(where row) {
  const auto trace = at(row);
  deliver_output();
  client_.handshake();
  EXPECT_TRUE(client_.connected());
  EXPECT_EQ(client_.failure(), "");
  return *this;
}

session_steps& session_steps::client_was_alerted(const std::vector<std::string>& alerts, where row) {
  const auto trace = at(row);
  deliver_output();
  if (!client_.connected()) client_.handshake();
  if (client_.connected()) client_.read();
  EXPECT_EQ(client_.alerts(), alerts);
  return *this;
}

session_steps& session_steps::client_saw_the_end(where row) {
  const auto trace = at(row);
  client_receives("", row);
  EXPECT_TRUE(client_.peer_closed());
  return *this;
}

session_steps& session_steps::input(std::string_view bytes) {
  server_.input += bytes;
  return *this;
}

session_steps& session_steps::change_input(const std::function<void(std::string&)>& change) {
  change(server_.input);
  return *this;
}

step session_steps::run(const std::function<step(io_window&)>& call) {
  server_.seen.clear();
  return server_.run(call);
}

void session_steps::expect_events(const events& expected) const { EXPECT_EQ(server_.seen, expected); }

session_steps& session_steps::handshake(progress expected, const events& expected_events, where row) {
  const auto trace = at(row);
  const step result = run([this](io_window& window) { return server_.tls.handshake(window); });
  EXPECT_EQ(words(result.what), words(expected)) << server_.tls.error().message() << ": " << server_.tls.error_detail();
  expect_events(expected_events);
  return *this;
}

session_steps& session_steps::asks(handshake_question expected, const events& expected_events, where row) {
  const auto trace = at(row);
  handshake(progress::want_answer, expected_events, row);
  EXPECT_EQ(words(server_.tls.question()), words(expected));
  return *this;
}

session_steps& session_steps::errors(const std::vector<std::string>& expected, where row) {
  const auto trace = at(row);
  EXPECT_EQ(server_.errors(), expected);
  return *this;
}

session_steps& session_steps::handshake_fails(handshake_error reason, const events& expected_events, where row) {
  const auto trace = at(row);
  handshake(progress::failed, expected_events, row);
  EXPECT_EQ(server_.tls.error(), reason) << server_.tls.error_detail();
  EXPECT_NE(server_.tls.error_detail(), "");
  EXPECT_NE(words(server_.tls.phase()), words(handshake_phase::complete));
  return stays_failed(row);
}

progress session_steps::read_all(std::string& plaintext, std::size_t buffer_size) {
  events all_events;
  for (;;) {
    std::vector<std::byte> buffer(buffer_size);
    const step result = run([&](io_window& window) { return server_.tls.read(window, buffer); });
    all_events.insert(all_events.end(), server_.seen.begin(), server_.seen.end());
    if (result.what != progress::done || result.bytes == 0) {
      EXPECT_NE(words(result.what), "done") << "without data";
      server_.seen = all_events;
      return result.what;
    }
    plaintext.append(reinterpret_cast<const char*>(buffer.data()), result.bytes);
  }
}

session_steps& session_steps::reads(std::string_view plaintext, std::size_t buffer_size, where row) {
  const auto trace = at(row);
  std::string all;
  EXPECT_EQ(words(read_all(all, buffer_size)), "want_input") << server_.tls.error_detail();
  EXPECT_TRUE(all == plaintext) << "read " << all.size() << " bytes, not these " << plaintext.size() << " ones";
  EXPECT_FALSE(server_.tls.has_buffered_plaintext());
  EXPECT_EQ(server_.input.size(), 0U);
  expect_events({});
  return *this;
}

session_steps& session_steps::reads_to_the_end(std::string_view plaintext, where row) {
  const auto trace = at(row);
  std::string all;
  EXPECT_EQ(words(read_all(all, 1024)), "peer_closed") << server_.tls.error_detail();
  EXPECT_EQ(all, plaintext);
  expect_events({"alert_received warning close_notify"});
  return *this;
}

session_steps& session_steps::read(progress expected, const events& expected_events, where row) {
  const auto trace = at(row);
  std::vector<std::byte> buffer(64 * 1024);
  const step result = run([&](io_window& window) { return server_.tls.read(window, buffer); });
  EXPECT_EQ(words(result.what), words(expected)) << server_.tls.error_detail();
  EXPECT_EQ(result.bytes, 0U);
  expect_events(expected_events);
  return *this;
}

session_steps& session_steps::read_fails(stream_error reason, const events& expected_events, where row) {
  const auto trace = at(row);
  read(progress::failed, expected_events, row);
  EXPECT_EQ(server_.tls.error(), reason) << server_.tls.error_detail();
  EXPECT_NE(server_.tls.error_detail(), "");
  return stays_failed(row);
}

session_steps& session_steps::writes(std::string_view plaintext, where row) {
  const auto trace = at(row);
  const step result = run([&](io_window& window) { return server_.tls.write(window, bytes_of(plaintext)); });
  EXPECT_EQ(words(result.what), "done") << server_.tls.error_detail();
  EXPECT_EQ(result.bytes, plaintext.size());
  expect_events({});
  return *this;
}

session_steps& session_steps::write_fails(stream_error reason, const events& expected_events, where row) {
  const auto trace = at(row);
  const step result = run([&](io_window& window) { return server_.tls.write(window, bytes_of("late")); });
  EXPECT_EQ(words(result.what), "failed");
  EXPECT_EQ(server_.tls.error(), reason) << server_.tls.error_detail();
  expect_events(expected_events);
  return stays_failed(row);
}

session_steps& session_steps::shutdown(progress expected, const events& expected_events, where row) {
  const auto trace = at(row);
  const step result = run([this](io_window& window) { return server_.tls.shutdown(window); });
  EXPECT_EQ(words(result.what), words(expected)) << server_.tls.error_detail();
  expect_events(expected_events);
  return *this;
}

session_steps& session_steps::stays_failed(where row) {
  const auto trace = at(row);
  const error_code reason = server_.tls.error();
  const std::string detail = server_.tls.error_detail();
  const handshake_phase phase = server_.tls.phase();
  EXPECT_TRUE(reason);

  std::vector<std::byte> out(1024), plaintext(1024);
  const std::string more = "more";
  const auto expect_failed = [&](const std::function<step(io_window&)>& call) {
    io_window window{.input = bytes_of(more), .output = out};
    const step result = call(window);
    EXPECT_EQ(words(result.what), "failed");
    EXPECT_EQ(window.input.size(), more.size());
    EXPECT_EQ(window.produced, 0U);
    EXPECT_TRUE(server_.tls.events().empty());
    EXPECT_EQ(server_.tls.error(), reason);
    EXPECT_EQ(server_.tls.error_detail(), detail);
    EXPECT_EQ(words(server_.tls.phase()), words(phase));
  };
  expect_failed([&](io_window& window) { return server_.tls.handshake(window); });
  expect_failed([&](io_window& window) { return server_.tls.read(window, plaintext); });
  expect_failed([&](io_window& window) { return server_.tls.write(window, bytes_of(more)); });
  expect_failed([&](io_window& window) { return server_.tls.shutdown(window); });
  return *this;
}

session_steps& session_steps::phase(handshake_phase expected, where row) {
  const auto trace = at(row);
  EXPECT_EQ(words(server_.tls.phase()), words(expected));
  return *this;
}

session_steps& session_steps::server_name(std::string_view expected, where row) {
  const auto trace = at(row);
  EXPECT_EQ(server_.tls.server_name(), expected);
  return *this;
}

session_steps& session_steps::negotiated(tls_version version, std::string_view cipher,
                                         std::string_view application_protocol, bool resumed, where row) {
  const auto trace = at(row);
  EXPECT_EQ(to_string(server_.tls.version()), to_string(version));
  EXPECT_EQ(server_.tls.cipher(), cipher);
  EXPECT_EQ(server_.tls.application_protocol(), application_protocol);
  EXPECT_EQ(server_.tls.resumed(), resumed);
  return *this;
}

}  // namespace sallyport::test
