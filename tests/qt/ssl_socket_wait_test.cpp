// ssl_socket_wait_test: the functions that wait without an event loop. What is said of every socket here is true of
// Qt's, too.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/event_loop.hpp"
#include "support/qt_peer.hpp"
#include "support/signal_trace.hpp"

#include <sallyport/qt/ssl_socket.hpp>

#include <QtCore/QElapsedTimer>
#include <QtCore/QThread>
#include <QtCore/QTimer>
#include <QtNetwork/QTcpServer>

#include <gmock/gmock.h>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>

namespace sallyport::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Long enough for every machine.
constexpr int enough = 20'000;
/// For what doesn't happen.
constexpr int briefly = 30;

/// A server that accepts and says nothing.
struct silent_server : QTcpServer {
  silent_server() { listen(QHostAddress::LocalHost); }
};

/// Answers a "?" after a while with "!", says "bye!" and disconnects at a "b", and echoes the rest.
void answer_later(::QSslSocket& client) {
  const auto answer = [&client] {
    const QByteArray asked = client.readAll();
    if (asked == "?") {
      QTimer::singleShot(20, &client, [&client] { client.write("!"); });
    } else if (asked == "b") {
      client.write("bye!");
      client.disconnectFromHost();
    } else {
      client.write(asked);
    }
  };
  QObject::connect(&client, &QIODevice::readyRead, &client, answer);
  answer();
}

template <class Socket>
class ssl_socket_wait : public testing::Test {
 public:
  static std::unique_ptr<Socket> make() {
    auto made = std::make_unique<Socket>();
    made->setSslConfiguration(client_settings());
    return made;
  }
};

using sockets = testing::Types<::QSslSocket, qt::SslSocket>;
TYPED_TEST_SUITE(ssl_socket_wait, sockets);

TYPED_TEST(ssl_socket_wait, without_a_connection_nothing_is_waited_for) {
  const auto socket = TestFixture::make();
  QElapsedTimer since;
  since.start();
  EXPECT_FALSE(socket->waitForConnected(enough));
  EXPECT_FALSE(socket->waitForEncrypted(enough));
  EXPECT_FALSE(socket->waitForReadyRead(enough));
  EXPECT_FALSE(socket->waitForBytesWritten(enough));
  EXPECT_FALSE(socket->waitForDisconnected(enough));
  EXPECT_LT(since.elapsed(), enough / 2);
  EXPECT_EQ(socket->error(), QAbstractSocket::UnknownSocketError);
}

TYPED_TEST(ssl_socket_wait, a_conversation_without_an_event_loop) {
  qt_peer peer(answer_later);
  const auto socket = TestFixture::make();
  signal_trace trace(*socket, written::told);
  socket->connectToHostEncrypted("localhost", peer.port());
  ASSERT_TRUE(socket->waitForConnected(enough));
  EXPECT_EQ(socket->state(), QAbstractSocket::ConnectedState);
  EXPECT_TRUE(socket->waitForConnected(enough));
  ASSERT_TRUE(socket->waitForEncrypted(enough));
  EXPECT_TRUE(socket->isEncrypted());
  EXPECT_FALSE(socket->waitForEncrypted(enough)) << "it is encrypted already";
  socket->write("?");
  ASSERT_TRUE(socket->waitForBytesWritten(enough));
  EXPECT_EQ(socket->bytesToWrite(), 0);
  ASSERT_TRUE(socket->waitForReadyRead(enough));
  EXPECT_EQ(socket->readAll(), "!");
  socket->disconnectFromHost();
  EXPECT_TRUE(socket->state() == QAbstractSocket::UnconnectedState || socket->waitForDisconnected(enough));
  EXPECT_EQ(socket->state(), QAbstractSocket::UnconnectedState);
  EXPECT_THAT(trace.milestones(), ElementsAre("stateChanged HostLookup", "stateChanged Connecting", "hostFound",
                                              "stateChanged Connected", "modeChanged 1", "connected", "encrypted",
                                              "stateChanged Closing", "stateChanged Unconnected", "disconnected"));
  EXPECT_THAT(trace.of({"bytesWritten", "readyRead"}), ElementsAre("bytesWritten 1", "readyRead"));
}

TYPED_TEST(ssl_socket_wait, each_wait_begins_with_what_has_to_come_before) {
  qt_peer peer(answer_later);
  {
    const auto socket = TestFixture::make();
    socket->connectToHostEncrypted("localhost", peer.port());
    EXPECT_TRUE(socket->waitForEncrypted(enough));
  }
  {
    const auto socket = TestFixture::make();
    socket->connectToHostEncrypted("localhost", peer.port());
    socket->write("?");
    EXPECT_TRUE(socket->waitForReadyRead(enough));
    EXPECT_EQ(socket->readAll(), "!");
  }
  {
    const auto socket = TestFixture::make();
    socket->connectToHostEncrypted("localhost", peer.port());
    EXPECT_TRUE(socket->waitForConnected(enough));
    socket->write("?");
    EXPECT_TRUE(socket->waitForBytesWritten(enough));
    EXPECT_TRUE(socket->isEncrypted());
  }
  {
    const auto socket = TestFixture::make();
    socket->connectToHostEncrypted("localhost", peer.port());
    socket->write("b");
    EXPECT_TRUE(socket->waitForDisconnected(enough));
    EXPECT_EQ(socket->readAll(), "bye!");
  }
}

TYPED_TEST(ssl_socket_wait, for_ever_is_minus_one) {
  qt_peer peer(answer_later);
  const auto socket = TestFixture::make();
  socket->connectToHostEncrypted("localhost", peer.port());
  EXPECT_TRUE(socket->waitForConnected(-1));
  EXPECT_TRUE(socket->waitForEncrypted(-1));
  socket->write("?");
  EXPECT_TRUE(socket->waitForBytesWritten(-1));
  EXPECT_TRUE(socket->waitForReadyRead(-1));
  EXPECT_EQ(socket->readAll(), "!");
  socket->write("b");
  EXPECT_TRUE(socket->waitForDisconnected(-1));
}

TYPED_TEST(ssl_socket_wait, a_timeout_is_an_error_and_ends_nothing) {
  silent_server server;
  const auto socket = TestFixture::make();
  signal_trace trace(*socket);
  socket->connectToHostEncrypted("127.0.0.1", server.serverPort());
  ASSERT_TRUE(socket->waitForConnected(enough));
  const auto has_timed_out = [&] {
    EXPECT_EQ(socket->error(), QAbstractSocket::SocketTimeoutError);
    EXPECT_EQ(socket->errorString(), "Network operation timed out");
    EXPECT_EQ(socket->state(), QAbstractSocket::ConnectedState);
    EXPECT_EQ(trace.count("errorOccurred 5"), 1);
    trace.clear();
  };
  EXPECT_FALSE(socket->waitForEncrypted(briefly));
  has_timed_out();
  EXPECT_FALSE(socket->waitForReadyRead(briefly));
  has_timed_out();
  socket->write("not sent before it is encrypted");
  EXPECT_FALSE(socket->waitForBytesWritten(briefly));
  has_timed_out();
  EXPECT_FALSE(socket->waitForDisconnected(briefly));
  has_timed_out();
}

TYPED_TEST(ssl_socket_wait, a_connection_survives_a_timeout) {
  qt_peer peer(answer_later);
  const auto socket = TestFixture::make();
  socket->connectToHostEncrypted("localhost", peer.port());
  ASSERT_TRUE(socket->waitForEncrypted(enough));
  EXPECT_FALSE(socket->waitForReadyRead(briefly));
  EXPECT_FALSE(socket->waitForDisconnected(0));
  EXPECT_EQ(socket->error(), QAbstractSocket::SocketTimeoutError);
  socket->write("?");
  EXPECT_TRUE(socket->waitForReadyRead(enough));
  EXPECT_EQ(socket->readAll(), "!");
}

TYPED_TEST(ssl_socket_wait, a_connection_that_doesnt_come_in_time_is_given_up) {
  // A queue of connections that is full: the kernel lets SYN packets lie.
  const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_NE(listening, -1);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(::bind(listening, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listening, 0), 0);
  ASSERT_EQ(::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const quint16 port = ntohs(address.sin_port);
  std::vector<std::unique_ptr<QTcpSocket>> fill;
  for (int count = 0; count < 8; ++count) {
    fill.push_back(std::make_unique<QTcpSocket>());
    fill.back()->connectToHost("127.0.0.1", port);
    if (!fill.back()->waitForConnected(100)) break;
  }
  const auto socket = TestFixture::make();
  signal_trace trace(*socket);
  socket->connectToHostEncrypted("127.0.0.1", port);
  EXPECT_FALSE(socket->waitForConnected(100));
  EXPECT_EQ(socket->error(), QAbstractSocket::SocketTimeoutError);
  EXPECT_EQ(socket->state(), QAbstractSocket::UnconnectedState);
  EXPECT_THAT(trace.of({"stateChanged"}),
              ElementsAre("stateChanged HostLookup", "stateChanged Connecting", "stateChanged Unconnected"));
  ::close(listening);
}

TYPED_TEST(ssl_socket_wait, errors_end_a_wait_at_once) {
  QTcpServer closed;
  closed.listen(QHostAddress::LocalHost);
  const quint16 port = closed.serverPort();
  closed.close();
  QElapsedTimer since;
  since.start();
  {
    const auto socket = TestFixture::make();
    socket->connectToHostEncrypted("127.0.0.1", port);
    EXPECT_FALSE(socket->waitForConnected(enough));
    EXPECT_EQ(socket->error(), QAbstractSocket::ConnectionRefusedError);
  }
  {
    const auto socket = TestFixture::make();
    socket->connectToHostEncrypted("127.0.0.1", port);
    EXPECT_FALSE(socket->waitForEncrypted(enough));
    EXPECT_EQ(socket->error(), QAbstractSocket::ConnectionRefusedError);
  }
  {
    const auto socket = TestFixture::make();
    socket->connectToHost("not..a..name", port);
    EXPECT_FALSE(socket->waitForConnected(enough));
    EXPECT_EQ(socket->error(), QAbstractSocket::HostNotFoundError);
  }
  qt_peer peer(echo);
  {
    TypeParam socket;  // trusts nobody who has signed the server's certificate
    QSslConfiguration settings = client_settings();
    settings.setCaCertificates({});
    socket.setSslConfiguration(settings);
    socket.connectToHostEncrypted("localhost", peer.port());
    EXPECT_FALSE(socket.waitForEncrypted(enough));
    EXPECT_EQ(socket.error(), QAbstractSocket::SslHandshakeFailedError);
    EXPECT_EQ(socket.state(), QAbstractSocket::UnconnectedState);
  }
  EXPECT_LT(since.elapsed(), enough / 2);
}

TYPED_TEST(ssl_socket_wait, the_end_of_the_stream_ends_every_wait) {
  const auto disconnect = [](::QSslSocket& client) {
    QObject::connect(&client, &QIODevice::readyRead, &client, [&client] { client.disconnectFromHost(); });
  };
  qt_peer peer(disconnect);
  for (int which = 0; which < 2; ++which) {
    const auto socket = TestFixture::make();
    socket->connectToHostEncrypted("localhost", peer.port());
    ASSERT_TRUE(socket->waitForEncrypted(enough));
    socket->write("x");
    if (which == 0) {
      EXPECT_FALSE(socket->waitForReadyRead(enough));
    } else {
      EXPECT_TRUE(socket->waitForDisconnected(enough));
    }
    EXPECT_EQ(socket->state(), QAbstractSocket::UnconnectedState);
    EXPECT_EQ(socket->error(), QAbstractSocket::RemoteHostClosedError);
    EXPECT_EQ(socket->errorString(), "The remote host closed the connection");
    EXPECT_FALSE(socket->waitForReadyRead(enough));
    EXPECT_FALSE(socket->waitForBytesWritten(enough));
    EXPECT_FALSE(socket->waitForDisconnected(enough));
  }
}

TYPED_TEST(ssl_socket_wait, data_before_the_end_can_be_read_afterwards) {
  qt_peer peer(answer_later);
  const auto socket = TestFixture::make();
  socket->connectToHostEncrypted("localhost", peer.port());
  ASSERT_TRUE(socket->waitForEncrypted(enough));
  socket->write("b");
  EXPECT_TRUE(socket->waitForReadyRead(enough));
  socket->waitForDisconnected(enough);
  EXPECT_EQ(socket->state(), QAbstractSocket::UnconnectedState);
  EXPECT_EQ(socket->bytesAvailable(), 4);
  EXPECT_EQ(socket->readAll(), "bye!");
}

TYPED_TEST(ssl_socket_wait, plain_text) {
  qt_peer peer(answer_later, peer_begins::plain);
  const auto socket = TestFixture::make();
  socket->connectToHost("localhost", peer.port());
  ASSERT_TRUE(socket->waitForConnected(enough));
  EXPECT_FALSE(socket->waitForEncrypted(enough)) << "nobody has started it";
  socket->write("?");
  EXPECT_TRUE(socket->waitForBytesWritten(enough));
  EXPECT_TRUE(socket->waitForReadyRead(enough));
  EXPECT_EQ(socket->readAll(), "!");
  EXPECT_FALSE(socket->waitForReadyRead(briefly));
  EXPECT_EQ(socket->error(), QAbstractSocket::SocketTimeoutError);
  EXPECT_EQ(socket->state(), QAbstractSocket::ConnectedState);
  socket->disconnectFromHost();
  EXPECT_TRUE(socket->state() == QAbstractSocket::UnconnectedState || socket->waitForDisconnected(enough));
}

TYPED_TEST(ssl_socket_wait, much_is_written_and_read_in_a_loop_of_waits) {
  qt_peer peer(echo);
  const auto socket = TestFixture::make();
  socket->connectToHostEncrypted("localhost", peer.port());
  ASSERT_TRUE(socket->waitForEncrypted(enough));
  QByteArray sent(2 * 1024 * 1024, '\0');
  for (qsizetype i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 7 + i / 251);
  socket->write(sent);
  QByteArray got;
  while (got.size() < sent.size()) {
    ASSERT_TRUE(socket->bytesAvailable() > 0 || socket->waitForReadyRead(enough));
    got += socket->readAll();
  }
  EXPECT_EQ(got, sent);
  EXPECT_EQ(socket->bytesToWrite(), 0);
}

TYPED_TEST(ssl_socket_wait, in_the_slot_of_connected) {
  qt_peer peer(answer_later);
  const auto socket = TestFixture::make();
  signal_trace trace(*socket);
  bool encrypted = false;
  QObject::connect(socket.get(), &TypeParam::connected, [&] { encrypted = socket->waitForEncrypted(enough); });
  socket->connectToHostEncrypted("localhost", peer.port());
  ASSERT_TRUE(wait_until([&] { return encrypted; }));
  EXPECT_EQ(trace.count("encrypted"), 1);
  socket->write("?");
  ASSERT_TRUE(wait_until([&] { return socket->bytesAvailable() == 1; }));
}

TYPED_TEST(ssl_socket_wait, abort_in_a_slot_ends_the_wait) {
  qt_peer peer(answer_later);
  const auto abort_at = [&](auto signal) {
    const auto socket = TestFixture::make();
    QObject::connect(socket.get(), signal, [&] { socket->abort(); });
    socket->connectToHostEncrypted("localhost", peer.port());
    socket->write("?");
    EXPECT_FALSE(socket->waitForEncrypted(enough) && socket->waitForReadyRead(enough));
    EXPECT_EQ(socket->state(), QAbstractSocket::UnconnectedState);
  };
  abort_at(&TypeParam::connected);
  abort_at(&TypeParam::encrypted);
}

TYPED_TEST(ssl_socket_wait, in_a_thread_without_an_event_loop) {
  qt_peer peer(answer_later);
  QByteArray got;
  std::vector<std::string> milestones;
  const std::unique_ptr<QThread> thread(QThread::create([&] {
    const auto socket = TestFixture::make();
    signal_trace trace(*socket);
    socket->connectToHostEncrypted("localhost", peer.port());
    EXPECT_TRUE(socket->waitForEncrypted(enough));
    for (int count = 0; count < 3; ++count) {
      socket->write("?");
      EXPECT_TRUE(socket->waitForReadyRead(enough));
      got += socket->readAll();
    }
    socket->disconnectFromHost();
    EXPECT_TRUE(socket->state() == QAbstractSocket::UnconnectedState || socket->waitForDisconnected(enough));
    milestones = trace.milestones();
  }));
  thread->start();
  ASSERT_TRUE(wait_until([&] { return thread->isFinished(); }));
  EXPECT_EQ(got, "!!!");
  EXPECT_THAT(milestones, ElementsAre("stateChanged HostLookup", "stateChanged Connecting", "hostFound",
                                      "stateChanged Connected", "modeChanged 1", "connected", "encrypted",
                                      "stateChanged Closing", "stateChanged Unconnected", "disconnected"));
}

TYPED_TEST(ssl_socket_wait, on_the_servers_side) {
  QTcpServer server;
  ASSERT_TRUE(server.listen(QHostAddress::LocalHost));
  const std::unique_ptr<QThread> client(QThread::create([port = server.serverPort()] {
    ::QSslSocket socket;
    socket.setSslConfiguration(client_settings());
    socket.connectToHostEncrypted("localhost", port);
    EXPECT_TRUE(socket.waitForEncrypted(enough));
    socket.write("hello");
    EXPECT_TRUE(socket.waitForReadyRead(enough));
    EXPECT_EQ(socket.readAll(), "welcome");
    socket.disconnectFromHost();
    if (socket.state() != QAbstractSocket::UnconnectedState) socket.waitForDisconnected(enough);
  }));

  // Qt's server keeps what it has accepted; this one hands out the descriptor.
  client->start();
  pollfd ready{static_cast<int>(server.socketDescriptor()), POLLIN, 0};
  ASSERT_EQ(::poll(&ready, 1, enough), 1);
  const int descriptor = ::accept(ready.fd, nullptr, nullptr);
  TypeParam socket;
  socket.setSslConfiguration(server_settings());
  ASSERT_TRUE(socket.setSocketDescriptor(descriptor));
  EXPECT_TRUE(socket.waitForConnected(enough));
  socket.startServerEncryption();
  EXPECT_TRUE(socket.waitForEncrypted(enough));
  EXPECT_TRUE(socket.bytesAvailable() > 0 || socket.waitForReadyRead(enough));
  EXPECT_EQ(socket.readAll(), "hello");
  socket.write("welcome");
  EXPECT_TRUE(socket.waitForBytesWritten(enough));
  EXPECT_TRUE(socket.waitForDisconnected(enough));
  EXPECT_EQ(socket.error(), QAbstractSocket::RemoteHostClosedError);
  ASSERT_TRUE(client->wait(enough));
}

// --- Qt documents these, too, but doesn't keep them: data is lost, or time, or the slot recurses ---

using ssl_socket_wait_ours = ssl_socket_wait<qt::SslSocket>;

TEST_F(ssl_socket_wait_ours, disconnecting_sends_everything_before) {
  QByteArray got;
  std::atomic<bool> ended = false;
  qt_peer peer([&](::QSslSocket& client) {
    const auto take = [&] { got += client.readAll(); };
    QObject::connect(&client, &QIODevice::readyRead, &client, take);
    QObject::connect(&client, &QAbstractSocket::disconnected, &client, [&, take] {
      take();
      ended = true;
    });
    take();
  });
  const QByteArray sent(4 * 1024 * 1024, 'x');
  const auto socket = make();
  socket->connectToHostEncrypted("localhost", peer.port());
  ASSERT_TRUE(socket->waitForEncrypted(enough));
  EXPECT_EQ(socket->write(sent), sent.size());
  socket->disconnectFromHost();
  EXPECT_EQ(socket->state(), QAbstractSocket::ClosingState);
  EXPECT_TRUE(socket->waitForDisconnected(enough));
  ASSERT_TRUE(wait_until([&] { return ended.load(); }));
  EXPECT_EQ(got.size(), sent.size());
}

TEST_F(ssl_socket_wait_ours, a_whole_conversation_in_the_slot_of_encrypted) {
  qt_peer peer(answer_later);
  const auto socket = make();
  QByteArray got;
  QObject::connect(socket.get(), &qt::SslSocket::encrypted, [&] {
    for (int count = 0; count < 3; ++count) {
      socket->write("?");
      EXPECT_TRUE(socket->waitForBytesWritten(enough));
      EXPECT_TRUE(socket->waitForReadyRead(enough));
      got += socket->readAll();
    }
  });
  socket->connectToHostEncrypted("localhost", peer.port());
  ASSERT_TRUE(wait_until([&] { return got.size() == 3; }));
  EXPECT_EQ(got, "!!!");
}

TEST_F(ssl_socket_wait_ours, waiting_in_the_slot_of_ready_read_doesnt_recurse) {
  qt_peer peer(answer_later);
  const auto socket = make();
  QByteArray got;
  int depth = 0;
  int deepest = 0;
  QObject::connect(socket.get(), &qt::SslSocket::readyRead, [&] {
    deepest = std::max(deepest, ++depth);
    got += socket->readAll();
    if (got.size() < 3) {
      socket->write("?");
      EXPECT_TRUE(socket->waitForReadyRead(enough));
      got += socket->readAll();
    }
    --depth;
  });
  socket->connectToHostEncrypted("localhost", peer.port());
  socket->write("?");
  ASSERT_TRUE(wait_until([&] { return got.size() == 3; }));
  EXPECT_EQ(deepest, 1);
}

}  // namespace
}  // namespace sallyport::test
