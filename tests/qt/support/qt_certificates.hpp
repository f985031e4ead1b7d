// qt_certificates: test_pki's certificates and keys as Qt's values.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_QT_SUPPORT_QT_CERTIFICATES_HPP
#define SALLYPORT_TESTS_QT_SUPPORT_QT_CERTIFICATES_HPP

#include "support/test_pki.hpp"

#include <sallyport/qt/ssl_configuration.hpp>

#include <QtCore/QList>
#include <QtNetwork/QSslCertificate>
#include <QtNetwork/QSslKey>

namespace sallyport::test {

/// Null if Qt can't read it.
QSslCertificate qt_certificate(const credentials& of);
/// RSA or EC (P-256, P-384); null if Qt can't read it, as with Ed25519.
QSslKey qt_key(const credentials& of);
/// A key that Qt knows only by OpenSSL's pointer.
QSslKey opaque_qt_key(const credentials& of);

/// Chain and key. `issuers` follow the certificate.
void set_identity(::QSslConfiguration& configuration, const credentials& leaf,
                  const QList<QSslCertificate>& issuers = {});

/// A server's: Qt's defaults, with this identity.
qt::SslConfiguration server_configuration(const credentials& of);

}  // namespace sallyport::test

#endif
