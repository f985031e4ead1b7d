// settings: configurations for the tests of the Qt module, with certificates by test_ca().
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_QT_SUPPORT_SETTINGS_HPP
#define SALLYPORT_TESTS_QT_SUPPORT_SETTINGS_HPP

#include "qt_certificates.hpp"
#include "support/test_servers.hpp"

#include <sallyport/qt/ssl_configuration.hpp>

#include <QtNetwork/QSslConfiguration>
#include <QtNetwork/QSslSocket>

namespace sallyport::test {

/// Shows a certificate for localhost and 127.0.0.1, made once; asks clients for none.
qt::SslConfiguration server_settings();
/// The same with a certificate of its own.
qt::SslConfiguration server_settings(const credentials& shown);
/// Asks clients for a certificate by test_ca(), and as `mode` says.
qt::SslConfiguration verifying_settings(::QSslSocket::PeerVerifyMode mode);

/// Trusts test_ca() and nobody else.
QSslConfiguration client_settings();
/// And shows this certificate.
QSslConfiguration client_settings(const credentials& shown);

}  // namespace sallyport::test

#endif
