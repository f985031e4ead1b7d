// line_server: a server as somebody may have written it with Qt's QSslServer.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef LINE_SERVER_H
#define LINE_SERVER_H

#include <QSslServer>

#include <QSslError>
#include <QSslPreSharedKeyAuthenticator>
#include <QSslSocket>

/// Answers each line in capital letters.
class LineServer : public QSslServer {
  Q_OBJECT

 public:
  explicit LineServer(QObject* parent = nullptr);

  QSslSocket* latest() const { return m_latest; }

 signals:
  void lineReceived(QSslSocket* from, const QByteArray& line);

 protected:
  void incomingConnection(qintptr socket) override;

 private slots:
  void onStarted(QSslSocket* socket);
  void onSslErrors(QSslSocket* socket, const QList<QSslError>& errors);
  void onErrorOccurred(QSslSocket* socket, QAbstractSocket::SocketError error);
  void onPreSharedKeyRequired(QSslSocket* socket, QSslPreSharedKeyAuthenticator* authenticator);
  void onPending();
  void onReadyRead();
  void onLine(QSslSocket* from, const QByteArray& line);

 private:
  QSslSocket* m_latest = nullptr;
};

#endif
