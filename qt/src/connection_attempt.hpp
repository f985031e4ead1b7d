// connection_attempt: what a client does before it is connected: names, addresses, proxies.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_CONNECTION_ATTEMPT_HPP
#define SALLYPORT_QT_CONNECTION_ATTEMPT_HPP

#include "socks5_dialogue.hpp"

#include <QtCore/QDeadlineTimer>
#include <QtCore/QPointer>
#include <QtNetwork/QTcpSocket>

#include <memory>
#include <optional>

namespace sallyport::qt {

struct SslSocketPrivate;

/// A QTcpSocket of its own does it, a child of the socket: it knows resolvers, several addresses of a name, and HTTP
/// proxies. Once it is connected its descriptor is duplicated for the socket, and it is closed, which sends nothing.
/// Its notifier hasn't seen the descriptor by then, so it has read nothing.
struct connection_attempt {
  explicit connection_attempt(SslSocketPrivate& socket);
  /// Gives up, or tidies up. It may be on the stack of the inner socket's own signals.
  ~connection_attempt();
  connection_attempt(const connection_attempt&) = delete;
  connection_attempt& operator=(const connection_attempt&) = delete;

  /// The socket's state and stage are those of an attempt that begins. Calls slots.
  void begin(const QString& host, quint16 port, QAbstractSocket::NetworkLayerProtocol protocol);
  /// Without an event loop: until it is connected or has failed, or the time is over. Calls slots.
  void wait(QDeadlineTimer deadline);

  /// By begin(), bind() and socket options.
  QTcpSocket& inner() { return *inner_; }
  bool is_over() const { return is_over_; }

 private:
  /// Those of the inner socket's that are on the stack.
  struct frames {
    int count = 0;
    QPointer<QTcpSocket> orphan{};  // whom the last of them deletes, later
  };
  class frame;

  void listen_to_inner();
  void on_state(QAbstractSocket::SocketState state);
  void on_connected();
  void on_ready_read();
  void on_error(QAbstractSocket::SocketError error);
  /// What an HTTP proxy or a direct connection comes to.
  void hand_over();
  void fail(QAbstractSocket::SocketError error, const QString& sentence);
  void stop_listening();

  SslSocketPrivate& socket_;
  QTcpSocket* inner_;
  QObject* relay_ = nullptr;  // as long as it is listened to
  std::shared_ptr<frames> frames_ = std::make_shared<frames>();
  std::optional<socks5_dialogue> socks5_{};
  QString host_{};
  quint16 port_ = 0;
  bool is_over_ = false;  // connected, or failed
};

}  // namespace sallyport::qt

#endif
