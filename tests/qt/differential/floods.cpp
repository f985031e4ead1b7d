// floods: a server for many clients, which tells how many it has accepted and got rid of. Compiled twice, with Qt's
// QSslServer and with ours; test_differential.py compares.
//
//   floods --cert FILE --key FILE --ca FILE [--timeout MS]
//
// Prints "port N", and then "accepted N" and "ended N" for each. Who gets through its handshake has its lines sent
// back. Ends when its input does.
//
// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"
#include "servers.hpp"

#include <QCoreApplication>
#include <QHostAddress>
#include <QSocketNotifier>

#include <cstdio>

#include <unistd.h>

namespace {

void tell(const char* what, int number) {
  std::printf("%s %d\n", what, number);
  std::fflush(stdout);
}

class CountingServer : public QSslServer {
 public:
  CountingServer() {
    connect(this, &QTcpServer::pendingConnectionAvailable, this, [this] {
      QTcpSocket* const socket = nextPendingConnection();
      connect(socket, &QIODevice::readyRead, socket, [socket] { socket->write(socket->readAll()); });
      connect(socket, &QAbstractSocket::disconnected, socket, &QObject::deleteLater);
    });
  }

 protected:
  void incomingConnection(qintptr descriptor) override {
    const QList<QSslSocket*> before = findChildren<QSslSocket*>();
    QSslServer::incomingConnection(descriptor);
    for (QSslSocket* const socket : findChildren<QSslSocket*>()) {
      if (!before.contains(socket)) connect(socket, &QObject::destroyed, &ears_, [this] { tell("ended", ++ended_); });
    }
    tell("accepted", ++accepted_);
  }

 private:
  QObject ears_;  // Qt takes back all connections of an encrypted socket to its server
  int accepted_ = 0;
  int ended_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  QCoreApplication application(argc, argv);
  const Options given(application, {"cert", "key", "ca", "timeout"});
  CountingServer server;
  QSslConfiguration configuration = given.configuration();
  configuration.setPeerVerifyMode(QSslSocket::VerifyNone);
  server.setSslConfiguration(configuration);
  if (given.has("timeout")) server.setHandshakeTimeout(given.value("timeout").toInt());
  if (!server.listen(QHostAddress::LocalHost)) qFatal("%s", qPrintable(server.errorString()));
  tell("port", server.serverPort());
  QSocketNotifier input(STDIN_FILENO, QSocketNotifier::Read);
  QObject::connect(&input, &QSocketNotifier::activated, &application, &QCoreApplication::quit);
  return QCoreApplication::exec();
}
