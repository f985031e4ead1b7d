// client: a client on Qt's own QSslSocket. It sends a line, waits for it to come back, and closes.
//
//   client --port N --version 1.2|1.3|any [--ca FILE] [--cert FILE --key FILE] [--psk IDENTITY] [--alpn NAME]
//
// Without --ca it takes any server. Ends with 0 if the line came back.
//
// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <QCoreApplication>
#include <QSslConfiguration>
#include <QSslPreSharedKeyAuthenticator>
#include <QSslSocket>

int main(int argc, char** argv) {
  QCoreApplication application(argc, argv);
  const Options given(application, {"port", "version", "ca", "cert", "key", "psk", "alpn"});
  QSslConfiguration configuration = given.configuration();
  if (!given.has("ca")) configuration.setPeerVerifyMode(QSslSocket::VerifyNone);
  if (given.has("alpn")) configuration.setAllowedNextProtocols({given.value("alpn").toUtf8()});

  QSslSocket socket;
  socket.setSslConfiguration(configuration);
  bool answered = false;
  QObject::connect(&socket, &QSslSocket::preSharedKeyAuthenticationRequired, [&](QSslPreSharedKeyAuthenticator* asked) {
    if (!given.has("psk")) return;
    asked->setIdentity(given.value("psk").toUtf8());
    asked->setPreSharedKey(QByteArray::fromHex("000102030405060708090a0b0c0d0e0f"));
  });
  QObject::connect(&socket, &QSslSocket::encrypted, [&] { socket.write("ping\n"); });
  QObject::connect(&socket, &QSslSocket::readyRead, [&] {
    if (!socket.canReadLine()) return;
    answered = socket.readLine() == "ping\n";
    socket.disconnectFromHost();
  });
  QObject::connect(&socket, &QSslSocket::disconnected, &application, &QCoreApplication::quit);
  socket.connectToHostEncrypted(QStringLiteral("127.0.0.1"), static_cast<quint16>(given.value("port").toUInt()),
                                QStringLiteral("localhost"));
  QCoreApplication::exec();
  return answered ? 0 : 1;
}
