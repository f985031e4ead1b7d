// driven_session: a session without a socket, with what lies on the wire before it and behind it.
//
// Before each call of the session a foreign error is put onto OpenSSL's error queue, and after it the queue must
// hold nothing else: no test passes if a session is misled by the errors of others, or leaves its own behind.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_DRIVEN_SESSION_HPP
#define SALLYPORT_TESTS_SUPPORT_DRIVEN_SESSION_HPP

#include <sallyport/session.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::test {

/// How bytes get to the session and away from it.
struct delivery {
  static constexpr std::size_t all = static_cast<std::size_t>(-1);

  std::size_t first_piece = all;  ///< of what lies before the session at a call
  std::size_t piece = all;        ///< the following ones
  std::size_t output_room = 64 * 1024;
};

inline constexpr delivery single_bytes{.first_piece = 1, .piece = 1};

/// "started", "client_hello", "alert_sent fatal protocol_version", "alert_received warning close_notify"
using events = std::vector<std::string>;

class driven_session {
 public:
  explicit driven_session(session made, const delivery& how = {}) : tls(std::move(made)), how_(how) {}

  /// Repeats `call` for the pieces of the input and for full output, and keeps events, output and unread input.
  step run(const std::function<step(io_window&)>& call);

  /// The errors of the peer's certificate found so far: "host_name_mismatch at 0", ...
  std::vector<std::string> errors() const;

  session tls;
  std::string input, output;
  events seen;

 private:
  delivery how_;
};

std::string words(const session_event& event);
std::string_view words(progress what);
std::string_view words(handshake_phase phase);
std::string_view words(handshake_question question);

/// Puts an error of no session onto the queue.
void raise_foreign_error();

}  // namespace sallyport::test

#endif
