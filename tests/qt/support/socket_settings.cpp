// socket_settings: see socket_settings.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "socket_settings.hpp"

#include <QtNetwork/QSslSocket>

namespace sallyport::test {

const credentials& qt_ca() {
  static const credentials ca = make_ca("Qt tests' CA");
  return ca;
}

const credentials& qt_server_credentials() {
  static const credentials server = issue(qt_ca(), {.common_name = "server", .names = {"localhost", "127.0.0.1"}});
  return server;
}

qt::SslConfiguration server_settings() {
  qt::SslConfiguration settings;
  settings.setLocalCertificate(qt_certificate(qt_server_credentials()));
  settings.setPrivateKey(qt_key(qt_server_credentials()));
  settings.setPeerVerifyMode(::QSslSocket::VerifyNone);
  return settings;
}

qt::SslConfiguration verifying_settings(::QSslSocket::PeerVerifyMode mode) {
  qt::SslConfiguration settings = server_settings();
  settings.setPeerVerifyMode(mode);
  settings.setCaCertificates({qt_certificate(qt_ca())});
  return settings;
}

}  // namespace sallyport::test
