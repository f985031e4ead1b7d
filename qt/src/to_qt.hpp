// to_qt: the engine's values as Qt's.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_TO_QT_HPP
#define SALLYPORT_QT_TO_QT_HPP

#include <sallyport/alert.hpp>
#include <sallyport/certificate.hpp>
#include <sallyport/error.hpp>
#include <sallyport/ssl_error.hpp>
#include <sallyport/tls_version.hpp>

#include <QtCore/QList>
#include <QtCore/QString>
#include <QtNetwork/QAbstractSocket>
#include <QtNetwork/QSsl>
#include <QtNetwork/QSslCertificate>
#include <QtNetwork/QSslCipher>
#include <QtNetwork/QSslError>

#include <span>
#include <string_view>
#include <vector>

namespace sallyport::qt {

QString to_qt(std::string_view utf8);
QSslCertificate to_qt(const certificate& one);
QList<QSslCertificate> to_qt(const std::vector<certificate>& chain);
QSslError to_qt(const ssl_error& error);
QList<QSslError> to_qt(std::span<const ssl_error> errors);
QSsl::AlertLevel to_qt(alert_level level);
/// Types that Qt has no name for are QSsl::AlertType::UnknownAlertMessage.
QSsl::AlertType to_qt(alert_type type);
QSsl::SslProtocol to_qt(tls_version version);
/// By OpenSSL's name; null for "".
QSslCipher cipher_to_qt(std::string_view openssl_name);

/// As Qt tells them where it has a value for it: most are SslHandshakeFailedError.
QAbstractSocket::SocketError socket_error_of(handshake_error reason);
/// Of the kernel (errno), as QAbstractSocket tells them.
QAbstractSocket::SocketError socket_error_of_errno(int number);

}  // namespace sallyport::qt

#endif
