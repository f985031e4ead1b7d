// SslSocket: QSslSocket on Sallyport's engine.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_SSL_SOCKET_HPP
#define SALLYPORT_QT_SSL_SOCKET_HPP

#include <sallyport/qt/export.hpp>
#include <sallyport/qt/ssl_configuration.hpp>
#include <sallyport/qt/ssl_pre_shared_key_authenticator.hpp>

#include <sallyport/error.hpp>

#include <QtCore/QList>
#include <QtNetwork/QOcspResponse>
#include <QtNetwork/QSslCertificate>
#include <QtNetwork/QSslCipher>
#include <QtNetwork/QSslError>
#include <QtNetwork/QSslKey>
#include <QtNetwork/QSslSocket>
#include <QtNetwork/QTcpSocket>

#include <memory>
#include <optional>

namespace sallyport::qt {

class SslSocket;
struct SslServerPrivate;
struct SslSocketPrivate;

// The names by which signals are connected with SIGNAL() are those that are written here, so they are Qt's.
using QSslSocket = SslSocket;
using QSslPreSharedKeyAuthenticator = SslPreSharedKeyAuthenticator;

/// An encrypted socket for servers and clients, with the functions, signals and order of signals of Qt's QSslSocket:
/// what isn't said here is as Qt documents it, and docs/qt.md lists what differs on purpose. It can begin in plain text
/// (STARTTLS).
///
/// Belongs to one thread at a time, as every QObject; moveToThread() takes its connection along.
class SALLYPORT_QT_EXPORT SslSocket : public QTcpSocket {
  Q_OBJECT

 public:
  using SslMode = ::QSslSocket::SslMode;
  using PeerVerifyMode = ::QSslSocket::PeerVerifyMode;
  static constexpr SslMode UnencryptedMode = ::QSslSocket::UnencryptedMode;
  static constexpr SslMode SslClientMode = ::QSslSocket::SslClientMode;
  static constexpr SslMode SslServerMode = ::QSslSocket::SslServerMode;
  static constexpr PeerVerifyMode VerifyNone = ::QSslSocket::VerifyNone;
  static constexpr PeerVerifyMode QueryPeer = ::QSslSocket::QueryPeer;
  static constexpr PeerVerifyMode VerifyPeer = ::QSslSocket::VerifyPeer;
  static constexpr PeerVerifyMode AutoVerifyPeer = ::QSslSocket::AutoVerifyPeer;

  explicit SslSocket(QObject* parent = nullptr);
  /// Closes TCP. What hasn't been sent is lost.
  ~SslSocket() override;

  // --- connecting; the virtual ones are QAbstractSocket's ---

  void connectToHostEncrypted(const QString& hostName, quint16 port, OpenMode mode = ReadWrite,
                              NetworkLayerProtocol protocol = AnyIPProtocol);
  /// The server's certificate must be for `sslPeerName`.
  void connectToHostEncrypted(const QString& hostName, quint16 port, const QString& sslPeerName,
                              OpenMode mode = ReadWrite, NetworkLayerProtocol protocol = AnyIPProtocol);
  void connectToHost(const QString& hostName, quint16 port, OpenMode mode = ReadWrite,
                     NetworkLayerProtocol protocol = AnyIPProtocol) override;
  using QAbstractSocket::connectToHost;
  bool bind(const QHostAddress& address, quint16 port = 0, BindMode mode = DefaultForPlatform) override;
  using QAbstractSocket::bind;
  bool setSocketDescriptor(qintptr socketDescriptor, SocketState state = ConnectedState,
                           OpenMode openMode = ReadWrite) override;
  qintptr socketDescriptor() const override;
  void disconnectFromHost() override;
  void close() override;
  /// Hides QAbstractSocket::abort(), which ends in the same place.
  void abort();
  void resume() override;

  void setSocketOption(SocketOption option, const QVariant& value) override;
  QVariant socketOption(SocketOption option) override;

  // --- state ---

  SslMode mode() const;
  bool isEncrypted() const;
  QSsl::SslProtocol sessionProtocol() const;
  QSslCipher sessionCipher() const;

  // --- settings: for the handshake to come ---

  SslConfiguration sslConfiguration() const;
  void setSslConfiguration(const SslConfiguration& configuration);
  /// Qt's settings alone: see SslServer::setSslConfiguration().
  void setSslConfiguration(const ::QSslConfiguration& configuration);
  QSsl::SslProtocol protocol() const;
  void setProtocol(QSsl::SslProtocol protocol);
  PeerVerifyMode peerVerifyMode() const;
  void setPeerVerifyMode(PeerVerifyMode mode);
  int peerVerifyDepth() const;
  void setPeerVerifyDepth(int depth);
  QString peerVerifyName() const;
  void setPeerVerifyName(const QString& hostName);
  void setLocalCertificateChain(const QList<QSslCertificate>& localChain);
  void setLocalCertificate(const QSslCertificate& certificate);
  void setLocalCertificate(const QString& fileName, QSsl::EncodingFormat format = QSsl::Pem);
  QList<QSslCertificate> localCertificateChain() const;
  QSslCertificate localCertificate() const;
  void setPrivateKey(const QSslKey& key);
  void setPrivateKey(const QString& fileName, QSsl::KeyAlgorithm algorithm = QSsl::Rsa,
                     QSsl::EncodingFormat format = QSsl::Pem, const QByteArray& passPhrase = QByteArray());
  QSslKey privateKey() const;

  // --- the peer ---

  QSslCertificate peerCertificate() const;
  QList<QSslCertificate> peerCertificateChain() const;
  QList<QSslError> sslHandshakeErrors() const;
  QList<QOcspResponse> ocspResponses() const;
  /// See the slot without arguments. If the list isn't empty it decides alone.
  void ignoreSslErrors(const QList<QSslError>& errors);
  void continueInterruptedHandshake();

  // --- bytes ---

  qint64 bytesAvailable() const override;
  /// Plaintext and ciphertext that the kernel hasn't taken yet: it is 0 only if all is on its way. bytesWritten() says
  /// how much plaintext the kernel has taken, and comes after each write when nothing is left.
  qint64 bytesToWrite() const override;
  bool canReadLine() const override;
  bool atEnd() const override;
  bool isSequential() const override;
  qint64 encryptedBytesAvailable() const;
  qint64 encryptedBytesToWrite() const;
  bool flush();
  /// Nothing more is taken from the kernel while so many decrypted bytes haven't been read; 0, the default, is no
  /// limit.
  void setReadBufferSize(qint64 size) override;
  qint64 readBufferSize() const;

  /// Nothing more is read from the peer while more than so many bytes wait to be written to it: whoever sends without
  /// reading the answers fills its own buffers, and not our memory. Default 16 MiB; 0 is no limit.
  void setWriteBufferLimit(qint64 size);
  qint64 writeBufferLimit() const;

  bool waitForConnected(int msecs = 30000) override;
  bool waitForEncrypted(int msecs = 30000);
  bool waitForReadyRead(int msecs = 30000) override;
  bool waitForBytesWritten(int msecs = 30000) override;
  bool waitForDisconnected(int msecs = 30000) override;

  // --- what Qt's class lacks ---

  /// The name that the client has asked for (SNI); known in each signal of the handshake after
  /// SslServer::startedEncryptionHandshake() and modeChanged(). On a client: the name that the server must have.
  QString serverName() const;
  bool isSessionResumed() const;
  /// IANA's name ("x25519"), empty if none was used.
  QString keyExchangeGroup() const;
  /// The access rule that has let this client in.
  QString matchedRule() const;
  /// The client's identity, if it was authenticated by a pre-shared key.
  QByteArray preSharedKeyIdentity() const;
  /// True if the peer has ended its stream by close_notify; false where it just closed TCP, so that data may be
  /// missing.
  bool isStreamComplete() const;
  /// Why the handshake has failed, once it has; and a sentence with what helps.
  std::optional<handshake_error> handshakeFailure() const;
  QString handshakeFailureSentence() const;

  // --- what the backend can do: Qt's own answers, but for the protocols, which are ours ---

  static bool supportsSsl();
  static long sslLibraryVersionNumber();
  static QString sslLibraryVersionString();
  static long sslLibraryBuildVersionNumber();
  static QString sslLibraryBuildVersionString();
  static QString activeBackend();
  static QList<QString> availableBackends();
  static bool setActiveBackend(const QString& backendName);
  static QList<QSsl::SslProtocol> supportedProtocols(const QString& backendName = {});
  static bool isProtocolSupported(QSsl::SslProtocol protocol, const QString& backendName = {});
  static QList<QSsl::ImplementedClass> implementedClasses(const QString& backendName = {});
  static bool isClassImplemented(QSsl::ImplementedClass cl, const QString& backendName = {});
  static QList<QSsl::SupportedFeature> supportedFeatures(const QString& backendName = {});
  static bool isFeatureSupported(QSsl::SupportedFeature feat, const QString& backendName = {});

 public Q_SLOTS:
  void startClientEncryption();
  void startServerEncryption();
  /// Sticky: before the handshake, or in a direct slot of sslErrors().
  void ignoreSslErrors();

 Q_SIGNALS:
  void encrypted();
  void peerVerifyError(const QSslError& error);
  void sslErrors(const QList<QSslError>& errors);
  void modeChanged(QSslSocket::SslMode newMode);
  void encryptedBytesWritten(qint64 totalBytes);
  void preSharedKeyAuthenticationRequired(QSslPreSharedKeyAuthenticator* authenticator);
  void newSessionTicketReceived();
  void alertSent(QSsl::AlertLevel level, QSsl::AlertType type, const QString& description);
  void alertReceived(QSsl::AlertLevel level, QSsl::AlertType type, const QString& description);
  void handshakeInterruptedOnError(const QSslError& error);

 protected:
  qint64 readData(char* data, qint64 maxlen) override;
  qint64 readLineData(char* data, qint64 maxlen) override;
  qint64 skipData(qint64 maxSize) override;
  qint64 writeData(const char* data, qint64 len) override;

 private:
  friend struct SslServerPrivate;
  friend struct SslSocketPrivate;

  /// A server's: it has a configuration for it, and the default one takes time to make.
  SslSocket(const SslConfiguration& configuration, QObject* parent);

  std::unique_ptr<SslSocketPrivate> d_;
};

}  // namespace sallyport::qt

#endif
