// ssl_socket_descriptor_test: which descriptors a socket takes over.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/event_loop.hpp"

#include <sallyport/qt/ssl_socket.hpp>

#include <QtNetwork/QHostAddress>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace sallyport::test {
namespace {

using qt::SslSocket;

/// A descriptor that is closed in the end, unless somebody has taken it.
class owned {
 public:
  explicit owned(int descriptor) : descriptor_(descriptor) {}
  owned(const owned&) = delete;
  owned& operator=(const owned&) = delete;
  ~owned() { close(); }
  int get() const { return descriptor_; }
  int release() { return std::exchange(descriptor_, -1); }
  void close() {
    if (descriptor_ >= 0) ::close(release());
  }

 private:
  int descriptor_;
};

int tcp_socket() { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }

/// Bound to a port of 127.0.0.1.
sockaddr_in bind_to_loopback(int descriptor) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(descriptor, any, size), 0);
  EXPECT_EQ(::getsockname(descriptor, any, &size), 0);
  return address;
}

/// Both ends of a connection.
struct tcp_pair {
  tcp_pair() {
    const owned listener(tcp_socket());
    const sockaddr_in address = bind_to_loopback(listener.get());
    EXPECT_EQ(::listen(listener.get(), 1), 0);
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    server = ::accept(listener.get(), nullptr, nullptr);
  }

  owned client{tcp_socket()};
  int server = -1;  // the socket's under test
};

/// `descriptor` isn't taken, for that reason, and nothing has changed.
void expect_refused(const owned& descriptor, const char* reason,
                    QAbstractSocket::SocketState state = QAbstractSocket::ConnectedState) {
  SCOPED_TRACE(reason);
  SslSocket socket;
  int signals = 0;
  QObject::connect(&socket, &SslSocket::stateChanged, [&] { ++signals; });
  QObject::connect(&socket, &SslSocket::errorOccurred, [&] { ++signals; });
  EXPECT_FALSE(socket.setSocketDescriptor(descriptor.get(), state));
  EXPECT_EQ(socket.errorString(), reason);
  EXPECT_EQ(socket.error(), QAbstractSocket::UnsupportedSocketOperationError);
  EXPECT_EQ(socket.state(), QAbstractSocket::UnconnectedState);
  EXPECT_EQ(socket.socketDescriptor(), -1);
  EXPECT_FALSE(socket.isOpen());
  EXPECT_EQ(signals, 0);
}

TEST(ssl_socket_descriptor, what_is_no_connection_is_refused_by_its_reason) {
  const owned listening(tcp_socket());
  bind_to_loopback(listening.get());
  ASSERT_EQ(::listen(listening.get(), 1), 0);
  expect_refused(listening, "The descriptor is that of a listening socket, which has no peer");

  const owned bound(tcp_socket());
  bind_to_loopback(bound.get());
  expect_refused(bound, "The descriptor's socket is not connected");
  expect_refused(owned(tcp_socket()), "The descriptor's socket is not connected");
  expect_refused(owned(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), "The descriptor's socket is not connected");
  expect_refused(owned(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)), "The descriptor is not a TCP socket's");
  expect_refused(owned(::open("/dev/null", O_RDWR | O_CLOEXEC)), "The descriptor is not a socket's");
  expect_refused(owned(-1), "The descriptor is not open");
}

TEST(ssl_socket_descriptor, of_a_connection_that_is_to_be_made_is_refused) {
  for (const auto state : {QAbstractSocket::UnconnectedState, QAbstractSocket::BoundState,
                           QAbstractSocket::ListeningState, QAbstractSocket::ConnectingState})
    expect_refused(owned(tcp_socket()), "Only a connected descriptor can be set", state);
}

TEST(ssl_socket_descriptor, a_refused_one_leaves_the_connection_alone) {
  const tcp_pair pair;
  SslSocket socket;
  ASSERT_TRUE(socket.setSocketDescriptor(pair.server));
  const quint16 port = socket.peerPort();
  ASSERT_NE(port, 0);
  const owned unconnected(tcp_socket());
  EXPECT_FALSE(socket.setSocketDescriptor(unconnected.get()));
  EXPECT_EQ(socket.state(), QAbstractSocket::ConnectedState);
  EXPECT_EQ(socket.socketDescriptor(), pair.server);
  EXPECT_EQ(socket.peerPort(), port);
  ASSERT_EQ(::send(pair.client.get(), "x", 1, 0), 1);
  EXPECT_TRUE(socket.waitForReadyRead(20'000));
  EXPECT_EQ(socket.readAll(), "x");
}

// Whoever accepts connections meets these, and wants to hear why.
TEST(ssl_socket_descriptor, a_connection_whose_peer_has_gone_is_one) {
  for (const bool resets : {false, true}) {
    SCOPED_TRACE(resets);
    tcp_pair pair;
    ASSERT_EQ(::send(pair.client.get(), "last words", 10, 0), 10);
    const linger at_once{1, 0};
    if (resets) ::setsockopt(pair.client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    pair.client.close();
    SslSocket socket;
    ASSERT_TRUE(socket.setSocketDescriptor(pair.server)) << qPrintable(socket.errorString());
    EXPECT_EQ(socket.state(), QAbstractSocket::ConnectedState);
    ASSERT_TRUE(wait_until([&] { return socket.state() == QAbstractSocket::UnconnectedState; }));
    EXPECT_EQ(socket.error(), QAbstractSocket::RemoteHostClosedError);
    EXPECT_EQ(socket.readAll(), "last words");
  }
}

TEST(ssl_socket_descriptor, what_was_shut_down_both_ways_was_a_connection) {
  const tcp_pair pair;
  ::shutdown(pair.client.get(), SHUT_RDWR);
  ::shutdown(pair.server, SHUT_RDWR);
  SslSocket socket;
  ASSERT_TRUE(socket.setSocketDescriptor(pair.server)) << qPrintable(socket.errorString());
  ASSERT_TRUE(wait_until([&] { return socket.state() == QAbstractSocket::UnconnectedState; }));
}

TEST(ssl_socket_descriptor, a_pair_of_local_sockets_is_connected) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const owned other(ends[1]);
  SslSocket socket;
  ASSERT_TRUE(socket.setSocketDescriptor(ends[0]));
  EXPECT_TRUE(socket.peerAddress().isNull());
  ASSERT_EQ(::send(other.get(), "x", 1, 0), 1);
  EXPECT_TRUE(socket.waitForReadyRead(20'000));
  EXPECT_EQ(socket.readAll(), "x");
}

}  // namespace
}  // namespace sallyport::test
