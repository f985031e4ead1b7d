// qt_peer: the other side of a socket under test.
//
// SPDX-License-Identifier: Apache-2.0
#include "qt_peer.hpp"

#include "support/test_servers.hpp"

#include <QtNetwork/QSslCertificate>
#include <QtNetwork/QTcpServer>

#include <stdexcept>
#include <utility>

namespace sallyport::test {
namespace {

class peer_server : public QTcpServer {
 public:
  std::function<void(qintptr)> on_descriptor;

 protected:
  void incomingConnection(qintptr descriptor) override { on_descriptor(descriptor); }
};

}  // namespace

QSslCertificate qt_certificate(const std::string& pem) {
  return QSslCertificate(QByteArray::fromStdString(pem), QSsl::Pem);
}

QSslKey qt_key(const std::string& pem) { return QSslKey(QByteArray::fromStdString(pem), QSsl::Ec, QSsl::Pem); }

QSslConfiguration peer_settings() {
  static const credentials shown = issue(test_ca(), {.common_name = "server", .names = {"localhost", "127.0.0.1"}});
  return peer_settings(shown);
}

QSslConfiguration peer_settings(const credentials& shown) {
  QSslConfiguration settings = QSslConfiguration::defaultConfiguration();
  settings.setLocalCertificateChain({qt_certificate(shown.certificate)});
  settings.setPrivateKey(qt_key(shown.key));
  settings.setPeerVerifyMode(::QSslSocket::VerifyNone);
  return settings;
}

QSslConfiguration client_settings() {
  QSslConfiguration settings = QSslConfiguration::defaultConfiguration();
  settings.setCaCertificates({qt_certificate(test_ca().certificate)});
  return settings;
}

qt_peer::qt_peer(const QSslConfiguration& settings, handler on_client, peer_begins begins) : inside_(new QObject) {
  inside_->moveToThread(&thread_);
  thread_.start();
  QMetaObject::invokeMethod(
      inside_,
      [this, settings, begins, on_client = std::move(on_client)] {
        auto* server = new peer_server;
        server->setParent(inside_);
        server_ = server;
        server->on_descriptor = [this, server, settings, begins, on_client](qintptr descriptor) {
          auto* socket = new ::QSslSocket(server);
          socket->setSslConfiguration(settings);
          socket->setSocketDescriptor(descriptor);
          ++clients_;
          if (begins == peer_begins::plain) return on_client(*socket);
          QObject::connect(socket, &::QSslSocket::encrypted, socket, [socket, on_client] { on_client(*socket); });
          socket->startServerEncryption();
        };
        if (server->listen(QHostAddress::LocalHost)) port_ = server->serverPort();
      },
      Qt::BlockingQueuedConnection);
  if (port_ == 0) throw std::runtime_error("cannot listen");
}

qt_peer::~qt_peer() {
  QMetaObject::invokeMethod(
      inside_, [this] { delete server_; }, Qt::BlockingQueuedConnection);
  thread_.quit();
  thread_.wait();
  delete inside_;
}

void echo(::QSslSocket& socket) {
  const auto answer = [&socket] { socket.write(socket.readAll()); };
  QObject::connect(&socket, &QIODevice::readyRead, &socket, answer);
  answer();
}

}  // namespace sallyport::test
