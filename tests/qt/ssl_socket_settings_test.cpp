// ssl_socket_settings_test: what a socket is told, beside its configuration; and what it says of its backend.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/qt_certificates.hpp"
#include "support/test_servers.hpp"

#include <sallyport/qt/ssl_socket.hpp>

#include <QtCore/QTemporaryDir>
#include <QtNetwork/QSslSocket>

#include <gmock/gmock.h>

namespace sallyport::test {
namespace {

template <class Socket>
class ssl_socket_settings : public testing::Test {};

using socket_classes = testing::Types<::QSslSocket, qt::SslSocket>;
TYPED_TEST_SUITE(ssl_socket_settings, socket_classes);

QString file_with(const QTemporaryDir& directory, const QString& name, const QByteArray& bytes) {
  QFile file(directory.filePath(name));
  EXPECT_TRUE(file.open(QIODevice::WriteOnly));
  file.write(bytes);
  return file.fileName();
}

TYPED_TEST(ssl_socket_settings, defaults) {
  TypeParam socket;
  EXPECT_EQ(socket.mode(), ::QSslSocket::UnencryptedMode);
  EXPECT_FALSE(socket.isEncrypted());
  EXPECT_EQ(socket.protocol(), QSsl::SecureProtocols);
  EXPECT_EQ(socket.peerVerifyMode(), ::QSslSocket::AutoVerifyPeer);
  EXPECT_EQ(socket.peerVerifyDepth(), 0);
  EXPECT_EQ(socket.peerVerifyName(), QString());
  EXPECT_TRUE(socket.localCertificate().isNull());
  EXPECT_TRUE(socket.privateKey().isNull());
  EXPECT_TRUE(socket.sessionCipher().isNull());
  EXPECT_EQ(socket.sessionProtocol(), QSsl::UnknownProtocol);
  EXPECT_TRUE(socket.peerCertificate().isNull());
  EXPECT_TRUE(socket.sslHandshakeErrors().isEmpty());
  EXPECT_TRUE(socket.ocspResponses().isEmpty());
  EXPECT_EQ(socket.encryptedBytesAvailable(), 0);
  EXPECT_EQ(socket.encryptedBytesToWrite(), 0);
}

TYPED_TEST(ssl_socket_settings, setters_are_views_of_the_configuration) {
  TypeParam socket;
  socket.setProtocol(QSsl::TlsV1_3);
  socket.setPeerVerifyMode(::QSslSocket::QueryPeer);
  socket.setPeerVerifyDepth(3);
  socket.setPeerVerifyDepth(-1);  // refused, with a warning
  socket.setLocalCertificateChain({qt_certificate(test_ca())});
  EXPECT_EQ(socket.sslConfiguration().protocol(), QSsl::TlsV1_3);
  EXPECT_EQ(socket.sslConfiguration().peerVerifyMode(), ::QSslSocket::QueryPeer);
  EXPECT_EQ(socket.sslConfiguration().peerVerifyDepth(), 3);
  EXPECT_EQ(socket.sslConfiguration().localCertificateChain(), socket.localCertificateChain());
  EXPECT_EQ(socket.localCertificate(), qt_certificate(test_ca()));
}

TYPED_TEST(ssl_socket_settings, certificate_and_key_from_files) {
  const QTemporaryDir directory;
  const credentials server = issue(test_ca(), {.common_name = "server", .names = {"localhost"}});
  const QSslCertificate certificate = qt_certificate(server);
  TypeParam socket;
  socket.setLocalCertificate(file_with(directory, "server.pem", certificate.toPem()));
  socket.setPrivateKey(file_with(directory, "server.key", qt_key(server).toPem()), QSsl::Ec);
  EXPECT_EQ(socket.localCertificate(), certificate);
  EXPECT_EQ(socket.privateKey(), qt_key(server));
  socket.setPrivateKey(directory.filePath("none"), QSsl::Ec);  // a warning
  EXPECT_EQ(socket.privateKey(), qt_key(server));
}

TEST(our_ssl_socket_settings, certificate_from_a_der_file_that_looks_like_text) {
  // With a carriage return and a line feed in it, as one of some hundred has.
  const QTemporaryDir directory;
  for (int tries = 0; tries < 10'000; ++tries) {
    const QSslCertificate certificate = qt_certificate(issue(test_ca(), {.common_name = "server"}));
    if (!certificate.toDer().contains('\r')) continue;
    qt::SslSocket socket;
    socket.setLocalCertificate(file_with(directory, "server.der", certificate.toDer()), QSsl::Der);
    EXPECT_EQ(socket.localCertificate(), certificate);
    return;
  }
  FAIL() << "no such certificate";
}

TYPED_TEST(ssl_socket_settings, the_backend) {
  EXPECT_TRUE(TypeParam::supportsSsl());
  EXPECT_EQ(TypeParam::sslLibraryVersionNumber(), ::QSslSocket::sslLibraryVersionNumber());
  EXPECT_EQ(TypeParam::sslLibraryVersionString(), ::QSslSocket::sslLibraryVersionString());
  EXPECT_EQ(TypeParam::sslLibraryBuildVersionNumber(), ::QSslSocket::sslLibraryBuildVersionNumber());
  EXPECT_EQ(TypeParam::sslLibraryBuildVersionString(), ::QSslSocket::sslLibraryBuildVersionString());
  EXPECT_EQ(TypeParam::activeBackend(), ::QSslSocket::activeBackend());
  EXPECT_EQ(TypeParam::availableBackends(), ::QSslSocket::availableBackends());
  EXPECT_TRUE(TypeParam::isProtocolSupported(QSsl::TlsV1_3));
  EXPECT_TRUE(TypeParam::supportedProtocols().contains(QSsl::TlsV1_2));
  EXPECT_TRUE(TypeParam::isClassImplemented(QSsl::ImplementedClass::Socket));
  EXPECT_EQ(TypeParam::implementedClasses(), ::QSslSocket::implementedClasses());
  EXPECT_TRUE(TypeParam::isFeatureSupported(QSsl::SupportedFeature::ServerSideAlpn));
  EXPECT_EQ(TypeParam::supportedFeatures(), ::QSslSocket::supportedFeatures());
}

TEST(our_ssl_socket_settings, only_protocols_that_are_spoken_are_supported) {
  EXPECT_FALSE(qt::SslSocket::isProtocolSupported(QSsl::DtlsV1_2));
  EXPECT_FALSE(qt::SslSocket::supportedProtocols().contains(QSsl::DtlsV1_2OrLater));
}

}  // namespace
}  // namespace sallyport::test
