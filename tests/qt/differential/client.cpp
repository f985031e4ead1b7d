// client: a client on Qt's own QSslSocket. It sends a line, waits for it to come back, and closes.
//
//   client --port N --version 1.2|1.3|any [--ca FILE] [--cert FILE --key FILE] [--psk IDENTITY] [--alpn NAME]
//
// Without --ca it takes any server. Ends with 0 if the line came back.
//
// SPDX-License-Identifier: Apache-2.0
#include <QCommandLineParser>
#include <QCoreApplication>
#include <QFile>
#include <QSslCertificate>
#include <QSslConfiguration>
#include <QSslKey>
#include <QSslPreSharedKeyAuthenticator>
#include <QSslSocket>

namespace {

QSsl::SslProtocol protocol(const QString& version) {
  if (version == QStringLiteral("1.2")) return QSsl::TlsV1_2;
  if (version == QStringLiteral("1.3")) return QSsl::TlsV1_3;
  return QSsl::TlsV1_2OrLater;
}

}  // namespace

int main(int argc, char** argv) {
  QCoreApplication application(argc, argv);
  QCommandLineParser given;
  for (const char* const name : {"port", "version", "ca", "cert", "key", "psk", "alpn"})
    given.addOption({QString::fromLatin1(name), QString(), QStringLiteral("VALUE")});
  given.process(application);
  const auto value = [&](const char* name) { return given.value(QString::fromLatin1(name)); };

  QSslConfiguration configuration = QSslConfiguration::defaultConfiguration();
  configuration.setProtocol(protocol(value("version")));
  if (given.isSet(QStringLiteral("ca"))) {
    configuration.setCaCertificates(QSslCertificate::fromPath(value("ca")));
  } else {
    configuration.setPeerVerifyMode(QSslSocket::VerifyNone);
  }
  if (given.isSet(QStringLiteral("cert"))) {
    QFile key(value("key"));
    if (!key.open(QIODevice::ReadOnly)) qFatal("no key");
    configuration.setLocalCertificateChain(QSslCertificate::fromPath(value("cert")));
    configuration.setPrivateKey(QSslKey(&key, QSsl::Ec));
  }
  if (given.isSet(QStringLiteral("alpn"))) configuration.setAllowedNextProtocols({value("alpn").toUtf8()});

  QSslSocket socket;
  socket.setSslConfiguration(configuration);
  bool answered = false;
  QObject::connect(&socket, &QSslSocket::preSharedKeyAuthenticationRequired, [&](QSslPreSharedKeyAuthenticator* asked) {
    if (!given.isSet(QStringLiteral("psk"))) return;
    asked->setIdentity(value("psk").toUtf8());
    asked->setPreSharedKey(QByteArray::fromHex("000102030405060708090a0b0c0d0e0f"));
  });
  QObject::connect(&socket, &QSslSocket::encrypted, [&] { socket.write("ping\n"); });
  QObject::connect(&socket, &QSslSocket::readyRead, [&] {
    if (!socket.canReadLine()) return;
    answered = socket.readLine() == "ping\n";
    socket.disconnectFromHost();
  });
  QObject::connect(&socket, &QSslSocket::disconnected, &application, &QCoreApplication::quit);
  socket.connectToHostEncrypted(QStringLiteral("127.0.0.1"), static_cast<quint16>(value("port").toUInt()),
                                QStringLiteral("localhost"));
  QCoreApplication::exec();
  return answered ? 0 : 1;
}
