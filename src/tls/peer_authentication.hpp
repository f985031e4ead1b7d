// peer_authentication: what a session knows and has been told about who its peer is. All clients' sessions have
// one; of servers' sessions those whose context may have to ask.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_PEER_AUTHENTICATION_HPP
#define SALLYPORT_TLS_PEER_AUTHENTICATION_HPP

#include "suspendable_call.hpp"

#include <sallyport/access_rule.hpp>
#include <sallyport/alert.hpp>
#include <sallyport/certificate.hpp>
#include <sallyport/interrupted_handshake.hpp>
#include <sallyport/pre_shared_key.hpp>
#include <sallyport/session.hpp>
#include <sallyport/ssl_error.hpp>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::detail {

struct peer_authentication {
  /// Each step of the handshake runs in here, so that OpenSSL's callbacks can stop it and ask.
  suspendable_call call;
  handshake_question question = handshake_question::none;

  // --- the answers. None given is "no". ---
  bool continue_once = false;  ///< for the question at hand
  bool ignores_all = false;
  std::vector<ssl_error> expected;  ///< if not empty, it decides alone
  bool refused = false;             ///< for good
  std::optional<certificate_alert> alert;
  pre_shared_key key;

  // --- the peer's certificate ---
  std::vector<certificate> chain;
  std::vector<ssl_error> errors;
  /// From when on it has to be verified anew, in seconds since 1970.
  std::int64_t good_until = std::numeric_limits<std::int64_t>::max();
  /// The error for which the peer was refused.
  std::optional<ssl_error> verdict;
  /// Refused by an alert that isn't left to OpenSSL, which may complete the handshake all the same: see
  /// chosen_alert.hpp.
  std::optional<alert_type> chosen_alert;

  // --- the rules, which are for clients ---
  std::optional<access_rule> rule;    ///< the first that matches
  std::optional<certificate> let_in;  ///< whom it lets in
  bool denied = false;                ///< no rule does

  // --- the client's pre-shared key, whichever side this is ---
  std::string identity;
  bool uses_key = false;        ///< OpenSSL was given a key for `identity`
  bool knows_identity = false;  ///< the application has a key for it
  bool has_other_hash = false;  ///< which isn't that of the client's binder
  bool withdrew_key = false;    ///< the second ClientHello lacks the identity of the first
  bool lacks_key = false;       ///< on the client's side: the application gives none where one is needed

  /// QSslSocket's rule: a list that isn't empty decides alone.
  bool ignores_errors() const noexcept;

  /// Stops the handshake with a question; false if it must be refused without an answer.
  bool ask(handshake_question what) noexcept;
};

}  // namespace sallyport::detail

#endif
