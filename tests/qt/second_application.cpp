// second_application: a program with two QCoreApplications, one after the other, and sockets that are older than
// either.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/event_loop.hpp"
#include "support/settings.hpp"
#include "support/tls_peer.hpp"

#include <sallyport/qt/ssl_socket.hpp>

#include <QtCore/QCoreApplication>

#include <cstdlib>
#include <iostream>

namespace {

using sallyport::qt::SslSocket;
using sallyport::test::tls_peer;

void expect(bool condition, const char* what) {
  if (condition) return;
  std::cerr << "not so: " << what << '\n';
  std::exit(1);
}

/// The socket echoes what it is told of.
void adopt(SslSocket& socket, tls_peer& peer) {
  socket.setSslConfiguration(sallyport::test::server_settings());
  socket.setSocketDescriptor(peer.take_descriptor());
  QObject::connect(&socket, &QIODevice::readyRead, [&socket] { socket.write(socket.readAll()); });
  socket.startServerEncryption();
}

bool echoes(tls_peer& peer) {
  const std::size_t before = peer.received().size();
  peer.send("hello");
  return peer.until([&] { return peer.received().size() == before + 5; });
}

}  // namespace

int main(int argc, char** argv) {
  tls_peer first_peer;
  tls_peer second_peer;
  SslSocket first;
  SslSocket second;
  adopt(first, first_peer);
  first_peer.encrypt();
  {
    const QCoreApplication application(argc, argv);
    expect(echoes(first_peer), "a socket begun before there was an application is told");
    expect(echoes(first_peer), "again");
  }
  const QCoreApplication application(argc, argv);
  adopt(second, second_peer);
  second_peer.encrypt();
  expect(echoes(second_peer), "a socket begun with the second application is told");
  expect(echoes(first_peer), "the first one goes on");
  first.disconnect();
  second.disconnect();
}
