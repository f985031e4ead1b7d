// socket_settings: configurations for the tests of the Qt module.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_QT_SUPPORT_SOCKET_SETTINGS_HPP
#define SALLYPORT_TESTS_QT_SUPPORT_SOCKET_SETTINGS_HPP

#include "qt_certificates.hpp"
#include "support/test_pki.hpp"

#include <sallyport/qt/ssl_configuration.hpp>

namespace sallyport::test {

/// The tests' CA and a server certificate of it for "localhost"; made once.
const credentials& qt_ca();
const credentials& qt_server_credentials();

/// A server with that certificate, which asks clients for none.
qt::SslConfiguration server_settings();
/// One that asks clients for a certificate of the CA, and as `mode` says.
qt::SslConfiguration verifying_settings(::QSslSocket::PeerVerifyMode mode);

}  // namespace sallyport::test

#endif
