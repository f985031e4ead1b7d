// ssl_server_configuration_test: what a server takes, refuses and keeps; and what Qt's lacks.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/qt_certificates.hpp"
#include "support/qt_peer.hpp"
#include "support/s_client.hpp"
#include "support/test_revocation.hpp"
#include "support/test_servers.hpp"
#include "support/traced_ssl_server.hpp"

#include <QtCore/QFile>
#include <QtCore/QScopeGuard>
#include <QtCore/QTemporaryDir>

#include <gmock/gmock.h>

namespace sallyport::test {
namespace {

using qt::SslConfiguration;
using qt::SslServer;
using qt::SslSocket;
using testing::HasSubstr;

/// The next client's socket; null if there is none.
SslSocket* next_of(traced_ssl_server& server) {
  wait_until([&] { return server.hasPendingConnections(); });
  return server.take();
}

TEST(ssl_server_configuration, a_faulty_one_is_refused_at_once_and_the_former_stays) {
  traced_ssl_server server;
  const auto former = server.sslConfiguration();
  EXPECT_EQ(server.sslConfigurationError(), QString());
  auto faulty = former;
  faulty.setPrivateKey(qt_key(issue(test_ca(), {})));
  EXPECT_FALSE(server.setSslConfiguration(faulty));
  EXPECT_THAT(server.sslConfigurationError().toStdString(), HasSubstr("key"));
  EXPECT_EQ(server.sslConfiguration(), former);
  const auto client = encrypted_client(server.serverPort());
  EXPECT_NE(next_of(server), nullptr);
  EXPECT_TRUE(server.setSslConfiguration(former));
  EXPECT_EQ(server.sslConfigurationError(), QString());
}

TEST(ssl_server_configuration, a_hint_is_checked_before_anybody_has_the_keys) {
  auto configuration = server_settings();
  configuration.setPreSharedKeyIdentityHint(QByteArray(200, 'x'));
  SslServer server;
  EXPECT_FALSE(server.setSslConfiguration(configuration));
  EXPECT_THAT(server.sslConfigurationError().toStdString(), HasSubstr("preSharedKeyIdentityHint"));
  configuration.setPreSharedKeyIdentityHint("short");
  EXPECT_TRUE(server.setSslConfiguration(configuration));
}

TEST(ssl_server_configuration, what_goes_through_qts_type_keeps_what_that_lacks) {
  auto configuration = verifying_settings(::QSslSocket::VerifyPeer);
  configuration.setAccessRules({access_rule::parse("cn=alice").value()});
  traced_ssl_server server(configuration);
  ::QSslConfiguration part = server.sslConfiguration();
  part.setAllowedNextProtocols({"one"});
  EXPECT_TRUE(server.setSslConfiguration(part));
  EXPECT_EQ(server.sslConfiguration().accessRules().size(), 1u);
  EXPECT_EQ(server.sslConfiguration().allowedNextProtocols(), part.allowedNextProtocols());

  // Rules without verification would mean nothing.
  part.setPeerVerifyMode(::QSslSocket::VerifyNone);
  EXPECT_FALSE(server.setSslConfiguration(part));
  EXPECT_TRUE(server.setSslConfiguration(SslConfiguration(part)));
  EXPECT_TRUE(server.sslConfiguration().accessRules().empty());

  SslSocket socket;
  socket.setSslConfiguration(configuration);
  socket.setSslConfiguration(static_cast<const ::QSslConfiguration&>(configuration));
  EXPECT_EQ(socket.sslConfiguration().accessRules().size(), 1u);
}

TEST(ssl_server_configuration, what_was_set_is_what_is_returned) {
  SslServer server;
  const auto configuration = server_settings();
  ASSERT_TRUE(server.setSslConfiguration(configuration));
  EXPECT_EQ(server.sslConfiguration(), configuration);
  EXPECT_FALSE(server.sslConfiguration().ticketKeys());
}

TEST(ssl_server_configuration, is_its_sockets_whatever_the_default_is_and_no_others) {
  const auto before = QSslConfiguration::defaultConfiguration();
  const auto restore = qScopeGuard([&] { QSslConfiguration::setDefaultConfiguration(before); });
  auto by_default = before;
  by_default.setProtocol(QSsl::TlsV1_3);
  QSslConfiguration::setDefaultConfiguration(by_default);
  auto configuration = server_settings();
  configuration.setProtocol(QSsl::TlsV1_2);
  configuration.setResumptionLifetime(std::chrono::seconds(7));
  traced_ssl_server server(configuration);
  QObject::connect(&server, &SslServer::startedEncryptionHandshake, [&](SslSocket* socket) {
    EXPECT_EQ(socket->sslConfiguration().resumptionLifetime(), std::chrono::seconds(7));
    socket->setPeerVerifyDepth(3);
    EXPECT_EQ(SslSocket().protocol(), QSsl::TlsV1_3);
  });
  const auto client = encrypted_client(server.serverPort());
  auto* const socket = next_of(server);
  ASSERT_NE(socket, nullptr);
  EXPECT_EQ(socket->protocol(), QSsl::TlsV1_2);
  EXPECT_EQ(socket->peerVerifyDepth(), 3);
  EXPECT_EQ(server.sslConfiguration(), configuration);
}

TEST(ssl_server_configuration, a_new_one_is_for_the_clients_to_come_while_listening) {
  traced_ssl_server server;
  // Its handshake is under way, with the former one.
  ::QSslSocket early;
  early.setSslConfiguration(client_settings());
  early.setPeerVerifyName("localhost");
  early.connectToHost(QHostAddress(QHostAddress::LocalHost), server.serverPort());
  ASSERT_TRUE(wait_until([&] { return server.has("S.newConnection"); }));
  const auto renewed = issue(test_ca(), {.common_name = "renewed", .names = {"localhost"}});
  ASSERT_TRUE(server.setSslConfiguration(server_settings(renewed)));
  const auto late = encrypted_client(server.serverPort());
  ASSERT_TRUE(wait_until([&] { return late->isEncrypted(); }));
  EXPECT_EQ(late->peerCertificate(), qt_certificate(renewed));
  early.startClientEncryption();
  ASSERT_TRUE(wait_until([&] { return early.isEncrypted(); }));
  EXPECT_NE(early.peerCertificate(), qt_certificate(renewed));
}

TEST(ssl_server_configuration, sessions_are_resumed_also_after_a_new_configuration) {
  for (const char* const version : {"-tls1_2", "-tls1_3"}) {
    traced_ssl_server server;
    const QTemporaryDir directory;
    const QString ticket = directory.filePath("session.pem");
    s_client saving(server.serverPort(), {version, "-sess_out", ticket});
    auto* const saved = next_of(server);
    ASSERT_NE(saved, nullptr);
    EXPECT_FALSE(saved->isSessionResumed());
    saved->write("x");
    ASSERT_TRUE(wait_until([&] { return QFile::exists(ticket); })) << saving.output();

    ASSERT_TRUE(server.setSslConfiguration(server_settings()));
    s_client second(server.serverPort(), {version, "-sess_in", ticket});
    auto* const resumed = next_of(server);
    ASSERT_NE(resumed, nullptr);
    EXPECT_TRUE(resumed->isSessionResumed()) << version;
  }
}

TEST(ssl_server_configuration, another_servers_tickets_are_not_taken) {
  traced_ssl_server one;
  traced_ssl_server other;
  const QTemporaryDir directory;
  const QString ticket = directory.filePath("session.pem");
  s_client saving(one.serverPort(), {"-tls1_3", "-sess_out", ticket});
  auto* const saved = next_of(one);
  ASSERT_NE(saved, nullptr);
  saved->write("x");
  ASSERT_TRUE(wait_until([&] { return QFile::exists(ticket); }));
  s_client stranger(other.serverPort(), {"-tls1_3", "-sess_in", ticket});
  auto* const full = next_of(other);
  ASSERT_NE(full, nullptr);
  EXPECT_FALSE(full->isSessionResumed());
}

TEST(ssl_server_configuration, identities_by_name) {
  auto configuration = server_settings();
  const auto second = issue(test_ca(), {.common_name = "second", .names = {"second.example"}});
  configuration.setIdentities({identity::from_pem(second.certificate, second.key).value()});
  traced_ssl_server server(configuration);
  const auto default_client = encrypted_client(server.serverPort());
  auto* const default_socket = next_of(server);
  ASSERT_NE(default_socket, nullptr);
  EXPECT_EQ(default_socket->serverName(), "localhost");
  const auto client = encrypted_client(server.serverPort(), QSsl::TlsV1_3, "second.example");
  auto* const socket = next_of(server);
  ASSERT_NE(socket, nullptr);
  EXPECT_EQ(socket->serverName(), "second.example");
  ASSERT_TRUE(wait_until([&] { return client->isEncrypted(); }));
  EXPECT_EQ(client->peerCertificate(), qt_certificate(second));
}

TEST(ssl_server_configuration, access_rules) {
  auto configuration = verifying_settings(::QSslSocket::VerifyPeer);
  configuration.setAccessRules({access_rule::parse("cn=alice").value()});
  traced_ssl_server server(configuration);
  const auto alice = encrypted_client(server.serverPort(), client_settings(issue(test_ca(), {.common_name = "alice"})));
  auto* const socket = next_of(server);
  ASSERT_NE(socket, nullptr);
  EXPECT_EQ(socket->matchedRule(), "cn=alice");
  const auto mallory =
      encrypted_client(server.serverPort(), client_settings(issue(test_ca(), {.common_name = "mallory"})));
  ASSERT_TRUE(wait_until([&] { return server.has("S.handshakeFailed denied_by_policy"); }));
  ASSERT_TRUE(wait_until([&] { return is_gone(*mallory); }));
}

TEST(ssl_server_configuration, revocation) {
  const auto good = issue(test_ca(), {.common_name = "good"});
  const auto revoked = issue(test_ca(), {.common_name = "revoked"});
  auto configuration = verifying_settings(::QSslSocket::VerifyPeer);
  configuration.setRevocationLists(
      revocation_lists::from_bytes(make_list(test_ca(), {.revoked = {revoked.certificate}})).value());
  traced_ssl_server server(configuration);
  const auto client = encrypted_client(server.serverPort(), client_settings(good));
  EXPECT_NE(next_of(server), nullptr);
  const auto late = encrypted_client(server.serverPort(), client_settings(revoked));
  ASSERT_TRUE(wait_until([&] { return server.has("S.handshakeFailed client_certificate_revoked"); }));
  EXPECT_TRUE(server.has("S.alertSent fatal 44"));
  ASSERT_TRUE(wait_until([&] { return is_gone(*late); }));
}

TEST(ssl_server_configuration, a_stapled_ocsp_response) {
  const auto shown = issue(test_ca(), {.common_name = "server", .names = {"localhost"}});
  auto configuration = server_settings(shown);
  const std::string response = make_ocsp_response(test_ca(), shown.certificate);
  configuration.setOcspResponse(QByteArray::fromStdString(response));
  traced_ssl_server server(configuration);
  s_client client(server.serverPort(), {"-status"});
  EXPECT_TRUE(wait_until([&] { return client.prints("OCSP Response Status: successful"); })) << client.output();
}

}  // namespace
}  // namespace sallyport::test
