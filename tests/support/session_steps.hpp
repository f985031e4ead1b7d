// session_steps: a session and a client, driven without a socket, written as a table of expected steps:
//
//   session_steps(server, {.version = TLS1_3_VERSION})
//       .client_handshake()
//       .handshake(progress::want_input, {"started", "client_hello"})
//       .client_handshake()
//       .handshake(progress::done, {});
//
// Each row acts at once and checks what it says; what is wrong is reported with the row's line. With a `delivery` the
// same table is run with the client's bytes in pieces or with little room for output: the session's calls in between
// are made by the row itself, and its events are those of all of them.
//
// Each call of the session is checked as driven_session does.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_SESSION_STEPS_HPP
#define SALLYPORT_TESTS_SUPPORT_SESSION_STEPS_HPP

#include "driven_session.hpp"
#include "memory_client.hpp"

#include <sallyport/session.hpp>

#include <cstddef>
#include <functional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::test {

class session_steps {
 public:
  using where = std::source_location;

  explicit session_steps(const context& server, const memory_client_options& client = {}, const delivery& how = {});

  // The client's turns. What the session has put out reaches the client first; what the client puts out is appended
  // to the input of the session's next step.

  /// One flight, as far as the client gets.
  session_steps& client_handshake();
  session_steps& client_sends(std::string_view plaintext);
  session_steps& client_updates_keys(int times, bool requested = false);
  session_steps& client_closes();
  session_steps& client_receives(std::string_view plaintext, where = where::current());
  session_steps& client_is_connected(where = where::current());
  /// What the client was told: "fatal protocol version", in OpenSSL's words.
  session_steps& client_was_alerted(const std::vector<std::string>& alerts, where = where::current());
  session_steps& client_saw_the_end(where = where::current());

  // The wire between them.

  /// Bytes that the client didn't send.
  session_steps& input(std::string_view bytes);
  session_steps& change_input(const std::function<void(std::string&)>& change);

  // The session's steps.

  session_steps& handshake(progress expected, const events& expected_events, where = where::current());
  /// A handshake step that ends in a question.
  session_steps& asks(handshake_question expected, const events& expected_events = {}, where = where::current());
  /// The errors of the client's certificate found so far: "unable_to_get_local_issuer_certificate at 0".
  session_steps& errors(const std::vector<std::string>& expected, where = where::current());
  /// A handshake step that ends the connection.
  session_steps& handshake_fails(handshake_error reason, const events& expected_events, where = where::current());
  /// Reads with a buffer of `buffer_size` until want_input; all of it must be `plaintext`.
  session_steps& reads(std::string_view plaintext, std::size_t buffer_size = 64 * 1024, where = where::current());
  /// The same until peer_closed; the client's close_notify must have been told once.
  session_steps& reads_to_the_end(std::string_view plaintext, where = where::current());
  /// One read that brings no data.
  session_steps& read(progress expected, const events& expected_events = {}, where = where::current());
  session_steps& read_fails(stream_error reason, const events& expected_events, where = where::current());
  /// One write that takes all.
  session_steps& writes(std::string_view plaintext, where = where::current());
  session_steps& write_fails(stream_error reason, const events& expected_events, where = where::current());
  session_steps& shutdown(progress expected, const events& expected_events, where = where::current());
  /// Every function of a failed session says so again, with the same reason and no events.
  session_steps& stays_failed(where = where::current());

  // What the session knows.

  session_steps& phase(handshake_phase expected, where = where::current());
  session_steps& server_name(std::string_view expected, where = where::current());
  session_steps& negotiated(tls_version version, std::string_view cipher, std::string_view application_protocol,
                            bool resumed, where = where::current());

  // For what no row says.

  /// As driven_session::run; of the events, only those of this call.
  step run(const std::function<step(io_window&)>& call);
  const events& seen() const { return server_.seen; }
  session& server() { return server_.tls; }
  memory_client& client() { return client_; }
  const std::string& unread_input() const { return server_.input; }
  /// Output that no row has handed to the client yet.
  const std::string& unsent_output() const { return server_.output; }

 private:
  void deliver_output();
  progress read_all(std::string& plaintext, std::size_t buffer_size);
  void expect_events(const events& expected) const;

  driven_session server_;
  memory_client client_;
};

/// The one ticket that a client gets with a full handshake; null if it gets none, or several.
ssl_session_ptr ticket_of(const context& server, int version);

}  // namespace sallyport::test

#endif
