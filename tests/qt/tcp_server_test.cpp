// tcp_server_test: what a server inherits of QTcpServer, on Qt's class and on ours (contract.md section 1).
//
// SPDX-License-Identifier: Apache-2.0
#include "support/event_loop.hpp"

#include <sallyport/qt/ssl_server.hpp>

#include <QtNetwork/QNetworkProxy>
#include <QtNetwork/QSslServer>
#include <QtNetwork/QTcpServer>
#include <QtNetwork/QTcpSocket>

#include <gmock/gmock.h>

namespace sallyport::test {
namespace {

template <class Server>
class tcp_server_of_qt : public testing::Test {};

using server_classes = testing::Types<::QSslServer, qt::SslServer>;
TYPED_TEST_SUITE(tcp_server_of_qt, server_classes);

TYPED_TEST(tcp_server_of_qt, defaults) {
  TypeParam server;
  EXPECT_FALSE(server.isListening());
  EXPECT_EQ(server.serverError(), QAbstractSocket::UnknownSocketError);
  EXPECT_EQ(server.errorString(), QString());
  EXPECT_EQ(server.serverPort(), 0);
  EXPECT_TRUE(server.serverAddress().isNull());
  EXPECT_EQ(server.socketDescriptor(), -1);
  EXPECT_EQ(server.maxPendingConnections(), 30);
  EXPECT_EQ(server.listenBacklogSize(), 50);
  EXPECT_EQ(server.handshakeTimeout(), 5000);
  EXPECT_FALSE(server.hasPendingConnections());
  EXPECT_EQ(server.nextPendingConnection(), nullptr);
  EXPECT_EQ(server.proxy().type(), QNetworkProxy::DefaultProxy);
}

TYPED_TEST(tcp_server_of_qt, listening_twice_is_refused_and_the_error_stays) {
  TypeParam server;
  ASSERT_TRUE(server.listen(QHostAddress::LocalHost));
  const quint16 port = server.serverPort();
  EXPECT_NE(port, 0);
  EXPECT_EQ(server.serverAddress(), QHostAddress(QHostAddress::LocalHost));
  EXPECT_NE(server.socketDescriptor(), -1);
  EXPECT_FALSE(server.listen(QHostAddress::LocalHost));
  EXPECT_EQ(server.serverError(), QAbstractSocket::UnknownSocketError);
  EXPECT_EQ(server.serverPort(), port);
  EXPECT_FALSE(server.setSocketDescriptor(server.socketDescriptor()));
  server.close();
  EXPECT_FALSE(server.isListening());
  EXPECT_EQ(server.socketDescriptor(), -1);
}

TYPED_TEST(tcp_server_of_qt, a_used_port_and_a_foreign_address) {
  QTcpServer other;
  ASSERT_TRUE(other.listen(QHostAddress::LocalHost));
  TypeParam server;
  EXPECT_FALSE(server.listen(QHostAddress::LocalHost, other.serverPort()));
  EXPECT_EQ(server.serverError(), QAbstractSocket::AddressInUseError);
  EXPECT_EQ(server.errorString(), "The bound address is already in use");
  EXPECT_FALSE(server.listen(QHostAddress("192.0.2.1")));
  EXPECT_EQ(server.serverError(), QAbstractSocket::SocketAddressNotAvailableError);
  ASSERT_TRUE(server.listen(QHostAddress::LocalHost));
  EXPECT_EQ(server.serverError(), QAbstractSocket::SocketAddressNotAvailableError) << "no success resets it";
}

TYPED_TEST(tcp_server_of_qt, waiting_for_a_connection) {
  TypeParam server;
  bool timed_out = false;
  EXPECT_FALSE(server.waitForNewConnection(1, &timed_out)) << "it isn't listening";
  EXPECT_FALSE(timed_out);
  ASSERT_TRUE(server.listen(QHostAddress::LocalHost));
  EXPECT_FALSE(server.waitForNewConnection(1, &timed_out));
  EXPECT_TRUE(timed_out);
  EXPECT_EQ(server.serverError(), QAbstractSocket::SocketTimeoutError);
  QTcpSocket client;
  client.connectToHost(QHostAddress(QHostAddress::LocalHost), server.serverPort());
  EXPECT_TRUE(server.waitForNewConnection(10'000, &timed_out));
  EXPECT_FALSE(server.hasPendingConnections()) << "its handshake hasn't begun";
}

TYPED_TEST(tcp_server_of_qt, a_server_without_room_accepts_nobody) {
  TypeParam server;
  server.setMaxPendingConnections(0);
  int accepted = 0;
  QObject::connect(&server, &QTcpServer::newConnection, [&] { ++accepted; });
  ASSERT_TRUE(server.listen(QHostAddress::LocalHost));
  QTcpSocket client;
  client.connectToHost(QHostAddress(QHostAddress::LocalHost), server.serverPort());
  ASSERT_TRUE(client.waitForConnected(10'000));  // in the kernel's backlog
  handle_events();
  EXPECT_EQ(accepted, 0);
}

}  // namespace
}  // namespace sallyport::test
