// revisit: a client that visits a server over memory, with a ticket or without.
//
// SPDX-License-Identifier: Apache-2.0
#include "revisit.hpp"

#include <gtest/gtest.h>

namespace sallyport::test {

visit_outcome visit(const context& server, const memory_client_options& client,
                    const std::function<void(session&)>& answer) {
  session_steps steps(server, client);
  session& session = steps.server();
  visit_outcome outcome;
  constexpr int more_than_enough = 20;
  for (int i = 0; i < more_than_enough; ++i) {
    if (session.question() == handshake_question::none) steps.client_handshake();
    const step result = steps.run([&](io_window& window) { return session.handshake(window); });
    if (result.what == progress::want_answer && answer) answer(session);
    if (result.what == progress::done || result.what == progress::failed) {
      outcome.let_in = result.what == progress::done;
      break;
    }
  }
  if (outcome.let_in) {
    steps.client_is_connected().client_sends("hello").reads("hello").writes("welcome").client_receives("welcome");
    EXPECT_EQ(session.resumed(), steps.client().resumed() && session.pre_shared_key_identity().empty());
    outcome.resumed = session.resumed();
    outcome.chain = session.peer_certificate_chain();
    outcome.rule = session.matched_rule();
    outcome.identity = session.pre_shared_key_identity();
  }
  if (!steps.client().tickets().empty()) {
    outcome.session = steps.client().tickets().back();
  } else if (outcome.resumed) {
    // A new ticket of a resumed session of TLS 1.2 comes without being told.
    outcome.session = ssl_session_ptr(SSL_get1_session(steps.client().native()), SSL_SESSION_free);
  }
  outcome.error = session.error();
  outcome.why = session.error_detail();
  outcome.tickets = steps.client().tickets();
  return outcome;
}

}  // namespace sallyport::test
