// socket_pair: an SslSocket on the server's side, and the client at the other end of its connection.
//
//   tls_peer peer;
//   SslSocket socket;
//   adopt(socket, peer);
//   begin(socket, peer);
//   ASSERT_TRUE(peer.until([&] { return socket.isEncrypted(); }));
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_QT_SUPPORT_SOCKET_PAIR_HPP
#define SALLYPORT_TESTS_QT_SUPPORT_SOCKET_PAIR_HPP

#include "settings.hpp"
#include "tls_peer.hpp"

#include <sallyport/qt/ssl_socket.hpp>

namespace sallyport::test {

/// Gives the socket the peer's connection, in plain text, and the settings for its handshake.
void adopt(qt::SslSocket& socket, tls_peer& peer, const qt::SslConfiguration& settings = server_settings());

/// Begins the handshake on both sides.
void begin(qt::SslSocket& socket, tls_peer& peer);

/// Goes on until it has succeeded.
void encrypt(qt::SslSocket& socket, tls_peer& peer);

/// Turns for both, enough for what has been said to arrive.
void settle(tls_peer& peer, int turns = 10);

/// An encrypted connection, on which nobody has anything to say.
struct encrypted_pair {
  explicit encrypted_pair(const memory_client_options& options = {});
  void settle(int turns = 10) { test::settle(peer, turns); }

  tls_peer peer;
  qt::SslSocket socket;
};

}  // namespace sallyport::test

#endif
