// ssl_socket_device_test: an SslSocket is a QIODevice: in both roles, and in plain text. What is said of every socket
// here is true of Qt's, too.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/event_loop.hpp"
#include "support/qt_peer.hpp"
#include "support/signal_trace.hpp"

#include <sallyport/qt/ssl_socket.hpp>

#include <QtCore/QDataStream>
#include <QtCore/QElapsedTimer>
#include <QtCore/QEventLoop>
#include <QtCore/QTextStream>
#include <QtCore/QThread>
#include <QtNetwork/QTcpServer>

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <type_traits>

namespace sallyport::test {
namespace {

constexpr qint64 megabyte = 1024 * 1024;

enum class role { client, server, plain };

template <class SocketType, role Role>
struct kind {
  using socket = SocketType;
  static constexpr role of = Role;
};

/// Gives out what it has accepted.
struct descriptor_server : QTcpServer {
  descriptor_server() { listen(QHostAddress::LocalHost); }
  qintptr accepted = -1;

 protected:
  void incomingConnection(qintptr descriptor) override { accepted = descriptor; }
};

/// No two places are alike.
QByteArray pattern(qint64 size) {
  QByteArray bytes(size, '\0');
  for (qint64 i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7 + i / 251 + i / 65521);
  return bytes;
}

/// A connection between `socket`, which is under test, and `other`, which is Qt's; both live in this thread.
template <class Kind>
class ssl_socket_device : public testing::Test {
 public:
  using Socket = typename Kind::socket;
  static constexpr bool is_ours = std::is_same_v<Socket, qt::SslSocket>;

  /// Also again, after the connection before has ended.
  void begin(QIODevice::OpenMode mode = QIODevice::ReadWrite) {
    other_ = std::make_unique<::QSslSocket>();  // Qt's can't be a server twice
    ::QSslSocket& other = *other_;
    descriptor_server server;
    const auto accept = [&](auto& acceptor, QIODevice::OpenMode with) {
      ASSERT_TRUE(wait_until([&] { return server.accepted != -1; }));
      acceptor.setSslConfiguration(static_cast<const QSslConfiguration&>(server_settings()));
      ASSERT_TRUE(acceptor.setSocketDescriptor(server.accepted, QAbstractSocket::ConnectedState, with));
      if (Kind::of != role::plain) acceptor.startServerEncryption();
    };
    const auto connect = [&](auto& client, QIODevice::OpenMode with) {
      client.setSslConfiguration(client_settings());
      if (Kind::of == role::plain) {
        client.connectToHost("localhost", server.serverPort(), with);
      } else {
        client.connectToHostEncrypted("localhost", server.serverPort(), with);
      }
    };
    if constexpr (Kind::of == role::server) {
      connect(other, QIODevice::ReadWrite);
      accept(socket, mode);
    } else {
      connect(socket, mode);
      accept(other, QIODevice::ReadWrite);
    }
    const auto is_ready = [](const auto& one) {
      return Kind::of == role::plain ? one.state() == QAbstractSocket::ConnectedState : one.isEncrypted();
    };
    ASSERT_TRUE(wait_until([&] { return is_ready(socket) && is_ready(other); }));
    handle_events();
  }

  /// Until `socket` has got all of it.
  void receive(const QByteArray& bytes) {
    const qint64 before = socket.bytesAvailable();
    other_->write(bytes);
    ASSERT_TRUE(wait_until([&] { return socket.bytesAvailable() >= before + bytes.size(); }));
  }
  /// What `other` gets.
  QByteArray sent(qint64 size) {
    QByteArray got;
    wait_until([&] {
      got += other_->readAll();
      return got.size() >= size;
    });
    return got;
  }

  ::QSslSocket& other() { return *other_; }

  Socket socket;

 private:
  std::unique_ptr<::QSslSocket> other_;
};

using kinds = testing::Types<kind<::QSslSocket, role::client>, kind<::QSslSocket, role::server>,
                             kind<::QSslSocket, role::plain>, kind<qt::SslSocket, role::client>,
                             kind<qt::SslSocket, role::server>, kind<qt::SslSocket, role::plain>>;
TYPED_TEST_SUITE(ssl_socket_device, kinds);

// What Qt's can't: a handshake without being open for writing, being a server twice, telling what is flushed in a slot.
template <class Kind>
using our_ssl_socket_device = ssl_socket_device<Kind>;
using our_kinds = testing::Types<kind<qt::SslSocket, role::client>, kind<qt::SslSocket, role::server>,
                                 kind<qt::SslSocket, role::plain>>;
TYPED_TEST_SUITE(our_ssl_socket_device, our_kinds);

TYPED_TEST(ssl_socket_device, is_sequential_and_open_both_ways) {
  EXPECT_FALSE(this->socket.isOpen());
  this->begin();
  EXPECT_TRUE(this->socket.isSequential());
  EXPECT_TRUE(this->socket.isReadable());
  EXPECT_TRUE(this->socket.isWritable());
  EXPECT_EQ(this->socket.bytesAvailable(), 0);
  EXPECT_EQ(this->socket.size(), 0);
  EXPECT_EQ(this->socket.readAll(), "");
}

TYPED_TEST(ssl_socket_device, read_takes_what_it_is_asked_for) {
  this->begin();
  this->receive("0123456789");
  EXPECT_EQ(this->socket.read(3), "012");
  EXPECT_EQ(this->socket.bytesAvailable(), 7);
  char some[4] = {};
  EXPECT_EQ(this->socket.read(some, 2), 2);
  EXPECT_STREQ(some, "34");
  EXPECT_EQ(this->socket.read(100), "56789");
  EXPECT_EQ(this->socket.read(some, 1), 0);
  EXPECT_EQ(this->socket.bytesAvailable(), 0);
}

TYPED_TEST(ssl_socket_device, peek_takes_nothing) {
  this->begin();
  this->receive("0123456789");
  EXPECT_EQ(this->socket.peek(4), "0123");
  EXPECT_EQ(this->socket.peek(100), "0123456789");
  EXPECT_EQ(this->socket.bytesAvailable(), 10);
  this->receive("abc");
  EXPECT_EQ(this->socket.peek(100), "0123456789abc");
  EXPECT_EQ(this->socket.bytesAvailable(), 13);
  EXPECT_EQ(this->socket.readAll(), "0123456789abc");
}

TYPED_TEST(ssl_socket_device, characters_one_by_one) {
  this->begin();
  this->receive("abc");
  char c = 0;
  EXPECT_TRUE(this->socket.getChar(&c));
  EXPECT_EQ(c, 'a');
  EXPECT_EQ(this->socket.bytesAvailable(), 2) << "QIODevice's buffer counts";
  this->socket.ungetChar('A');
  EXPECT_EQ(this->socket.bytesAvailable(), 3);
  EXPECT_EQ(this->socket.readAll(), "Abc");
  EXPECT_FALSE(this->socket.getChar(&c));
  EXPECT_TRUE(this->socket.putChar('x'));
  EXPECT_EQ(this->sent(1), "x");
}

TYPED_TEST(ssl_socket_device, skip_drops) {
  this->begin();
  this->receive(pattern(100'000));
  EXPECT_EQ(this->socket.skip(10), 10);
  EXPECT_EQ(this->socket.read(2), pattern(12).mid(10));
  EXPECT_EQ(this->socket.skip(99'000), 99'000);
  EXPECT_EQ(this->socket.bytesAvailable(), 988);
  EXPECT_EQ(this->socket.readAll(), pattern(100'000).mid(99'012));
}

TYPED_TEST(ssl_socket_device, lines) {
  this->begin();
  EXPECT_FALSE(this->socket.canReadLine());
  this->receive("one\ntwo\nhal");
  EXPECT_TRUE(this->socket.canReadLine());
  EXPECT_EQ(this->socket.readLine(), "one\n");
  EXPECT_EQ(this->socket.bytesAvailable(), 7);
  EXPECT_TRUE(this->socket.canReadLine());
  char part[3] = {};
  EXPECT_EQ(this->socket.readLine(part, sizeof part), 2);
  EXPECT_STREQ(part, "tw");
  EXPECT_EQ(this->socket.readLine(), "o\n");
  EXPECT_FALSE(this->socket.canReadLine());
  this->receive("f\n");
  EXPECT_TRUE(this->socket.canReadLine());
  EXPECT_EQ(this->socket.readLine(), "half\n");
}

TYPED_TEST(ssl_socket_device, a_line_that_was_peeked_into) {
  this->begin();
  this->receive("one\ntwo\n");
  EXPECT_EQ(this->socket.peek(2), "on");
  EXPECT_TRUE(this->socket.canReadLine());
  EXPECT_EQ(this->socket.readLine(), "one\n");
  this->receive("three\n");
  EXPECT_EQ(this->socket.readLine(), "two\n");
  EXPECT_EQ(this->socket.readLine(), "three\n");
}

TYPED_TEST(ssl_socket_device, a_long_line) {
  this->begin();
  const QByteArray line(100'000, 'x');
  this->receive(line);
  EXPECT_FALSE(this->socket.canReadLine());
  this->receive("\nrest");
  EXPECT_TRUE(this->socket.canReadLine());
  EXPECT_EQ(this->socket.readLine(), line + '\n');
  EXPECT_EQ(this->socket.readAll(), "rest");
}

TYPED_TEST(ssl_socket_device, transactions) {
  this->begin();
  this->receive("01234");
  this->socket.startTransaction();
  EXPECT_TRUE(this->socket.isTransactionStarted());
  EXPECT_EQ(this->socket.read(3), "012");
  EXPECT_EQ(this->socket.bytesAvailable(), 2);
  this->socket.rollbackTransaction();
  EXPECT_EQ(this->socket.bytesAvailable(), 5);
  this->receive("56789");
  this->socket.startTransaction();
  EXPECT_EQ(this->socket.read(7), "0123456");
  this->socket.commitTransaction();
  EXPECT_EQ(this->socket.readAll(), "789");
}

TYPED_TEST(ssl_socket_device, text_streams) {
  this->begin();
  QTextStream out(&this->socket);
  out << "sum " << 42 << "\n";
  out.flush();
  EXPECT_EQ(this->sent(7), "sum 42\n");
  this->receive("first line\nsecond\n");
  QTextStream in(&this->socket);
  EXPECT_EQ(in.readLine(), "first line");
  EXPECT_EQ(in.readLine(), "second");
}

TYPED_TEST(ssl_socket_device, data_streams_with_transactions) {
  this->begin();
  QByteArray message;
  QDataStream(&message, QIODevice::WriteOnly) << quint32{7} << QString("seven") << QByteArray(50'000, 'z');
  QDataStream in(&this->socket);
  quint32 number = 0;
  QString text;
  QByteArray bytes;
  const auto try_to_read = [&] {
    in.startTransaction();
    in >> number >> text >> bytes;
    return in.commitTransaction();
  };
  this->receive(message.first(20'000));
  EXPECT_FALSE(try_to_read());
  this->receive(message.mid(20'000) + "rest");
  EXPECT_TRUE(try_to_read());
  EXPECT_EQ(number, 7U);
  EXPECT_EQ(text, "seven");
  EXPECT_EQ(bytes.size(), 50'000);
  EXPECT_EQ(this->socket.readAll(), "rest");
}

TYPED_TEST(ssl_socket_device, unbuffered) {
  this->begin(QIODevice::ReadWrite | QIODevice::Unbuffered);
  EXPECT_TRUE(this->socket.openMode() & QIODevice::Unbuffered);
  this->receive("0123456789");
  EXPECT_EQ(this->socket.read(1), "0");
  EXPECT_EQ(this->socket.bytesAvailable(), 9);
  EXPECT_EQ(this->socket.readAll(), "123456789");
  EXPECT_EQ(this->socket.write("xyz"), 3);
  EXPECT_EQ(this->sent(3), "xyz");
}

TYPED_TEST(our_ssl_socket_device, what_isnt_open_for_writing_writes_nothing) {
  this->begin(QIODevice::ReadOnly);
  EXPECT_FALSE(this->socket.isWritable());
  EXPECT_EQ(this->socket.write("x"), -1);
  this->receive("abc");
  EXPECT_EQ(this->socket.readAll(), "abc");
}

TYPED_TEST(ssl_socket_device, much_at_once_both_ways) {
  this->begin();
  const QByteArray bytes = pattern(16 * megabyte);
  QByteArray here;
  QByteArray there;
  EXPECT_EQ(this->socket.write(bytes), bytes.size());
  this->other().write(bytes);
  ASSERT_TRUE(wait_until([&] {
    here += this->socket.readAll();
    there += this->other().readAll();
    return here.size() == bytes.size() && there.size() == bytes.size();
  }));
  EXPECT_TRUE(here == bytes);
  EXPECT_TRUE(there == bytes);
  ASSERT_TRUE(wait_until([&] { return this->socket.bytesToWrite() == 0; }));
}

TYPED_TEST(ssl_socket_device, bytes_written_tells_all_that_was_written) {
  this->begin();
  qint64 told = 0;
  QObject::connect(&this->socket, &QIODevice::bytesWritten, [&](qint64 count) { told += count; });
  this->socket.write(pattern(megabyte));
  this->socket.write("!");
  EXPECT_EQ(this->sent(megabyte + 1).size(), megabyte + 1);
  ASSERT_TRUE(wait_until([&] { return told == megabyte + 1; }));
}

TYPED_TEST(our_ssl_socket_device, writing_in_the_slot_of_bytes_written_doesnt_recurse) {
  this->begin();
  int depth = 0;
  int deepest = 0;
  int rounds = 0;
  QObject::connect(&this->socket, &QIODevice::bytesWritten, [&] {
    deepest = std::max(deepest, ++depth);
    if (++rounds < 5) {
      this->socket.write("x");
      this->socket.flush();
    }
    --depth;
  });
  this->socket.write("x");
  EXPECT_EQ(this->sent(5), "xxxxx");
  EXPECT_EQ(deepest, 1);
}

TYPED_TEST(ssl_socket_device, flush_sends_at_once) {
  this->begin();
  this->socket.write("now");
  EXPECT_TRUE(this->socket.flush());
  EXPECT_EQ(this->socket.bytesToWrite(), 0);
  EXPECT_FALSE(this->socket.flush());
  EXPECT_EQ(this->sent(3), "now");
}

TYPED_TEST(ssl_socket_device, a_full_read_buffer_stalls_the_peer) {
  this->begin();
  constexpr qint64 limit = 64 * 1024;
  constexpr qint64 size = 24 * megabyte;
  this->socket.setReadBufferSize(limit);
  EXPECT_EQ(this->socket.readBufferSize(), limit);
  const QByteArray bytes = pattern(size);
  this->other().write(bytes);
  const auto unsent = [this] { return this->other().bytesToWrite() + this->other().encryptedBytesToWrite(); };
  // The kernel's buffers are full when nothing moves for a while.
  qint64 last = -1;
  QElapsedTimer still;
  still.start();
  ASSERT_TRUE(wait_until([&] {
    if (unsent() != last) {
      last = unsent();
      still.restart();
    }
    return still.elapsed() > 200;
  }));
  EXPECT_GT(unsent(), 0);
  EXPECT_GT(this->socket.bytesAvailable(), 0);
  EXPECT_LE(this->socket.bytesAvailable(), 2 * limit);

  QByteArray got;
  ASSERT_TRUE(wait_until([&] {
    got += this->socket.read(50'000);
    return got.size() == size;
  }));
  EXPECT_TRUE(got == bytes);
}

TYPED_TEST(ssl_socket_device, after_the_peers_end_the_rest_can_be_read) {
  this->begin();
  signal_trace trace(this->socket);
  this->receive("line\nrest");
  EXPECT_EQ(this->socket.readLine(), "line\n");
  this->other().disconnectFromHost();
  ASSERT_TRUE(wait_until([&] { return trace.has("disconnected"); }));
  EXPECT_EQ(this->socket.bytesAvailable(), 4);
  EXPECT_EQ(this->socket.readAll(), "rest");
  if (TestFixture::is_ours) {
    EXPECT_EQ(this->socket.write("x"), -1);  // Qt's takes it
  }
  char c = 0;
  EXPECT_EQ(this->socket.read(&c, 1), -1);
}

TYPED_TEST(ssl_socket_device, a_closed_device_has_nothing) {
  this->begin();
  this->receive("unread");
  this->socket.close();
  EXPECT_FALSE(this->socket.isOpen());
  EXPECT_EQ(this->socket.readAll(), "");
  EXPECT_EQ(this->socket.write("x"), -1);
  ASSERT_TRUE(wait_until([&] { return this->socket.state() == QAbstractSocket::UnconnectedState; }));
}

TYPED_TEST(our_ssl_socket_device, the_object_can_be_used_again) {
  signal_trace trace(this->socket);
  for (int round = 0; round < 3; ++round) {
    this->begin();
    this->receive("round\nunread");
    EXPECT_EQ(this->socket.readLine(), "round\n");
    this->socket.write("hello");
    EXPECT_EQ(this->sent(5), "hello");
    this->socket.disconnectFromHost();
    ASSERT_TRUE(wait_until([&] { return this->socket.state() == QAbstractSocket::UnconnectedState; }));
    ASSERT_TRUE(wait_until([&] { return this->other().state() == QAbstractSocket::UnconnectedState; }));
    EXPECT_FALSE(this->socket.isEncrypted());
  }
  EXPECT_EQ(trace.count("disconnected"), 3);
}

TYPED_TEST(ssl_socket_device, it_goes_on_in_another_thread) {
  using Socket = typename TestFixture::Socket;
  QThread thread;
  thread.start();
  auto socket = std::make_unique<Socket>();
  descriptor_server server;
  ::QSslSocket other;
  if (TypeParam::of == role::server) {
    other.setSslConfiguration(client_settings());
    other.connectToHostEncrypted("localhost", server.serverPort());
    ASSERT_TRUE(wait_until([&] { return server.accepted != -1; }));
    socket->setSslConfiguration(server_settings());
    ASSERT_TRUE(socket->setSocketDescriptor(server.accepted));
    socket->startServerEncryption();
  } else {
    socket->setSslConfiguration(client_settings());
    TypeParam::of == role::plain ? socket->connectToHost("localhost", server.serverPort())
                                 : socket->connectToHostEncrypted("localhost", server.serverPort());
    ASSERT_TRUE(wait_until([&] { return server.accepted != -1; }));
    other.setSslConfiguration(server_settings());
    ASSERT_TRUE(other.setSocketDescriptor(server.accepted));
    if (TypeParam::of == role::client) other.startServerEncryption();
  }
  ASSERT_TRUE(wait_until([&] {
    return TypeParam::of == role::plain ? socket->state() == QAbstractSocket::ConnectedState
                                        : socket->isEncrypted() && other.isEncrypted();
  }));
  // It echoes there.
  Socket* const moved = socket.release();
  std::atomic<bool> in_its_thread = true;
  QObject::connect(moved, &QIODevice::readyRead, moved, [&, moved] {
    if (QThread::currentThread() != &thread) in_its_thread = false;
    moved->write(moved->readAll());
  });
  moved->moveToThread(&thread);
  const QByteArray bytes = pattern(megabyte);
  other.write(bytes);
  QByteArray got;
  EXPECT_TRUE(wait_until([&] {
    got += other.readAll();
    return got.size() == bytes.size();
  }));
  EXPECT_TRUE(got == bytes);
  EXPECT_TRUE(in_its_thread);
  QObject::connect(&thread, &QThread::finished, moved, &QObject::deleteLater);
  thread.quit();
  ASSERT_TRUE(thread.wait(20'000));
  EXPECT_TRUE(wait_until([&] { return other.state() == QAbstractSocket::UnconnectedState; }));
}

// --- in a thread ---

template <class Socket>
void live_in_a_thread_of_its_own() {
  qt_peer peer(echo);
  QByteArray got;
  const std::unique_ptr<QThread> thread(QThread::create([&] {
    Socket socket;
    socket.setSslConfiguration(client_settings());
    QEventLoop loop;
    QObject::connect(&socket, &Socket::encrypted, [&] { socket.write(pattern(megabyte)); });
    QObject::connect(&socket, &QIODevice::readyRead, [&] {
      got += socket.readAll();
      if (got.size() == megabyte) socket.disconnectFromHost();
    });
    QObject::connect(&socket, &Socket::disconnected, &loop, &QEventLoop::quit);
    socket.connectToHostEncrypted("localhost", peer.port());
    loop.exec();
  }));
  thread->start();
  ASSERT_TRUE(wait_until([&] { return thread->isFinished(); }));
  EXPECT_TRUE(got == pattern(megabyte));
}

TEST(ssl_socket_in_a_thread, qts) { live_in_a_thread_of_its_own<::QSslSocket>(); }
TEST(ssl_socket_in_a_thread, ours) { live_in_a_thread_of_its_own<qt::SslSocket>(); }

// --- ours ---

template <role Role>
using ours = ssl_socket_device<kind<qt::SslSocket, Role>>;
using ssl_socket_device_ours_client = ours<role::client>;
using ssl_socket_device_ours_server = ours<role::server>;

template <class Fixture>
void pass_64_megabytes_both_ways(Fixture& of) {
  of.begin();
  const QByteArray bytes = pattern(64 * megabyte);
  of.socket.write(bytes);
  of.other().write(bytes);
  qint64 here = 0;
  qint64 there = 0;
  bool same = true;
  const auto check = [&](const QByteArray& part, qint64& at) {
    same = same && bytes.mid(at, part.size()) == part;
    at += part.size();
  };
  ASSERT_TRUE(wait_until([&] {
    check(of.socket.readAll(), here);
    check(of.other().readAll(), there);
    return here == bytes.size() && there == bytes.size();
  }));
  EXPECT_TRUE(same);
}

TEST_F(ssl_socket_device_ours_client, sixty_four_megabytes_both_ways) { pass_64_megabytes_both_ways(*this); }
TEST_F(ssl_socket_device_ours_server, sixty_four_megabytes_both_ways) { pass_64_megabytes_both_ways(*this); }

TEST_F(ssl_socket_device_ours_client, moved_between_plain_and_encrypted) {
  qt_peer peer(
      [](::QSslSocket& client) {
        client.write("ready");
        client.flush();
        client.startServerEncryption();
        echo(client);
      },
      peer_begins::plain);
  QThread thread;
  thread.start();
  auto* const moved = new qt::SslSocket;
  moved->setSslConfiguration(client_settings());
  moved->connectToHost("localhost", peer.port());
  ASSERT_TRUE(wait_until([&] { return moved->bytesAvailable() == 5; }));
  EXPECT_EQ(moved->readAll(), "ready");
  std::atomic<bool> answered = false;
  QObject::connect(moved, &qt::SslSocket::encrypted, moved, [moved] { moved->write("ping"); });
  QObject::connect(moved, &QIODevice::readyRead, moved, [&, moved] {
    if (moved->bytesAvailable() == 4) answered = moved->readAll() == "ping" && QThread::currentThread() == &thread;
  });
  moved->moveToThread(&thread);
  QMetaObject::invokeMethod(moved, [moved] { moved->startClientEncryption(); });
  EXPECT_TRUE(wait_until([&] { return answered.load(); }));
  QObject::connect(&thread, &QThread::finished, moved, &QObject::deleteLater);
  thread.quit();
  ASSERT_TRUE(thread.wait(20'000));
}

TEST_F(ssl_socket_device_ours_client, moved_while_it_connects) {
  qt_peer peer(echo);
  QThread thread;
  thread.start();
  auto* const moved = new qt::SslSocket;
  moved->setSslConfiguration(client_settings());
  std::atomic<bool> encrypted = false;
  QObject::connect(moved, &qt::SslSocket::encrypted, moved, [&] { encrypted = QThread::currentThread() == &thread; });
  moved->connectToHostEncrypted("127.0.0.1", peer.port());
  ASSERT_EQ(moved->state(), QAbstractSocket::ConnectingState);
  moved->moveToThread(&thread);
  EXPECT_TRUE(wait_until([&] { return encrypted.load(); }));
  QObject::connect(&thread, &QThread::finished, moved, &QObject::deleteLater);
  thread.quit();
  ASSERT_TRUE(thread.wait(20'000));
}

TEST_F(ssl_socket_device_ours_client, what_was_unread_is_gone_with_the_next_connection) {
  begin();
  receive("unread");
  socket.ungetChar('!');
  socket.disconnectFromHost();
  ASSERT_TRUE(wait_until([&] { return socket.state() == QAbstractSocket::UnconnectedState; }));
  EXPECT_EQ(socket.bytesAvailable(), 7);
  begin();
  EXPECT_EQ(socket.bytesAvailable(), 0);
  EXPECT_EQ(socket.readAll(), "");
}

}  // namespace
}  // namespace sallyport::test
