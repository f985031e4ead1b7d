// driven_session: a session without a socket, with what lies on the wire before it and behind it.
//
// SPDX-License-Identifier: Apache-2.0
#include "driven_session.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <span>

namespace sallyport::test {

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

void raise_foreign_error() { ERR_raise_data(ERR_LIB_SSL, SSL_R_NO_SHARED_CIPHER, "another connection's"); }

step driven_session::run(const std::function<step(io_window&)>& call) {
  std::size_t presented = std::min(input.size(), how_.first_piece);
  for (;;) {
    // Buffers of exactly this size, so that the address sanitizer sees each byte too many.
    const std::vector<char> in(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(presented));
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
    input.erase(0, in.size() - window.input.size());
    presented = window.input.size();
    output.append(reinterpret_cast<const char*>(out.data()), window.produced);
    for (const session_event& event : tls.events()) seen.push_back(words(event));

    if (result.what == progress::want_output && window.produced > 0) continue;
    if (result.what == progress::want_input && presented < input.size()) {
      presented = how_.piece < input.size() - presented ? presented + how_.piece : input.size();
      continue;
    }
    return result;
  }
}

std::vector<std::string> driven_session::errors() const {
  std::vector<std::string> all;
  for (const ssl_error& error : tls.ssl_handshake_errors())
    all.push_back(std::string(to_string(error.code)) + " at " + std::to_string(error.depth));
  return all;
}

}  // namespace sallyport::test
