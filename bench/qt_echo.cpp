// qt_echo: an echo over TLS on Qt's QSslServer. As usual with Qt, what a client doesn't read is kept without limit.
// It doesn't resume sessions.
//
// The same source is also sallyport_qt_echo: one include gives Qt's names to the classes of our Qt module. These read
// no more while 16 MiB wait to be written, and resume sessions.
//
// SPDX-License-Identifier: Apache-2.0
#include "program.hpp"

#ifdef BENCH_SALLYPORT_QT
#include <sallyport/qt/QSslServer>
#endif

#include <QCoreApplication>
#include <QFile>
#include <QHostAddress>
#include <QSslCertificate>
#include <QSslConfiguration>
#include <QSslKey>
#include <QSslServer>
#include <QSslSocket>

#include <string>

namespace {

QList<QSslCertificate> read_certificates(const std::string& file) {
  QList<QSslCertificate> chain = QSslCertificate::fromPath(QString::fromStdString(file), QSsl::Pem);
  if (chain.isEmpty()) refuse("--cert: '" + file + "' has no certificate that Qt can use");
  return chain;
}

QSslKey read_key(const std::string& file, QSsl::KeyAlgorithm algorithm) {
  QFile opened(QString::fromStdString(file));
  QSslKey key;
  if (opened.open(QIODevice::ReadOnly)) key = QSslKey(&opened, algorithm);
  if (key.isNull()) refuse("--key: '" + file + "' has no key that Qt can use with this certificate");
  return key;
}

void echo(QSslSocket* socket) {
  const auto answer = [socket] {
    if (socket->bytesAvailable() > 0) socket->write(socket->readAll());
  };
  QObject::connect(socket, &QSslSocket::readyRead, socket, answer);
  // Qt tells the client's close_notify by an error, and then ends TCP without an answer to it.
  QObject::connect(socket, &QSslSocket::errorOccurred, socket, &QSslSocket::disconnectFromHost);
  QObject::connect(socket, &QSslSocket::disconnected, socket, &QObject::deleteLater);
  socket->setSocketOption(QAbstractSocket::LowDelayOption, 1);
  answer();  // what came with the end of the handshake
}

}  // namespace

int main(int argc, char** argv) {
  const options given(argc, argv, {{"--cert", ""}, {"--key", ""}, {"--listen", "127.0.0.1:0"}});
  int no_arguments = 1;
  QCoreApplication application(no_arguments, argv);

  QSslConfiguration configuration = QSslConfiguration::defaultConfiguration();
  const QList<QSslCertificate> chain = read_certificates(given.text("--cert"));
  configuration.setLocalCertificateChain(chain);
  configuration.setPrivateKey(read_key(given.text("--key"), chain.first().publicKey().algorithm()));
  configuration.setPeerVerifyMode(QSslSocket::VerifyNone);
  configuration.setProtocol(QSsl::TlsV1_2OrLater);

  QSslServer server;
  server.setSslConfiguration(configuration);
  // Handshakes that are broken off keep their places in Qt's: with the default of 30 it soon stops accepting.
  server.setMaxPendingConnections(10000);
  server.setListenBacklogSize(4096);
  QObject::connect(&server, &QSslServer::pendingConnectionAvailable, &server, [&server] {
    while (QTcpSocket* const socket = server.nextPendingConnection()) echo(static_cast<QSslSocket*>(socket));
  });

  const sockaddr_in address = given.address("--listen");
  if (!server.listen(QHostAddress(ntohl(address.sin_addr.s_addr)), ntohs(address.sin_port))) {
    refuse("--listen: " + server.errorString().toStdString());
  }
  end_on_sigterm();
  print_listening(server.serverAddress().toString().toStdString(), server.serverPort());
  return QCoreApplication::exec();
}
