// ssl_server_handshakes: what a server hears of its handshakes, and how it ends them.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_server_private.hpp"
#include "ssl_socket_private.hpp"
#include "to_qt.hpp"

#include <QtCore/QThread>

#include <algorithm>

namespace sallyport::qt {

namespace {

using std::chrono::milliseconds;

QString sentence_about(handshake_error reason) {
  switch (reason) {
    case handshake_error::timeout_before_client_hello:
      return QStringLiteral("no whole ClientHello came within the handshake timeout");
    case handshake_error::timeout_in_handshake:
      return QStringLiteral("the handshake wasn't complete within the handshake timeout");
    case handshake_error::evicted:
      return QStringLiteral("gave its place to a newer client");
    default:
      return QStringLiteral("the server was closed during the handshake");
  }
}

}  // namespace

// ---- what comes of them ----

void SslServerPrivate::handshake_started(SslSocket& socket) { Q_EMIT q.startedEncryptionHandshake(&socket); }

void SslServerPrivate::alert_sent(SslSocket& socket, QSsl::AlertLevel level, QSsl::AlertType type,
                                  const QString& text) {
  Q_EMIT q.alertSent(&socket, level, type, text);
}

void SslServerPrivate::alert_received(SslSocket& socket, QSsl::AlertLevel level, QSsl::AlertType type,
                                      const QString& text) {
  Q_EMIT q.alertReceived(&socket, level, type, text);
}

void SslServerPrivate::handshake_interrupted_on_error(SslSocket& socket, const QSslError& error) {
  Q_EMIT q.handshakeInterruptedOnError(&socket, error);
}

void SslServerPrivate::peer_verify_error(SslSocket& socket, const QSslError& error) {
  Q_EMIT q.peerVerifyError(&socket, error);
}

void SslServerPrivate::ssl_errors(SslSocket& socket, const QList<QSslError>& errors) {
  Q_EMIT q.sslErrors(&socket, errors);
}

void SslServerPrivate::pre_shared_key_authentication_required(SslSocket& socket, SslPreSharedKeyAuthenticator& asked) {
  Q_EMIT q.preSharedKeyAuthenticationRequired(&socket, &asked);
}

bool SslServerPrivate::goes_along_with(SslSocket& socket) {
  for (const QObject* parent = socket.parent(); parent != nullptr; parent = parent->parent()) {
    if (parent == &q) return true;
  }
  places.give_back(&socket);
  forget_death(socket);
  tidy();
  update_limit();
  return false;
}

void SslServerPrivate::handshake_done(SslSocket& socket) {
  const auto place = places.give_back(&socket);
  if (!place) return;
  places.note_success(place->peer);
  tidy();
  if (place->was_listening && !q.isListening()) {  // QTcpServer::close(), a moment ago
    forget_death(socket);
    update_limit();
    socket.deleteLater();
    constexpr auto reason = handshake_error::aborted;
    return tell_failure(socket, socket_error_of(reason), reason, sentence_about(reason));
  }
  watched_.emplace(&socket, &socket);
  ++queued_;
  update_limit();
  is_adding_ = true;
  const QPointer<SslServerPrivate> alive(this);
  q.addPendingConnection(&socket);
  if (alive) is_adding_ = false;  // the user may have blocked signals
}

void SslServerPrivate::handshake_failed(SslSocket& socket, QAbstractSocket::SocketError error, handshake_error reason,
                                        const QString& sentence) {
  const auto place = places.give_back(&socket);
  if (!place) return;
  forget_death(socket);
  if (reason == handshake_error::timeout_before_client_hello) places.note_silent_end(place->peer);
  tidy();
  update_limit();
  socket.deleteLater();
  tell_failure(socket, error, reason, sentence);
}

void SslServerPrivate::tell_failure(SslSocket& socket, QAbstractSocket::SocketError error, handshake_error reason,
                                    const QString& sentence) {
  SslServer& server = q;
  const QPointer<SslServer> server_is_there(&server);
  const QPointer<SslSocket> socket_is_there(&socket);
  Q_EMIT server.handshakeFailed(&socket, reason, sentence);
  if (server_is_there && socket_is_there) Q_EMIT server.errorOccurred(&socket, error);
}

// ---- deadlines ----

void SslServerPrivate::arm_deadline(clock::time_point deadline) {
  // Nearly always the timer runs already, for an older handshake. Whether that is still there is looked at when it
  // fires.
  if (deadline_timer_.isActive() && armed_for_ <= deadline) return;
  armed_for_ = deadline;
  deadline_timer_.start(std::max(std::chrono::ceil<milliseconds>(deadline - clock::now()), milliseconds(0)));
}

void SslServerPrivate::on_deadline() {
  tidy();
  const auto now = clock::now();
  QList<QPointer<SslSocket>> silent;
  QList<QPointer<SslSocket>> started;
  std::optional<clock::time_point> next;
  for (const auto& place : places.all()) {
    if (place.deadline > now) {
      if (!next || place.deadline < *next) next = place.deadline;
    } else if (SslSocketPrivate::of(*place.socket).phase() == handshake_phase::before_client_hello) {
      silent.append(place.socket);
    } else {
      started.append(place.socket);
    }
  }
  if (next) arm_deadline(*next);
  const QPointer<SslServerPrivate> alive(this);
  end(silent, handshake_error::timeout_before_client_hello);
  if (alive) end(started, handshake_error::timeout_in_handshake);
}

void SslServerPrivate::on_pulse() {
  places.pulse();
  tidy();
  if (places.empty()) pulse_timer_.stop();
  update_limit();  // somebody may have come of age
  const QPointer<SslServerPrivate> alive(this);
  end_lost();
  // What a slot has left undone by which the server was moved. And Qt's timers have begun anew then.
  if (alive && is_here()) end_displaced();
  if (alive && is_here()) end_closed();
  if (!alive || !is_here() || places.empty()) return;
  if (!deadline_timer_.isActive() || armed_for_ <= clock::now()) on_deadline();
}

// ---- other ends ----

void SslServerPrivate::end(const QList<QPointer<SslSocket>>& sockets, handshake_error reason) {
  const QPointer<SslServerPrivate> alive(this);
  for (const auto& socket : sockets) {
    if (!alive || !is_here()) return;
    if (!socket || !places.contains(socket)) continue;
    SslSocketPrivate::of(*socket).end_handshake(reason, socket_error_of(reason), sentence_about(reason));
  }
}

void SslServerPrivate::end_displaced() {
  tidy();
  QList<QPointer<SslSocket>> displaced;
  for (const auto& place : places.all()) {
    if (place.is_displaced) displaced.append(place.socket);
  }
  end(displaced, handshake_error::evicted);
}

void SslServerPrivate::end_all() {
  QList<QPointer<SslSocket>> all;
  for (const auto& place : places.all()) all.append(place.socket);
  end(all, handshake_error::aborted);
}

void SslServerPrivate::end_closed() {
  if (q.isListening()) return;
  forget_pauses();
  QList<QPointer<SslSocket>> left;
  for (const auto& place : places.all()) {
    if (place.was_listening) left.append(place.socket);
  }
  end(left, handshake_error::aborted);
}

/// Those whose end hasn't been told: a slot that runs at the end of a connection may use the socket for another one.
void SslServerPrivate::end_lost() {
  QList<QPointer<SslSocket>> lost;
  for (const auto& place : places.all()) {
    if (SslSocketPrivate::of(*place.socket).listener == nullptr) lost.append(place.socket);
  }
  const QPointer<SslServerPrivate> alive(this);
  for (const auto& socket : lost) {
    if (!socket) continue;
    constexpr auto reason = handshake_error::aborted;
    handshake_failed(*socket, socket_error_of(reason), reason, QStringLiteral("the application ended the handshake"));
    if (!alive || !is_here()) return;
  }
}

bool SslServerPrivate::is_here() const { return thread() == QThread::currentThread(); }

void SslServerPrivate::drop_all() {
  tidy();
  for (const auto& place : places.all()) {
    SslSocketPrivate::of(*place.socket).listener = nullptr;
  }
}

}  // namespace sallyport::qt
