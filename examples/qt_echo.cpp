// An echo server on the Qt module, with Qt's names: only the include isn't Qt's.
//
// Try it: openssl s_client -connect localhost:8443 -quiet
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/qt/QSslServer>

#include <QCoreApplication>
#include <QDebug>

int main(int argc, char** argv) {
  QCoreApplication application(argc, argv);
  QSslConfiguration configuration = QSslConfiguration::defaultConfiguration();
  // For trying. Qt's setLocalCertificateChain() and setPrivateKey() do it, too.
  configuration.setIdentities({sallyport::identity::self_signed({"localhost"}).value()});
  QSslServer server;
  if (!server.setSslConfiguration(configuration)) return EXIT_FAILURE;  // it has said why

  QObject::connect(&server, &QSslServer::handshakeFailed, [](QSslSocket* socket, auto, const QString& sentence) {
    qInfo().noquote() << socket->peerAddress().toString() + ':' << sentence;
  });
  QObject::connect(&server, &QSslServer::pendingConnectionAvailable, [&server] {
    QTcpSocket* const socket = server.nextPendingConnection();  // its handshake is complete
    QObject::connect(socket, &QTcpSocket::readyRead, [socket] { socket->write(socket->readAll()); });
    QObject::connect(socket, &QTcpSocket::disconnected, socket, &QObject::deleteLater);
  });
  if (!server.listen(QHostAddress::Any, argc > 1 ? QByteArray(argv[1]).toUShort() : 8443)) {
    qCritical().noquote() << server.errorString();
    return EXIT_FAILURE;
  }
  qInfo() << "listening on port" << server.serverPort();
  return QCoreApplication::exec();
}
