// ssl_socket_connect: how a client is connected, and begins TLS.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_socket_private.hpp"

#include "connection_attempt.hpp"
#include "context_source.hpp"
#include "ssl_configuration_data.hpp"

#include <QtCore/QMetaMethod>
#include <QtCore/QUrl>
#include <QtNetwork/QHostAddress>

#include <string_view>
#include <utility>

namespace sallyport::qt {

// --- TCP ---

void SslSocketPrivate::begin_connecting(const QString& host, quint16 port, QIODevice::OpenMode open_mode,
                                        QAbstractSocket::NetworkLayerProtocol protocol, bool encrypts,
                                        const std::optional<QString>& verify_name) {
  std::shared_ptr<connection_attempt> bound;
  if (q.state() == QAbstractSocket::BoundState) bound = std::exchange(attempt, nullptr);
  forget_connection();
  if (verify_name) usual_verify_name = std::exchange(peer_verify_name, *verify_name);
  if (!bound) forget_addresses();
  ignores_all_errors = false;  // what was ignored with the peer before
  attempt = bound ? std::move(bound) : std::make_shared<connection_attempt>(*this);
  handshake.is_awaited = encrypts;
  stage = socket_stage::connecting;
  q.QIODevice::open(open_mode);
  q.setErrorString(QString());
  q.setSocketError(QAbstractSocket::UnknownSocketError);
  attempt->begin(host, port, protocol);
}

void SslSocketPrivate::on_connected(int connected_descriptor, const connected_peer& peer) {
  descriptor = connected_descriptor;
  q.setLocalAddress(peer.local_address);
  q.setLocalPort(peer.local_port);
  q.setPeerAddress(peer.address);
  q.setPeerPort(peer.port);
  q.setPeerName(peer.name);
  stage = socket_stage::plain;
  notifier = new socket_notifier(*this, descriptor);
  if (!peer.early_bytes.isEmpty()) {
    const auto early =
        std::as_bytes(std::span(peer.early_bytes.constData(), static_cast<std::size_t>(peer.early_bytes.size())));
    if (handshake.is_awaited) {
      input.leftover.assign(early.begin(), early.end());
    } else {
      incoming.append(early);
      note_plaintext(early.size());
    }
  }
  go_on_soon();  // also forgets the attempt, on whose stack this may be

  if (!tell_state(QAbstractSocket::ConnectedState)) return;
  if (handshake.is_awaited && stage == socket_stage::plain && !tell([this] { start_client_tls(); })) return;
  if (!tell([this] { Q_EMIT q.connected(); })) return;
  // disconnectFromHost() has waited for this; with TLS it waits for the handshake, too.
  if (stage == socket_stage::plain && std::exchange(closing.has_begun, false)) close_gracefully();
}

// Not by let_go(): this may be on the attempt's stack, and nothing else has begun.
void SslSocketPrivate::on_connecting_failed(QAbstractSocket::SocketError error, const QString& sentence, bool tells) {
  stage = socket_stage::idle;
  unsent = {};
  handshake = {};
  closing = {};
  ignores_all_errors = false;
  if (!tell_state(QAbstractSocket::UnconnectedState)) return;
  q.setSocketError(error);
  q.setErrorString(sentence);
  if (tells) tell([&] { Q_EMIT q.errorOccurred(error); });
}

QTcpSocket* SslSocketPrivate::connecting_socket() const {
  return attempt && !attempt->is_over() ? &attempt->inner() : nullptr;
}

void SslSocketPrivate::forget_attempt() {
  if (attempt && attempt->is_over()) attempt.reset();
}

void SslSocket::connectToHost(const QString& hostName, quint16 port, OpenMode mode, NetworkLayerProtocol protocol) {
  if (state() != UnconnectedState && state() != BoundState) {
    qWarning("QAbstractSocket::connectToHost() called when already looking up or connecting/connected to \"%s\"",
             qUtf8Printable(hostName));
    d_->tell_error(OperationError, QStringLiteral("Trying to connect while connection is in progress"));
    return;
  }
  d_->begin_connecting(hostName, port, mode, protocol, false);
}

void SslSocket::connectToHostEncrypted(const QString& hostName, quint16 port, OpenMode mode,
                                       NetworkLayerProtocol protocol) {
  if (state() != UnconnectedState && state() != BoundState) {
    qWarning("QSslSocket::connectToHostEncrypted() called when already connecting/connected");
    return;
  }
  d_->begin_connecting(hostName, port, mode, protocol, true);
}

void SslSocket::connectToHostEncrypted(const QString& hostName, quint16 port, const QString& sslPeerName, OpenMode mode,
                                       NetworkLayerProtocol protocol) {
  if (state() != UnconnectedState && state() != BoundState) {
    qWarning("QSslSocket::connectToHostEncrypted() called when already connecting/connected");
    return;
  }
  d_->begin_connecting(hostName, port, mode, protocol, true, sslPeerName);
}

bool SslSocket::bind(const QHostAddress& address, quint16 port, BindMode mode) {
  if (state() != UnconnectedState) return false;
  d_->forget_connection();
  d_->attempt = std::make_shared<connection_attempt>(*d_);
  QTcpSocket& inner = d_->attempt->inner();
  if (!inner.bind(address, port, mode)) {
    setSocketError(inner.error());
    setErrorString(inner.errorString());
    d_->attempt.reset();
    return false;
  }
  setLocalAddress(inner.localAddress());
  setLocalPort(inner.localPort());
  d_->tell_state(BoundState);
  return true;
}

// --- TLS ---

namespace {

/// What a certificate can be for, and what is sent as SNI.
std::string ascii_name(const QString& host) {
  if (const QHostAddress numeric(host); !numeric.isNull()) {
    QHostAddress without_scope = numeric;
    without_scope.setScopeId(QString());
    return without_scope.toString().toStdString();
  }
  return QUrl::toAce(host).toStdString();
}

}  // namespace

void SslSocketPrivate::start_client_tls() {
  const bool keys = q.isSignalConnected(QMetaMethod::fromSignal(&SslSocket::preSharedKeyAuthenticationRequired));
  const made_context with = cached_client_context(configuration, keys);
  if (!with.made) {
    mode = SslSocket::SslClientMode;
    handshake.is_awaited = true;  // in vain: nothing is sent or received any more
    if (!tell([this] { Q_EMIT q.modeChanged(SslSocket::SslClientMode); })) return;
    return fail_configuration(with.error);
  }
  const QString name = peer_verify_name.isEmpty() ? q.peerName() : peer_verify_name;
  const QByteArray ticket = configuration.sessionTicket();
  start_tls(session(*with.made, ascii_name(name),
                    std::string_view(ticket.constData(), static_cast<std::size_t>(ticket.size()))),
            SslSocket::SslClientMode);
}

void SslSocket::startClientEncryption() {
  if (d_->mode != UnencryptedMode) {
    qWarning("QSslSocket::startClientEncryption: cannot start handshake on non-plain connection");
    return;
  }
  if (d_->stage != socket_stage::plain || d_->closing.has_begun) {
    qWarning("QSslSocket::startClientEncryption: cannot start handshake when not connected");
    return;
  }
  d_->start_client_tls();
}

/// The ticket is kept where the program has asked for it: it is as secret as a key.
bool SslSocketPrivate::note_session_ticket() {
  if (configuration.testSslOption(QSsl::SslOptionDisableSessionPersistence)) return false;
  const std::string resumable = tls->resumable_session();
  if (resumable.empty()) return false;
  const auto lifetime = tls->ticket_lifetime_hint();
  SslConfigurationAccess::data(configuration).session_ticket_life_time_hint =
      lifetime ? static_cast<int>(lifetime->count()) : -1;
  configuration.setSessionTicket(QByteArray(resumable.data(), static_cast<qsizetype>(resumable.size())));
  return true;
}

}  // namespace sallyport::qt
