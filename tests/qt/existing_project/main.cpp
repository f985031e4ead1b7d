// line_server CERTIFICATE KEY CA: a server and a client in one process; ends with 0 when a line came back.
//
// SPDX-License-Identifier: Apache-2.0
#include "line_server.h"

#include <QCoreApplication>
#include <QFile>
#include <QSslCertificate>
#include <QSslConfiguration>
#include <QSslKey>
#include <QTimer>

int main(int argc, char** argv) {
  QCoreApplication application(argc, argv);
  const QStringList arguments = application.arguments();
  QFile key(arguments.value(2));
  if (!key.open(QIODevice::ReadOnly)) qFatal("no key");

  QSslConfiguration configuration = QSslConfiguration::defaultConfiguration();
  configuration.setLocalCertificateChain(QSslCertificate::fromPath(arguments.value(1)));
  configuration.setPrivateKey(QSslKey(&key, QSsl::Ec));
  configuration.setPeerVerifyMode(QSslSocket::VerifyPeer);
  configuration.setCaCertificates(QSslCertificate::fromPath(arguments.value(3)));
  LineServer server;
  server.setSslConfiguration(configuration);
  if (!server.listen(QHostAddress::LocalHost)) qFatal("%s", qPrintable(server.errorString()));

  QSslSocket client;
  configuration = QSslConfiguration();
  configuration.setCaCertificates(QSslCertificate::fromPath(arguments.value(3)));
  client.setSslConfiguration(configuration);
  QObject::connect(&client, &QSslSocket::encrypted, &client, [&client] { client.write("hello\n"); });
  QObject::connect(&client, &QSslSocket::readyRead, &client, [&client] {
    if (client.canReadLine()) QCoreApplication::exit(client.readLine() == "HELLO\n" ? 0 : 1);
  });
  QObject::connect(&client, &QSslSocket::errorOccurred, &client, [&client] {
    qWarning("%s", qPrintable(client.errorString()));
    QCoreApplication::exit(2);
  });
  client.connectToHostEncrypted("localhost", server.serverPort());
  QTimer::singleShot(20000, &application, [] { QCoreApplication::exit(3); });
  return application.exec();
}
