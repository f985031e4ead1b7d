// line_server: see line_server.h. Everything is connected by strings, as in the days of Qt 4.
//
// SPDX-License-Identifier: Apache-2.0
#include "line_server.h"

#include <QTextStream>

static void say(const QString& text) { QTextStream(stdout) << text << Qt::endl; }

LineServer::LineServer(QObject* parent) : QSslServer(parent) {
  connect(this, SIGNAL(startedEncryptionHandshake(QSslSocket*)), this, SLOT(onStarted(QSslSocket*)));
  connect(this, SIGNAL(sslErrors(QSslSocket*, QList<QSslError>)), this,
          SLOT(onSslErrors(QSslSocket*, QList<QSslError>)));
  connect(this, SIGNAL(errorOccurred(QSslSocket*, QAbstractSocket::SocketError)), this,
          SLOT(onErrorOccurred(QSslSocket*, QAbstractSocket::SocketError)));
  connect(this, SIGNAL(preSharedKeyAuthenticationRequired(QSslSocket*, QSslPreSharedKeyAuthenticator*)), this,
          SLOT(onPreSharedKeyRequired(QSslSocket*, QSslPreSharedKeyAuthenticator*)));
  connect(this, SIGNAL(pendingConnectionAvailable()), this, SLOT(onPending()));
  connect(this, SIGNAL(lineReceived(QSslSocket*, QByteArray)), this, SLOT(onLine(QSslSocket*, QByteArray)),
          Qt::QueuedConnection);
}

void LineServer::incomingConnection(qintptr socket) {
  say("incoming");
  QSslServer::incomingConnection(socket);
}

void LineServer::onStarted(QSslSocket* socket) {
  say(socket->mode() == QSslSocket::SslServerMode ? "started" : "started in another mode");
}

void LineServer::onSslErrors(QSslSocket* socket, const QList<QSslError>& errors) {
  say("errors: " + errors.first().errorString());
  socket->ignoreSslErrors(errors);
}

void LineServer::onErrorOccurred(QSslSocket* socket, QAbstractSocket::SocketError) {
  say("failed: " + socket->errorString());
}

void LineServer::onPreSharedKeyRequired(QSslSocket*, QSslPreSharedKeyAuthenticator*) { say("key wanted"); }

void LineServer::onPending() {
  m_latest = qobject_cast<QSslSocket*>(nextPendingConnection());
  say(m_latest != nullptr && m_latest->isEncrypted() ? "pending" : "pending, but what");
  connect(m_latest, SIGNAL(readyRead()), this, SLOT(onReadyRead()));
  connect(m_latest, SIGNAL(disconnected()), m_latest, SLOT(deleteLater()));
}

void LineServer::onReadyRead() {
  QSslSocket* socket = qobject_cast<QSslSocket*>(sender());
  while (socket->canReadLine()) emit lineReceived(socket, socket->readLine());
}

void LineServer::onLine(QSslSocket* from, const QByteArray& line) { from->write(line.toUpper()); }
