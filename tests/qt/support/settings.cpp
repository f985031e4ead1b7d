// settings: see settings.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

namespace sallyport::test {

qt::SslConfiguration server_settings() {
  static const credentials shown = issue(test_ca(), {.common_name = "server", .names = {"localhost", "127.0.0.1"}});
  return server_settings(shown);
}

qt::SslConfiguration server_settings(const credentials& shown) {
  qt::SslConfiguration settings(QSslConfiguration::defaultConfiguration());
  set_identity(settings, shown);
  settings.setPeerVerifyMode(::QSslSocket::VerifyNone);
  return settings;
}

qt::SslConfiguration verifying_settings(::QSslSocket::PeerVerifyMode mode) {
  qt::SslConfiguration settings = server_settings();
  settings.setPeerVerifyMode(mode);
  settings.setCaCertificates({qt_certificate(test_ca())});
  return settings;
}

QSslConfiguration client_settings() {
  QSslConfiguration settings = QSslConfiguration::defaultConfiguration();
  settings.setCaCertificates({qt_certificate(test_ca())});
  return settings;
}

QSslConfiguration client_settings(const credentials& shown) {
  QSslConfiguration settings = client_settings();
  set_identity(settings, shown);
  return settings;
}

}  // namespace sallyport::test
