// session_pair: a client's session and a server's, connected in memory.
//
//   session_pair pair(client_context, "localhost", server_context);
//   pair.client.answer = [](session& asked) { asked.ignore_ssl_errors(); };
//   pair.shake_hands();
//   EXPECT_TRUE(pair.client.is_connected());
//
// Each call of a session is checked as session_steps does: it isn't misled by a foreign error on OpenSSL's error queue,
// and leaves none of its own there.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_SESSION_PAIR_HPP
#define SALLYPORT_TESTS_SUPPORT_SESSION_PAIR_HPP

#include "session_steps.hpp"

#include <sallyport/client_configuration.hpp>
#include <sallyport/session.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::test {

/// One side of a connection.
class session_side {
 public:
  explicit session_side(session made, const delivery& how = {}) : tls(std::move(made)), how_(how) {}

  /// Goes on with the handshake as far as the input allows; each question is noted and answered.
  progress handshake();
  /// All that can be decrypted of the input. `last` is why there is no more.
  std::string read();
  void write(std::string_view plaintext);
  progress shutdown();

  bool is_connected() const { return last_handshake_ == progress::done; }
  /// As in session_steps, of all calls so far.
  const events& seen() const { return seen_; }
  const std::vector<std::string>& asked() const { return asked_; }
  /// "host_name_mismatch at 0", ...
  std::vector<std::string> errors() const;

  session tls;
  std::function<void(session&)> answer;
  std::string input, output;
  progress last = progress::want_input;

 private:
  step run(const std::function<step(io_window&)>& call);

  delivery how_;
  events seen_;
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
