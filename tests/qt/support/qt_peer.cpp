// qt_peer: the other side of a socket under test.
//
// SPDX-License-Identifier: Apache-2.0
#include "qt_peer.hpp"

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

qt_peer::qt_peer(handler on_client, peer_begins begins) : qt_peer(server_settings(), std::move(on_client), begins) {}

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
