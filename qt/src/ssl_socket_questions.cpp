// ssl_socket_questions: what a handshake asks the slots. Who doesn't answer has refused.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_socket_private.hpp"

#include "to_qt.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace sallyport::qt {
namespace {

/// Of the identities of pre-shared keys, in bytes: session::set_pre_shared_key().
constexpr int max_key_identity = 255;

}  // namespace

/// False: a slot has ended it. Otherwise the next step takes what was answered, unless it is paused.
bool SslSocketPrivate::ask() {
  switch (tls->question()) {
    case handshake_question::interrupted_on_error:
      return ask_interrupted();
    case handshake_question::ssl_errors:
      return ask_errors();
    case handshake_question::pre_shared_key:
      return ask_pre_shared_key();
    case handshake_question::unknown_server_name:
    case handshake_question::none:
      return true;  // the configuration decides
  }
  return true;
}

bool SslSocketPrivate::ask_interrupted() {
  const auto errors = tls->ssl_handshake_errors();
  if (errors.empty()) return true;
  const QSslError error = to_qt(errors.back());
  handshake.interrupt_is_continued = false;
  telling.question = handshake_question::interrupted_on_error;
  if (listener != nullptr && !tell([&] { listener->handshake_interrupted_on_error(q, error); })) return false;
  if (!tell([&] { Q_EMIT q.handshakeInterruptedOnError(error); })) return false;
  telling.question = handshake_question::none;
  if (handshake.interrupt_is_continued) tls->continue_interrupted_handshake();
  return true;
}

bool SslSocketPrivate::accepts_errors() const {
  // A list decides alone.
  if (ignored_errors.isEmpty()) return ignores_all_errors;
  return std::ranges::all_of(known.handshake_errors,
                             [&](const QSslError& each) { return ignored_errors.contains(each); });
}

bool SslSocketPrivate::must_verify_peer() const {
  const auto verify = configuration.peerVerifyMode();
  return verify == ::QSslSocket::VerifyPeer ||
         (verify == ::QSslSocket::AutoVerifyPeer && mode == SslSocket::SslClientMode);
}

bool SslSocketPrivate::ask_errors() {
  known.peer_chain = tls->peer_certificate_chain();
  known.handshake_errors = to_qt(tls->ssl_handshake_errors());
  const QList<QSslError> errors = known.handshake_errors;
  // Whoever is asked about each of them as it is found has seen them.
  if (!tls->interrupts_on_error()) {
    for (const QSslError& each : errors) {
      if (listener != nullptr && !tell([&] { listener->peer_verify_error(q, each); })) return false;
      if (!tell([&] { Q_EMIT q.peerVerifyError(each); })) return false;
    }
  }
  telling.question = handshake_question::ssl_errors;
  if (listener != nullptr && !tell([&] { listener->ssl_errors(q, errors); })) return false;
  if (!tell([&] { Q_EMIT q.sslErrors(errors); })) return false;
  telling.question = handshake_question::none;

  if (accepts_errors()) {
    tls->ignore_ssl_errors();
  } else if (must_verify_peer()) {
    handshake.is_paused = q.pauseMode().testFlag(QAbstractSocket::PauseOnSslErrors);
    handshake.errors_were_refused = true;
  }
  return true;
}

bool SslSocketPrivate::ask_pre_shared_key() {
  SslPreSharedKeyAuthenticator asked;
  const auto bytes = [](const std::string& text) {
    return QByteArray(text.data(), static_cast<qsizetype>(text.size()));
  };
  asked.identity_ = bytes(tls->pre_shared_key_identity());
  asked.identity_hint_ = bytes(tls->pre_shared_key_identity_hint());
  asked.maximum_pre_shared_key_length_ = static_cast<int>(pre_shared_key::max_size);
  const bool is_client = mode == SslSocket::SslClientMode;
  if (is_client) {
    asked.identity_.clear();  // the client chooses it
    asked.maximum_identity_length_ = max_key_identity;
  }

  if (listener != nullptr && !tell([&] { listener->pre_shared_key_authentication_required(q, asked); })) return false;
  if (!tell([&] { Q_EMIT q.preSharedKeyAuthenticationRequired(&asked); })) return false;
  const auto key = std::as_bytes(
      std::span(asked.pre_shared_key_.constData(), static_cast<std::size_t>(asked.pre_shared_key_.size())));
  if (key.empty() || key.size() > pre_shared_key::max_size) return true;
  if (is_client)
    tls->set_pre_shared_key(asked.identity_.left(max_key_identity).toStdString(), pre_shared_key(key, asked.hash_));
  else
    tls->set_pre_shared_key(pre_shared_key(key, asked.hash_));
  return true;
}

void SslSocket::ignoreSslErrors() { d_->ignores_all_errors = true; }
void SslSocket::ignoreSslErrors(const QList<QSslError>& errors) { d_->ignored_errors = errors; }

void SslSocket::continueInterruptedHandshake() {
  if (d_->telling.question == handshake_question::interrupted_on_error) d_->handshake.interrupt_is_continued = true;
}

/// After PauseOnSslErrors. It goes on in the next turn, as with Qt.
void SslSocket::resume() {
  if (!d_->handshake.is_paused) return;
  const auto go_on = [this] {
    if (!std::exchange(d_->handshake.is_paused, false)) return;
    if (d_->accepts_errors()) {
      d_->handshake.errors_were_refused = false;
      d_->tls->ignore_ssl_errors();
    }
    d_->handshake_turn(false);
  };
  QMetaObject::invokeMethod(this, go_on, Qt::QueuedConnection);
}

}  // namespace sallyport::qt
