// to_qt: each of the engine's values becomes the one of Qt that says the same.
//
// SPDX-License-Identifier: Apache-2.0
#include "to_qt.hpp"

#include "support/qt_certificates.hpp"
#include "support/test_servers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

namespace sallyport::qt {
namespace {

certificate test_certificate() { return certificate::from_pem(test::test_ca().certificate).value(); }

TEST(to_qt, text_is_utf8_and_may_hold_anything) {
  EXPECT_EQ(to_qt("Zo\xc3\xab").size(), 3);
  EXPECT_EQ(to_qt(std::string_view("a\0b", 3)).size(), 3);
  EXPECT_TRUE(to_qt("").isEmpty());
}

TEST(to_qt, certificates_are_the_same_bytes) {
  EXPECT_EQ(to_qt(test_certificate()), test::qt_certificate(test::test_ca()));
  const auto chain = to_qt(std::vector{test_certificate(), test_certificate()});
  ASSERT_EQ(chain.size(), 2);
  EXPECT_EQ(chain[1], test::qt_certificate(test::test_ca()));
}

TEST(to_qt, errors_have_the_same_code_and_certificate) {
  for (int code = -1; code <= 36; ++code) {
    const QSslError with =
        to_qt(ssl_error{.code = static_cast<ssl_error_code>(code), .certificate = test_certificate()});
    EXPECT_EQ(static_cast<int>(with.error()), code);
    EXPECT_EQ(with.certificate(), test::qt_certificate(test::test_ca())) << code;
    const QSslError without = to_qt(ssl_error{.code = static_cast<ssl_error_code>(code)});
    EXPECT_EQ(static_cast<int>(without.error()), code);
    EXPECT_TRUE(without.certificate().isNull()) << code;
  }
}

// QSslError's names, one by one, for those that a handshake of ours can tell.
TEST(to_qt, errors_have_the_same_names) {
  const auto is = [](ssl_error_code ours, QSslError::SslError qts) {
    EXPECT_EQ(to_qt(ssl_error{.code = ours}).error(), qts);
  };
  is(ssl_error_code::unable_to_get_issuer_certificate, QSslError::UnableToGetIssuerCertificate);
  is(ssl_error_code::certificate_signature_failed, QSslError::CertificateSignatureFailed);
  is(ssl_error_code::certificate_not_yet_valid, QSslError::CertificateNotYetValid);
  is(ssl_error_code::certificate_expired, QSslError::CertificateExpired);
  is(ssl_error_code::self_signed_certificate, QSslError::SelfSignedCertificate);
  is(ssl_error_code::self_signed_certificate_in_chain, QSslError::SelfSignedCertificateInChain);
  is(ssl_error_code::unable_to_get_local_issuer_certificate, QSslError::UnableToGetLocalIssuerCertificate);
  is(ssl_error_code::unable_to_verify_first_certificate, QSslError::UnableToVerifyFirstCertificate);
  is(ssl_error_code::certificate_revoked, QSslError::CertificateRevoked);
  is(ssl_error_code::invalid_ca_certificate, QSslError::InvalidCaCertificate);
  is(ssl_error_code::path_length_exceeded, QSslError::PathLengthExceeded);
  is(ssl_error_code::invalid_purpose, QSslError::InvalidPurpose);
  is(ssl_error_code::certificate_untrusted, QSslError::CertificateUntrusted);
  is(ssl_error_code::no_peer_certificate, QSslError::NoPeerCertificate);
  is(ssl_error_code::host_name_mismatch, QSslError::HostNameMismatch);
}

TEST(to_qt, a_list_of_errors_keeps_its_order) {
  const std::vector<ssl_error> errors{{.code = ssl_error_code::certificate_expired, .certificate = test_certificate()},
                                      {.code = ssl_error_code::no_peer_certificate}};
  const QList<QSslError> converted = to_qt(std::span(errors));
  ASSERT_EQ(converted.size(), 2);
  EXPECT_EQ(converted[0].error(), QSslError::CertificateExpired);
  EXPECT_EQ(converted[1].error(), QSslError::NoPeerCertificate);
}

TEST(to_qt, alert_levels) {
  EXPECT_EQ(to_qt(alert_level::warning), QSsl::AlertLevel::Warning);
  EXPECT_EQ(to_qt(alert_level::fatal), QSsl::AlertLevel::Fatal);
  EXPECT_EQ(to_qt(static_cast<alert_level>(3)), QSsl::AlertLevel::Unknown);
}

// contract.md section 6 lists those that Qt has a name for; both have the registry's numbers.
TEST(to_qt, alert_types_that_qt_has_no_name_for_are_unknown) {
  const std::vector<int> known{0,  10, 20, 22, 30, 40, 41,  42,  43,  44,  45,  46,  47,  48,  49,  50, 51,
                               60, 70, 71, 80, 86, 90, 100, 109, 110, 111, 112, 113, 114, 115, 116, 120};
  for (int number = 0; number <= 255; ++number) {
    const auto converted = to_qt(static_cast<alert_type>(static_cast<std::uint8_t>(number)));
    const bool has_name = std::ranges::find(known, number) != known.end();
    EXPECT_EQ(static_cast<int>(converted), has_name ? number : 255) << number;
  }
  EXPECT_EQ(to_qt(alert_type::unknown_ca), QSsl::AlertType::UnknownCa);
  EXPECT_EQ(to_qt(alert_type::no_application_protocol), QSsl::AlertType::NoApplicationProtocol);
}

TEST(to_qt, versions) {
  EXPECT_EQ(to_qt(tls_version::tls_1_2), QSsl::TlsV1_2);
  EXPECT_EQ(to_qt(tls_version::tls_1_3), QSsl::TlsV1_3);
  EXPECT_EQ(to_qt(tls_version::unknown), QSsl::UnknownProtocol);
}

TEST(to_qt, ciphers_by_openssls_name) {
  EXPECT_EQ(cipher_to_qt("ECDHE-RSA-AES128-GCM-SHA256").name(), QStringLiteral("ECDHE-RSA-AES128-GCM-SHA256"));
  EXPECT_EQ(cipher_to_qt("ECDHE-RSA-AES128-GCM-SHA256").usedBits(), 128);
  EXPECT_EQ(cipher_to_qt("TLS_AES_256_GCM_SHA384").protocol(), QSsl::TlsV1_3);
  EXPECT_TRUE(cipher_to_qt("").isNull());
  EXPECT_TRUE(cipher_to_qt("no such cipher").isNull());
}

TEST(to_qt, each_reason_of_a_handshake_is_one_of_qts_errors) {
  using enum handshake_error;
  for (const handshake_error reason : all_handshake_errors()) {
    auto expected = QAbstractSocket::SslHandshakeFailedError;
    if (reason == timeout_before_client_hello || reason == timeout_in_handshake)
      expected = QAbstractSocket::SocketTimeoutError;
    if (reason == closed_by_client || reason == reset_by_client) expected = QAbstractSocket::RemoteHostClosedError;
    if (reason == evicted) expected = QAbstractSocket::SocketResourceError;
    if (reason == handshake_error::internal) expected = QAbstractSocket::SslInternalError;
    EXPECT_EQ(socket_error_of(reason), expected) << to_string(reason);
  }
}

TEST(to_qt, errors_of_the_kernel) {
  EXPECT_EQ(socket_error_of_errno(EACCES), QAbstractSocket::SocketAccessError);
  EXPECT_EQ(socket_error_of_errno(EMFILE), QAbstractSocket::SocketResourceError);
  EXPECT_EQ(socket_error_of_errno(ENFILE), QAbstractSocket::SocketResourceError);
  EXPECT_EQ(socket_error_of_errno(ECONNREFUSED), QAbstractSocket::ConnectionRefusedError);
  EXPECT_EQ(socket_error_of_errno(ECONNRESET), QAbstractSocket::RemoteHostClosedError);
  EXPECT_EQ(socket_error_of_errno(EPIPE), QAbstractSocket::RemoteHostClosedError);
  EXPECT_EQ(socket_error_of_errno(ETIMEDOUT), QAbstractSocket::SocketTimeoutError);
  EXPECT_EQ(socket_error_of_errno(EADDRINUSE), QAbstractSocket::AddressInUseError);
  EXPECT_EQ(socket_error_of_errno(EADDRNOTAVAIL), QAbstractSocket::SocketAddressNotAvailableError);
  EXPECT_EQ(socket_error_of_errno(ENETUNREACH), QAbstractSocket::NetworkError);
  EXPECT_EQ(socket_error_of_errno(0), QAbstractSocket::UnknownSocketError);
}

}  // namespace
}  // namespace sallyport::qt
