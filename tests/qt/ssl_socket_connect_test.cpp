// ssl_socket_connect_test: how an SslSocket connects. What is said of every socket here is true of Qt's, too.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/event_loop.hpp"
#include "support/qt_peer.hpp"
#include "support/signal_trace.hpp"

#include <sallyport/qt/ssl_socket.hpp>

#include <QtNetwork/QNetworkProxy>
#include <QtNetwork/QTcpServer>

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// A port of 127.0.0.1 where nobody listens.
quint16 closed_port() {
  QTcpServer server;
  server.listen(QHostAddress::LocalHost);
  return server.serverPort();
}

/// A server that accepts and says nothing.
struct silent_server : QTcpServer {
  silent_server() { listen(QHostAddress::LocalHost); }
};

template <class Socket>
class ssl_socket_connect : public testing::Test {};

using sockets = testing::Types<::QSslSocket, qt::SslSocket>;
TYPED_TEST_SUITE(ssl_socket_connect, sockets);

TYPED_TEST(ssl_socket_connect, a_name_is_looked_up_and_connected_to) {
  silent_server server;
  TypeParam socket;
  signal_trace trace(socket);
  socket.connectToHost("localhost", server.serverPort());
  EXPECT_NE(socket.state(), QAbstractSocket::ConnectedState);
  ASSERT_TRUE(wait_until([&] { return trace.has("connected"); }));
  EXPECT_THAT(trace.words(), ElementsAre("stateChanged HostLookup", "stateChanged Connecting", "hostFound",
                                         "stateChanged Connected", "connected"));
  EXPECT_EQ(socket.state(), QAbstractSocket::ConnectedState);
  EXPECT_EQ(socket.mode(), TypeParam::UnencryptedMode);
  EXPECT_FALSE(socket.isEncrypted());
  EXPECT_EQ(socket.peerPort(), server.serverPort());
  EXPECT_EQ(socket.peerAddress(), QHostAddress(QHostAddress::LocalHost));
  EXPECT_EQ(socket.peerName(), "localhost");
  EXPECT_NE(socket.localPort(), 0);
  EXPECT_EQ(socket.localAddress(), QHostAddress(QHostAddress::LocalHost));
  EXPECT_NE(socket.socketDescriptor(), -1);
  EXPECT_EQ(socket.openMode(), QIODevice::ReadWrite);
  EXPECT_TRUE(socket.isValid());
}

TYPED_TEST(ssl_socket_connect, addresses_are_known_in_the_slot_of_connected) {
  silent_server server;
  TypeParam socket;
  quint16 local = 0;
  quint16 peer = 0;
  QObject::connect(&socket, &TypeParam::connected, [&] {
    local = socket.localPort();
    peer = socket.peerPort();
  });
  socket.connectToHost(QHostAddress(QHostAddress::LocalHost), server.serverPort());
  ASSERT_TRUE(wait_until([&] { return peer != 0; }));
  EXPECT_EQ(peer, server.serverPort());
  EXPECT_NE(local, 0);
  EXPECT_EQ(socket.peerName(), "127.0.0.1");
}

TYPED_TEST(ssl_socket_connect, the_open_mode_is_that_of_the_call) {
  silent_server server;
  TypeParam socket;
  socket.connectToHost("127.0.0.1", server.serverPort(), QIODevice::ReadOnly);
  EXPECT_EQ(socket.openMode(), QIODevice::ReadOnly);
  ASSERT_TRUE(wait_until([&] { return socket.state() == QAbstractSocket::ConnectedState; }));
  EXPECT_EQ(socket.openMode(), QIODevice::ReadOnly);
}

TYPED_TEST(ssl_socket_connect, connecting_encrypted_changes_the_mode_before_connected) {
  qt_peer peer(echo);
  TypeParam socket;
  socket.setSslConfiguration(client_settings());
  signal_trace trace(socket);
  socket.connectToHostEncrypted("localhost", peer.port());
  ASSERT_TRUE(wait_until([&] { return socket.isEncrypted(); }));
  EXPECT_THAT(trace.milestones(), ElementsAre("stateChanged HostLookup", "stateChanged Connecting", "hostFound",
                                              "stateChanged Connected", "modeChanged 1", "connected", "encrypted"));
  EXPECT_EQ(socket.mode(), TypeParam::SslClientMode);
}

TYPED_TEST(ssl_socket_connect, what_is_written_before_is_sent_afterwards) {
  qt_peer peer(echo);
  TypeParam socket;
  socket.setSslConfiguration(client_settings());
  socket.connectToHostEncrypted("localhost", peer.port());
  EXPECT_EQ(socket.write("early"), 5);
  ASSERT_TRUE(wait_until([&] { return socket.bytesAvailable() == 5; }));
  EXPECT_EQ(socket.readAll(), "early");
  EXPECT_EQ(socket.bytesToWrite(), 0);
}

TYPED_TEST(ssl_socket_connect, what_is_written_in_plain_text_before_is_sent_afterwards) {
  qt_peer peer(echo, peer_begins::plain);
  TypeParam socket;
  socket.connectToHost("localhost", peer.port());
  EXPECT_EQ(socket.write("early"), 5);
  ASSERT_TRUE(wait_until([&] { return socket.bytesAvailable() == 5; }));
  EXPECT_EQ(socket.readAll(), "early");
}

TYPED_TEST(ssl_socket_connect, what_the_server_says_at_once_is_read) {
  qt_peer peer([](::QSslSocket& client) { client.write("220 ready\r\n"); }, peer_begins::plain);
  TypeParam socket;
  signal_trace trace(socket);
  socket.connectToHost("localhost", peer.port());
  ASSERT_TRUE(wait_until([&] { return socket.canReadLine(); }));
  EXPECT_EQ(socket.readLine(), "220 ready\r\n");
  EXPECT_GE(trace.count("readyRead"), 1);
}

TYPED_TEST(ssl_socket_connect, a_refused_connection_is_an_error) {
  const quint16 port = closed_port();
  TypeParam socket;
  signal_trace trace(socket);
  socket.connectToHostEncrypted("127.0.0.1", port);
  ASSERT_TRUE(wait_until([&] { return trace.has("errorOccurred 0"); }));
  EXPECT_THAT(trace.words(), ElementsAre("stateChanged HostLookup", "stateChanged Connecting", "hostFound",
                                         "stateChanged Unconnected", "errorOccurred 0"));
  EXPECT_EQ(socket.error(), QAbstractSocket::ConnectionRefusedError);
  EXPECT_EQ(socket.errorString(), "Connection refused");
  EXPECT_EQ(socket.state(), QAbstractSocket::UnconnectedState);
  EXPECT_EQ(socket.mode(), TypeParam::UnencryptedMode);
}

TYPED_TEST(ssl_socket_connect, a_name_that_nobody_has_is_an_error) {
  TypeParam socket;
  signal_trace trace(socket);
  socket.connectToHost("not..a..name", 443);
  ASSERT_TRUE(wait_until([&] { return trace.has("errorOccurred 2"); }));
  EXPECT_THAT(trace.words(), ElementsAre("stateChanged HostLookup", "stateChanged Unconnected", "errorOccurred 2"));
  EXPECT_EQ(socket.errorString(), "Host not found");
}

TYPED_TEST(ssl_socket_connect, a_socket_connects_again_after_an_error) {
  qt_peer peer(echo);
  TypeParam socket;
  socket.setSslConfiguration(client_settings());
  signal_trace trace(socket);
  socket.connectToHostEncrypted("127.0.0.1", closed_port());
  ASSERT_TRUE(wait_until([&] { return trace.has("errorOccurred 0"); }));
  socket.connectToHostEncrypted("localhost", peer.port());
  ASSERT_TRUE(wait_until([&] { return trace.has("encrypted"); }));
}

TYPED_TEST(ssl_socket_connect, in_the_slot_of_the_error_it_can_be_tried_elsewhere) {
  qt_peer peer(echo);
  TypeParam socket;
  socket.setSslConfiguration(client_settings());
  signal_trace trace(socket);
  QObject::connect(&socket, &TypeParam::errorOccurred,
                   [&] { socket.connectToHostEncrypted("localhost", peer.port()); });
  socket.connectToHostEncrypted("127.0.0.1", closed_port());
  ASSERT_TRUE(wait_until([&] { return trace.has("encrypted"); }));
  EXPECT_EQ(trace.count("errorOccurred 0"), 1);
}

TYPED_TEST(ssl_socket_connect, abort_ends_it) {
  silent_server server;
  TypeParam socket;
  signal_trace trace(socket);
  socket.connectToHostEncrypted("127.0.0.1", server.serverPort());
  EXPECT_EQ(socket.write("lost"), 4);
  trace.clear();
  socket.abort();
  EXPECT_EQ(socket.state(), QAbstractSocket::UnconnectedState);
  EXPECT_EQ(socket.bytesToWrite(), 0);
  EXPECT_FALSE(socket.isOpen());
  handle_events();
  EXPECT_THAT(trace.words(), ElementsAre("stateChanged Unconnected", "readChannelFinished", "aboutToClose"));
}

TYPED_TEST(ssl_socket_connect, abort_while_a_name_is_looked_up_ends_it) {
  silent_server server;
  TypeParam socket;
  signal_trace trace(socket);
  socket.connectToHostEncrypted("not..a..name", server.serverPort());
  ASSERT_EQ(socket.state(), QAbstractSocket::HostLookupState);
  socket.abort();
  EXPECT_EQ(socket.state(), QAbstractSocket::UnconnectedState);
  trace.clear();
  handle_events();
  EXPECT_THAT(trace.of({"stateChanged", "errorOccurred", "hostFound"}), IsEmpty());
}

TYPED_TEST(ssl_socket_connect, abort_in_the_slots_of_connecting_ends_it) {
  silent_server server;
  const auto abort_at = [&](auto signal) {
    TypeParam socket;
    signal_trace trace(socket);
    QObject::connect(&socket, signal, [&] { socket.abort(); });
    socket.connectToHostEncrypted("127.0.0.1", server.serverPort());
    EXPECT_TRUE(wait_until([&] { return trace.has("stateChanged Unconnected"); }));
    handle_events();
    EXPECT_EQ(socket.state(), QAbstractSocket::UnconnectedState);
    EXPECT_FALSE(trace.has("encrypted"));
    EXPECT_EQ(socket.socketDescriptor(), -1);
  };
  abort_at(&TypeParam::hostFound);
  abort_at(&TypeParam::connected);
}

TYPED_TEST(ssl_socket_connect, disconnecting_while_connecting_waits_for_it) {
  qt_peer peer(echo);
  TypeParam socket;
  socket.setSslConfiguration(client_settings());
  signal_trace trace(socket, written::told);
  socket.connectToHostEncrypted("localhost", peer.port());
  EXPECT_EQ(socket.write("said"), 4);
  socket.disconnectFromHost();
  ASSERT_TRUE(wait_until([&] { return trace.has("disconnected"); }));
  EXPECT_THAT(trace.of({"stateChanged", "connected", "encrypted", "disconnected", "errorOccurred"}),
              ElementsAre("stateChanged HostLookup", "stateChanged Connecting", "stateChanged Connected", "connected",
                          "encrypted", "stateChanged Closing", "stateChanged Unconnected", "disconnected"));
  EXPECT_EQ(trace.count("bytesWritten 4"), 1);
}

TYPED_TEST(ssl_socket_connect, disconnecting_while_connecting_in_plain_text_waits_for_it) {
  silent_server server;
  TypeParam socket;
  signal_trace trace(socket);
  socket.connectToHost("127.0.0.1", server.serverPort());
  socket.disconnectFromHost();
  ASSERT_TRUE(wait_until([&] { return trace.has("disconnected"); }));
  EXPECT_THAT(trace.milestones(),
              ElementsAre("stateChanged HostLookup", "stateChanged Connecting", "hostFound", "stateChanged Connected",
                          "connected", "stateChanged Closing", "stateChanged Unconnected", "disconnected"));
}

TYPED_TEST(ssl_socket_connect, closing_while_connecting_closes_the_device_and_leaves_no_connection) {
  silent_server server;
  TypeParam socket;
  signal_trace trace(socket);
  socket.connectToHost("127.0.0.1", server.serverPort());
  socket.close();
  EXPECT_FALSE(socket.isOpen());
  EXPECT_TRUE(trace.has("aboutToClose"));
  ASSERT_TRUE(wait_until([&] { return socket.state() == QAbstractSocket::UnconnectedState; }));
  handle_events();
  EXPECT_EQ(socket.socketDescriptor(), -1);
}

TYPED_TEST(ssl_socket_connect, it_can_be_deleted_while_connecting) {
  silent_server server;
  for (int rounds = 0; rounds < 4; ++rounds) {
    auto socket = std::make_unique<TypeParam>();
    socket->connectToHostEncrypted("localhost", server.serverPort());
    for (int events = 0; events < rounds; ++events) QCoreApplication::processEvents();
    socket.reset();
  }
  handle_events();
}

TYPED_TEST(ssl_socket_connect, it_can_be_deleted_later_in_the_slots_of_connecting) {
  qt_peer peer(echo);
  const auto delete_at = [&](auto signal) {
    bool gone = false;
    auto* socket = new TypeParam;
    socket->setSslConfiguration(client_settings());
    QObject::connect(socket, &QObject::destroyed, [&] { gone = true; });
    QObject::connect(socket, signal, socket, &QObject::deleteLater);
    socket->connectToHostEncrypted("localhost", peer.port());
    EXPECT_TRUE(wait_until([&] { return gone; }));
  };
  delete_at(&TypeParam::hostFound);
  delete_at(&TypeParam::stateChanged);
  delete_at(&TypeParam::connected);
  delete_at(&TypeParam::encrypted);
}

TYPED_TEST(ssl_socket_connect, connecting_a_second_time_is_refused_and_disturbs_nothing) {
  silent_server server;
  TypeParam socket;
  signal_trace trace(socket);
  socket.connectToHost("127.0.0.1", server.serverPort());
  socket.connectToHost("127.0.0.1", server.serverPort());
  EXPECT_EQ(socket.error(), QAbstractSocket::OperationError);
  EXPECT_EQ(socket.errorString(), "Trying to connect while connection is in progress");
  EXPECT_EQ(trace.count("errorOccurred 19"), 1);
  ASSERT_TRUE(wait_until([&] { return trace.has("connected"); }));
  EXPECT_EQ(trace.count("stateChanged Connecting"), 1);
  ASSERT_TRUE(wait_until([&] { return server.hasPendingConnections(); }));
  delete server.nextPendingConnection();
  EXPECT_FALSE(server.hasPendingConnections());
}

TYPED_TEST(ssl_socket_connect, connecting_encrypted_a_second_time_is_ignored) {
  qt_peer peer(echo);
  TypeParam socket;
  socket.setSslConfiguration(client_settings());
  signal_trace trace(socket);
  socket.connectToHostEncrypted("localhost", peer.port());
  socket.connectToHostEncrypted("localhost", peer.port());
  ASSERT_TRUE(wait_until([&] { return trace.has("encrypted"); }));
  socket.connectToHostEncrypted("localhost", peer.port());
  handle_events();
  EXPECT_EQ(trace.count("stateChanged Connecting"), 1);
  EXPECT_EQ(trace.count("encrypted"), 1);
  EXPECT_TRUE(socket.isEncrypted());
  EXPECT_EQ(peer.clients(), 1);
}

TYPED_TEST(ssl_socket_connect, a_bound_socket_connects_from_there) {
  silent_server server;
  TypeParam socket;
  signal_trace trace(socket);
  ASSERT_TRUE(socket.bind(QHostAddress(QHostAddress::LocalHost)));
  EXPECT_EQ(socket.state(), QAbstractSocket::BoundState);
  const quint16 port = socket.localPort();
  ASSERT_NE(port, 0);
  socket.connectToHost("127.0.0.1", server.serverPort());
  ASSERT_TRUE(wait_until([&] { return trace.has("connected"); }));
  EXPECT_EQ(socket.localPort(), port);
  ASSERT_TRUE(wait_until([&] { return server.hasPendingConnections(); }));
  EXPECT_EQ(server.nextPendingConnection()->peerPort(), port);
}

TYPED_TEST(ssl_socket_connect, to_bind_to_a_port_that_is_taken_fails) {
  silent_server server;
  TypeParam socket;
  EXPECT_FALSE(socket.bind(QHostAddress(QHostAddress::LocalHost), server.serverPort(), TypeParam::DontShareAddress));
  EXPECT_EQ(socket.error(), QAbstractSocket::AddressInUseError);
  EXPECT_EQ(socket.state(), QAbstractSocket::UnconnectedState);
}

TYPED_TEST(ssl_socket_connect, socket_options_set_before_are_those_of_the_connection) {
  silent_server server;
  TypeParam socket;
  signal_trace trace(socket);
  socket.connectToHost("127.0.0.1", server.serverPort());
  socket.setSocketOption(QAbstractSocket::LowDelayOption, 1);
  ASSERT_TRUE(wait_until([&] { return trace.has("connected"); }));
  EXPECT_EQ(socket.socketOption(QAbstractSocket::LowDelayOption).toInt(), 1);
  socket.setSocketOption(QAbstractSocket::KeepAliveOption, 1);
  EXPECT_EQ(socket.socketOption(QAbstractSocket::KeepAliveOption).toInt(), 1);
}

// --- proxies ---

/// Answers as a proxy would, whoever is asked for, and goes on as an echo. It lives in the test's own thread.
struct fake_proxy : QTcpServer {
  /// Of the client's whole requests, answers are found by position.
  explicit fake_proxy(QList<QByteArray> said) : answers(std::move(said)) {
    listen(QHostAddress::LocalHost);
    connect(this, &QTcpServer::newConnection, this, [this] {
      QTcpSocket* client = nextPendingConnection();
      connect(client, &QIODevice::readyRead, client, [this, client] {
        const QByteArray request = client->readAll();
        if (requests.size() == answers.size()) {
          client->write(request);
          return;
        }
        requests << request;
        client->write(answers[requests.size() - 1]);
      });
    });
  }
  QNetworkProxy as(QNetworkProxy::ProxyType type, const QString& user = {}, const QString& password = {}) const {
    return QNetworkProxy(type, "127.0.0.1", serverPort(), user, password);
  }
  const QList<QByteArray> answers;
  QList<QByteArray> requests;
};

TYPED_TEST(ssl_socket_connect, through_an_http_proxy) {
  fake_proxy proxy({"HTTP/1.1 200 Connection established\r\n\r\n"});
  TypeParam socket;
  signal_trace trace(socket);
  socket.setProxy(proxy.as(QNetworkProxy::HttpProxy));
  socket.connectToHost("server.example", 443);
  ASSERT_TRUE(wait_until([&] { return trace.has("connected"); }));
  EXPECT_TRUE(proxy.requests.value(0).startsWith("CONNECT server.example:443 HTTP/1.1\r\n"));
  EXPECT_EQ(socket.peerName(), "server.example");
  EXPECT_EQ(socket.peerPort(), 443);
  EXPECT_FALSE(trace.has("hostFound"));
  socket.write("hello");
  ASSERT_TRUE(wait_until([&] { return socket.bytesAvailable() == 5; }));
}

TYPED_TEST(ssl_socket_connect, an_http_proxy_that_refuses_is_an_error) {
  fake_proxy proxy({"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"});
  TypeParam socket;
  signal_trace trace(socket);
  socket.setProxy(proxy.as(QNetworkProxy::HttpProxy));
  socket.connectToHostEncrypted("server.example", 443);
  ASSERT_TRUE(wait_until([&] { return !trace.of({"errorOccurred"}).empty(); }));
  EXPECT_FALSE(trace.has("connected"));
  EXPECT_EQ(socket.state(), QAbstractSocket::UnconnectedState);
}

TYPED_TEST(ssl_socket_connect, through_a_socks5_proxy) {
  fake_proxy proxy({QByteArray::fromHex("0500"), QByteArray::fromHex("05000001000000000000")});
  TypeParam socket;
  signal_trace trace(socket);
  socket.setProxy(proxy.as(QNetworkProxy::Socks5Proxy));
  socket.connectToHost("server.example", 443);
  ASSERT_TRUE(wait_until([&] { return trace.has("connected"); }));
  EXPECT_THAT(trace.milestones(),
              ElementsAre("stateChanged HostLookup", "stateChanged Connecting", "stateChanged Connected", "connected"));
  EXPECT_EQ(proxy.requests.value(1),
            QByteArray::fromHex("050100030e") + "server.example" + QByteArray::fromHex("01bb"));
  EXPECT_EQ(socket.peerName(), "server.example");
  EXPECT_EQ(socket.peerPort(), 443);
  socket.write("hello");
  ASSERT_TRUE(wait_until([&] { return socket.bytesAvailable() == 5; }));
  EXPECT_EQ(socket.readAll(), "hello");
}

TYPED_TEST(ssl_socket_connect, a_socks5_proxy_that_wants_a_password) {
  fake_proxy proxy({QByteArray::fromHex("0502"), QByteArray::fromHex("0100"),
                    QByteArray::fromHex("05000004") + QByteArray(18, '\0')});
  TypeParam socket;
  signal_trace trace(socket);
  socket.setProxy(proxy.as(QNetworkProxy::Socks5Proxy, "ann", "secret"));
  socket.connectToHost("192.0.2.7", 443);
  ASSERT_TRUE(wait_until([&] { return trace.has("connected"); }));
  EXPECT_EQ(proxy.requests.value(1), QByteArray::fromHex("0103") + "ann" + char{6} + "secret");
  EXPECT_EQ(proxy.requests.value(2), QByteArray::fromHex("05010001c000020701bb"));
}

TYPED_TEST(ssl_socket_connect, a_socks5_proxy_that_refuses_is_an_error) {
  fake_proxy proxy({QByteArray::fromHex("0500"), QByteArray::fromHex("05050001000000000000")});
  TypeParam socket;
  signal_trace trace(socket);
  socket.setProxy(proxy.as(QNetworkProxy::Socks5Proxy));
  socket.connectToHostEncrypted("server.example", 443);
  ASSERT_TRUE(wait_until([&] { return !trace.of({"errorOccurred"}).empty(); }));
  EXPECT_EQ(socket.error(), QAbstractSocket::ConnectionRefusedError);
  EXPECT_FALSE(trace.has("connected"));
  EXPECT_EQ(socket.state(), QAbstractSocket::UnconnectedState);
}

TYPED_TEST(ssl_socket_connect, a_proxy_that_isnt_there_is_an_error) {
  TypeParam socket;
  signal_trace trace(socket);
  socket.setProxy(QNetworkProxy(QNetworkProxy::Socks5Proxy, "127.0.0.1", closed_port()));
  socket.connectToHost("server.example", 443);
  ASSERT_TRUE(wait_until([&] { return !trace.of({"errorOccurred"}).empty(); }));
  EXPECT_EQ(socket.error(), QAbstractSocket::ProxyConnectionRefusedError);
  EXPECT_EQ(socket.state(), QAbstractSocket::UnconnectedState);
}

// --- the kernel ---

TYPED_TEST(ssl_socket_connect, the_descriptors_of_connections_are_closed) {
  silent_server server;
  std::vector<qintptr> descriptors;
  for (int count = 0; count < 8; ++count) {
    TypeParam socket;
    socket.connectToHost("127.0.0.1", server.serverPort());
    EXPECT_TRUE(wait_until([&] { return socket.state() == QAbstractSocket::ConnectedState; }));
    descriptors.push_back(socket.socketDescriptor());
    socket.abort();
    EXPECT_TRUE(wait_until([&] { return server.hasPendingConnections(); }));
    delete server.nextPendingConnection();
  }
  // If one were left the numbers would grow.
  EXPECT_LE(*std::ranges::max_element(descriptors), descriptors.front() + 2);
}

// --- ours: slots may do anything ---

TEST(ssl_socket_connect_ours, it_can_be_deleted_in_its_own_slots) {
  qt_peer peer(echo);
  const auto delete_at = [&](auto signal, quint16 port, bool waits) {
    auto* socket = new qt::SslSocket;
    socket->setSslConfiguration(client_settings());
    QObject::connect(socket, signal, [&] { delete std::exchange(socket, nullptr); });  // its destructor tells, too
    socket->connectToHostEncrypted("localhost", port);
    if (waits && socket) {
      EXPECT_FALSE(socket->waitForEncrypted(20'000));
    }
    EXPECT_TRUE(wait_until([&] { return !socket; }));
    handle_events();
  };
  for (const bool waits : {false, true}) {
    delete_at(&qt::SslSocket::stateChanged, peer.port(), waits);
    delete_at(&qt::SslSocket::hostFound, peer.port(), waits);
    delete_at(&qt::SslSocket::modeChanged, peer.port(), waits);
    delete_at(&qt::SslSocket::connected, peer.port(), waits);
    delete_at(&qt::SslSocket::encrypted, peer.port(), waits);
    delete_at(&qt::SslSocket::errorOccurred, closed_port(), waits);
  }
}

TEST(ssl_socket_connect_ours, it_can_be_connected_elsewhere_in_its_own_slots) {
  qt_peer peer(echo);
  const auto reconnect_at = [&](auto signal) {
    qt::SslSocket socket;
    socket.setSslConfiguration(client_settings());
    signal_trace trace(socket);
    bool first = true;
    QObject::connect(&socket, signal, [&] {
      if (!std::exchange(first, false)) return;
      socket.abort();
      socket.connectToHostEncrypted("127.0.0.1", peer.port());
    });
    socket.connectToHostEncrypted("localhost", peer.port());
    EXPECT_TRUE(wait_until([&] { return socket.isEncrypted() && !first; }));
    handle_events();
    EXPECT_TRUE(socket.isEncrypted());
    EXPECT_EQ(socket.peerName(), "127.0.0.1");
    socket.write("x");
    EXPECT_TRUE(wait_until([&] { return socket.bytesAvailable() == 1; }));
  };
  reconnect_at(&qt::SslSocket::hostFound);
  reconnect_at(&qt::SslSocket::connected);
  reconnect_at(&qt::SslSocket::encrypted);
}

TEST(ssl_socket_connect_ours, a_name_that_is_too_long_for_a_socks5_proxy_is_not_cut) {
  fake_proxy proxy({QByteArray::fromHex("0500"), QByteArray::fromHex("05000001000000000000")});
  qt::SslSocket socket;
  signal_trace trace(socket);
  socket.setProxy(proxy.as(QNetworkProxy::Socks5Proxy));
  socket.connectToHost(QString("a").repeated(63) + QString(".b").repeated(150), 443);
  ASSERT_TRUE(wait_until([&] { return !trace.of({"errorOccurred"}).empty(); }));
  EXPECT_EQ(socket.error(), QAbstractSocket::HostNotFoundError);
  EXPECT_FALSE(trace.has("connected"));
}

TEST(ssl_socket_connect_ours, nothing_leaves_in_plain_text_that_was_to_be_encrypted) {
  QByteArray got;
  std::atomic<bool> come = false;
  qt_peer peer(
      [&](::QSslSocket& client) {
        QObject::connect(&client, &QIODevice::readyRead, &client, [&] {
          got += client.readAll();
          come = true;
        });
      },
      peer_begins::plain);
  qt::SslSocket socket;
  socket.setSslConfiguration(client_settings());
  // Slots that run before the ClientHello is sent.
  QObject::connect(&socket, &qt::SslSocket::stateChanged, [&](QAbstractSocket::SocketState state) {
    if (state != QAbstractSocket::ConnectedState) return;
    socket.write("secret");
    socket.flush();
    handle_events();
    socket.waitForBytesWritten(10);
  });
  socket.connectToHostEncrypted("127.0.0.1", peer.port());
  socket.write("secret");
  ASSERT_TRUE(wait_until([&] { return come.load(); }));
  EXPECT_EQ(got.first(1), QByteArray(1, 0x16)) << "a ClientHello";
  EXPECT_FALSE(got.contains("secret"));
}

}  // namespace
}  // namespace sallyport::test
