// findings_test: what somebody who wished the Qt module ill has found, so that it doesn't come back.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/event_loop.hpp"
#include "support/qt_peer.hpp"
#include "support/record_sealer.hpp"
#include "support/socket_pair.hpp"
#include "support/test_servers.hpp"
#include "support/traced_ssl_server.hpp"

#include <sallyport/qt/ssl_socket.hpp>

#include <QtCore/QScopeGuard>
#include <QtNetwork/QSslCipher>
#include <QtNetwork/QTcpServer>
#include <QtNetwork/QTcpSocket>
#include <QtTest/QSignalSpy>

#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <unistd.h>

namespace sallyport::test {
namespace {

using qt::SslSocket;

// --- the default configuration ---

TEST(findings, new_sockets_have_the_default_configuration_of_that_time) {
  const QSslConfiguration before = QSslConfiguration::defaultConfiguration();
  const auto restore = qScopeGuard([&] { QSslConfiguration::setDefaultConfiguration(before); });
  qt_peer peer(echo);
  SslSocket older;
  QSslConfiguration pinned = before;
  pinned.setCaCertificates({qt_certificate(test_ca())});
  pinned.setProtocol(QSsl::TlsV1_3);
  QSslConfiguration::setDefaultConfiguration(pinned);

  SslSocket newer;
  EXPECT_EQ(newer.protocol(), QSsl::TlsV1_3);
  EXPECT_EQ(static_cast<const QSslConfiguration&>(newer.sslConfiguration()), pinned);
  newer.connectToHostEncrypted("localhost", peer.port());
  EXPECT_TRUE(wait_until([&] { return newer.isEncrypted() || newer.error() != QAbstractSocket::UnknownSocketError; }));
  EXPECT_TRUE(newer.isEncrypted()) << newer.errorString().toStdString();

  EXPECT_NE(older.protocol(), QSsl::TlsV1_3);
  older.connectToHostEncrypted("localhost", peer.port());
  EXPECT_TRUE(wait_until([&] { return older.isEncrypted() || older.error() != QAbstractSocket::UnknownSocketError; }));
  EXPECT_FALSE(older.isEncrypted());
}

// --- alerts that nobody takes ---

class findings_alerts : public testing::Test {
 protected:
  static constexpr int count = 300;
  static constexpr int some = 60;  // a step of the session tells of a handful, however many it meets

  /// A client with TLS 1.2 that doesn't read, until the kernel takes nothing more.
  findings_alerts() {
    adopt(socket, peer);
    encrypt(socket, peer);
    peer.stop_reading();
    socket.setWriteBufferLimit(0);
    socket.write(QByteArray(20'000'000, 'x'));
    settle([&] { return socket.bytesToWrite(); });
    EXPECT_GT(socket.encryptedBytesToWrite(), 0);

    memory_client other({.version = TLS1_2_VERSION});
    other.handshake();
    client_hello = other.output().substr(5);
    sealer = std::make_unique<record_sealer>(peer.client());
  }

  template <class Number>
  void settle(Number number) {
    auto before = number();
    for (int quiet = 0; quiet < 50; ++quiet) {
      peer.turn();
      QCoreApplication::processEvents();
      if (std::exchange(before, number()) != number()) quiet = 0;
    }
  }

  /// Each in a turn of its own, and with a byte of data behind it, so that it is no flood of one kind.
  void send_often(record_type type, std::string_view content) {
    for (int i = 0; i < count; ++i) {
      peer.send_raw(sealer->seal(type, content));
      peer.send_raw(sealer->seal(record_type::application_data, "x"));
      QCoreApplication::processEvents();
    }
    settle([&] { return socket.bytesAvailable(); });
  }

  tls_peer peer{{.version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"}};
  SslSocket socket;
  QSignalSpy sent{&socket, &SslSocket::alertSent};
  QSignalSpy received{&socket, &SslSocket::alertReceived};
  std::string client_hello;
  std::unique_ptr<record_sealer> sealer;
};

TEST_F(findings_alerts, are_not_made_without_end_for_a_client_that_does_not_read) {
  send_often(record_type::handshake, client_hello);
  EXPECT_LT(socket.bytesAvailable(), 100);  // the rest waits
  EXPECT_EQ(sent.count(), 0);
  peer.go_on_reading();
  EXPECT_TRUE(peer.until([&] { return socket.bytesAvailable() == count && sent.count() >= some; }));
}

TEST_F(findings_alerts, do_not_pile_up_behind_one_that_waits) {
  peer.send_raw(sealer->seal(record_type::handshake, client_hello));
  send_often(record_type::alert, "\x01\x5a");  // user_canceled
  EXPECT_LT(socket.bytesAvailable(), 100);
  EXPECT_EQ(received.count(), 0);
  peer.go_on_reading();
  EXPECT_TRUE(peer.until([&] { return socket.bytesAvailable() == count && received.count() >= some; }));
  EXPECT_GE(sent.count(), 1);
}

// --- a crowd from one address ---

TEST(findings, one_who_connects_as_fast_as_he_is_accepted_leaves_the_others_their_turn) {
  traced_ssl_server server;
  server.setMaxPendingConnections(4);
  server.setMaxHandshakesPerPeer(1);
  const auto clients = connected_clients(40, server.serverPort());
  int in_this_turn = 0;
  int most = 0;
  QTimer turn;
  QObject::connect(&turn, &QTimer::timeout, [&] { in_this_turn = 0; });
  turn.start(0);
  QObject::connect(&server, &QTcpServer::newConnection, [&] { most = std::max(most, ++in_this_turn); });
  EXPECT_TRUE(wait_until([&] { return server.count("S.newConnection") == 40; }));
  EXPECT_LE(most, 4);
  EXPECT_TRUE(wait_until([&] { return server.open_sockets() == 1; }));
}

// --- plain text where TLS was wanted ---

/// Greets its clients in plain text.
class greeting_server : public QTcpServer {
 public:
  explicit greeting_server(QByteArray greeting) {
    listen(QHostAddress::LocalHost);
    QObject::connect(this, &QTcpServer::newConnection, [this, greeting = std::move(greeting)] {
      QTcpSocket* const client = nextPendingConnection();
      client->write(greeting);
      client->flush();
      has_greeted = true;
    });
  }
  bool has_greeted = false;
};

/// Unlike handle_events() it doesn't delete what is to be deleted later: the slot may be in the middle of it.
void handle_events_in_slot() {
  for (int round = 0; round < 10; ++round) QCoreApplication::processEvents();
}

TEST(findings, plain_text_is_not_received_before_tls_in_a_slot_that_runs_an_event_loop) {
  greeting_server server("220 send me your password\r\n");
  SslSocket socket;
  QSignalSpy ready(&socket, &QIODevice::readyRead);
  QObject::connect(&socket, &QAbstractSocket::stateChanged, [&](QAbstractSocket::SocketState state) {
    if (state != QAbstractSocket::ConnectedState) return;
    while (!server.has_greeted) QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents);
    handle_events_in_slot();
    EXPECT_EQ(socket.bytesAvailable(), 0);
    EXPECT_FALSE(socket.waitForReadyRead(50));
    EXPECT_EQ(socket.bytesAvailable(), 0);
  });
  QSignalSpy failed(&socket, &QAbstractSocket::disconnected);
  socket.connectToHostEncrypted("127.0.0.1", server.serverPort(), "localhost");
  EXPECT_TRUE(wait_until([&] { return failed.count() == 1; }));
  EXPECT_TRUE(server.has_greeted);
  EXPECT_EQ(ready.count(), 0);
  EXPECT_EQ(socket.error(), QAbstractSocket::SslHandshakeFailedError);
  EXPECT_EQ(socket.readAll(), "");
}

TEST(findings, tls_begins_after_a_slot_that_runs_an_event_loop) {
  qt_peer peer(echo);
  SslSocket socket;
  socket.setSslConfiguration(client_settings());
  QObject::connect(&socket, &QAbstractSocket::stateChanged, [](QAbstractSocket::SocketState state) {
    if (state == QAbstractSocket::ConnectedState) handle_events_in_slot();
  });
  socket.connectToHostEncrypted("localhost", peer.port());
  socket.write("hello");
  EXPECT_TRUE(wait_until([&] { return socket.bytesAvailable() == 5; }));
  EXPECT_EQ(socket.readAll(), "hello");
}

// --- a reader and writer with limits ---

TEST(findings, a_slot_that_writes_beyond_the_limit_before_it_reads_does_not_stop_the_reading) {
  tls_peer peer;
  SslSocket socket;
  socket.setSslConfiguration(server_settings());
  socket.setReadBufferSize(1000);
  socket.setWriteBufferLimit(10'000);
  socket.setSocketDescriptor(peer.take_descriptor());
  encrypt(socket, peer);
  qint64 read = 0;
  QObject::connect(&socket, &QIODevice::readyRead, [&] {
    socket.write(QByteArray(50'000, 'x'));
    read += socket.readAll().size();
  });
  peer.send(std::string(5000, 'y'));
  EXPECT_TRUE(peer.until([&] { return read == 5000; }));
}

// --- what was ignored with the peer before ---

TEST(findings, errors_that_were_ignored_are_not_ignored_with_the_next_peer) {
  qt_peer peer(echo);
  SslSocket socket;
  const auto begin = [&] {
    QTcpSocket connected;
    connected.connectToHost(QHostAddress::LocalHost, peer.port());
    ASSERT_TRUE(connected.waitForConnected());
    ASSERT_TRUE(socket.setSocketDescriptor(::dup(static_cast<int>(connected.socketDescriptor()))));
    socket.startClientEncryption();
  };
  const auto ignoring = QObject::connect(&socket, &SslSocket::sslErrors, [&] { socket.ignoreSslErrors(); });
  begin();
  ASSERT_TRUE(wait_until([&] { return socket.isEncrypted(); }));
  socket.abort();
  QObject::disconnect(ignoring);
  begin();
  EXPECT_TRUE(wait_until([&] { return socket.isEncrypted() || socket.state() != QAbstractSocket::ConnectedState; }));
  EXPECT_FALSE(socket.isEncrypted());
  EXPECT_FALSE(socket.sslHandshakeErrors().isEmpty());

  socket.abort();
  socket.ignoreSslErrors();  // but before it begins this is meant for the next
  begin();
  EXPECT_TRUE(wait_until([&] { return socket.isEncrypted() || socket.state() != QAbstractSocket::ConnectedState; }));
  EXPECT_TRUE(socket.isEncrypted());
}

// --- a name to verify ---

TEST(findings, the_name_given_for_one_connection_is_not_that_of_the_next) {
  qt_peer peer(echo);
  SslSocket socket;
  socket.setSslConfiguration(client_settings());
  const auto finishes = [&] {
    return wait_until([&] { return socket.isEncrypted() || socket.state() == QAbstractSocket::UnconnectedState; });
  };
  socket.connectToHostEncrypted("localhost", peer.port(), "other.example");
  EXPECT_TRUE(finishes());
  EXPECT_FALSE(socket.isEncrypted());
  EXPECT_EQ(socket.peerVerifyName(), "other.example");
  socket.connectToHostEncrypted("localhost", peer.port());
  EXPECT_TRUE(finishes());
  EXPECT_TRUE(socket.isEncrypted());
  socket.abort();

  socket.setPeerVerifyName("other.example");  // of all that follow
  socket.connectToHostEncrypted("localhost", peer.port(), "localhost");
  EXPECT_TRUE(finishes());
  EXPECT_TRUE(socket.isEncrypted());
  socket.abort();
  socket.connectToHostEncrypted("localhost", peer.port());
  EXPECT_TRUE(finishes());
  EXPECT_FALSE(socket.isEncrypted());
}

// --- a faulty configuration ---

TEST(findings, nothing_is_sent_in_plain_text_when_the_configuration_is_refused) {
  for (const bool is_server : {true, false}) {
    tls_peer peer;
    SslSocket socket;
    QSslConfiguration faulty;
    faulty.setCiphers({QSslCipher()});
    adopt(socket, peer, faulty);
    const auto write = [&] {
      socket.write("secret");
      socket.flush();
      handle_events();
    };
    QObject::connect(&socket, &SslSocket::modeChanged, write);
    QObject::connect(&socket, &SslSocket::errorOccurred, write);
    is_server ? socket.startServerEncryption() : socket.startClientEncryption();
    EXPECT_EQ(socket.handshakeFailure(), handshake_error::internal);
    EXPECT_TRUE(peer.until([&] { return peer.saw_fin() || peer.saw_reset(); }));
    EXPECT_EQ(peer.received(), "");
  }
}

}  // namespace
}  // namespace sallyport::test
