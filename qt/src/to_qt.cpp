// to_qt: see to_qt.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "to_qt.hpp"

#include <QtCore/QByteArray>

#include <cerrno>
#include <cstddef>

namespace sallyport::qt {

namespace {

// The engine's numbers are Qt's.
static_assert(static_cast<int>(ssl_error_code::unspecified_error) == QSslError::UnspecifiedError);
static_assert(static_cast<int>(ssl_error_code::no_error) == QSslError::NoError);
static_assert(static_cast<int>(ssl_error_code::certificate_expired) == QSslError::CertificateExpired);
static_assert(static_cast<int>(ssl_error_code::no_peer_certificate) == QSslError::NoPeerCertificate);
static_assert(static_cast<int>(ssl_error_code::host_name_mismatch) == QSslError::HostNameMismatch);
static_assert(static_cast<int>(ssl_error_code::ocsp_status_unknown) == QSslError::OcspStatusUnknown);

}  // namespace

QString to_qt(std::string_view utf8) { return QString::fromUtf8(utf8.data(), static_cast<qsizetype>(utf8.size())); }

QSslCertificate to_qt(const certificate& one) {
  const std::vector<std::byte> der = one.der();
  return QSslCertificate(QByteArray(reinterpret_cast<const char*>(der.data()), static_cast<qsizetype>(der.size())),
                         QSsl::Der);
}

QList<QSslCertificate> to_qt(const std::vector<certificate>& chain) {
  QList<QSslCertificate> converted;
  for (const certificate& each : chain) converted.append(to_qt(each));
  return converted;
}

QSslError to_qt(const ssl_error& error) {
  const auto code = static_cast<QSslError::SslError>(error.code);
  return error.certificate ? QSslError(code, to_qt(*error.certificate)) : QSslError(code);
}

QList<QSslError> to_qt(std::span<const ssl_error> errors) {
  QList<QSslError> converted;
  for (const ssl_error& each : errors) converted.append(to_qt(each));
  return converted;
}

QSsl::AlertLevel to_qt(alert_level level) {
  switch (level) {
    case alert_level::warning:
      return QSsl::AlertLevel::Warning;
    case alert_level::fatal:
      return QSsl::AlertLevel::Fatal;
  }
  return QSsl::AlertLevel::Unknown;  // the peer's byte may be any
}

QSsl::AlertType to_qt(alert_type type) {
  switch (type) {
    case alert_type::close_notify:
    case alert_type::unexpected_message:
    case alert_type::bad_record_mac:
    case alert_type::record_overflow:
    case alert_type::decompression_failure:
    case alert_type::handshake_failure:
    case alert_type::no_certificate:
    case alert_type::bad_certificate:
    case alert_type::unsupported_certificate:
    case alert_type::certificate_revoked:
    case alert_type::certificate_expired:
    case alert_type::certificate_unknown:
    case alert_type::illegal_parameter:
    case alert_type::unknown_ca:
    case alert_type::access_denied:
    case alert_type::decode_error:
    case alert_type::decrypt_error:
    case alert_type::export_restriction:
    case alert_type::protocol_version:
    case alert_type::insufficient_security:
    case alert_type::internal_error:
    case alert_type::inappropriate_fallback:
    case alert_type::user_canceled:
    case alert_type::no_renegotiation:
    case alert_type::missing_extension:
    case alert_type::unsupported_extension:
    case alert_type::certificate_unobtainable:
    case alert_type::unrecognized_name:
    case alert_type::bad_certificate_status_response:
    case alert_type::bad_certificate_hash_value:
    case alert_type::unknown_psk_identity:
    case alert_type::certificate_required:
    case alert_type::no_application_protocol:
      return static_cast<QSsl::AlertType>(type);  // both have IANA's numbers
    default:
      return QSsl::AlertType::UnknownAlertMessage;
  }
}

QSsl::SslProtocol to_qt(tls_version version) {
  switch (version) {
    case tls_version::tls_1_2:
      return QSsl::TlsV1_2;
    case tls_version::tls_1_3:
      return QSsl::TlsV1_3;
    default:
      return QSsl::UnknownProtocol;
  }
}

QSslCipher cipher_to_qt(std::string_view openssl_name) {
  return openssl_name.empty() ? QSslCipher() : QSslCipher(to_qt(openssl_name));
}

QAbstractSocket::SocketError socket_error_of(handshake_error reason) {
  switch (reason) {
    case handshake_error::timeout_before_client_hello:
    case handshake_error::timeout_in_handshake:
      return QAbstractSocket::SocketTimeoutError;
    case handshake_error::closed_by_client:
    case handshake_error::reset_by_client:
      return QAbstractSocket::RemoteHostClosedError;
    case handshake_error::evicted:
      return QAbstractSocket::SocketResourceError;
    case handshake_error::internal:
      return QAbstractSocket::SslInternalError;
    default:
      return QAbstractSocket::SslHandshakeFailedError;  // the application's own abort(), too, as with Qt
  }
}

QAbstractSocket::SocketError socket_error_of_errno(int number) {
  switch (number) {
    case EACCES:
    case EPERM:
      return QAbstractSocket::SocketAccessError;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return QAbstractSocket::SocketResourceError;
    case ECONNREFUSED:
      return QAbstractSocket::ConnectionRefusedError;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
      return QAbstractSocket::RemoteHostClosedError;
    case ETIMEDOUT:
      return QAbstractSocket::SocketTimeoutError;
    case EADDRINUSE:
      return QAbstractSocket::AddressInUseError;
    case EADDRNOTAVAIL:
      return QAbstractSocket::SocketAddressNotAvailableError;
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
      return QAbstractSocket::NetworkError;
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case EOPNOTSUPP:
      return QAbstractSocket::UnsupportedSocketOperationError;
    case EAGAIN:
      return QAbstractSocket::TemporaryError;
    default:
      return QAbstractSocket::UnknownSocketError;
  }
}

}  // namespace sallyport::qt
