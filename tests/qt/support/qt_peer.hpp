// qt_peer: the other side of a socket under test: Qt's own sockets, in a thread with an event loop of its own.
//
//   qt_peer peer([](::QSslSocket& socket) { ... });   // called in the peer's thread
//   socket.connectToHostEncrypted("localhost", peer.port());
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_QT_SUPPORT_QT_PEER_HPP
#define SALLYPORT_TESTS_QT_SUPPORT_QT_PEER_HPP

#include "settings.hpp"

#include <QtCore/QThread>
#include <QtNetwork/QSslConfiguration>
#include <QtNetwork/QSslSocket>

#include <atomic>
#include <functional>

namespace sallyport::test {

enum class peer_begins { encrypted, plain };

/// A server. Each client's socket is handed to the handler when it is encrypted, or (plain) at once; the thread's end
/// deletes it.
class qt_peer {
 public:
  using handler = std::function<void(::QSslSocket&)>;

  qt_peer(const QSslConfiguration& settings, handler on_client, peer_begins begins = peer_begins::encrypted);
  /// With server_settings().
  explicit qt_peer(handler on_client, peer_begins begins = peer_begins::encrypted);
  qt_peer(const qt_peer&) = delete;
  qt_peer& operator=(const qt_peer&) = delete;
  ~qt_peer();

  quint16 port() const { return port_; }
  /// How many clients have come.
  int clients() const { return clients_; }

 private:
  QThread thread_;
  QObject* inside_;            ///< lives in the thread
  QObject* server_ = nullptr;  ///< likewise
  quint16 port_ = 0;
  std::atomic<int> clients_ = 0;
};

/// Sends back whatever comes.
void echo(::QSslSocket& socket);

}  // namespace sallyport::test

#endif
