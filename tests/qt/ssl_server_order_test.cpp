// ssl_server_order_test: which signals come for a connection, and in which order.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/s_client.hpp"
#include "support/test_servers.hpp"
#include "support/traced_ssl_server.hpp"

#include <QtNetwork/QSslPreSharedKeyAuthenticator>

#include <gmock/gmock.h>

namespace sallyport::test {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::Not;
using words = std::vector<std::string>;

class ssl_server_order : public testing::TestWithParam<QSsl::SslProtocol> {
 protected:
  static QSslConfiguration client_with(const credentials& shown) {
    auto settings = client_settings(shown);
    settings.setProtocol(GetParam());
    return settings;
  }
  static bool ended(const traced_ssl_server& server) {
    return wait_until([&] { return server.has("k.destroyed"); });
  }
};

INSTANTIATE_TEST_SUITE_P(versions, ssl_server_order, testing::Values(QSsl::TlsV1_2, QSsl::TlsV1_3),
                         [](const auto& info) { return info.param == QSsl::TlsV1_2 ? "tls_1_2" : "tls_1_3"; });

TEST_P(ssl_server_order, scenario_1_success) {
  traced_ssl_server server;
  const auto client = encrypted_client(server.serverPort(), GetParam());
  ASSERT_TRUE(wait_until([&] { return server.has("k.encrypted") && client->isEncrypted(); }));
  EXPECT_THAT(server.words(), ElementsAre("S.newConnection", "k.modeChanged 2", "S.startedEncryptionHandshake",
                                          "S.pendingConnectionAvailable", "k.encrypted"));
  auto* const socket = server.take();
  ASSERT_NE(socket, nullptr);
  EXPECT_TRUE(socket->isEncrypted());
  EXPECT_EQ(socket->sessionProtocol(), GetParam());
  EXPECT_EQ(socket->parent(), &server);
  EXPECT_EQ(server.nextPendingConnection(), nullptr);
}

TEST_P(ssl_server_order, data_that_comes_with_the_clients_last_flight_is_told_after_encrypted) {
  traced_ssl_server server;
  const auto client = encrypted_client(server.serverPort(), GetParam());
  QObject::connect(client.get(), &::QSslSocket::encrypted, client.get(), [&] { client->write("hello"); });
  ASSERT_TRUE(wait_until([&] { return server.has("k.readyRead"); }));
  EXPECT_THAT(server.only({"S.pendingConnectionAvailable", "k.encrypted", "k.readyRead"}),
              ElementsAre("S.pendingConnectionAvailable", "k.encrypted", "k.readyRead"));
  EXPECT_EQ(server.take()->readAll(), "hello");
}

TEST_P(ssl_server_order, scenario_2_a_rejected_client_certificate) {
  traced_ssl_server server(verifying_settings(::QSslSocket::VerifyPeer));
  const auto stranger = issue(make_ca("Stranger"), {.common_name = "client"});
  const auto client = encrypted_client(server.serverPort(), client_with(stranger));
  ASSERT_TRUE(ended(server));
  EXPECT_THAT(
      server.since("S.startedEncryptionHandshake"),
      ElementsAre("S.startedEncryptionHandshake", "S.peerVerifyError 11", "k.peerVerifyError 11",
                  "S.peerVerifyError 12", "k.peerVerifyError 12", "S.sslErrors 11 12", "k.sslErrors 11 12",
                  "S.alertSent fatal 48", "k.alertSent fatal 48", "S.handshakeFailed client_certificate_unknown_ca",
                  "S.errorOccurred 13", "k.errorOccurred 13", "k.stateChanged Closing", "k.stateChanged Unconnected",
                  "k.readChannelFinished", "k.disconnected", "k.destroyed"));
  EXPECT_FALSE(server.hasPendingConnections());
}

TEST_P(ssl_server_order, scenario_2_no_client_certificate) {
  traced_ssl_server server(verifying_settings(::QSslSocket::VerifyPeer));
  const auto client = encrypted_client(server.serverPort(), GetParam());
  ASSERT_TRUE(ended(server));
  EXPECT_THAT(server.only({"S.startedEncryptionHandshake", "S.peerVerifyError 21", "S.sslErrors 21",
                           "S.handshakeFailed no_client_certificate", "S.errorOccurred 13", "k.destroyed"}),
              ElementsAre("S.startedEncryptionHandshake", "S.peerVerifyError 21", "S.sslErrors 21",
                          "S.handshakeFailed no_client_certificate", "S.errorOccurred 13", "k.destroyed"));
}

TEST_P(ssl_server_order, errors_may_be_ignored_in_the_slot_of_the_server) {
  traced_ssl_server server(verifying_settings(::QSslSocket::VerifyPeer));
  QObject::connect(&server, &qt::SslServer::sslErrors, [](qt::SslSocket* socket) { socket->ignoreSslErrors(); });
  const auto client = encrypted_client(server.serverPort(), GetParam());
  ASSERT_TRUE(wait_until([&] { return server.has("k.encrypted"); }));
  EXPECT_THAT(server.of_server(), ElementsAre("S.newConnection", "S.startedEncryptionHandshake", "S.peerVerifyError 21",
                                              "S.sslErrors 21", "S.pendingConnectionAvailable"));
}

TEST_P(ssl_server_order, scenario_3_the_client_rejects_the_server) {
  traced_ssl_server server;
  s_client client(server.serverPort(), {"-verify_return_error", GetParam() == QSsl::TlsV1_2 ? "-tls1_2" : "-tls1_3"},
                  make_ca("Another"));
  ASSERT_TRUE(ended(server));
  EXPECT_THAT(server.of_server(),
              ElementsAre("S.newConnection", "S.startedEncryptionHandshake", "S.alertReceived fatal 48",
                          "S.handshakeFailed alert_from_client", "S.errorOccurred 13"));
}

TEST_P(ssl_server_order, scenario_5_an_interrupt_that_is_not_continued) {
  auto configuration = verifying_settings(::QSslSocket::VerifyPeer);
  configuration.setHandshakeMustInterruptOnError(true);
  traced_ssl_server server(configuration);
  const auto client =
      encrypted_client(server.serverPort(), client_with(issue(make_ca("Stranger"), {.common_name = "client"})));
  ASSERT_TRUE(ended(server));
  EXPECT_THAT(server.of_server(), ElementsAre("S.newConnection", "S.startedEncryptionHandshake",
                                              "S.handshakeInterruptedOnError 11", "S.alertSent fatal 48",
                                              "S.handshakeFailed client_certificate_unknown_ca", "S.errorOccurred 13"));
}

TEST_P(ssl_server_order, scenario_6_plain_text) {
  traced_ssl_server server;
  const auto client = connected_client(server.serverPort());
  client->write("hello\r\n");
  ASSERT_TRUE(ended(server));
  EXPECT_THAT(server.of_server(), ElementsAre("S.newConnection", "S.handshakeFailed not_tls", "S.errorOccurred 13"));
  EXPECT_THAT(server.words(), Not(testing::Contains("k.modeChanged 2")));
}

TEST_P(ssl_server_order, scenario_7_a_silent_client) {
  traced_ssl_server server;
  server.setHandshakeTimeout(100);
  QHostAddress address;
  quint16 port = 0;
  QString sentence;
  auto error = QAbstractSocket::UnknownSocketError;
  auto state = QAbstractSocket::ConnectedState;
  QObject::connect(&server, &qt::SslServer::errorOccurred, [&](qt::SslSocket* socket) {
    address = socket->peerAddress();
    port = socket->peerPort();
    sentence = socket->errorString();
    error = socket->error();
    state = socket->state();
  });
  const auto client = connected_client(server.serverPort());
  ASSERT_TRUE(ended(server));
  EXPECT_THAT(server.words(),
              ElementsAre("S.newConnection", "k.stateChanged Closing", "k.stateChanged Unconnected",
                          "k.readChannelFinished", "k.disconnected", "S.handshakeFailed timeout_before_client_hello",
                          "S.errorOccurred 5", "k.destroyed"));
  EXPECT_EQ(address, QHostAddress(QHostAddress::LocalHost));
  EXPECT_EQ(port, client->localPort());
  EXPECT_EQ(error, QAbstractSocket::SocketTimeoutError);
  EXPECT_EQ(state, QAbstractSocket::UnconnectedState);
  EXPECT_EQ(sentence, QStringLiteral("no whole ClientHello came within the handshake timeout"));
  EXPECT_TRUE(wait_until([&] { return is_gone(*client); }));
}

TEST_P(ssl_server_order, scenario_8_a_client_that_closes_before_its_client_hello) {
  traced_ssl_server server;
  auto client = connected_client(server.serverPort());
  client->close();
  ASSERT_TRUE(ended(server));
  EXPECT_THAT(server.words(), ElementsAre("S.newConnection", "S.handshakeFailed closed_by_client", "S.errorOccurred 1",
                                          "k.errorOccurred 1", "k.stateChanged Closing", "k.stateChanged Unconnected",
                                          "k.readChannelFinished", "k.disconnected", "k.destroyed"));
}

TEST_P(ssl_server_order, scenario_9_the_client_closes_afterwards_and_the_server_says_nothing) {
  traced_ssl_server server;
  const auto client = encrypted_client(server.serverPort(), GetParam());
  ASSERT_TRUE(wait_until([&] { return server.has("k.encrypted") && client->isEncrypted(); }));
  client->disconnectFromHost();
  ASSERT_TRUE(wait_until([&] { return server.has("k.disconnected"); }));
  EXPECT_THAT(
      server.only({"k.errorOccurred 1", "k.stateChanged Closing", "k.stateChanged Unconnected", "k.disconnected"}),
      ElementsAre("k.errorOccurred 1", "k.stateChanged Closing", "k.stateChanged Unconnected", "k.disconnected"));
  EXPECT_EQ(server.of_server().size(), 3U);
  // It stays in the queue, and is handed out.
  ASSERT_TRUE(server.hasPendingConnections());
  auto* const socket = server.take();
  ASSERT_NE(socket, nullptr);
  EXPECT_EQ(socket->state(), QAbstractSocket::UnconnectedState);
}

TEST_P(ssl_server_order, scenario_10_the_server_disconnects) {
  traced_ssl_server server;
  const auto client = encrypted_client(server.serverPort(), GetParam());
  ASSERT_TRUE(wait_until([&] { return server.has("k.encrypted") && client->isEncrypted(); }));
  server.take()->disconnectFromHost();
  ASSERT_TRUE(wait_until([&] { return server.has("k.disconnected") && is_gone(*client); }));
  EXPECT_THAT(server.only({"k.alertSent warning 0", "k.stateChanged Unconnected", "k.disconnected"}),
              ElementsAre("k.alertSent warning 0", "k.stateChanged Unconnected", "k.disconnected"));
  EXPECT_EQ(client->error(), QAbstractSocket::RemoteHostClosedError);
}

TEST_P(ssl_server_order, no_common_version) {
  auto configuration = server_settings();
  configuration.setProtocol(GetParam() == QSsl::TlsV1_2 ? QSsl::TlsV1_3 : QSsl::TlsV1_2);
  traced_ssl_server server(configuration);
  const auto client = encrypted_client(server.serverPort(), GetParam());
  ASSERT_TRUE(ended(server));
  EXPECT_THAT(server.of_server(), ElementsAre("S.newConnection", "S.startedEncryptionHandshake", "S.alertSent fatal 70",
                                              "S.handshakeFailed no_common_version", "S.errorOccurred 13"));
}

TEST_P(ssl_server_order, abort_in_the_slot_of_ssl_errors) {
  traced_ssl_server server(verifying_settings(::QSslSocket::VerifyPeer));
  QObject::connect(&server, &qt::SslServer::sslErrors, [](qt::SslSocket* socket) { socket->abort(); });
  const auto client = encrypted_client(server.serverPort(), GetParam());
  ASSERT_TRUE(ended(server)) << testing::PrintToString(server.words());
  EXPECT_THAT(server.only({"S.sslErrors 21", "k.disconnected", "S.handshakeFailed aborted", "S.errorOccurred 13",
                           "k.destroyed"}),
              ElementsAre("S.sslErrors 21", "k.disconnected", "S.handshakeFailed aborted", "S.errorOccurred 13",
                          "k.destroyed"));
}

// Qt's client has no external keys in TLS 1.3; openssl's has, in the differential test.
TEST(ssl_server_pre_shared_keys, scenario_4) {
  auto configuration = server_settings();
  configuration.setLocalCertificateChain({});
  configuration.setPrivateKey({});
  traced_ssl_server server(configuration);
  QByteArray identity;
  QObject::connect(&server, &qt::SslServer::preSharedKeyAuthenticationRequired,
                   [&](qt::SslSocket*, qt::SslPreSharedKeyAuthenticator* asked) {
                     identity = asked->identity();
                     asked->setPreSharedKey("0123456789abcdef");
                   });
  auto settings = client_settings();
  settings.setProtocol(QSsl::TlsV1_2);
  settings.setPeerVerifyMode(::QSslSocket::VerifyNone);
  settings.setCiphers(QStringLiteral("DHE-PSK-AES128-GCM-SHA256"));
  const auto client = std::make_unique<::QSslSocket>();
  client->setSslConfiguration(settings);
  QObject::connect(client.get(), &::QSslSocket::preSharedKeyAuthenticationRequired,
                   [](::QSslPreSharedKeyAuthenticator* asked) {
                     asked->setIdentity("the client");
                     asked->setPreSharedKey("0123456789abcdef");
                   });
  client->connectToHostEncrypted(QStringLiteral("127.0.0.1"), server.serverPort());
  ASSERT_TRUE(wait_until([&] { return server.has("k.encrypted") || server.has("k.destroyed"); }));
  EXPECT_TRUE(server.has("k.encrypted")) << testing::PrintToString(server.words());
  EXPECT_EQ(identity, "the client");
}

}  // namespace
}  // namespace sallyport::test
