// A chat server: whatever line a guest sends, all guests get.
//
//     qt_chat_server [PORT [CERTIFICATE KEY]]
//
// CERTIFICATE and KEY are PEM files; without them it makes a certificate that clients have to take on trust.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/qt/SslServer>

#include <QCoreApplication>
#include <QDebug>
#include <QHostAddress>

using sallyport::qt::SslConfiguration;
using sallyport::qt::SslServer;
using sallyport::qt::SslSocket;

namespace {

constexpr qint64 longest_line = 4096;
constexpr qint64 most_unsent = 1 << 20;

class ChatServer : public SslServer {
 public:
  ChatServer() {
    connect(this, &SslServer::pendingConnectionAvailable, this, &ChatServer::welcome);
    connect(this, &SslServer::handshakeFailed, this, [](SslSocket* socket, auto, const QString& sentence) {
      qInfo().noquote() << socket->peerAddress().toString() + QStringLiteral(":") << sentence;
    });
  }

 private:
  void welcome() {
    QTcpSocket* const guest = nextPendingConnection();
    guest->setReadBufferSize(longest_line);
    guests_.append(guest);
    connect(guest, &QTcpSocket::readyRead, this, [this, guest] { relay(guest); });
    connect(guest, &QTcpSocket::disconnected, this, [this, guest] {
      guests_.removeOne(guest);
      guest->deleteLater();
    });
  }

  void relay(QTcpSocket* from) {
    while (from->canReadLine()) {
      const QByteArray line = from->readLine();
      const auto guests = guests_;  // abort() takes one out
      for (QTcpSocket* const guest : guests) {
        guest->write(line);
        if (guest->bytesToWrite() > most_unsent) guest->abort();  // he doesn't read, and it is our memory
      }
    }
    if (from->bytesAvailable() >= longest_line) from->abort();
  }

  QList<QTcpSocket*> guests_;
};

}  // namespace

int main(int argc, char** argv) {
  QCoreApplication application(argc, argv);
  const auto loaded = argc > 3 ? sallyport::identity::from_pem_files(argv[2], argv[3])
                               : sallyport::identity::self_signed({"localhost"});
  if (!loaded) {
    qCritical("%s", loaded.error().detail.c_str());
    return EXIT_FAILURE;
  }
  SslConfiguration configuration;
  configuration.setIdentities({*loaded});
  configuration.setPeerVerifyMode(QSslSocket::VerifyNone);
  ChatServer server;
  if (!server.setSslConfiguration(configuration)) return EXIT_FAILURE;
  if (!server.listen(QHostAddress::Any, argc > 1 ? QByteArray(argv[1]).toUShort() : 8444)) {
    qCritical().noquote() << server.errorString();
    return EXIT_FAILURE;
  }
  qInfo() << "listening on port" << server.serverPort();
  return QCoreApplication::exec();
}
