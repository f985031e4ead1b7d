// SslServer: QSslServer on Sallyport's engine.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_SSL_SERVER_HPP
#define SALLYPORT_QT_SSL_SERVER_HPP

#include <sallyport/qt/export.hpp>
#include <sallyport/qt/ssl_configuration.hpp>
#include <sallyport/qt/ssl_socket.hpp>

#include <sallyport/error.hpp>

#include <QtCore/QList>
#include <QtNetwork/QSslError>
#include <QtNetwork/QTcpServer>

#include <memory>

namespace sallyport::qt {

class SslServer;
struct SslServerPrivate;

using QSslServer = SslServer;

/// An encrypted TCP server with the functions, signals and order of signals of Qt's QSslServer: what isn't said here is
/// as Qt documents it, and docs/qt.md lists what differs on purpose.
///
/// Every connection ends in exactly one of two ways: errorOccurred() is emitted for it and its socket is deleted, or it
/// enters the queue and the server emits nothing about it any more. No client can keep the others waiting.
///
/// The signals need direct connections where a decision is expected. Belongs to one thread, as every QObject. A socket
/// that is taken to another thread in its handshake goes on without the server, which says nothing of it any more.
///
/// waitForNewConnection() waits for TCP, as Qt's: handshakes go on in the event loop only.
class SALLYPORT_QT_EXPORT SslServer : public QTcpServer {
  Q_OBJECT

 public:
  explicit SslServer(QObject* parent = nullptr);
  /// Closes the server and all its sockets, which are its children.
  ~SslServer() override;

  /// Checks the configuration, and uses it for the connections accepted from now on; also while listening. If it is
  /// faulty the former one stays, and this returns false, with the reason in sslConfigurationError() and a warning.
  bool setSslConfiguration(const SslConfiguration& sslConfiguration);
  /// The same for Qt's settings alone: what only an SslConfiguration has (identities, access rules, revocation lists,
  /// ...) stays as it is, so that a part of it that went through a QSslConfiguration doesn't let in whom the rest keeps
  /// out.
  bool setSslConfiguration(const ::QSslConfiguration& sslConfiguration);
  SslConfiguration sslConfiguration() const;
  /// Why the latest setSslConfiguration() was refused: a sentence that names the setting and the reason; else empty.
  QString sslConfigurationError() const;

  /// In milliseconds, from accept to the complete handshake; nothing that the client sends restarts it. Default 5000.
  /// For the connections accepted from now on. Less than 1 is taken as 1.
  void setHandshakeTimeout(int timeout);
  int handshakeTimeout() const;

  /// Connections in handshake and complete ones that nobody has taken, together; default 30, never more. When so many
  /// are there clients wait in the kernel's backlog, unless there is one whose place they may have, which then ends
  /// with handshake_error::evicted: one that has been silent for a second, or for 250 ms if its address has taken its
  /// share (a fifth of its timeout, where that is less); otherwise one that has had half of its timeout. (Called on a
  /// QTcpServer it does the same, but the getter of that tells what is left for the queue.)
  void setMaxPendingConnections(int numConnections);
  int maxPendingConnections() const;

  /// Of these, in handshake with one address (IPv4) or /64 network (IPv6). A client beyond its share takes the place of
  /// its own oldest, which ends with handshake_error::evicted. 0 is the default: half of maxPendingConnections(), at
  /// least 1, and not strict. Then the oldest has 250 ms (or a fifth of its timeout, where that is less) to send its
  /// ClientHello before it has to go, and half of its timeout to complete the handshake, so that honest clients behind
  /// one address may come in a burst; unless that address has just shown that its clients stay silent.
  void setMaxHandshakesPerPeer(int count);
  int maxHandshakesPerPeer() const;

  bool hasPendingConnections() const override;
  QTcpSocket* nextPendingConnection() override;
  /// Ends the handshakes in progress, too: nothing is queued afterwards. (Called on a QTcpServer it does the same, at
  /// the event loop's next turn.)
  void close();
  /// Holds within a burst of clients, and until resumeAccepting() or close(). No effect when not listening. (Called on
  /// a QTcpServer both are Qt's: such a pause doesn't hold, but ends when a connection is taken from the queue or a
  /// place becomes free, and a pause of this class isn't ended.)
  void pauseAccepting();
  void resumeAccepting();

 Q_SIGNALS:
  void sslErrors(QSslSocket* socket, const QList<QSslError>& errors);
  void peerVerifyError(QSslSocket* socket, const QSslError& error);
  void errorOccurred(QSslSocket* socket, QAbstractSocket::SocketError error);
  void preSharedKeyAuthenticationRequired(QSslSocket* socket, QSslPreSharedKeyAuthenticator* authenticator);
  void alertSent(QSslSocket* socket, QSsl::AlertLevel level, QSsl::AlertType type, const QString& description);
  void alertReceived(QSslSocket* socket, QSsl::AlertLevel level, QSsl::AlertType type, const QString& description);
  void handshakeInterruptedOnError(QSslSocket* socket, const QSslError& error);
  void startedEncryptionHandshake(QSslSocket* socket);

  /// Right before errorOccurred() of the same socket: the reason, one of a fixed set, and a sentence for a log.
  void handshakeFailed(QSslSocket* socket, sallyport::handshake_error reason, const QString& sentence);

 protected:
  void incomingConnection(qintptr socket) override;
  void disconnectNotify(const QMetaMethod& signal) override;

 private:
  friend struct SslServerPrivate;
  std::unique_ptr<SslServerPrivate> d_;
};

}  // namespace sallyport::qt

#endif
