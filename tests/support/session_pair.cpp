// session_pair: a client's session and a server's, connected in memory.
//
// SPDX-License-Identifier: Apache-2.0
#include "session_pair.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>

namespace sallyport::test {

step session_side::run(const std::function<step(io_window&)>& call) {
  std::size_t presented = std::min(input.size(), how_.first_piece);
  for (;;) {
    const std::vector<char> in(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(presented));
    std::vector<std::byte> out(how_.output_room);
    io_window window{.input = std::as_bytes(std::span(in)), .output = out};
    raise_foreign_error();
    const step result = call(window);
    if (const unsigned long left = ERR_get_error(); left != 0) {
      EXPECT_EQ(ERR_GET_REASON(left), SSL_R_NO_SHARED_CIPHER) << ERR_reason_error_string(left);
    }
    EXPECT_EQ(ERR_peek_error(), 0U) << "on the error queue: " << ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    input.erase(0, in.size() - window.input.size());
    presented = window.input.size();
    output.append(reinterpret_cast<const char*>(out.data()), window.produced);
    for (const session_event& event : tls.events()) seen_.push_back(words(event));

    if (result.what == progress::want_output && window.produced > 0) continue;
    if (result.what == progress::want_input && presented < input.size()) {
      presented = how_.piece < input.size() - presented ? presented + how_.piece : input.size();
      continue;
    }
    last = result.what;
    return result;
  }
}

progress session_side::handshake() {
  constexpr int more_than_enough = 20;
  for (int i = 0; i < more_than_enough; ++i) {
    last_handshake_ = run([this](io_window& window) { return tls.handshake(window); }).what;
    if (last_handshake_ != progress::want_answer) break;
    asked_.emplace_back(words(tls.question()));
    if (answer) answer(tls);
  }
  return last_handshake_;
}

std::string session_side::read() {
  std::string plaintext;
  std::array<std::byte, 4096> buffer;
  for (;;) {
    const step result = run([&](io_window& window) { return tls.read(window, buffer); });
    if (result.what != progress::done) return plaintext;
    plaintext.append(reinterpret_cast<const char*>(buffer.data()), result.bytes);
  }
}

void session_side::write(std::string_view plaintext) {
  const step result = run([&](io_window& window) { return tls.write(window, std::as_bytes(std::span(plaintext))); });
  EXPECT_EQ(words(result.what), "done");
  EXPECT_EQ(result.bytes, plaintext.size());
}

progress session_side::shutdown() {
  return run([this](io_window& window) { return tls.shutdown(window); }).what;
}

std::vector<std::string> session_side::errors() const {
  std::vector<std::string> all;
  for (const ssl_error& error : tls.ssl_handshake_errors())
    all.push_back(std::string(to_string(error.code)) + " at " + std::to_string(error.depth));
  return all;
}

void session_pair::deliver() {
  server.input += std::exchange(client.output, {});
  client.input += std::exchange(server.output, {});
}

bool session_pair::shake_hands() {
  const auto goes_on = [](const session_side& side) { return !side.is_connected() && side.last != progress::failed; };
  constexpr int more_than_enough = 20;
  for (int i = 0; i < more_than_enough; ++i) {
    if (goes_on(client)) client.handshake();
    deliver();
    if (goes_on(server)) server.handshake();
    deliver();
    const bool client_waits = !goes_on(client) || client.input.empty();
    const bool server_waits = !goes_on(server) || server.input.empty();
    if (client_waits && server_waits) break;
  }
  return client.is_connected() && server.is_connected();
}

bool session_pair::talk() {
  if (!client.is_connected() || !server.is_connected()) return false;
  server.write("welcome");
  client.write("hello");
  deliver();
  const bool arrived = server.read() == "hello";
  return client.read() == "welcome" && arrived;
}

}  // namespace sallyport::test
