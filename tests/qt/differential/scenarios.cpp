// scenarios: one server and one client's connection, told signal by signal. Compiled twice, with Qt's QSslServer and
// with ours; test_differential.py compares what the two print.
//
//   scenarios --scenario NAME --version 1.2|1.3|any --cert FILE --key FILE --ca FILE [--timeout MS]
//
// Prints "port N" and then a line for each event: "S." the server's signals, "k." the socket's, and "accepted" when it
// is listened to. Ends when the socket is destroyed.
//
// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"
#include "servers.hpp"

#include <QCoreApplication>
#include <QHostAddress>
#include <QSslCertificate>
#include <QSslCipher>
#include <QSslConfiguration>
#include <QSslPreSharedKeyAuthenticator>

#include <cstdio>

namespace {

const QByteArray pre_shared_key = QByteArray::fromHex("000102030405060708090a0b0c0d0e0f");

/// Lines, a number behind those that follow themselves: how often is a matter of how bytes arrive.
class Trace {
 public:
  void operator()(const QString& line) {
    if (line != last_) std::puts(qPrintable(line));
    std::fflush(stdout);
    last_ = line;
  }

 private:
  QString last_;
};

QString codes(const QList<QSslError>& errors) {
  QStringList list;
  for (const QSslError& error : errors) list << QString::number(error.error());
  return list.join(QLatin1Char(','));
}

class TracedServer : public QSslServer {
  Q_OBJECT

 public:
  TracedServer(Trace& trace, QString scenario) : trace_(trace), scenario_(std::move(scenario)) {
    connect(this, &QTcpServer::newConnection, this, [this] { trace_(QStringLiteral("S.newConnection")); });
    connect(this, &QTcpServer::acceptError, this, [this] { trace_(QStringLiteral("S.acceptError")); });
    connect(this, &QTcpServer::pendingConnectionAvailable, this, &TracedServer::take);
    connect(this, &QSslServer::startedEncryptionHandshake, this, [this](QSslSocket* socket) {
      trace_(QStringLiteral("S.startedEncryptionHandshake mode=%1 encrypted=%2")
                 .arg(socket->mode())
                 .arg(socket->isEncrypted()));
    });
    connect(this, &QSslServer::alertSent, this,
            [this](QSslSocket*, QSsl::AlertLevel level, QSsl::AlertType type, const QString& text) {
              trace_(QStringLiteral("S.alertSent %1 %2 \"%3\"").arg(int(level)).arg(int(type)).arg(text));
            });
    connect(this, &QSslServer::alertReceived, this,
            [this](QSslSocket*, QSsl::AlertLevel level, QSsl::AlertType type, const QString& text) {
              trace_(QStringLiteral("S.alertReceived %1 %2 \"%3\"").arg(int(level)).arg(int(type)).arg(text));
            });
    connect(this, &QSslServer::errorOccurred, this, [this](QSslSocket* socket, QAbstractSocket::SocketError error) {
      trace_(QStringLiteral("S.errorOccurred %1 state=%2 encrypted=%3 address=%4 port=%5 sentence=%6")
                 .arg(int(error))
                 .arg(socket->state())
                 .arg(socket->isEncrypted())
                 .arg(!socket->peerAddress().isNull())
                 .arg(socket->peerPort() != 0)
                 .arg(socket->errorString() != QStringLiteral("Unknown error")));
    });
    connect(this, &QSslServer::peerVerifyError, this, [this](QSslSocket* socket, const QSslError& error) {
      trace_(QStringLiteral("S.peerVerifyError %1 certificate=%2")
                 .arg(error.error())
                 .arg(!socket->peerCertificate().isNull()));
      if (scenario_.endsWith(QStringLiteral("ignore-early"))) socket->ignoreSslErrors();
      if (scenario_.endsWith(QStringLiteral("ignore-each"))) socket->ignoreSslErrors({error});
    });
    connect(this, &QSslServer::handshakeInterruptedOnError, this, [this](QSslSocket* socket, const QSslError& error) {
      trace_(QStringLiteral("S.handshakeInterruptedOnError %1 certificate=%2")
                 .arg(error.error())
                 .arg(!error.certificate().isNull()));
      if (scenario_.startsWith(QStringLiteral("interrupt-continue"))) socket->continueInterruptedHandshake();
    });
    connect(this, &QSslServer::sslErrors, this, [this](QSslSocket* socket, const QList<QSslError>& errors) {
      trace_(QStringLiteral("S.sslErrors %1 chain=%2 same=%3")
                 .arg(codes(errors))
                 .arg(socket->peerCertificateChain().size())
                 .arg(socket->sslHandshakeErrors() == errors));
      if (scenario_.endsWith(QStringLiteral("ignore"))) socket->ignoreSslErrors();
      if (scenario_.endsWith(QStringLiteral("ignore-list"))) socket->ignoreSslErrors(errors);
      if (scenario_.endsWith(QStringLiteral("ignore-first"))) socket->ignoreSslErrors({errors.first()});
      if (scenario_.endsWith(QStringLiteral("ignore-other-list")))
        socket->ignoreSslErrors({QSslError(QSslError::CertificateRevoked)});
      if (scenario_.endsWith(QStringLiteral("abort"))) socket->abort();
    });
    if (scenario_.startsWith(QStringLiteral("psk"))) {
      connect(this, &QSslServer::preSharedKeyAuthenticationRequired, this,
              [this](QSslSocket*, QSslPreSharedKeyAuthenticator* asked) {
                trace_(QStringLiteral("S.preSharedKeyAuthenticationRequired %1 hint=%2 limits=%3,%4")
                           .arg(QString::fromUtf8(asked->identity()), QString::fromUtf8(asked->identityHint()))
                           .arg(asked->maximumIdentityLength())
                           .arg(asked->maximumPreSharedKeyLength()));
                if (scenario_ == QStringLiteral("psk-right")) asked->setPreSharedKey(pre_shared_key);
                if (scenario_ == QStringLiteral("psk-wrong")) asked->setPreSharedKey(QByteArray(16, '\xff'));
              });
    }
  }

 protected:
  void incomingConnection(qintptr descriptor) override {
    trace_(QStringLiteral("S.incomingConnection"));
    QSslServer::incomingConnection(descriptor);
    for (QSslSocket* const socket : findChildren<QSslSocket*>()) watch(socket);
    trace_(QStringLiteral("accepted"));
  }

 private:
  void watch(QSslSocket* socket) {
    connect(socket, &QSslSocket::modeChanged, &ears_,
            [this](QSslSocket::SslMode mode) { trace_(QStringLiteral("k.modeChanged %1").arg(mode)); });
    connect(socket, &QSslSocket::encrypted, &ears_, [this, socket] {
      trace_(QStringLiteral("k.encrypted encrypted=%1 mode=%2 cipher=%3 errors=%4 peer=%5")
                 .arg(socket->isEncrypted())
                 .arg(socket->mode())
                 .arg(!socket->sessionCipher().isNull())
                 .arg(codes(socket->sslHandshakeErrors()))
                 .arg(!socket->peerCertificate().isNull()));
      trace_(QStringLiteral("k.protocol %1").arg(socket->sessionProtocol()));
    });
    connect(socket, &QAbstractSocket::stateChanged, &ears_,
            [this](QAbstractSocket::SocketState state) { trace_(QStringLiteral("k.stateChanged %1").arg(state)); });
    connect(socket, &QIODevice::readChannelFinished, &ears_,
            [this] { trace_(QStringLiteral("k.readChannelFinished")); });
    connect(socket, &QIODevice::aboutToClose, &ears_, [this] { trace_(QStringLiteral("k.aboutToClose")); });
    connect(socket, &QAbstractSocket::errorOccurred, &ears_, [this, socket](QAbstractSocket::SocketError error) {
      if (is_taken_) trace_(QStringLiteral("k.errorOccurred %1 state=%2").arg(int(error)).arg(socket->state()));
    });
    connect(socket, &QAbstractSocket::disconnected, &ears_, [this, socket] {
      trace_(QStringLiteral("k.disconnected encrypted=%1 mode=%2 port=%3")
                 .arg(socket->isEncrypted())
                 .arg(socket->mode())
                 .arg(socket->peerPort() != 0));
      if (is_taken_) socket->deleteLater();
    });
    connect(socket, &QSslSocket::alertSent, &ears_, [this](QSsl::AlertLevel level, QSsl::AlertType type) {
      if (is_taken_) trace_(QStringLiteral("k.alertSent %1 %2").arg(int(level)).arg(int(type)));
    });
    connect(socket, &QSslSocket::alertReceived, &ears_, [this](QSsl::AlertLevel level, QSsl::AlertType type) {
      if (is_taken_) trace_(QStringLiteral("k.alertReceived %1 %2").arg(int(level)).arg(int(type)));
    });
    connect(socket, &QObject::destroyed, &ears_, [this] {
      trace_(QStringLiteral("k.destroyed"));
      QCoreApplication::quit();
    });
  }

  void take() {
    trace_(QStringLiteral("S.pendingConnectionAvailable pending=%1").arg(hasPendingConnections()));
    is_taken_ = true;
    QSslSocket* const socket = qobject_cast<QSslSocket*>(nextPendingConnection());
    if (socket == nullptr) return trace_(QStringLiteral("no QSslSocket"));
    trace_(QStringLiteral("taken pending=%1 encrypted=%2 state=%3 server-is-parent=%4")
               .arg(hasPendingConnections())
               .arg(socket->isEncrypted())
               .arg(socket->state())
               .arg(socket->parent() == this));
    connect(socket, &QIODevice::readyRead, &ears_, [this, socket] { answer(socket); });
    answer(socket);
  }

  void answer(QSslSocket* socket) {
    while (socket->canReadLine()) {
      const QByteArray line = socket->readLine();
      trace_(QStringLiteral("k.line %1").arg(QString::fromUtf8(line.trimmed())));
      socket->write(line);
      if (scenario_ == QStringLiteral("server-closes")) socket->disconnectFromHost();
    }
  }

  Trace& trace_;
  QObject ears_;  // Qt takes back all connections of an encrypted socket to its server
  QString scenario_;
  bool is_taken_ = false;
};

QSslConfiguration configuration(const QString& scenario, const Options& given) {
  QSslConfiguration made = given.configuration();
  if (scenario == QStringLiteral("no-certificate") || scenario.startsWith(QStringLiteral("psk"))) {
    made.setLocalCertificateChain({});
    made.setPrivateKey({});
  }
  made.setPreSharedKeyIdentityHint("hint");
  if (scenario.startsWith(QStringLiteral("verify")) || scenario.startsWith(QStringLiteral("interrupt")))
    made.setPeerVerifyMode(QSslSocket::VerifyPeer);
  if (scenario.startsWith(QStringLiteral("none"))) made.setPeerVerifyMode(QSslSocket::VerifyNone);
  if (scenario.startsWith(QStringLiteral("query"))) made.setPeerVerifyMode(QSslSocket::QueryPeer);
  if (scenario.contains(QStringLiteral("fatal"))) made.setMissingCertificateIsFatal(true);
  if (scenario.contains(QStringLiteral("interrupt"))) made.setHandshakeMustInterruptOnError(true);
  if (scenario.startsWith(QStringLiteral("alpn"))) made.setAllowedNextProtocols({"one", "two"});
  return made;
}

}  // namespace

int main(int argc, char** argv) {
  QCoreApplication application(argc, argv);
  const Options given(application, {"scenario", "version", "cert", "key", "ca", "timeout"});
  const QString scenario = given.value("scenario");

  Trace trace;
  TracedServer server(trace, scenario);
  server.setSslConfiguration(configuration(scenario, given));
  if (given.has("timeout")) server.setHandshakeTimeout(given.value("timeout").toInt());
  if (!server.listen(QHostAddress::LocalHost)) qFatal("%s", qPrintable(server.errorString()));
  trace(QStringLiteral("port %1").arg(server.serverPort()));
  return QCoreApplication::exec();
}

#include "scenarios.moc"
