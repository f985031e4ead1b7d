// handshake_listener: what a server hears of its sockets in handshake.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_HANDSHAKE_LISTENER_HPP
#define SALLYPORT_QT_HANDSHAKE_LISTENER_HPP

#include <sallyport/error.hpp>

#include <QtCore/QList>
#include <QtCore/QString>
#include <QtNetwork/QAbstractSocket>
#include <QtNetwork/QSslError>

namespace sallyport::qt {

class SslSocket;
class SslPreSharedKeyAuthenticator;

/// Each of these comes right before the socket's own signal of the same. What is called may do with the socket whatever
/// a slot may, deleting it included: the caller looks whether it is still there.
class handshake_listener {
 public:
  /// The client's first bytes are those of a TLS handshake. Always the first.
  virtual void handshake_started(SslSocket& socket) = 0;
  virtual void alert_sent(SslSocket& socket, QSsl::AlertLevel level, QSsl::AlertType type, const QString& text) = 0;
  virtual void alert_received(SslSocket& socket, QSsl::AlertLevel level, QSsl::AlertType type, const QString& text) = 0;
  virtual void handshake_interrupted_on_error(SslSocket& socket, const QSslError& error) = 0;
  virtual void peer_verify_error(SslSocket& socket, const QSslError& error) = 0;
  virtual void ssl_errors(SslSocket& socket, const QList<QSslError>& errors) = 0;
  virtual void pre_shared_key_authentication_required(SslSocket& socket, SslPreSharedKeyAuthenticator& asked) = 0;

  /// The socket is about to go to another thread. False: it goes on without its listener, which has forgotten it.
  virtual bool goes_along_with(SslSocket&) { return true; }

  /// One of these two comes, and it is the last; the socket has forgotten its listener before. Neither comes where a
  /// slot has begun another connection with the socket meanwhile: then it has no listener any more.
  virtual void handshake_done(SslSocket& socket) = 0;
  /// Peer address and port, error() and errorString() are still there.
  virtual void handshake_failed(SslSocket& socket, QAbstractSocket::SocketError error, handshake_error reason,
                                const QString& sentence) = 0;

 protected:
  ~handshake_listener() = default;
};

}  // namespace sallyport::qt

#endif
