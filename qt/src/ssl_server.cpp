// ssl_server: SslServer's functions.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/qt/ssl_server.hpp>

#include "ssl_server_private.hpp"

#include <QtCore/QMetaMethod>

#include <algorithm>
#include <iterator>
#include <utility>

namespace sallyport::qt {

SslServer::SslServer(QObject* parent) : QTcpServer(parent), d_(std::make_unique<SslServerPrivate>(*this)) {}

SslServer::~SslServer() {
  d_->drop_all();  // which forgets the dead ones in the queue, too: QTcpServer would delete them again
  const auto going = std::move(d_);  // whose own connections are nobody's concern any more
}

bool SslServer::setSslConfiguration(const SslConfiguration& sslConfiguration) {
  return d_->set_configuration(sslConfiguration);
}

bool SslServer::setSslConfiguration(const ::QSslConfiguration& sslConfiguration) {
  SslConfiguration wanted = d_->configuration;
  static_cast<::QSslConfiguration&>(wanted) = sslConfiguration;
  return d_->set_configuration(wanted);
}

SslConfiguration SslServer::sslConfiguration() const { return d_->configuration; }

QString SslServer::sslConfigurationError() const { return d_->configuration_error; }

void SslServer::setHandshakeTimeout(int timeout) {
  d_->handshake_timeout = std::chrono::milliseconds(std::max(timeout, 1));
}

int SslServer::handshakeTimeout() const { return static_cast<int>(d_->handshake_timeout.count()); }

void SslServer::setMaxPendingConnections(int numConnections) { d_->set_limit(numConnections); }

int SslServer::maxPendingConnections() const { return d_->limit(); }

void SslServer::setMaxHandshakesPerPeer(int count) {
  d_->per_peer = std::max(count, 0);
  d_->tidy();
  d_->update_limit();
}

int SslServer::maxHandshakesPerPeer() const { return d_->per_peer != 0 ? d_->per_peer : std::max(d_->limit() / 2, 1); }

bool SslServer::hasPendingConnections() const {
  d_->tidy();
  return QTcpServer::hasPendingConnections();
}

QTcpSocket* SslServer::nextPendingConnection() { return d_->next_in_queue(); }

void SslServer::close() {
  d_->tidy();
  QTcpServer::close();
  d_->forget_pauses();
  d_->end_all();
}

void SslServer::pauseAccepting() { d_->pause(); }

void SslServer::resumeAccepting() { d_->resume(); }

// All slots of one of its signals, or of all of them: ours went as well.
void SslServer::disconnectNotify(const QMetaMethod& signal) {
  if (!d_) return;
  if (!signal.isValid()) return d_->connect_to_server();
  static const QMetaMethod ours[] = {QMetaMethod::fromSignal(&QTcpServer::pendingConnectionAvailable),
                                     QMetaMethod::fromSignal(&QTcpServer::newConnection),
                                     QMetaMethod::fromSignal(&QTcpServer::acceptError)};
  if (std::ranges::find(ours, signal) == std::end(ours)) return;
  // Not now: Qt holds a lock that connecting would wait for.
  QMetaObject::invokeMethod(
      d_.get(), [this] { d_->connect_to_server(); }, Qt::QueuedConnection);
}

void SslServer::incomingConnection(qintptr socket) { d_->accept(socket); }

}  // namespace sallyport::qt
