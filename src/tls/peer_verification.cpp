// peer_verification: the verdict on the peer's certificate: a client's, or in a client's session the server's.
//
// Everything here fails closed: what isn't expressly accepted is refused, also where memory runs out.
//
// SPDX-License-Identifier: Apache-2.0
#include "peer_verification.hpp"

#include "authorization.hpp"
#include "certificate_data.hpp"
#include "chosen_alert.hpp"
#include "resumption.hpp"
#include "revocation_check.hpp"
#include "session_callbacks.hpp"

#include <openssl/x509_vfy.h>

#include <algorithm>
#include <new>

namespace sallyport::detail {
namespace {

session_impl* session_of(X509_STORE_CTX* store) noexcept {
  const auto* ssl = static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  return ssl == nullptr ? nullptr : session_impl::of(ssl);
}

// There is no call to send an alert of one's choice: OpenSSL derives it from the verification's result.
int result_that_sends(certificate_alert alert) noexcept {
  switch (alert) {
    case certificate_alert::handshake_failure:
    case certificate_alert::access_denied:  // has none: refuse_with_chosen_alert()
      return X509_V_ERR_APPLICATION_VERIFICATION;
    case certificate_alert::bad_certificate:
      return X509_V_ERR_CERT_REJECTED;
    case certificate_alert::unsupported_certificate:
      return X509_V_ERR_INVALID_PURPOSE;
    case certificate_alert::certificate_revoked:
      return X509_V_ERR_CERT_REVOKED;
    case certificate_alert::certificate_expired:
      return X509_V_ERR_CERT_HAS_EXPIRED;
    case certificate_alert::certificate_unknown:
      return X509_V_ERR_NO_EXPLICIT_POLICY;  // has no entry in OpenSSL's table, and this is the table's default
    case certificate_alert::unknown_ca:
      return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
    case certificate_alert::decrypt_error:
      return X509_V_ERR_CERT_SIGNATURE_FAILURE;
    case certificate_alert::internal_error:
      break;
  }
  return X509_V_ERR_OUT_OF_MEM;
}

/// What OpenSSL makes of most errors is right. RFC 8446 section 6.2 has certificate_expired also for what isn't valid
/// yet, and bad_certificate for a signature that doesn't verify.
int result_for(const ssl_error& refused) noexcept {
  switch (refused.code) {
    case ssl_error_code::certificate_not_yet_valid:
      return result_that_sends(certificate_alert::certificate_expired);
    case ssl_error_code::certificate_signature_failed:
      return result_that_sends(certificate_alert::bad_certificate);
    default:
      // OpenSSL would tell a peer whose issuer's list is out of date that its certificate is.
      return is_about_lists(refused.x509_error) ? result_that_sends(certificate_alert::certificate_unknown)
                                                : refused.x509_error;
  }
}

/// Tells of one error. True if the verification is to go on, to look for more.
bool on_error(session_impl& session, ssl_error error) {
  peer_authentication& peer = *session.peer;
  peer.errors.push_back(std::move(error));
  if (!session.settings.configuration().handshake_must_interrupt_on_error) return true;
  if (peer.ask(handshake_question::interrupted_on_error) && peer.continue_once) return true;
  peer.verdict = peer.errors.back();
  return false;
}

/// All errors are known. True if they are accepted.
bool on_all_errors(session_impl& session) {
  peer_authentication& peer = *session.peer;
  const bool answered = peer.ask(handshake_question::ssl_errors);
  const bool only_queried = session.settings.configuration().verify_mode == peer_verify_mode::query;
  if (answered && (only_queried || peer.ignores_errors())) return true;
  // A list that is out of date comes before what is on it.
  const auto revoked = std::ranges::find(peer.errors, ssl_error_code::certificate_revoked, &ssl_error::code);
  peer.verdict = revoked != peer.errors.end() ? *revoked : peer.errors.front();
  return false;
}

void remember_chain(peer_authentication& peer, X509_STORE_CTX* store) {
  X509* const own = X509_STORE_CTX_get0_cert(store);
  peer.chain.push_back(certificate_of(own));
  const STACK_OF(X509)* sent = X509_STORE_CTX_get0_untrusted(store);
  for (int i = 0; i < sk_X509_num(sent); ++i) {
    if (i > 0 || sk_X509_value(sent, i) != own) peer.chain.push_back(certificate_of(sk_X509_value(sent, i)));
  }
}

int on_certificate_error(int is_good, X509_STORE_CTX* store) noexcept try {
  if (is_good == 1) return 1;
  session_impl* session = session_of(store);
  if (session == nullptr || !session->peer) return 0;  // an SSL that isn't a session's: OpenSSL's verdict
  if (is_tolerated(store)) {
    X509_STORE_CTX_set_error(store, X509_V_OK);
    ERR_clear_error();
    return 1;
  }
  const int number = X509_STORE_CTX_get_error(store);
  ssl_error error{
      .code = ssl_error_code_of(number), .depth = X509_STORE_CTX_get_error_depth(store), .x509_error = number};
  if (X509* const about = X509_STORE_CTX_get_current_cert(store)) error.certificate = certificate_of(about);
  // What verification puts on the error queue is judged here, and would else end the handshake at its next pause.
  ERR_clear_error();
  return on_error(*session, std::move(error)) ? 1 : 0;
} catch (const std::bad_alloc&) {
  return 0;
}

/// The client would be let in with its certificate, or (null) without any. True if OpenSSL is to accept it: the rules
/// do, or it is told of its refusal later.
bool follow_rules(session_impl& session, X509* leaf) noexcept {
  if (authorize(session, leaf)) return true;
  session.peer->denied = true;
  return refuse_with_chosen_alert(session, alert_type::access_denied);
}

int follow_rules_with_chain(session_impl& session, X509_STORE_CTX* store) noexcept {
  const bool accepted = follow_rules(session, X509_STORE_CTX_get0_cert(store));
  if (session.peer->denied) X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return accepted ? 1 : 0;
}

int verify_chain(X509_STORE_CTX* store, void*) noexcept try {
  session_impl* session = session_of(store);
  if (session == nullptr || !session->peer) return X509_verify_cert(store);
  peer_authentication& peer = *session->peer;
  remember_chain(peer, store);

  if (session->as_client && session->settings.configuration().verify_mode == peer_verify_mode::none) {
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
  }

  const int verified = X509_verify_cert(store);
  ERR_clear_error();
  if (verified == 1 && session->as_client && !session->as_client->names_server) {
    X509* const leaf = X509_STORE_CTX_get0_cert(store);
    if (!on_error(*session, {.code = ssl_error_code::host_name_mismatch,
                             .certificate = certificate_of(leaf),
                             .x509_error = X509_V_ERR_HOSTNAME_MISMATCH})) {
      X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
    }
  }
  const bool is_good = verified == 1 && peer.errors.empty();
  peer.good_until = is_good ? end_of_validity(store, session->settings.configuration()) : 0;
  if (is_good && !peer.refused) return follow_rules_with_chain(*session, store);

  // Not even able to verify: out of memory. There is no error to ignore.
  const bool can_be_ignored = !peer.errors.empty() && !peer.verdict && verified == 1;
  const bool accepted = can_be_ignored && on_all_errors(*session);
  if (accepted) {
    // What was found, and not what was made of it.
    X509_STORE_CTX_set_error(store, peer.errors.front().x509_error);
    return follow_rules_with_chain(*session, store);
  }
  if (peer.alert) {
    X509_STORE_CTX_set_error(store, result_that_sends(*peer.alert));
  } else if (peer.verdict) {
    X509_STORE_CTX_set_error(store, result_for(*peer.verdict));
  }
  if (X509_STORE_CTX_get_error(store) == X509_V_OK) X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
  if (peer.alert == certificate_alert::access_denied && !session->as_client) {
    return refuse_with_chosen_alert(*session, alert_type::access_denied) ? 1 : 0;
  }
  return 0;
} catch (const std::bad_alloc&) {
  X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
  return 0;
}

}  // namespace

bool accepts_missing_certificate(session_impl& session) noexcept try {
  const ssl_error missing{.code = ssl_error_code::no_peer_certificate};
  if (!session.settings.configuration().missing_certificate_is_fatal)
    return on_error(session, missing) && on_all_errors(session);
  session.peer->verdict = missing;
  return false;
} catch (const std::bad_alloc&) {
  return false;
}

bool accepts_empty_certificate(session_impl& session) noexcept {
  return accepts_missing_certificate(session) && follow_rules(session, nullptr);
}

void install_verification_callbacks(SSL_CTX* ssl_ctx) noexcept {
  SSL_CTX_set_verify(ssl_ctx, SSL_CTX_get_verify_mode(ssl_ctx), on_certificate_error);
  SSL_CTX_set_cert_verify_callback(ssl_ctx, verify_chain, nullptr);
}

}  // namespace sallyport::detail
