// options: what the programs of the differential test are told on their command lines.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_QT_DIFFERENTIAL_OPTIONS_HPP
#define SALLYPORT_TESTS_QT_DIFFERENTIAL_OPTIONS_HPP

#include "servers.hpp"

#include <QCommandLineParser>
#include <QCoreApplication>
#include <QFile>
#include <QSslCertificate>
#include <QSslConfiguration>
#include <QSslKey>

#include <initializer_list>

class Options {
 public:
  /// Each is given with a value, or not at all.
  Options(const QCoreApplication& application, std::initializer_list<const char*> names) {
    for (const char* const name : names)
      given_.addOption({QString::fromLatin1(name), QString(), QStringLiteral("VALUE")});
    given_.process(application);
  }

  bool has(const char* name) const { return given_.isSet(QString::fromLatin1(name)); }
  QString value(const char* name) const { return given_.value(QString::fromLatin1(name)); }

  /// By "version", "ca", "cert" and "key".
  QSslConfiguration configuration() const {
    QSslConfiguration made = QSslConfiguration::defaultConfiguration();
    made.setProtocol(protocol());
    if (has("ca")) made.setCaCertificates(QSslCertificate::fromPath(value("ca")));
    if (has("cert")) {
      QFile key(value("key"));
      if (!key.open(QIODevice::ReadOnly)) qFatal("no key");
      made.setLocalCertificateChain(QSslCertificate::fromPath(value("cert")));
      made.setPrivateKey(QSslKey(&key, QSsl::Ec));
    }
    return made;
  }

 private:
  QSsl::SslProtocol protocol() const {
    if (value("version") == QStringLiteral("1.2")) return QSsl::TlsV1_2;
    if (value("version") == QStringLiteral("1.3")) return QSsl::TlsV1_3;
    return QSsl::TlsV1_2OrLater;
  }

  QCommandLineParser given_;
};

#endif
