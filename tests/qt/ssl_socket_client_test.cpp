// ssl_socket_client_test: the handshake as a client sees it: who is trusted, what is asked, what is agreed on. What is
// said of every socket here is true of Qt's, too.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/event_loop.hpp"
#include "support/qt_peer.hpp"
#include "support/signal_trace.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_servers.hpp"

#include <sallyport/qt/ssl_server.hpp>
#include <sallyport/qt/ssl_socket.hpp>

#include <QtCore/QProcess>
#include <QtCore/QRegularExpression>
#include <QtNetwork/QSslPreSharedKeyAuthenticator>
#include <QtNetwork/QTcpServer>

#include <gmock/gmock.h>

#include <atomic>
#include <memory>

namespace sallyport::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

/// Settings that trust nobody.
QSslConfiguration distrusting_settings() {
  QSslConfiguration settings = client_settings();
  settings.setCaCertificates({qt_certificate(make_ca("Somebody else"))});
  return settings;
}

template <class Socket>
class ssl_socket_client : public testing::Test {
 public:
  ssl_socket_client() { socket.setSslConfiguration(client_settings()); }

  /// A client of `peer` whose handshake is over, one way or the other.
  void connect(const qt_peer& peer, const QString& name = "localhost") {
    socket.connectToHostEncrypted(name, peer.port());
    wait();
  }
  void wait() {
    ASSERT_TRUE(
        wait_until([&] { return socket.isEncrypted() || socket.state() == QAbstractSocket::UnconnectedState; }));
    handle_events();
  }

  Socket socket;
  signal_trace trace{socket};
};

using sockets = testing::Types<::QSslSocket, qt::SslSocket>;
TYPED_TEST_SUITE(ssl_socket_client, sockets);

// --- who is trusted ---

TYPED_TEST(ssl_socket_client, a_good_certificate_is_accepted_silently) {
  qt_peer peer(echo);
  this->connect(peer);
  EXPECT_TRUE(this->socket.isEncrypted());
  EXPECT_THAT(this->trace.of({"peerVerifyError", "sslErrors", "errorOccurred"}), IsEmpty());
  EXPECT_TRUE(this->socket.sslHandshakeErrors().isEmpty());
  EXPECT_EQ(this->socket.peerCertificate(), server_settings().localCertificate());
  EXPECT_EQ(this->socket.peerCertificateChain().value(0), server_settings().localCertificate());
  EXPECT_EQ(this->socket.sessionProtocol(), QSsl::TlsV1_3);
  EXPECT_FALSE(this->socket.sessionCipher().isNull());
  EXPECT_EQ(this->socket.sslConfiguration().sessionCipher(), this->socket.sessionCipher());
}

TYPED_TEST(ssl_socket_client, by_default_an_unknown_issuer_ends_it) {
  qt_peer peer(echo);
  this->socket.setSslConfiguration(distrusting_settings());
  EXPECT_EQ(this->socket.peerVerifyMode(), TypeParam::AutoVerifyPeer);
  this->connect(peer);
  EXPECT_FALSE(this->socket.isEncrypted());
  EXPECT_FALSE(this->trace.has("encrypted"));
  EXPECT_EQ(this->trace.count("errorOccurred 13"), 1);
  EXPECT_GE(this->trace.of({"peerVerifyError"}).size(), 1U);
  EXPECT_EQ(this->trace.of({"sslErrors"}).size(), 1U);
  EXPECT_THAT(this->trace.milestones(),
              ElementsAre("stateChanged HostLookup", "stateChanged Connecting", "hostFound", "stateChanged Connected",
                          "modeChanged 1", "connected", "errorOccurred 13", "stateChanged Closing",
                          "stateChanged Unconnected", "disconnected"));
  EXPECT_FALSE(this->socket.sslHandshakeErrors().isEmpty());
  EXPECT_EQ(this->socket.errorString(), this->socket.sslHandshakeErrors().value(0).errorString());
  EXPECT_EQ(this->socket.peerCertificate(), server_settings().localCertificate());
}

TYPED_TEST(ssl_socket_client, a_certificate_for_another_name_ends_it) {
  qt_peer peer(echo);
  this->socket.connectToHostEncrypted("localhost", peer.port(), "other.example");
  this->wait();
  EXPECT_THAT(this->trace.of({"peerVerifyError", "sslErrors", "errorOccurred", "encrypted"}),
              ElementsAre("peerVerifyError 22", "sslErrors 22", "errorOccurred 13"));
  EXPECT_EQ(this->socket.peerVerifyName(), "other.example");
}

TYPED_TEST(ssl_socket_client, the_name_to_verify_may_be_another_than_that_of_the_host) {
  const credentials shown = issue(test_ca(), {.common_name = "x", .names = {"service.example"}});
  qt_peer peer(server_settings(shown), echo);
  this->socket.connectToHostEncrypted("localhost", peer.port(), "service.example");
  this->wait();
  EXPECT_TRUE(this->socket.isEncrypted());
}

TYPED_TEST(ssl_socket_client, set_peer_verify_name_does_the_same) {
  const credentials shown = issue(test_ca(), {.common_name = "x", .names = {"service.example"}});
  qt_peer peer(server_settings(shown), echo);
  this->socket.setPeerVerifyName("service.example");
  this->connect(peer);
  EXPECT_TRUE(this->socket.isEncrypted());
}

TYPED_TEST(ssl_socket_client, an_address_is_verified_as_an_address) {
  qt_peer peer(echo);
  this->connect(peer, "127.0.0.1");
  EXPECT_TRUE(this->socket.isEncrypted());
}

TYPED_TEST(ssl_socket_client, errors_ignored_in_the_slot_let_it_go_on) {
  qt_peer peer(echo);
  this->socket.setSslConfiguration(distrusting_settings());
  QObject::connect(&this->socket, &TypeParam::sslErrors, [this] { this->socket.ignoreSslErrors(); });
  this->connect(peer);
  EXPECT_TRUE(this->socket.isEncrypted());
  EXPECT_FALSE(this->trace.has("errorOccurred 13"));
  EXPECT_FALSE(this->socket.sslHandshakeErrors().isEmpty());
  this->socket.write("all the same");
  ASSERT_TRUE(wait_until([&] { return this->socket.bytesAvailable() == 12; }));
}

TYPED_TEST(ssl_socket_client, errors_expected_beforehand_let_it_go_on) {
  qt_peer peer(echo);
  this->socket.ignoreSslErrors({QSslError(QSslError::HostNameMismatch, server_settings().localCertificate())});
  this->socket.connectToHostEncrypted("localhost", peer.port(), "other.example");
  this->wait();
  EXPECT_TRUE(this->socket.isEncrypted());
}

TYPED_TEST(ssl_socket_client, other_errors_than_the_expected_end_it) {
  qt_peer peer(echo);
  this->socket.setSslConfiguration(distrusting_settings());
  this->socket.ignoreSslErrors({QSslError(QSslError::HostNameMismatch, server_settings().localCertificate())});
  QObject::connect(&this->socket, &TypeParam::sslErrors, [this] { this->socket.ignoreSslErrors(); });
  this->connect(peer);
  EXPECT_FALSE(this->trace.has("encrypted"));
  EXPECT_TRUE(this->trace.has("errorOccurred 13"));
}

TYPED_TEST(ssl_socket_client, to_ignore_errors_is_forgotten_with_the_next_connection) {
  qt_peer peer(echo);
  this->socket.setSslConfiguration(distrusting_settings());
  this->socket.ignoreSslErrors();
  this->connect(peer);
  EXPECT_FALSE(this->trace.has("encrypted"));
}

TYPED_TEST(ssl_socket_client, query_tells_errors_and_goes_on) {
  qt_peer peer(echo);
  this->socket.setSslConfiguration(distrusting_settings());
  this->socket.setPeerVerifyMode(TypeParam::QueryPeer);
  this->connect(peer);
  EXPECT_TRUE(this->socket.isEncrypted());
  EXPECT_EQ(this->trace.of({"sslErrors"}).size(), 1U);
  EXPECT_FALSE(this->trace.has("errorOccurred 13"));
}

TYPED_TEST(ssl_socket_client, none_asks_nothing) {
  qt_peer peer(echo);
  this->socket.setSslConfiguration(distrusting_settings());
  this->socket.setPeerVerifyMode(TypeParam::VerifyNone);
  this->connect(peer, "127.0.0.1");
  EXPECT_TRUE(this->socket.isEncrypted());
  EXPECT_THAT(this->trace.of({"peerVerifyError", "sslErrors", "errorOccurred"}), IsEmpty());
  EXPECT_FALSE(this->socket.peerCertificate().isNull());
}

TYPED_TEST(ssl_socket_client, interrupted_and_not_continued_sends_an_alert) {
  qt_peer peer(echo);
  QSslConfiguration settings = distrusting_settings();
  settings.setHandshakeMustInterruptOnError(true);
  this->socket.setSslConfiguration(settings);
  this->connect(peer);
  EXPECT_EQ(this->trace.of({"handshakeInterruptedOnError"}).size(), 1U);
  EXPECT_THAT(this->trace.words(), Contains("alertSent fatal 48"));
  EXPECT_EQ(this->trace.count("errorOccurred 13"), 1);
  EXPECT_THAT(this->trace.of({"peerVerifyError", "sslErrors", "encrypted"}), IsEmpty());
}

TYPED_TEST(ssl_socket_client, interrupted_and_continued_asks_about_all_of_them) {
  qt_peer peer(echo);
  QSslConfiguration settings = distrusting_settings();
  settings.setHandshakeMustInterruptOnError(true);
  this->socket.setSslConfiguration(settings);
  QObject::connect(&this->socket, &TypeParam::handshakeInterruptedOnError,
                   [this] { this->socket.continueInterruptedHandshake(); });
  QObject::connect(&this->socket, &TypeParam::sslErrors, [this] { this->socket.ignoreSslErrors(); });
  this->connect(peer);
  EXPECT_TRUE(this->socket.isEncrypted());
  EXPECT_EQ(this->trace.of({"sslErrors"}).size(), 1U);
  EXPECT_THAT(this->trace.of({"peerVerifyError"}), IsEmpty());
}

TYPED_TEST(ssl_socket_client, abort_in_the_slot_of_ssl_errors) {
  qt_peer peer(echo);
  this->socket.setSslConfiguration(distrusting_settings());
  QObject::connect(&this->socket, &TypeParam::sslErrors, [this] {
    this->socket.ignoreSslErrors();
    this->socket.abort();
  });
  this->connect(peer);
  EXPECT_FALSE(this->trace.has("encrypted"));
  EXPECT_EQ(this->socket.state(), QAbstractSocket::UnconnectedState);
  EXPECT_FALSE(this->socket.isOpen());
}

TYPED_TEST(ssl_socket_client, paused_on_errors_it_waits_for_the_answer) {
  qt_peer peer(echo);
  this->socket.setSslConfiguration(distrusting_settings());
  this->socket.setPauseMode(QAbstractSocket::PauseOnSslErrors);
  this->socket.connectToHostEncrypted("localhost", peer.port());
  ASSERT_TRUE(wait_until([&] { return !this->trace.of({"sslErrors"}).empty(); }));
  handle_events();
  EXPECT_FALSE(this->socket.isEncrypted());
  EXPECT_EQ(this->socket.state(), QAbstractSocket::ConnectedState);
  this->socket.ignoreSslErrors();
  this->socket.resume();
  this->wait();
  EXPECT_TRUE(this->socket.isEncrypted());
}

TYPED_TEST(ssl_socket_client, paused_on_errors_and_not_ignored_ends_it) {
  qt_peer peer(echo);
  this->socket.setSslConfiguration(distrusting_settings());
  this->socket.setPauseMode(QAbstractSocket::PauseOnSslErrors);
  this->socket.connectToHostEncrypted("localhost", peer.port());
  ASSERT_TRUE(wait_until([&] { return !this->trace.of({"sslErrors"}).empty(); }));
  this->socket.resume();
  this->wait();
  EXPECT_FALSE(this->trace.has("encrypted"));
  EXPECT_TRUE(this->trace.has("errorOccurred 13"));
}

// --- beginning ---

TYPED_TEST(ssl_socket_client, start_tls_after_plain_bytes) {
  qt_peer peer(
      [](::QSslSocket& client) {
        client.write("220 ready\r\n");
        QObject::connect(&client, &QIODevice::readyRead, &client, [&client] {
          if (client.isEncrypted()) {
            client.write("encrypted " + client.readAll());
          } else if (client.readLine() == "STARTTLS\r\n") {
            client.write("220 go ahead\r\n");
            client.flush();
            client.startServerEncryption();
          }
        });
      },
      peer_begins::plain);
  auto& socket = this->socket;
  socket.setSslConfiguration(client_settings());
  socket.connectToHost("localhost", peer.port());
  ASSERT_TRUE(wait_until([&] { return socket.canReadLine(); }));
  EXPECT_EQ(socket.readLine(), "220 ready\r\n");
  socket.write("STARTTLS\r\n");
  ASSERT_TRUE(wait_until([&] { return socket.canReadLine(); }));
  EXPECT_EQ(socket.readLine(), "220 go ahead\r\n");
  EXPECT_EQ(socket.mode(), TypeParam::UnencryptedMode);
  socket.startClientEncryption();
  EXPECT_EQ(socket.mode(), TypeParam::SslClientMode);
  socket.write("hello");
  ASSERT_TRUE(wait_until([&] { return socket.bytesAvailable() == 15; }));
  EXPECT_EQ(socket.readAll(), "encrypted hello");
  EXPECT_TRUE(socket.isEncrypted());
}

TYPED_TEST(ssl_socket_client, encryption_started_in_the_slot_of_connected) {
  qt_peer peer(echo);
  QObject::connect(&this->socket, &TypeParam::connected, [this] { this->socket.startClientEncryption(); });
  this->socket.connectToHost("localhost", peer.port());
  ASSERT_TRUE(wait_until([&] { return this->socket.isEncrypted(); }));
  EXPECT_THAT(this->trace.milestones(),
              ElementsAre("stateChanged HostLookup", "stateChanged Connecting", "hostFound", "stateChanged Connected",
                          "connected", "modeChanged 1", "encrypted"));
}

TYPED_TEST(ssl_socket_client, encryption_isnt_started_twice_or_without_a_connection) {
  qt_peer peer(echo);
  this->socket.startClientEncryption();
  EXPECT_EQ(this->socket.mode(), TypeParam::UnencryptedMode);
  this->connect(peer);
  this->socket.startClientEncryption();
  handle_events();
  EXPECT_TRUE(this->socket.isEncrypted());
  EXPECT_EQ(this->trace.count("modeChanged 1"), 1);
  EXPECT_EQ(this->trace.count("encrypted"), 1);
}

TYPED_TEST(ssl_socket_client, a_server_that_doesnt_speak_tls_is_an_error) {
  qt_peer peer([](::QSslSocket& client) { client.write("220 this is plain text\r\n"); }, peer_begins::plain);
  this->connect(peer);
  EXPECT_FALSE(this->trace.has("encrypted"));
  EXPECT_EQ(this->trace.count("errorOccurred 13"), 1);
  EXPECT_EQ(this->socket.state(), QAbstractSocket::UnconnectedState);
}

TYPED_TEST(ssl_socket_client, a_server_that_goes_away_is_an_error) {
  qt_peer peer([](::QSslSocket& client) { client.abort(); }, peer_begins::plain);
  this->connect(peer);
  EXPECT_FALSE(this->trace.has("encrypted"));
  EXPECT_EQ(this->trace.count("errorOccurred 1"), 1);
}

// --- what is agreed on ---

TYPED_TEST(ssl_socket_client, the_version_is_that_of_the_settings) {
  qt_peer peer(echo);
  QSslConfiguration settings = client_settings();
  settings.setProtocol(QSsl::TlsV1_2);
  this->socket.setSslConfiguration(settings);
  this->connect(peer);
  EXPECT_EQ(this->socket.sessionProtocol(), QSsl::TlsV1_2);
  this->socket.disconnectFromHost();
  ASSERT_TRUE(wait_until([&] { return this->socket.state() == QAbstractSocket::UnconnectedState; }));
  EXPECT_EQ(this->socket.sessionProtocol(), QSsl::UnknownProtocol);
  EXPECT_EQ(this->socket.mode(), TypeParam::SslClientMode);
  EXPECT_FALSE(this->socket.isEncrypted());
}

TYPED_TEST(ssl_socket_client, the_servers_ephemeral_key_is_that_of_the_connection) {
  QSslConfiguration of_server = server_settings();
  of_server.setBackendConfigurationOption("Groups", "P-384");
  qt_peer peer(of_server, echo);
  QSslConfiguration settings = client_settings();
  EXPECT_TRUE(this->socket.sslConfiguration().ephemeralServerKey().isNull());
  QByteArray earlier;
  for (const auto version : {QSsl::TlsV1_2, QSsl::TlsV1_3}) {
    settings.setProtocol(version);
    this->socket.setSslConfiguration(settings);
    this->connect(peer);
    ASSERT_TRUE(this->socket.isEncrypted()) << qPrintable(this->socket.errorString());
    const QSslKey key = this->socket.sslConfiguration().ephemeralServerKey();
    EXPECT_EQ(key.type(), QSsl::PublicKey);
    EXPECT_EQ(key.algorithm(), QSsl::Ec);
    EXPECT_EQ(key.length(), 384);
    EXPECT_NE(key.toDer(), earlier);
    earlier = key.toDer();
    this->socket.abort();
    EXPECT_EQ(this->socket.sslConfiguration().ephemeralServerKey(), key) << "as the peer's certificate, it stays";
  }
}

TYPED_TEST(ssl_socket_client, no_common_version_is_an_alert) {
  QSslConfiguration of_server = server_settings();
  of_server.setProtocol(QSsl::TlsV1_3);
  qt_peer peer(of_server, echo);
  QSslConfiguration settings = client_settings();
  settings.setProtocol(QSsl::TlsV1_2);
  this->socket.setSslConfiguration(settings);
  this->connect(peer);
  EXPECT_THAT(this->trace.words(), Contains("alertReceived fatal 70"));
  EXPECT_EQ(this->trace.count("errorOccurred 13"), 1);
}

TYPED_TEST(ssl_socket_client, alpn) {
  QSslConfiguration of_server = server_settings();
  of_server.setAllowedNextProtocols({"http/1.1"});
  qt_peer peer(of_server, echo);
  QSslConfiguration settings = client_settings();
  settings.setAllowedNextProtocols({"h2", "http/1.1"});
  this->socket.setSslConfiguration(settings);
  this->connect(peer);
  EXPECT_EQ(this->socket.sslConfiguration().nextNegotiatedProtocol(), "http/1.1");
  EXPECT_EQ(this->socket.sslConfiguration().nextProtocolNegotiationStatus(),
            QSslConfiguration::NextProtocolNegotiationNegotiated);
}

TYPED_TEST(ssl_socket_client, a_certificate_of_the_client_is_shown_to_who_asks) {
  const credentials mine = issue(test_ca(), {.common_name = "Ann"});
  QSslConfiguration of_server = server_settings();
  of_server.setPeerVerifyMode(::QSslSocket::VerifyPeer);
  of_server.setCaCertificates({qt_certificate(test_ca())});
  qt_peer peer(of_server, [](::QSslSocket& client) {
    client.write(client.peerCertificate().subjectInfo(QSslCertificate::CommonName).value(0).toUtf8());
  });
  this->socket.setLocalCertificate(qt_certificate(mine));
  this->socket.setPrivateKey(qt_key(mine));
  this->connect(peer);
  ASSERT_TRUE(wait_until([&] { return this->socket.bytesAvailable() == 3; }));
  EXPECT_EQ(this->socket.readAll(), "Ann");
}

TYPED_TEST(ssl_socket_client, settings_that_dont_fit_are_told_and_nothing_is_sent) {
  std::atomic<int> bytes = 0;
  qt_peer peer(
      [&](::QSslSocket& client) {
        QObject::connect(&client, &QIODevice::readyRead, &client,
                         [&] { bytes += static_cast<int>(client.readAll().size()); });
      },
      peer_begins::plain);
  const credentials mine = issue(test_ca(), {.common_name = "Ann"});
  this->socket.setLocalCertificate(qt_certificate(mine));
  this->socket.setPrivateKey(qt_key(issue(test_ca(), {})));
  this->socket.connectToHostEncrypted("localhost", peer.port());
  this->socket.write("secret");
  ASSERT_TRUE(wait_until([&] { return this->trace.has("errorOccurred 20"); }));
  EXPECT_THAT(this->trace.of({"errorOccurred"}), ElementsAre("errorOccurred 21", "errorOccurred 20"));
  EXPECT_FALSE(this->trace.has("encrypted"));
  this->socket.abort();
  handle_events();
  EXPECT_EQ(bytes, 0);
}

// --- resumption ---

TYPED_TEST(ssl_socket_client, without_being_asked_for_no_ticket_is_kept) {
  qt_peer peer(echo);
  this->connect(peer);
  this->socket.write("x");
  ASSERT_TRUE(wait_until([&] { return this->socket.bytesAvailable() == 1; }));
  EXPECT_FALSE(this->trace.has("newSessionTicketReceived"));
  EXPECT_TRUE(this->socket.sslConfiguration().sessionTicket().isEmpty());
}

TYPED_TEST(ssl_socket_client, a_ticket_is_kept_if_it_is_asked_for) {
  qt_peer peer(echo);
  QSslConfiguration settings = client_settings();
  settings.setSslOption(QSsl::SslOptionDisableSessionPersistence, false);
  this->socket.setSslConfiguration(settings);
  this->connect(peer);
  ASSERT_TRUE(wait_until([&] { return this->trace.has("newSessionTicketReceived"); }));
  EXPECT_FALSE(this->socket.sslConfiguration().sessionTicket().isEmpty());
  EXPECT_GT(this->socket.sslConfiguration().sessionTicketLifeTimeHint(), 0);
}

TYPED_TEST(ssl_socket_client, the_ticket_of_tls_1_2_is_there_when_it_is_encrypted) {
  qt_peer peer(echo);
  QSslConfiguration settings = client_settings();
  settings.setProtocol(QSsl::TlsV1_2);
  settings.setSslOption(QSsl::SslOptionDisableSessionPersistence, false);
  this->socket.setSslConfiguration(settings);
  bool was_there = false;
  QObject::connect(&this->socket, &TypeParam::encrypted,
                   [&] { was_there = !this->socket.sslConfiguration().sessionTicket().isEmpty(); });
  this->connect(peer);
  EXPECT_TRUE(was_there);
}

// --- pre-shared keys, which Qt's client has in TLS 1.2 ---

template <class Authenticator>
void answer_with_key(Authenticator* asked) {
  asked->setIdentity("ann");
  asked->setPreSharedKey(QByteArray::fromHex("00112233445566778899aabbccddeeff"));
}

TYPED_TEST(ssl_socket_client, a_pre_shared_key) {
  QSslConfiguration of_server = server_settings();
  of_server.setProtocol(QSsl::TlsV1_2);
  of_server.setLocalCertificateChain({});
  of_server.setPrivateKey({});
  of_server.setCiphers("PSK-AES128-GCM-SHA256:ECDHE-PSK-CHACHA20-POLY1305");
  of_server.setPreSharedKeyIdentityHint("the hint");
  QByteArray identity;
  qt_peer peer(
      of_server,
      [&](::QSslSocket& client) {
        QObject::connect(&client, &::QSslSocket::preSharedKeyAuthenticationRequired, &client, [&](auto* asked) {
          identity = asked->identity();
          asked->setPreSharedKey(QByteArray::fromHex("00112233445566778899aabbccddeeff"));
        });
        client.startServerEncryption();
        echo(client);
      },
      peer_begins::plain);
  QSslConfiguration settings = client_settings();
  settings.setProtocol(QSsl::TlsV1_2);
  settings.setCiphers("PSK-AES128-GCM-SHA256:ECDHE-PSK-CHACHA20-POLY1305");
  this->socket.setSslConfiguration(settings);
  QByteArray hint;
  int longest_identity = 0;
  QObject::connect(&this->socket, &TypeParam::preSharedKeyAuthenticationRequired, [&](auto* asked) {
    hint = asked->identityHint();
    longest_identity = asked->maximumIdentityLength();
    EXPECT_EQ(asked->identity(), "");
    EXPECT_GE(asked->maximumPreSharedKeyLength(), 256);
    answer_with_key(asked);
  });
  // Qt misses the certificate that a server with such a key doesn't show.
  QObject::connect(&this->socket, &TypeParam::sslErrors, [this] { this->socket.ignoreSslErrors(); });
  this->connect(peer);
  EXPECT_TRUE(this->socket.isEncrypted()) << qPrintable(this->socket.errorString());
  EXPECT_EQ(hint, "the hint");
  EXPECT_GE(longest_identity, 128);
  this->socket.write("x");
  ASSERT_TRUE(wait_until([&] { return this->socket.bytesAvailable() == 1; }));
  EXPECT_EQ(identity, "ann");
}

TYPED_TEST(ssl_socket_client, a_pre_shared_key_that_nobody_gives_ends_it) {
  QSslConfiguration of_server = server_settings();
  of_server.setProtocol(QSsl::TlsV1_2);
  of_server.setCiphers("PSK-AES128-GCM-SHA256");
  qt_peer peer(of_server, echo);
  QSslConfiguration settings = client_settings();
  settings.setProtocol(QSsl::TlsV1_2);
  settings.setCiphers("PSK-AES128-GCM-SHA256");
  this->socket.setSslConfiguration(settings);
  this->connect(peer);
  EXPECT_FALSE(this->trace.has("encrypted"));
  EXPECT_EQ(this->trace.count("errorOccurred 13"), 1);
}

// --- what ours has, or does otherwise ---

using ssl_socket_client_ours = ssl_socket_client<qt::SslSocket>;

/// A server of ours, which can resume sessions: Qt's can't.
struct our_server : qt::SslServer {
  explicit our_server(const QSslConfiguration& settings = server_settings()) {
    setSslConfiguration(settings);
    listen(QHostAddress::LocalHost);
    connect(this, &QTcpServer::pendingConnectionAvailable, this, [this] {
      auto* client = qobject_cast<qt::SslSocket*>(nextPendingConnection());
      names << client->serverName();
      connect(client, &QIODevice::readyRead, client, [client] { client->write(client->readAll()); });
    });
  }
  QStringList names;
};

TEST_F(ssl_socket_client_ours, a_session_is_resumed_by_its_ticket) {
  our_server server;
  for (const auto version : {QSsl::TlsV1_2, QSsl::TlsV1_3}) {
    qt::SslConfiguration settings = client_settings();
    settings.setProtocol(version);
    settings.setSslOption(QSsl::SslOptionDisableSessionPersistence, false);
    for (const bool again : {false, true}) {
      qt::SslSocket client;
      client.setSslConfiguration(settings);
      client.connectToHostEncrypted("localhost", server.serverPort());
      client.write("x");
      ASSERT_TRUE(wait_until([&] { return client.bytesAvailable() == 1; }));
      EXPECT_EQ(client.sessionProtocol(), version);
      EXPECT_EQ(client.isSessionResumed(), again);
      EXPECT_EQ(client.peerCertificate(), server_settings().localCertificate());
      settings = client.sslConfiguration();
      EXPECT_FALSE(settings.sessionTicket().isEmpty());
    }
  }
}

TEST_F(ssl_socket_client_ours, each_of_many_tickets_in_one_read_is_told) {
  QSslConfiguration of_server = server_settings();
  of_server.setBackendConfigurationOption("NumTickets", "20");
  our_server server(of_server);
  QSslConfiguration settings = client_settings();
  settings.setSslOption(QSsl::SslOptionDisableSessionPersistence, false);
  this->socket.setSslConfiguration(settings);
  this->socket.connectToHostEncrypted("localhost", server.serverPort());
  this->wait();
  this->socket.write("x");
  ASSERT_TRUE(wait_until([&] { return this->socket.bytesAvailable() == 1; }));
  EXPECT_EQ(this->trace.count("newSessionTicketReceived"), 20);
}

TEST_F(ssl_socket_client_ours, a_key_that_qt_cannot_hold_is_null_and_so_is_the_servers_own) {
  our_server server;
  this->socket.connectToHostEncrypted("localhost", server.serverPort());
  this->wait();
  EXPECT_EQ(this->socket.keyExchangeGroup(), "x25519");
  EXPECT_TRUE(this->socket.sslConfiguration().ephemeralServerKey().isNull());

  qt::SslConfiguration of_server = server_settings();
  of_server.setBackendConfigurationOption("Groups", "P-256");
  our_server other(of_server);
  this->socket.abort();
  this->socket.connectToHostEncrypted("localhost", other.serverPort());
  this->wait();
  EXPECT_EQ(this->socket.sslConfiguration().ephemeralServerKey().length(), 256);
  auto* const theirs = other.findChild<qt::SslSocket*>();
  ASSERT_NE(theirs, nullptr);
  EXPECT_TRUE(theirs->isEncrypted());
  EXPECT_TRUE(theirs->sslConfiguration().ephemeralServerKey().isNull());
}

TEST_F(ssl_socket_client_ours, a_ticket_that_is_nonsense_does_no_harm) {
  our_server server;
  QSslConfiguration settings = client_settings();
  settings.setSessionTicket("nonsense");
  socket.setSslConfiguration(settings);
  socket.connectToHostEncrypted("localhost", server.serverPort());
  wait();
  EXPECT_TRUE(socket.isEncrypted());
  EXPECT_FALSE(socket.isSessionResumed());
}

TEST_F(ssl_socket_client_ours, the_name_of_the_host_is_sent_and_addresses_arent) {
  our_server server;
  for (const QString& host : {QStringLiteral("localhost"), QStringLiteral("127.0.0.1")}) {
    qt::SslSocket client;
    client.setSslConfiguration(client_settings());
    client.connectToHostEncrypted(host, server.serverPort());
    ASSERT_TRUE(wait_until([&] { return client.isEncrypted(); }));
    ASSERT_TRUE(wait_until([&] { return server.names.size() == (host == "localhost" ? 1 : 2); }));
  }
  EXPECT_EQ(server.names, QStringList({"localhost", ""}));
}

TEST_F(ssl_socket_client_ours, a_pre_shared_key_in_both_versions) {
  for (const auto version : {QSsl::TlsV1_2, QSsl::TlsV1_3}) {
    QSslConfiguration of_server = server_settings();
    of_server.setProtocol(version);
    our_server server(of_server);
    QObject::connect(&server, &qt::SslServer::preSharedKeyAuthenticationRequired,
                     [](qt::SslSocket*, qt::SslPreSharedKeyAuthenticator* asked) {
                       if (asked->identity() == "ann")
                         asked->setPreSharedKey(QByteArray::fromHex("00112233445566778899aabbccddeeff"));
                     });
    qt::SslSocket client;
    client.setSslConfiguration(client_settings());
    QObject::connect(&client, &qt::SslSocket::preSharedKeyAuthenticationRequired,
                     [](qt::SslPreSharedKeyAuthenticator* asked) { answer_with_key(asked); });
    client.connectToHostEncrypted("localhost", server.serverPort());
    client.write("x");
    ASSERT_TRUE(wait_until([&] { return client.bytesAvailable() == 1; }));
    EXPECT_EQ(client.sessionProtocol(), version);
    EXPECT_EQ(client.preSharedKeyIdentity(), "ann");
    EXPECT_TRUE(client.peerCertificate().isNull());
  }
}

TEST_F(ssl_socket_client_ours, a_rejected_certificate_sends_the_alert_that_fits) {
  std::atomic<int> alert = -1;
  qt_peer peer(
      [&](::QSslSocket& client) {
        QObject::connect(&client, &::QSslSocket::alertReceived, &client,
                         [&](auto, auto type, const QString&) { alert = static_cast<int>(type); });
        client.startServerEncryption();
      },
      peer_begins::plain);
  socket.setSslConfiguration(distrusting_settings());
  connect(peer);
  ASSERT_TRUE(wait_until([&] { return alert != -1; }));
  EXPECT_EQ(alert, static_cast<int>(QSsl::AlertType::UnknownCa));
  EXPECT_TRUE(trace.has("alertSent fatal 48"));
  EXPECT_TRUE(socket.handshakeFailure().has_value());
  EXPECT_FALSE(socket.handshakeFailureSentence().isEmpty());
}

/// OpenSSL's own server, which sends back each line reversed.
class openssl_server {
 public:
  openssl_server() {
    const credentials shown = issue(test_ca(), {.common_name = "server", .names = {"localhost"}});
    const auto certificate = files_.write("certificate.pem", shown.certificate);
    const auto key = files_.write("key.pem", shown.key);
    process_.setProcessChannelMode(QProcess::MergedChannels);
    process_.start("openssl",
                   {"s_server", "-accept", "127.0.0.1:0", "-rev", "-cert", certificate.c_str(), "-key", key.c_str()});
    const QRegularExpression line("ACCEPT 127\\.0\\.0\\.1:([0-9]+)");
    wait_until([&] {
      output_ += process_.readAll();
      port_ = line.match(QString::fromLatin1(output_)).captured(1).toUShort();
      return port_ != 0 || process_.state() == QProcess::NotRunning;
    });
  }
  ~openssl_server() {
    process_.kill();
    process_.waitForFinished();
  }
  quint16 port() const { return port_; }

 private:
  temporary_directory files_;
  QProcess process_;
  QByteArray output_;
  quint16 port_ = 0;
};

TEST_F(ssl_socket_client_ours, openssls_server_resumes_its_sessions) {
  openssl_server server;
  ASSERT_NE(server.port(), 0);
  for (const auto version : {QSsl::TlsV1_2, QSsl::TlsV1_3}) {
    qt::SslConfiguration settings = client_settings();
    settings.setProtocol(version);
    settings.setSslOption(QSsl::SslOptionDisableSessionPersistence, false);
    for (const bool again : {false, true}) {
      qt::SslSocket client;
      client.setSslConfiguration(settings);
      // Its socket is IPv4's alone, and its certificate for the name.
      client.connectToHostEncrypted("127.0.0.1", server.port(), "localhost");
      client.write("abc\n");
      ASSERT_TRUE(client.waitForReadyRead(20'000)) << qPrintable(client.errorString());
      EXPECT_EQ(client.readAll(), "cba\n");
      EXPECT_EQ(client.isSessionResumed(), again);
      EXPECT_EQ(client.sessionProtocol(), version);
      settings = client.sslConfiguration();
      client.disconnectFromHost();
      EXPECT_TRUE(client.state() == QAbstractSocket::UnconnectedState || client.waitForDisconnected(20'000));
    }
  }
}

}  // namespace
}  // namespace sallyport::test
