// ssl_socket_handshake: from the first byte to encrypted(), or to the reason why not.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_socket_private.hpp"

#include "context_source.hpp"
#include "to_qt.hpp"

#include <QtCore/QMetaMethod>

#include <string>
#include <utility>

namespace sallyport::qt {
namespace {

bool is_alert(const session_event& event) {
  return event.what == session_event::kind::alert_sent || event.what == session_event::kind::alert_received;
}

QByteArray bytes_of(const std::string& text) { return QByteArray(text.data(), static_cast<qsizetype>(text.size())); }

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
  if (!input.leftover.empty()) go_on_soon();
}

void SslSocketPrivate::start_tls(session&& with, SslSocket::SslMode role) {
  // What was written so far is plain text still, unless it was written before connectToHostEncrypted() was connected.
  transmit();
  if (!std::exchange(handshake.is_awaited, false) && !unsent.plaintext.empty()) {
    const auto written = static_cast<std::int64_t>(unsent.plaintext.size());
    for (; !unsent.plaintext.empty(); unsent.plaintext.consume(unsent.plaintext.front().size()))
      unsent.ciphertext.append(unsent.plaintext.front());
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
  untold.ready_read = false;
  if (unread() == 0) return;
  input.leftover.resize(unread());
  const auto held = static_cast<std::size_t>(q.QIODevice::bytesAvailable());
  if (held > 0) {
    // Not more than it has, so it doesn't ask for more.
    q.read(reinterpret_cast<char*>(input.leftover.data()), static_cast<qint64>(held));
  }
  incoming.read(std::span(input.leftover).subspan(held));
}

handshake_phase SslSocketPrivate::phase() const { return tls ? tls->phase() : handshake_phase::before_client_hello; }

void SslSocketPrivate::handshake_turn(bool from_kernel) {
  telling.handshake_turn = true;
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
        if (!handshake.is_paused) continue;
        break;
      case progress::want_output:
        if (!kernel.is_blocked) continue;
        break;
      case progress::want_input:
      case progress::want_worker:  // nobody has asked for it
      case progress::peer_closed:
        if (!kernel.has_ended) break;
        return kernel.error == 0 ? fail_handshake(handshake_error::closed_by_client,
                                                  QStringLiteral("The remote host closed the connection"))
                                 : fail_handshake(handshake_error::reset_by_client, qt_error_string(kernel.error));
    }
    break;
  }
  telling.handshake_turn = false;
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
    unsent.ciphertext.append(produced);
  else if (!produced.empty())
    send_or_keep(produced);
  keep_input(window.input);
  return made;
}

bool SslSocketPrivate::tell_events() {
  while (!untold.events.empty()) {
    const session_event event = untold.events.front();
    if (event.what == session_event::kind::alert_sent) {
      if (kernel.cannot_send) {
        untold.events.pop();
        continue;
      }
      if (!unsent.ciphertext.empty()) return true;  // not yet
    }
    untold.events.pop();
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
    known.server_name = to_qt(tls->server_name());
    return true;
  }
  if (mode == SslSocket::UnencryptedMode) {
    mode = SslSocket::SslServerMode;
    if (!tell([&] { Q_EMIT q.modeChanged(mode); })) return false;
  }
  return listener == nullptr || tell([&] { listener->handshake_started(q); });
}

void SslSocketPrivate::finish_handshake() {
  stage = socket_stage::encrypted;
  untold.encrypted = true;
  telling.handshake_turn = false;
  known.peer_chain = tls->peer_certificate_chain();
  known.group = to_qt(tls->key_exchange_group());
  if (known.group.startsWith(QStringLiteral("secp")) || known.group.startsWith(QStringLiteral("brainpool")))
    known.ephemeral_server_key = bytes_of(tls->ephemeral_server_key());
  known.matched_rule = to_qt(tls->matched_rule());
  known.is_resumed = tls->resumed();
  known.key_identity = bytes_of(tls->pre_shared_key_identity());
  if (mode == SslSocket::SslClientMode) note_session_ticket();  // TLS 1.2 has brought it by now

  if (handshake_listener* const hears = std::exchange(listener, nullptr))
    if (!tell_corked([&] { hears->handshake_done(q); })) return;
  tell_progress();
}

void SslSocketPrivate::note_failure(handshake_error reason, QAbstractSocket::SocketError error,
                                    const QString& sentence) {
  known.failure = reason;
  known.failure_sentence = sentence;
  if (tls) known.peer_chain = tls->peer_certificate_chain();
  q.setSocketError(error);
  q.setErrorString(sentence);
}

/// Still in the turn, so that nothing is read any more.
void SslSocketPrivate::fail_handshake(handshake_error reason, const QString& sentence) {
  const auto error = socket_error_of(reason);
  note_failure(reason, error, sentence);
  if (handshake.errors_were_refused && !known.handshake_errors.isEmpty())
    q.setErrorString(known.handshake_errors.first().errorString());
  else if (error == QAbstractSocket::SslHandshakeFailedError && mode != SslSocket::UnencryptedMode)
    q.setErrorString(QStringLiteral("Error during SSL handshake: ") + sentence);

  if (handshake_listener* const hears = std::exchange(listener, nullptr))
    if (!tell([&] { hears->handshake_failed(q, error, reason, sentence); })) return;
  if (!tell([&] { Q_EMIT q.errorOccurred(error); })) return;
  const bool as_disconnect = handshake.errors_were_refused || is_before_tls(reason);
  if (as_disconnect && !tell_state(QAbstractSocket::ClosingState)) return;
  end_connection(ending::orderly, !as_disconnect);
}

void SslSocketPrivate::end_handshake(handshake_error reason, QAbstractSocket::SocketError error,
                                     const QString& sentence) {
  if (stage != socket_stage::handshake) return;
  handshake_listener* const hears = std::exchange(listener, nullptr);
  note_failure(reason, error, sentence);
  if (!tell_state(QAbstractSocket::ClosingState)) return;
  if (!end_connection(ending::abrupt, false, addresses::kept)) return;
  if (hears != nullptr && !tell([&] { hears->handshake_failed(q, error, reason, sentence); })) return;
  forget_addresses();
}

void SslSocket::startServerEncryption() {
  if (d_->stage != socket_stage::plain || d_->closing.has_begun) {
    qWarning("QSslSocket::startServerEncryption: cannot start handshake on non-plain connection");
    return;
  }
  const bool keys = isSignalConnected(QMetaMethod::fromSignal(&SslSocket::preSharedKeyAuthenticationRequired));
  const made_context with = cached_server_context(d_->configuration, keys);
  if (with.made) return d_->start_tls(session(*with.made), SslServerMode);

  d_->mode = SslServerMode;
  d_->handshake.is_awaited = true;  // in vain: nothing is sent or received any more
  if (!d_->tell([this] { Q_EMIT modeChanged(SslServerMode); })) return;
  d_->fail_configuration(with.error);
}

/// For both roles. Nothing may go on in plain text that was meant to be encrypted, so the connection ends.
void SslSocketPrivate::fail_configuration(const QString& reason) {
  known.failure = handshake_error::internal;
  known.failure_sentence = reason;
  if (!tell_error(QAbstractSocket::SslInvalidUserDataError, reason)) return;
  if (!tell_error(QAbstractSocket::SslInternalError, QStringLiteral("Unable to init SSL Context: ") + reason)) return;
  abort();
}

}  // namespace sallyport::qt
