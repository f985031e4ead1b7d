// session_pair: a client's session and a server's, connected in memory.
//
// SPDX-License-Identifier: Apache-2.0
#include "session_pair.hpp"

#include <gtest/gtest.h>

#include <array>
#include <span>
#include <utility>

namespace sallyport::test {

step session_side::call(const std::function<step(io_window&)>& function) {
  const step result = run(function);
  last = result.what;
  return result;
}

progress session_side::handshake() {
  constexpr int more_than_enough = 20;
  for (int i = 0; i < more_than_enough; ++i) {
    last_handshake_ = call([this](io_window& window) { return tls.handshake(window); }).what;
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
    const step result = call([&](io_window& window) { return tls.read(window, buffer); });
    if (result.what != progress::done) return plaintext;
    plaintext.append(reinterpret_cast<const char*>(buffer.data()), result.bytes);
  }
}

void session_side::write(std::string_view plaintext) {
  const step result = call([&](io_window& window) { return tls.write(window, std::as_bytes(std::span(plaintext))); });
  EXPECT_EQ(words(result.what), "done");
  EXPECT_EQ(result.bytes, plaintext.size());
}

progress session_side::shutdown() {
  return call([this](io_window& window) { return tls.shutdown(window); }).what;
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
