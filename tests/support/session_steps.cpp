// session_steps: a session and a client, driven without a socket, written as a table of expected steps.
//
// SPDX-License-Identifier: Apache-2.0
#include "session_steps.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <algorithm>

namespace sallyport::test {
namespace {

testing::ScopedTrace at(const std::source_location& row) {
  return {row.file_name(), static_cast<int>(row.line()), "this row"};
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

std::string_view words(progress what) {
  switch (what) {
    case progress::done:
      return "done";
    case progress::want_input:
      return "want_input";
    case progress::want_output:
      return "want_output";
    case progress::want_answer:
      return "want_answer";
    case progress::want_worker:
      return "want_worker";
    case progress::peer_closed:
      return "peer_closed";
    case progress::failed:
      return "failed";
  }
  return "?";
}

std::string_view words(handshake_phase phase) { return to_string(phase); }

std::string_view words(handshake_question question) {
  switch (question) {
    case handshake_question::none:
      return "none";
    case handshake_question::interrupted_on_error:
      return "interrupted_on_error";
    case handshake_question::ssl_errors:
      return "ssl_errors";
    case handshake_question::pre_shared_key:
      return "pre_shared_key";
    case handshake_question::unknown_server_name:
      return "unknown_server_name";
  }
  return "?";
}

std::string words(const session_event& event) {
  const std::string alert = " " + std::string(to_string(event.level)) + " " + std::string(to_string(event.type));
  switch (event.what) {
    case session_event::kind::started:
      return "started";
    case session_event::kind::client_hello:
      return "client_hello";
    case session_event::kind::alert_sent:
      return "alert_sent" + alert;
    case session_event::kind::alert_received:
      return "alert_received" + alert;
    case session_event::kind::new_session_ticket:
      return "new_session_ticket";
  }
  return "?";
}

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

void raise_foreign_error() { ERR_raise_data(ERR_LIB_SSL, SSL_R_NO_SHARED_CIPHER, "another connection's"); }

session_steps::session_steps(const context& server, const memory_client_options& client, const delivery& how)
    : session_(server), client_(client), how_(how) {}

void session_steps::deliver_output() {
  client_.input(output_);
  output_.clear();
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
  input_ += bytes;
  return *this;
}

session_steps& session_steps::change_input(const std::function<void(std::string&)>& change) {
  change(input_);
  return *this;
}

step session_steps::run(const std::function<step(io_window&)>& call) {
  events_.clear();
  std::size_t presented = std::min(input_.size(), how_.first_piece);
  for (;;) {
    // Buffers of exactly this size, so that the address sanitizer sees each byte too many.
    const std::vector<char> in(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(presented));
    std::vector<std::byte> out(how_.output_room);
    io_window window{.input = std::as_bytes(std::span(in)), .output = out};

    raise_foreign_error();
    const step result = call(window);
    // A step that goes well need not look at the queue, and then the foreign error is still there, alone.
    if (const unsigned long left = ERR_get_error(); left != 0) {
      EXPECT_EQ(ERR_GET_REASON(left), SSL_R_NO_SHARED_CIPHER) << ERR_reason_error_string(left);
    }
    EXPECT_EQ(ERR_peek_error(), 0U) << "on the error queue: " << ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();

    EXPECT_EQ(window.input.data() + window.input.size(), std::as_bytes(std::span(in)).data() + in.size())
        << "input was not taken off its front";
    input_.erase(0, in.size() - window.input.size());
    presented = window.input.size();
    output_.append(reinterpret_cast<const char*>(out.data()), window.produced);
    for (const session_event& event : session_.events()) events_.push_back(words(event));

    if (result.what == progress::want_output && window.produced > 0) continue;
    if (result.what == progress::want_input && presented < input_.size()) {
      presented = how_.piece < input_.size() - presented ? presented + how_.piece : input_.size();
      continue;
    }
    return result;
  }
}

void session_steps::expect_events(const events& expected) const { EXPECT_EQ(events_, expected); }

session_steps& session_steps::handshake(progress expected, const events& expected_events, where row) {
  const auto trace = at(row);
  const step result = run([this](io_window& window) { return session_.handshake(window); });
  EXPECT_EQ(words(result.what), words(expected)) << session_.error().message() << ": " << session_.error_detail();
  expect_events(expected_events);
  return *this;
}

session_steps& session_steps::asks(handshake_question expected, const events& expected_events, where row) {
  const auto trace = at(row);
  handshake(progress::want_answer, expected_events, row);
  EXPECT_EQ(words(session_.question()), words(expected));
  return *this;
}

session_steps& session_steps::errors(const std::vector<std::string>& expected, where row) {
  const auto trace = at(row);
  std::vector<std::string> found;
  for (const ssl_error& error : session_.ssl_handshake_errors()) {
    found.push_back(std::string(to_string(error.code)) + " at " + std::to_string(error.depth));
  }
  EXPECT_EQ(found, expected);
  return *this;
}

session_steps& session_steps::handshake_fails(handshake_error reason, const events& expected_events, where row) {
  const auto trace = at(row);
  handshake(progress::failed, expected_events, row);
  EXPECT_EQ(session_.error(), reason) << session_.error_detail();
  EXPECT_NE(session_.error_detail(), "");
  EXPECT_NE(words(session_.phase()), words(handshake_phase::complete));
  return stays_failed(row);
}

progress session_steps::read_all(std::string& plaintext, std::size_t buffer_size) {
  events all_events;
  for (;;) {
    std::vector<std::byte> buffer(buffer_size);
    const step result = run([&](io_window& window) { return session_.read(window, buffer); });
    all_events.insert(all_events.end(), events_.begin(), events_.end());
    if (result.what != progress::done || result.bytes == 0) {
      EXPECT_NE(words(result.what), "done") << "without data";
      events_ = all_events;
      return result.what;
    }
    plaintext.append(reinterpret_cast<const char*>(buffer.data()), result.bytes);
  }
}

session_steps& session_steps::reads(std::string_view plaintext, std::size_t buffer_size, where row) {
  const auto trace = at(row);
  std::string all;
  EXPECT_EQ(words(read_all(all, buffer_size)), "want_input") << session_.error_detail();
  EXPECT_TRUE(all == plaintext) << "read " << all.size() << " bytes, not these " << plaintext.size() << " ones";
  EXPECT_FALSE(session_.has_buffered_plaintext());
  EXPECT_EQ(input_.size(), 0U);
  expect_events({});
  return *this;
}

session_steps& session_steps::reads_to_the_end(std::string_view plaintext, where row) {
  const auto trace = at(row);
  std::string all;
  EXPECT_EQ(words(read_all(all, 1024)), "peer_closed") << session_.error_detail();
  EXPECT_EQ(all, plaintext);
  expect_events({"alert_received warning close_notify"});
  return *this;
}

session_steps& session_steps::read(progress expected, const events& expected_events, where row) {
  const auto trace = at(row);
  std::vector<std::byte> buffer(64 * 1024);
  const step result = run([&](io_window& window) { return session_.read(window, buffer); });
  EXPECT_EQ(words(result.what), words(expected)) << session_.error_detail();
  EXPECT_EQ(result.bytes, 0U);
  expect_events(expected_events);
  return *this;
}

session_steps& session_steps::read_fails(stream_error reason, const events& expected_events, where row) {
  const auto trace = at(row);
  read(progress::failed, expected_events, row);
  EXPECT_EQ(session_.error(), reason) << session_.error_detail();
  EXPECT_NE(session_.error_detail(), "");
  return stays_failed(row);
}

session_steps& session_steps::writes(std::string_view plaintext, where row) {
  const auto trace = at(row);
  const step result = run([&](io_window& window) { return session_.write(window, bytes_of(plaintext)); });
  EXPECT_EQ(words(result.what), "done") << session_.error_detail();
  EXPECT_EQ(result.bytes, plaintext.size());
  expect_events({});
  return *this;
}

session_steps& session_steps::write_fails(stream_error reason, const events& expected_events, where row) {
  const auto trace = at(row);
  const step result = run([&](io_window& window) { return session_.write(window, bytes_of("late")); });
  EXPECT_EQ(words(result.what), "failed");
  EXPECT_EQ(session_.error(), reason) << session_.error_detail();
  expect_events(expected_events);
  return stays_failed(row);
}

session_steps& session_steps::shutdown(progress expected, const events& expected_events, where row) {
  const auto trace = at(row);
  const step result = run([this](io_window& window) { return session_.shutdown(window); });
  EXPECT_EQ(words(result.what), words(expected)) << session_.error_detail();
  expect_events(expected_events);
  return *this;
}

session_steps& session_steps::stays_failed(where row) {
  const auto trace = at(row);
  const error_code reason = session_.error();
  const std::string detail = session_.error_detail();
  const handshake_phase phase = session_.phase();
  EXPECT_TRUE(reason);

  std::vector<std::byte> out(1024), plaintext(1024);
  const std::string more = "more";
  const auto expect_failed = [&](const std::function<step(io_window&)>& call) {
    io_window window{.input = bytes_of(more), .output = out};
    const step result = call(window);
    EXPECT_EQ(words(result.what), "failed");
    EXPECT_EQ(window.input.size(), more.size());
    EXPECT_EQ(window.produced, 0U);
    EXPECT_TRUE(session_.events().empty());
    EXPECT_EQ(session_.error(), reason);
    EXPECT_EQ(session_.error_detail(), detail);
    EXPECT_EQ(words(session_.phase()), words(phase));
  };
  expect_failed([&](io_window& window) { return session_.handshake(window); });
  expect_failed([&](io_window& window) { return session_.read(window, plaintext); });
  expect_failed([&](io_window& window) { return session_.write(window, bytes_of(more)); });
  expect_failed([&](io_window& window) { return session_.shutdown(window); });
  return *this;
}

session_steps& session_steps::phase(handshake_phase expected, where row) {
  const auto trace = at(row);
  EXPECT_EQ(words(session_.phase()), words(expected));
  return *this;
}

session_steps& session_steps::server_name(std::string_view expected, where row) {
  const auto trace = at(row);
  EXPECT_EQ(session_.server_name(), expected);
  return *this;
}

session_steps& session_steps::negotiated(tls_version version, std::string_view cipher,
                                         std::string_view application_protocol, bool resumed, where row) {
  const auto trace = at(row);
  EXPECT_EQ(to_string(session_.version()), to_string(version));
  EXPECT_EQ(session_.cipher(), cipher);
  EXPECT_EQ(session_.application_protocol(), application_protocol);
  EXPECT_EQ(session_.resumed(), resumed);
  return *this;
}

}  // namespace sallyport::test
