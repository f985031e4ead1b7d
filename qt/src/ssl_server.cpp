// ssl_server: SslServer's functions.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/qt/ssl_server.hpp>

#include "ssl_server_private.hpp"

#include <QtCore/QMetaMethod>

#include <algorithm>

namespace sallyport::qt {

SslServer::SslServer(QObject* parent) : QTcpServer(parent), d_(std::make_unique<SslServerPrivate>(*this)) {}

SslServer::~SslServer() {
  d_->drop_all();  // which forgets the dead ones in the queue, too: QTcpServer would delete them again
}

bool SslServer::setSslConfiguration(const SslConfiguration& sslConfiguration) {
  return d_->set_configuration(sslConfiguration);
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

void SslServer::disconnectNotify(const QMetaMethod& signal) {
  if (!signal.isValid()) d_->connect_to_server();
}

void SslServer::incomingConnection(qintptr socket) { d_->accept(socket); }

}  // namespace sallyport::qt
