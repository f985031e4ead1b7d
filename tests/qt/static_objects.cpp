// static_objects: a program whose server and sockets are static, so that they are older than the application and end
// after it, with connections in all states. With an argument the application is never destroyed.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/event_loop.hpp"
#include "support/settings.hpp"
#include "support/tls_peer.hpp"

#include <sallyport/qt/ssl_server.hpp>
#include <sallyport/qt/ssl_socket.hpp>

#include <QtCore/QCoreApplication>
#include <QtNetwork/QSslSocket>

#include <cstdlib>
#include <iostream>

namespace {

using sallyport::qt::SslServer;
using sallyport::qt::SslSocket;
using sallyport::test::tls_peer;
using sallyport::test::wait_until;

void expect(bool condition, const char* what) {
  if (condition) return;
  std::cerr << "not so: " << what << '\n';
  std::_Exit(1);
}

// What they tell at their end is heard, too.
int told = 0;
int told_before_the_end = 0;

/// The last of the static objects to go.
struct witness {
  ~witness() { expect(told - told_before_the_end >= 17, "they tell their end"); }
} last;

template <class Socket>
void listen_to_the_end_of(Socket& socket) {
  const auto tell = [] { ++told; };
  QObject::connect(&socket, &QAbstractSocket::disconnected, tell);
  QObject::connect(&socket, &QAbstractSocket::stateChanged, tell);
  QObject::connect(&socket, &QObject::destroyed, tell);
}

tls_peer accepted_peer;
tls_peer full_peer;
tls_peer plain_peer;
tls_peer half_peer;

SslServer server;
SslSocket unused;
SslSocket client;
SslSocket connecting;
SslSocket accepted;
SslSocket full;  // the kernel takes no more of what it writes
SslSocket plain;
SslSocket half;  // in its handshake

void begin_server() {
  expect(server.setSslConfiguration(sallyport::test::server_settings()), "the server has a configuration");
  server.setHandshakeTimeout(60'000);  // none ends in the meantime
  expect(server.listen(QHostAddress::LocalHost), "the server listens");
  QObject::connect(&server, &SslServer::errorOccurred, [] { ++told; });
  QObject::connect(&server, &SslServer::startedEncryptionHandshake,
                   [](SslSocket* socket) { listen_to_the_end_of(*socket); });
}

void connect(SslSocket& socket) {
  socket.connectToHostEncrypted(QStringLiteral("127.0.0.1"), server.serverPort());
  socket.ignoreSslErrors();
  listen_to_the_end_of(socket);
}

void adopt(SslSocket& socket, tls_peer& peer) {
  socket.setSslConfiguration(sallyport::test::server_settings());
  expect(socket.setSocketDescriptor(peer.take_descriptor()), "a socket has a descriptor");
  listen_to_the_end_of(socket);
}

void encrypt(SslSocket& socket, tls_peer& peer) {
  socket.startServerEncryption();
  peer.encrypt();
  expect(peer.until([&] { return socket.isEncrypted() && peer.connected(); }), "a socket is encrypted");
}

}  // namespace

int main(int argc, char** argv) {
  // What isn't destroyed stays reachable, which checks for leaks ask for.
  static const auto* const application = new QCoreApplication(argc, argv);
  begin_server();
  connect(client);
  expect(wait_until([] { return client.isEncrypted() && server.hasPendingConnections(); }), "a client is queued");
  static auto* const taken = server.nextPendingConnection();
  taken->setParent(nullptr);  // nobody's: it isn't destroyed
  ::QSslSocket second;
  second.connectToHostEncrypted(QStringLiteral("127.0.0.1"), server.serverPort());
  second.ignoreSslErrors();
  expect(wait_until([] { return server.hasPendingConnections(); }), "another is queued");
  QTcpSocket silent;
  silent.connectToHost(QHostAddress::LocalHost, server.serverPort());
  QTcpSocket started;
  started.connectToHost(QHostAddress::LocalHost, server.serverPort());
  started.write("\x16\x03\x01\x02\x00\x01\x00", 7);
  expect(wait_until([] { return server.findChildren<SslSocket*>().size() == 3; }), "two more are in their handshake");

  adopt(accepted, accepted_peer);
  encrypt(accepted, accepted_peer);
  accepted.write("written, and not sent");
  accepted_peer.send_raw("received, and not looked at");
  adopt(full, full_peer);
  encrypt(full, full_peer);
  full_peer.stop_reading();
  for (int i = 0; i < 100; ++i) full.write(QByteArray(1 << 18, 'x'));
  full.flush();
  expect(full.bytesToWrite() > 0, "the kernel takes no more");
  adopt(plain, plain_peer);
  plain_peer.send_raw("received");
  adopt(half, half_peer);
  half_peer.encrypt();
  half.startServerEncryption();
  connect(connecting);  // which takes a turn of the event loop

  silent.abort();
  started.abort();
  second.abort();
  if (argc == 1) delete application;
  told_before_the_end = told;
  return 0;
}
