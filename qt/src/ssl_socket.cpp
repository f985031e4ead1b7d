// ssl_socket: see ssl_socket.hpp; its life, its state, and what it knows of the peer.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_socket_private.hpp"

#include "connected_descriptor.hpp"
#include "to_qt.hpp"

#include <QtCore/QPointer>

#include <sys/ioctl.h>

#include <utility>

namespace sallyport::qt {

SslSocketPrivate::~SslSocketPrivate() {
  if (deaths) ++*deaths;
  abandon_telling();
  if (descriptor >= 0) release_descriptor(ending::orderly);
}

void SslSocketPrivate::forget_connection() {
  let_go(ending::orderly);
  mode = SslSocket::UnencryptedMode;
  incoming.clear();
  known = {};
  if (usual_verify_name) peer_verify_name = *std::exchange(usual_verify_name, std::nullopt);
}

void SslSocketPrivate::adopt(int taken, const connected_descriptor& names, QIODevice::OpenMode open_mode) {
  forget_connection();
  descriptor = taken;
  int on = 1;
  ::ioctl(descriptor, FIONBIO, &on);
  ::ioctl(descriptor, FIOCLEX);
  // Unlike setOpenMode() it drops what QIODevice has buffered of the connection before. Unbuffered: what has been
  // decrypted is buffered here already.
  q.QIODevice::open(open_mode | QIODevice::Unbuffered);
  q.setErrorString(QString());
  q.setSocketError(QAbstractSocket::UnknownSocketError);
  q.setLocalAddress(names.local.address);
  q.setLocalPort(names.local.port);
  q.setPeerAddress(names.peer.address);
  q.setPeerPort(names.peer.port);
  q.setSocketState(QAbstractSocket::ConnectedState);
  stage = socket_stage::plain;
  notifier = new socket_notifier(*this, descriptor);
}

void SslSocketPrivate::abandon_telling() {
  emissions.end_all();
  telling = {};
  if (is_in_cork_list) {
    is_in_cork_list = false;
    loop_window::of_this_thread().uncork(*this);
  }
}

/// Still on the old thread, from within moveToThread(). What is posted goes along.
void SslSocketPrivate::on_thread_change() {
  if (listener != nullptr && !listener->goes_along_with(q)) listener = nullptr;
  abandon_telling();
  go_on_soon();
}

void SslSocketPrivate::go_on_soon() {
  if (go_on_is_posted) return;
  go_on_is_posted = true;
  const auto go_on_now = [this] {
    go_on_is_posted = false;
    go_on();
  };
  QMetaObject::invokeMethod(&q, go_on_now, Qt::QueuedConnection);
}

SslSocket::SslSocket(QObject* parent) : SslSocket(::QSslConfiguration::defaultConfiguration(), parent) {}

SslSocket::SslSocket(const SslConfiguration& configuration, QObject* parent)
    : QTcpSocket(parent), d_(std::make_unique<SslSocketPrivate>(*this, configuration)) {}

SslSocket::~SslSocket() {
  // As Qt's, it tells its end from its destructor; of a handshake the server must hear, too.
  d_->attempt.reset();
  if (d_->stage == socket_stage::handshake)
    d_->end_handshake(handshake_error::aborted, SslHandshakeFailedError,
                      QStringLiteral("the application deleted the socket during the handshake"));
  else if (d_->stage != socket_stage::idle)
    d_->end_connection(SslSocketPrivate::ending::orderly);
  d_->forget_connection();
  setSocketState(UnconnectedState);  // for QAbstractSocket's destructor
}

bool SslSocket::setSocketDescriptor(qintptr socketDescriptor, SocketState state, OpenMode openMode) {
  const int descriptor = static_cast<int>(socketDescriptor);
  const connected_descriptor connected =
      state == ConnectedState ? inspect_connected(descriptor)
                              : connected_descriptor{QStringLiteral("Only a connected descriptor can be set")};
  if (!connected.refusal.isEmpty()) {
    setSocketError(UnsupportedSocketOperationError);
    setErrorString(connected.refusal);
    return false;
  }
  if (d_->stage != socket_stage::idle) {
    const QPointer<SslSocket> self(this);
    abort();
    if (!self) return false;
  }
  d_->adopt(descriptor, connected, openMode);
  Q_EMIT stateChanged(ConnectedState);
  return true;
}

qintptr SslSocket::socketDescriptor() const { return d_->descriptor; }

SslSocket::SslMode SslSocket::mode() const { return d_->mode; }
bool SslSocket::isEncrypted() const { return d_->stage == socket_stage::encrypted; }

QSsl::SslProtocol SslSocket::sessionProtocol() const {
  return d_->tls ? to_qt(d_->tls->version()) : QSsl::UnknownProtocol;
}

QSslCipher SslSocket::sessionCipher() const {
  return d_->tls ? cipher_to_qt(d_->tls->cipher_openssl_name()) : QSslCipher();
}

QSslCertificate SslSocket::peerCertificate() const {
  return d_->known.peer_chain.empty() ? QSslCertificate() : to_qt(d_->known.peer_chain.front());
}
QList<QSslCertificate> SslSocket::peerCertificateChain() const { return to_qt(d_->known.peer_chain); }
QList<QSslError> SslSocket::sslHandshakeErrors() const { return d_->known.handshake_errors; }
QList<QOcspResponse> SslSocket::ocspResponses() const { return {}; }

QString SslSocket::serverName() const { return d_->known.server_name; }
bool SslSocket::isSessionResumed() const { return d_->known.is_resumed; }
QString SslSocket::keyExchangeGroup() const { return d_->known.group; }
QString SslSocket::matchedRule() const { return d_->known.matched_rule; }
QByteArray SslSocket::preSharedKeyIdentity() const { return d_->known.key_identity; }
bool SslSocket::isStreamComplete() const { return d_->known.stream_is_complete; }
std::optional<handshake_error> SslSocket::handshakeFailure() const { return d_->known.failure; }
QString SslSocket::handshakeFailureSentence() const { return d_->known.failure_sentence; }

}  // namespace sallyport::qt
