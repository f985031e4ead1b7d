// session_pair: a client's session and a server's, connected in memory.
//
//   session_pair pair(client_context, "localhost", server_context);
//   pair.client.answer = [](session& asked) { asked.ignore_ssl_errors(); };
//   pair.shake_hands();
//   EXPECT_TRUE(pair.client.is_connected());
//
// Each call of a session is checked as driven_session does.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_SESSION_PAIR_HPP
#define SALLYPORT_TESTS_SUPPORT_SESSION_PAIR_HPP

#include "driven_session.hpp"

#include <sallyport/client_configuration.hpp>
#include <sallyport/session.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::test {

/// One side of a connection.
class session_side : public driven_session {
 public:
  using driven_session::driven_session;

  /// Goes on with the handshake as far as the input allows; each question is noted and answered.
  progress handshake();
  /// All that can be decrypted of the input. `last` is why there is no more.
  std::string read();
  void write(std::string_view plaintext);
  progress shutdown();

  bool is_connected() const { return last_handshake_ == progress::done; }
  const std::vector<std::string>& asked() const { return asked_; }

  std::function<void(session&)> answer;
  progress last = progress::want_input;

 private:
  step call(const std::function<step(io_window&)>& function);

  std::vector<std::string> asked_;
  progress last_handshake_ = progress::want_input;
};

class session_pair {
 public:
  session_pair(const context& client_context, const std::string& server_name, const context& server_context,
               std::string_view resumed = {}, const delivery& how = {})
      : client(session(client_context, server_name, resumed), how), server(session(server_context), how) {}

  /// Until neither side goes on. True if both are connected.
  bool shake_hands();
  /// What each side has put out becomes the other's input.
  void deliver();
  /// Both send something and read it: tickets and late alerts come with it. False if one doesn't get it.
  bool talk();

  session_side client, server;
};

}  // namespace sallyport::test

#endif
