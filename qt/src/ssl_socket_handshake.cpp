// ssl_socket_handshake: from the first byte to encrypted(), or to the reason why not.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_socket_private.hpp"

#include "context_source.hpp"
#include "to_qt.hpp"

#include <QtCore/QMetaMethod>

#include <utility>

namespace sallyport::qt {
namespace {

bool is_alert(const session_event& event) {
  return event.what == session_event::kind::alert_sent || event.what == session_event::kind::alert_received;
}

// Failures before TLS has begun, where Qt would disconnect rather than abort.
bool is_before_tls(handshake_error reason) {
  switch (reason) {
    case handshake_error::not_tls:
    case handshake_error::plain_http:
    case handshake_error::closed_by_client:
    case handshake_error::reset_by_client:
      return true;
    default:
      return false;
  }
}

}  // namespace

void SslSocketPrivate::accept_tls(const context& with, handshake_listener* hears) {
  listener = hears;
  tls.emplace(with);
  stage = socket_stage::handshake;
  take_plain_bytes();
  if (!leftover.empty()) go_on_soon();
}

void SslSocketPrivate::start_tls(session&& with, SslSocket::SslMode role) {
  // What was written so far is plain text still, unless it was written before connectToHostEncrypted() was connected.
  transmit();
  if (!std::exchange(awaits_tls, false) && !outgoing.empty()) {
    const auto written = static_cast<std::int64_t>(outgoing.size());
    for (; !outgoing.empty(); outgoing.consume(outgoing.front().size())) ciphertext.append(outgoing.front());
    note_in_ciphertext(written);
  }
  tls.emplace(std::move(with));
  stage = socket_stage::handshake;
  take_plain_bytes();
  mode = role;
  if (!tell([&] { Q_EMIT q.modeChanged(role); })) return;
  if (stage == socket_stage::handshake) handshake_turn(true);
}

/// What nobody has read belongs to the session; QIODevice has taken some of it for peek() and small reads.
void SslSocketPrivate::take_plain_bytes() {
  if (q.isTransactionStarted()) q.rollbackTransaction();
  ready_read_due = false;
  if (unread() == 0) return;
  leftover.resize(unread());
  const auto held = static_cast<std::size_t>(q.QIODevice::bytesAvailable());
  if (held > 0) {
    // Not more than it has, so it doesn't ask for more.
    q.read(reinterpret_cast<char*>(leftover.data()), static_cast<qint64>(held));
  }
  incoming.read(std::span(leftover).subspan(held));
}

handshake_phase SslSocketPrivate::phase() const { return tls ? tls->phase() : handshake_phase::before_client_hello; }

void SslSocketPrivate::handshake_turn(bool from_kernel) {
  is_in_handshake_turn = true;
  for (;;) {
    if (!tell_events()) return;  // some are left where a slot has moved the socket to another thread
    const step made = handshake_step(std::exchange(from_kernel, false));
    if (!tell_events()) return;
    // What the last flight has sent is told after encrypted().
    if (made.what != progress::done && !tell_written()) return;
    switch (made.what) {
      case progress::done:
        return finish_handshake();
      case progress::failed: {
        const auto reason = static_cast<handshake_error>(tls->error().value());
        return fail_handshake(reason, to_qt(tls->error_detail()));
      }
      case progress::want_answer:
        if (!ask()) return;
        if (!is_paused_on_errors) continue;
        break;
      case progress::want_output:
        if (!is_blocked) continue;
        break;
      case progress::want_input:
      case progress::want_worker:  // nobody has asked for it
      case progress::peer_closed:
        if (!kernel_has_ended) break;
        return kernel_error == 0 ? fail_handshake(handshake_error::closed_by_client,
                                                  QStringLiteral("The remote host closed the connection"))
                                 : fail_handshake(handshake_error::reset_by_client, qt_error_string(kernel_error));
    }
    break;
  }
  is_in_handshake_turn = false;
  update_notifier();
}

/// Its output is sent before any slot is called: it may hold the alert.
step SslSocketPrivate::handshake_step(bool from_kernel) {
  if (tls->phase() == handshake_phase::complete) return {progress::done};
  io_window window{take_input(from_kernel && tls->question() == handshake_question::none),
                   loop_window::of_this_thread().output(), 0};
  const step made = tls->handshake(window);
  note_events();
  const auto produced = window.output.first(window.produced);
  // The ticket of TLS 1.3, which no client waits for, goes out together with what is written first.
  if (made.what == progress::done && tls->version() == tls_version::tls_1_3 && mode == SslSocket::SslServerMode)
    ciphertext.append(produced);
  else if (!produced.empty())
    send_or_keep(produced);
  keep_input(window.input);
  return made;
}

bool SslSocketPrivate::tell_events() {
  while (!events_untold.empty()) {
    const session_event event = events_untold.front();
    if (event.what == session_event::kind::alert_sent) {
      if (cannot_send) {
        events_untold.erase(events_untold.begin());
        continue;
      }
      if (!ciphertext.empty()) return true;  // not yet
    }
    events_untold.erase(events_untold.begin());
    if (!tell_event(event)) return false;
  }
  return true;
}

bool SslSocketPrivate::tell_event(const session_event& event) {
  if (is_alert(event)) {
    const auto level = to_qt(event.level);
    const auto type = to_qt(event.type);
    const QString text = to_qt(description(event.type));
    if (event.what == session_event::kind::alert_sent) {
      if (listener != nullptr && !tell([&] { listener->alert_sent(q, level, type, text); })) return false;
      return tell([&] { Q_EMIT q.alertSent(level, type, text); });
    }
    if (listener != nullptr && !tell([&] { listener->alert_received(q, level, type, text); })) return false;
    return tell([&] { Q_EMIT q.alertReceived(level, type, text); });
  }
  if (event.what == session_event::kind::new_session_ticket) {
    return !note_session_ticket() || tls->version() != tls_version::tls_1_3 ||
           tell([&] { Q_EMIT q.newSessionTicketReceived(); });
  }
  if (event.what == session_event::kind::client_hello) {
    server_name = to_qt(tls->server_name());
    return listener == nullptr || tell([&] { listener->client_hello_seen(q); });
  }
  if (mode == SslSocket::UnencryptedMode) {
    mode = SslSocket::SslServerMode;
    if (!tell([&] { Q_EMIT q.modeChanged(mode); })) return false;
  }
  return listener == nullptr || tell([&] { listener->handshake_started(q); });
}

void SslSocketPrivate::finish_handshake() {
  stage = socket_stage::encrypted;
  is_encrypted = true;
  encrypted_due = true;
  is_in_handshake_turn = false;
  peer_chain = tls->peer_certificate_chain();
  group = to_qt(tls->key_exchange_group());
  matched_rule = to_qt(tls->matched_rule());
  is_resumed = tls->resumed();
  const std::string& identity = tls->pre_shared_key_identity();
  key_identity = QByteArray(identity.data(), static_cast<qsizetype>(identity.size()));
  if (mode == SslSocket::SslClientMode) note_session_ticket();  // TLS 1.2 has brought it by now

  if (handshake_listener* const hears = std::exchange(listener, nullptr))
    if (!tell_corked([&] { hears->handshake_done(q); })) return;
  tell_progress();
}

void SslSocketPrivate::note_failure(handshake_error reason, QAbstractSocket::SocketError error,
                                    const QString& sentence) {
  failure = reason;
  failure_sentence = sentence;
  if (tls) peer_chain = tls->peer_certificate_chain();
  q.setSocketError(error);
  q.setErrorString(sentence);
}

/// Still in the turn, so that nothing is read any more.
void SslSocketPrivate::fail_handshake(handshake_error reason, const QString& sentence) {
  const auto error = socket_error_of(reason);
  note_failure(reason, error, sentence);
  if (errors_were_refused && !handshake_errors.isEmpty())
    q.setErrorString(handshake_errors.first().errorString());
  else if (error == QAbstractSocket::SslHandshakeFailedError && mode != SslSocket::UnencryptedMode)
    q.setErrorString(QStringLiteral("Error during SSL handshake: ") + sentence);

  if (handshake_listener* const hears = std::exchange(listener, nullptr))
    if (!tell([&] { hears->handshake_failed(q, error, reason, sentence); })) return;
  if (!tell([&] { Q_EMIT q.errorOccurred(error); })) return;
  const bool as_disconnect = errors_were_refused || is_before_tls(reason);
  if (as_disconnect && !tell_state(QAbstractSocket::ClosingState)) return;
  end_connection(ending::orderly, !as_disconnect);
}

void SslSocketPrivate::end_handshake(handshake_error reason, QAbstractSocket::SocketError error,
                                     const QString& sentence) {
  if (stage != socket_stage::handshake) return;
  handshake_listener* const hears = std::exchange(listener, nullptr);
  keeps_addresses = true;
  note_failure(reason, error, sentence);
  if (!tell_state(QAbstractSocket::ClosingState)) return;
  if (!end_connection(ending::abrupt)) return;
  if (hears != nullptr && !tell([&] { hears->handshake_failed(q, error, reason, sentence); })) return;
  forget_addresses();
}

void SslSocket::startServerEncryption() {
  if (d_->stage != socket_stage::plain || d_->is_closing) {
    qWarning("QSslSocket::startServerEncryption: cannot start handshake on non-plain connection");
    return;
  }
  const bool keys = isSignalConnected(QMetaMethod::fromSignal(&SslSocket::preSharedKeyAuthenticationRequired));
  const made_context with = cached_server_context(d_->configuration, keys);
  if (with.made) return d_->start_tls(session(*with.made), SslServerMode);

  d_->mode = SslServerMode;
  d_->awaits_tls = true;  // in vain: nothing is sent or received any more
  if (!d_->tell([this] { Q_EMIT modeChanged(SslServerMode); })) return;
  d_->fail_configuration(with.error);
}

/// For both roles. Nothing may go on in plain text that was meant to be encrypted, so the connection ends.
void SslSocketPrivate::fail_configuration(const QString& reason) {
  failure = handshake_error::internal;
  failure_sentence = reason;
  if (!tell_error(QAbstractSocket::SslInvalidUserDataError, reason)) return;
  if (!tell_error(QAbstractSocket::SslInternalError, QStringLiteral("Unable to init SSL Context: ") + reason)) return;
  abort();
}

}  // namespace sallyport::qt
