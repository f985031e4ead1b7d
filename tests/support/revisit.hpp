// revisit: a client that visits a server over memory, with a ticket or without.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_REVISIT_HPP
#define SALLYPORT_TESTS_SUPPORT_REVISIT_HPP

#include "session_steps.hpp"

#include <sallyport/certificate.hpp>

#include <functional>
#include <string>
#include <vector>

namespace sallyport::test {

struct visit_outcome {
  bool let_in = false;  ///< and both sides say so, and have talked
  bool resumed = false;
  error_code error;  ///< the server's, and its words
  std::string why;
  std::vector<ssl_session_ptr> tickets;  ///< of a full handshake; in TLS 1.3 also of a resumed one
  ssl_session_ptr session;               ///< the client's, with the latest ticket; null if it has none
  // What the server knows of the client.
  std::vector<certificate> chain;
  std::string rule;
  std::string identity;
};

/// `answer` is called for each question of the server's session. Without it nothing is answered, which is a no to all
/// that isn't only told.
visit_outcome visit(const context& server, const memory_client_options& client,
                    const std::function<void(session&)>& answer = {});

}  // namespace sallyport::test

#endif
