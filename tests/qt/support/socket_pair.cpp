// socket_pair: see socket_pair.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "socket_pair.hpp"

#include <QtCore/QCoreApplication>

#include <gtest/gtest.h>

namespace sallyport::test {

void adopt(qt::SslSocket& socket, tls_peer& peer, const qt::SslConfiguration& settings) {
  socket.setSslConfiguration(settings);
  ASSERT_TRUE(socket.setSocketDescriptor(peer.take_descriptor()));
}

void begin(qt::SslSocket& socket, tls_peer& peer) {
  socket.startServerEncryption();
  peer.encrypt();
}

void encrypt(qt::SslSocket& socket, tls_peer& peer) {
  begin(socket, peer);
  EXPECT_TRUE(peer.until([&] { return socket.isEncrypted() && peer.connected(); }));
}

void settle(tls_peer& peer, int turns) {
  for (; turns > 0; --turns) {
    peer.turn();
    QCoreApplication::processEvents();
  }
}

encrypted_pair::encrypted_pair(const memory_client_options& options) : peer(options) {
  adopt(socket, peer);
  encrypt(socket, peer);
  settle();
}

}  // namespace sallyport::test
