// Tests of SslSocket as a device: bytes that come and go, in plain text and encrypted, and what holds them back.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/record_sealer.hpp"
#include "support/signal_trace.hpp"
#include "support/socket_pair.hpp"

#include "ssl_socket_private.hpp"

#include <sallyport/qt/ssl_socket.hpp>

#include <QtCore/QEventLoop>
#include <QtCore/QTimer>
#include <QtNetwork/QSslSocket>
#include <QtNetwork/QTcpServer>
#include <QtTest/QSignalSpy>

#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <string>

using sallyport::qt::SslSocket;
using sallyport::qt::SslSocketPrivate;
using testing::ElementsAre;

namespace sallyport {
namespace {

namespace test = sallyport::test;

std::string random_looking(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint32_t state = 1;
  for (char& each : bytes) {
    state = state * 1664525 + 1013904223;
    each = static_cast<char>(state >> 24U);
  }
  return bytes;
}

TEST(ssl_socket_bytes, go_both_ways_in_great_numbers) {
  test::encrypted_pair pair;
  const std::string much = random_looking(5'000'000);
  std::string echoed;
  QObject::connect(&pair.socket, &SslSocket::readyRead, [&] { pair.socket.write(pair.socket.readAll()); });
  pair.peer.send(much);
  ASSERT_TRUE(pair.peer.until([&] { return pair.peer.received().size() >= much.size(); }));
  EXPECT_TRUE(pair.peer.received() == much);
  EXPECT_EQ(pair.socket.bytesToWrite(), 0);
}

TEST(ssl_socket_bytes, are_sent_in_one_go_after_the_slot) {
  test::encrypted_pair pair;
  QSignalSpy sent(&pair.socket, &SslSocket::encryptedBytesWritten);
  QSignalSpy written(&pair.socket, &SslSocket::bytesWritten);
  QObject::connect(&pair.socket, &SslSocket::readyRead, [&] {
    pair.socket.readAll();
    for (int i = 0; i < 10; ++i) pair.socket.write("0123456789");
    EXPECT_EQ(pair.socket.bytesToWrite(), 100);
  });
  pair.peer.send("go");
  ASSERT_TRUE(pair.peer.until([&] { return pair.peer.received().size() == 100; }));
  ASSERT_EQ(written.count(), 1);
  EXPECT_EQ(written.front().front().toLongLong(), 100);
  EXPECT_EQ(sent.count(), 1);
}

TEST(ssl_socket_bytes, written_outside_of_slots_go_out_in_the_next_turn) {
  test::encrypted_pair pair;
  pair.socket.write("one");
  pair.socket.write("two");
  EXPECT_EQ(pair.socket.bytesToWrite(), 6);
  QCoreApplication::sendPostedEvents(&pair.socket);
  EXPECT_EQ(pair.socket.bytesToWrite(), 0);
  EXPECT_TRUE(pair.peer.until([&] { return pair.peer.received() == "onetwo"; }));
}

TEST(ssl_socket_bytes, are_flushed_when_asked) {
  test::encrypted_pair pair;
  QSignalSpy written(&pair.socket, &SslSocket::bytesWritten);
  EXPECT_FALSE(pair.socket.flush());
  pair.socket.write("now");
  EXPECT_TRUE(pair.socket.flush());
  EXPECT_EQ(pair.socket.bytesToWrite(), 0);
  EXPECT_EQ(written.count(), 1);
  EXPECT_TRUE(pair.peer.until([&] { return pair.peer.received() == "now"; }));
}

TEST(ssl_socket_bytes, are_read_in_all_of_a_devices_ways) {
  test::encrypted_pair pair;
  SslSocket& socket = pair.socket;
  pair.peer.send("first\nsecond\nrest and more");
  ASSERT_TRUE(pair.peer.until([&] { return socket.bytesAvailable() == 26; }));
  EXPECT_FALSE(socket.atEnd());
  EXPECT_TRUE(socket.isSequential());
  EXPECT_EQ(socket.peek(3), "fir");
  EXPECT_EQ(socket.bytesAvailable(), 26);
  ASSERT_TRUE(socket.canReadLine());
  EXPECT_EQ(socket.readLine(), "first\n");
  ASSERT_TRUE(socket.canReadLine());
  EXPECT_EQ(socket.readLine(), "second\n");
  EXPECT_FALSE(socket.canReadLine());
  char one = 0;
  EXPECT_TRUE(socket.getChar(&one));
  EXPECT_EQ(one, 'r');
  socket.ungetChar('R');
  socket.startTransaction();
  EXPECT_EQ(socket.read(4), "Rest");
  socket.rollbackTransaction();
  EXPECT_EQ(socket.read(5), "Rest ");
  EXPECT_EQ(socket.skip(4), 4);
  EXPECT_EQ(socket.readAll(), "more");
  EXPECT_TRUE(socket.atEnd());
  EXPECT_EQ(socket.read(&one, 1), 0);
}

TEST(ssl_socket_bytes, ready_read_is_not_told_recursively_and_never_forgotten) {
  test::encrypted_pair pair;
  int depth = 0;
  int deepest = 0;
  int calls = 0;
  QObject::connect(&pair.socket, &SslSocket::readyRead, [&] {
    deepest = std::max(deepest, ++depth);
    if (++calls == 1) {
      pair.peer.send("b");
      EXPECT_TRUE(pair.peer.until([&] { return pair.socket.bytesAvailable() == 2; }));
    }
    --depth;
  });
  pair.peer.send("a");
  ASSERT_TRUE(pair.peer.until([&] { return calls == 2; }));
  EXPECT_EQ(deepest, 1);
}

TEST(ssl_socket_bytes, written_is_not_told_recursively) {
  test::encrypted_pair pair;
  int depth = 0;
  int deepest = 0;
  qint64 total = 0;
  QObject::connect(&pair.socket, &SslSocket::bytesWritten, [&](qint64 count) {
    deepest = std::max(deepest, ++depth);
    total += count;
    if (total < 5) {
      pair.socket.write("x");
      pair.socket.flush();
    }
    --depth;
  });
  pair.socket.write("x");
  ASSERT_TRUE(pair.peer.until([&] { return total == 5; }));
  EXPECT_EQ(deepest, 1);
}

TEST(ssl_socket_bytes, are_not_taken_from_the_kernel_beyond_the_readers_buffer) {
  test::encrypted_pair pair;
  pair.socket.setReadBufferSize(10'000);
  EXPECT_EQ(pair.socket.readBufferSize(), 10'000);
  const std::string much = random_looking(3'000'000);
  pair.peer.send(much);
  ASSERT_TRUE(pair.peer.until([&] { return pair.socket.bytesAvailable() >= 10'000; }));
  pair.settle();
  EXPECT_LE(pair.socket.bytesAvailable(), 10'000 + 16'384);
  EXPECT_LE(pair.socket.encryptedBytesAvailable(), 40'000);

  std::string read;
  qint64 most = 0;
  ASSERT_TRUE(pair.peer.until([&] {
    most = std::max(most, pair.socket.bytesAvailable());
    read += pair.socket.read(7'000).toStdString();
    return read.size() >= much.size();
  }));
  EXPECT_TRUE(read == much);
  EXPECT_LE(most, 10'000 + 16'384);
}

TEST(ssl_socket_bytes, a_peer_that_does_not_read_is_not_read_either) {
  test::encrypted_pair pair;
  pair.socket.setWriteBufferLimit(100'000);
  pair.peer.stop_reading();
  qint64 most = 0;
  qint64 echoed = 0;
  QObject::connect(&pair.socket, &SslSocket::readyRead, [&] {
    const QByteArray read = pair.socket.readAll();
    echoed += read.size();
    pair.socket.write(read);
    most = std::max(most, pair.socket.bytesToWrite());
  });
  const std::string much = random_looking(30'000'000);
  pair.peer.send(much);
  // Until the kernel's buffers are full both ways.
  qint64 before = -1;
  for (int quiet = 0; quiet < 50; before = echoed) {
    pair.peer.turn();
    QCoreApplication::processEvents();
    quiet = before == echoed ? quiet + 1 : 0;
  }
  EXPECT_LT(echoed, static_cast<qint64>(much.size()));
  EXPECT_LE(most, 100'000 + static_cast<qint64>(2 * sallyport::qt::loop_window::size));
  pair.peer.go_on_reading();
  ASSERT_TRUE(pair.peer.until([&] { return pair.peer.received().size() >= much.size(); }));
  EXPECT_TRUE(pair.peer.received() == much);
}

TEST(ssl_socket_bytes, a_great_write_waits_for_the_kernel) {
  test::encrypted_pair pair;
  pair.peer.stop_reading();
  const std::string much = random_looking(20'000'000);
  QSignalSpy written(&pair.socket, &SslSocket::bytesWritten);
  EXPECT_EQ(pair.socket.write(much.data(), static_cast<qint64>(much.size())), static_cast<qint64>(much.size()));
  pair.settle();
  EXPECT_GT(pair.socket.bytesToWrite(), 0);
  EXPECT_LE(pair.socket.encryptedBytesToWrite(), static_cast<qint64>(sallyport::qt::loop_window::size));
  pair.peer.go_on_reading();
  ASSERT_TRUE(pair.peer.until([&] { return pair.peer.received().size() >= much.size(); }));
  EXPECT_TRUE(pair.peer.received() == much);
  qint64 total = 0;
  for (const auto& each : written) total += each.front().toLongLong();
  EXPECT_EQ(total, static_cast<qint64>(much.size()));
}

// --- what bytesWritten() says ---

// Of what is sent. Less than a packet of the loopback interface would make it slow.
constexpr int little_in_the_kernel = 128 * 1024;

/// The kernel takes little, and the peer reads nothing unless the test says so.
class ssl_socket_bytes_written : public testing::TestWithParam<int> {
 protected:
  ssl_socket_bytes_written() {
    pair.socket.setSocketOption(QAbstractSocket::SendBufferSizeSocketOption, little_in_the_kernel);
    pair.peer.stop_reading();
    QObject::connect(&pair.socket, &SslSocket::bytesWritten, [this](qint64 count) {
      EXPECT_GT(count, 0);
      told += count;
      ++tellings;
      // What has been told isn't here any more, in whatever form.
      const qint64 untold = written - told;
      EXPECT_LE(pair.socket.bytesToWrite(), untold == 0 ? 0 : untold + untold / 100 + 100);
    });
  }

  void write(qint64 size) { written += pair.socket.write(QByteArray(size, 'x')); }

  /// The peer takes what there is, once.
  void read_once() {
    pair.peer.go_on_reading();
    pair.peer.turn();
    pair.peer.stop_reading();
  }

  /// The peer takes what there is every now and then, when the socket can't go on any more.
  template <class Condition>
  bool slowly_until(Condition condition) {
    int turns = 0;
    const bool holds = pair.peer.until([&] {
      if (turns++ % 5 == 4)
        pair.peer.go_on_reading();
      else
        pair.peer.stop_reading();
      return condition();
    });
    pair.peer.stop_reading();
    return holds;
  }

  test::encrypted_pair pair{{.version = GetParam()}};
  qint64 written = 0;
  qint64 told = 0;
  int tellings = 0;
};

INSTANTIATE_TEST_SUITE_P(tls_1_2, ssl_socket_bytes_written, testing::Values(TLS1_2_VERSION));
INSTANTIATE_TEST_SUITE_P(tls_1_3, ssl_socket_bytes_written, testing::Values(TLS1_3_VERSION));

TEST_P(ssl_socket_bytes_written, comes_when_nothing_is_left_to_write) {
  constexpr int pieces = 20;
  constexpr qint64 piece = 150'000;
  int made = 0;
  const auto write_next = [&] {
    if (pair.socket.bytesToWrite() > 0 || made == pieces) return;
    ++made;
    write(piece);
  };
  QObject::connect(&pair.socket, &SslSocket::bytesWritten, write_next);
  write_next();
  pair.settle();
  ASSERT_LT(made, pieces);
  ASSERT_GT(pair.socket.encryptedBytesToWrite(), 0) << "the kernel has taken all";

  EXPECT_TRUE(slowly_until([&] { return pair.peer.received().size() == pieces * piece; }));
  EXPECT_EQ(made, pieces);
  EXPECT_EQ(told, pieces * piece);
  EXPECT_EQ(pair.socket.bytesToWrite(), 0);
}

TEST_P(ssl_socket_bytes_written, tells_of_a_great_write_in_parts_as_the_kernel_takes_it) {
  write(3'000'000);
  pair.settle();
  EXPECT_LT(told, written - 1'000'000);
  qint64 left_at_the_end = -1;
  QObject::connect(&pair.socket, &SslSocket::bytesWritten, [&] { left_at_the_end = pair.socket.bytesToWrite(); });
  EXPECT_TRUE(slowly_until([&] { return told == written; }));
  EXPECT_EQ(left_at_the_end, 0);
  EXPECT_GT(tellings, 3);
  EXPECT_TRUE(slowly_until([&] { return static_cast<qint64>(pair.peer.received().size()) == written; }));
  EXPECT_EQ(told, written);
}

TEST_P(ssl_socket_bytes_written, ends_a_wait_when_the_kernel_has_it) {
  write(2'000'000);
  for (int waits = 0; told < written && waits < 1000; ++waits) {
    const qint64 before = told;
    const bool has_waited = pair.socket.waitForBytesWritten(5);
    EXPECT_EQ(has_waited, told > before);
    if (!has_waited) read_once();
  }
  EXPECT_EQ(told, written);
  EXPECT_EQ(pair.socket.bytesToWrite(), 0);
  EXPECT_FALSE(pair.socket.waitForBytesWritten(5));
}

TEST_P(ssl_socket_bytes_written, says_nothing_of_what_an_end_has_dropped) {
  write(1'000'000);
  pair.settle();
  ASSERT_GT(pair.socket.encryptedBytesToWrite(), 0);
  const qint64 before = told;
  pair.socket.abort();
  EXPECT_EQ(told, before);

  // The next connection's count is its own.
  test::tls_peer next({.version = GetParam()});
  pair.socket.setSocketDescriptor(next.take_descriptor());
  pair.socket.startServerEncryption();
  next.encrypt();
  ASSERT_TRUE(next.until([&] { return pair.socket.isEncrypted() && next.connected(); }));
  written = told;
  write(5);
  ASSERT_TRUE(next.until([&] { return next.received().size() == 5; }));
  EXPECT_EQ(told, before + 5);
}

/// Else nobody would be told when that, too, has gone.
TEST(ssl_socket_bytes, are_told_together_with_an_alert_that_waits_behind_them) {
  test::encrypted_pair pair{
      {.version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"}};
  pair.socket.setSocketOption(QAbstractSocket::SendBufferSizeSocketOption, little_in_the_kernel);
  pair.peer.stop_reading();
  for (int pieces = 0; pair.socket.bytesToWrite() == 0 && pieces < 10'000; ++pieces) {
    pair.socket.write(QByteArray(10'000, 'x'));
    pair.settle();
  }
  const qint64 before = pair.socket.bytesToWrite();
  ASSERT_GT(before, 0);
  ASSERT_EQ(before, pair.socket.encryptedBytesToWrite());

  test::memory_client other({.version = TLS1_2_VERSION});
  other.handshake();
  test::record_sealer sealer(pair.peer.client());
  pair.peer.send_raw(sealer.seal(test::record_type::handshake, other.output().substr(5)));
  pair.settle();
  ASSERT_GT(pair.socket.bytesToWrite(), before);  // no_renegotiation

  const auto& d = SslSocketPrivate::of(pair.socket);
  ASSERT_EQ(d.unsent.in_ciphertext.size(), 1U);
  EXPECT_EQ(d.unsent.in_ciphertext.back().end - d.sent(), pair.socket.bytesToWrite());
  qint64 left = -1;
  QObject::connect(&pair.socket, &SslSocket::bytesWritten, [&] { left = pair.socket.bytesToWrite(); });
  pair.peer.go_on_reading();
  ASSERT_TRUE(pair.peer.until([&] { return pair.socket.bytesToWrite() == 0; }));
  EXPECT_EQ(left, 0);
}

TEST(ssl_socket_bytes, of_plain_text_before_starttls_are_told_when_the_kernel_has_them) {
  constexpr qint64 size = 3'000'000;
  test::tls_peer peer;
  SslSocket socket;
  adopt(socket, peer);
  socket.setSocketOption(QAbstractSocket::SendBufferSizeSocketOption, little_in_the_kernel);
  peer.stop_reading();
  qint64 told = 0;
  QObject::connect(&socket, &SslSocket::bytesWritten, [&](qint64 count) { told += count; });
  socket.write(QByteArray(size, 'x'));
  socket.startServerEncryption();
  for (int turns = 0; turns < 10; ++turns) QCoreApplication::processEvents();
  EXPECT_EQ(socket.bytesToWrite(), size - told);
  EXPECT_LT(told, size);
  peer.go_on_reading();
  ASSERT_TRUE(peer.until([&] { return static_cast<qint64>(peer.received().size()) == size; }));
  EXPECT_EQ(told, size);
  peer.encrypt();
  ASSERT_TRUE(peer.until([&] { return socket.isEncrypted(); }));
  EXPECT_EQ(told, size) << "the handshake has no plaintext";
}

TEST(ssl_socket_bytes, in_pieces_of_one_make_whole_records) {
  test::tls_peer peer;
  SslSocket socket;
  adopt(socket, peer);
  socket.startServerEncryption();
  test::memory_client client({});
  std::string echoed;
  QObject::connect(&socket, &SslSocket::readyRead, [&] { echoed += socket.readAll().toStdString(); });
  // This test moves the client's bytes itself, one at a time; tls_peer is only the wire.
  std::size_t taken = 0;
  const auto one_by_one = [&] {
    client.handshake();
    for (const char each : client.output()) {
      peer.send_raw(std::string(1, each));
      QCoreApplication::processEvents();
    }
    peer.turn();
    client.input(std::string_view(peer.received()).substr(taken));
    taken = peer.received().size();
  };
  for (int flights = 0; flights < 5 && !socket.isEncrypted(); ++flights) one_by_one();
  ASSERT_TRUE(socket.isEncrypted());
  client.handshake();
  client.write("slowly");
  one_by_one();
  EXPECT_EQ(echoed, "slowly");
}

/// Makes an SslSocket of what it accepts.
struct accepting_server : QTcpServer {
  void incomingConnection(qintptr descriptor) override {
    socket.setSslConfiguration(test::server_settings());
    socket.setSocketDescriptor(descriptor);
    socket.startServerEncryption();
  }
  SslSocket socket;
};

TEST(ssl_socket_bytes, are_exchanged_with_qts_own_socket) {
  accepting_server server;
  QObject::connect(&server.socket, &SslSocket::readyRead, [&] { server.socket.write(server.socket.readAll()); });
  ASSERT_TRUE(server.listen(QHostAddress::LocalHost));
  ::QSslSocket client;
  client.setPeerVerifyMode(::QSslSocket::VerifyNone);
  client.connectToHostEncrypted(QStringLiteral("127.0.0.1"), server.serverPort());
  const QByteArray much(500'000, 'q');
  QObject::connect(&client, &::QSslSocket::encrypted, [&] { client.write(much); });
  QByteArray echoed;
  QObject::connect(&client, &::QSslSocket::readyRead, [&] {
    echoed += client.readAll();
    if (echoed.size() == much.size()) client.disconnectFromHost();
  });
  QSignalSpy ended(&server.socket, &SslSocket::disconnected);
  ASSERT_TRUE(ended.wait(10'000));
  EXPECT_EQ(echoed, much);
  EXPECT_TRUE(server.socket.isStreamComplete());
}

TEST(ssl_socket_bytes, are_plain_before_encryption) {
  test::tls_peer peer;
  SslSocket socket;
  ASSERT_TRUE(socket.setSocketDescriptor(peer.take_descriptor()));
  test::signal_trace told(socket, test::written::told);
  peer.send_raw("plain");
  ASSERT_TRUE(peer.until([&] { return socket.bytesAvailable() == 5; }));
  EXPECT_EQ(socket.encryptedBytesAvailable(), 0);
  EXPECT_EQ(socket.readAll(), "plain");
  socket.write("text");
  ASSERT_TRUE(peer.until([&] { return peer.received() == "text"; }));
  EXPECT_THAT(told.words(), ElementsAre("readyRead", "bytesWritten 4"));
}

TEST(ssl_socket_bytes, starttls_takes_what_was_peeked_at) {
  test::tls_peer peer;
  SslSocket socket;
  adopt(socket, peer);
  peer.send_raw("STARTTLS\r\n");
  ASSERT_TRUE(peer.until([&] { return socket.canReadLine(); }));
  EXPECT_EQ(socket.readLine(), "STARTTLS\r\n");
  socket.write("220 go on\r\n");
  socket.flush();
  ASSERT_TRUE(peer.until([&] { return peer.received() == "220 go on\r\n"; }));
  peer.encrypt();
  ASSERT_TRUE(peer.until([&] { return socket.bytesAvailable() > 10; }));
  EXPECT_EQ(socket.peek(1), "\x16");
  socket.startServerEncryption();
  EXPECT_EQ(socket.bytesAvailable(), 0);
  ASSERT_TRUE(peer.until([&] { return socket.isEncrypted() && peer.connected(); }));
  peer.send("hello");
  ASSERT_TRUE(peer.until([&] { return socket.bytesAvailable() == 5; }));
}

TEST(ssl_socket_bytes, what_was_written_before_starttls_is_plain) {
  test::tls_peer peer;
  SslSocket socket;
  adopt(socket, peer);
  socket.write("220 go on\r\n");
  socket.startServerEncryption();
  ASSERT_TRUE(peer.until([&] { return peer.received() == "220 go on\r\n"; }));
  peer.encrypt();
  EXPECT_TRUE(peer.until([&] { return socket.isEncrypted(); }));
}

TEST(ssl_socket_bytes, an_idle_connection_holds_none) {
  test::encrypted_pair pair;
  pair.peer.send("x");
  ASSERT_TRUE(pair.peer.until([&] { return pair.socket.bytesAvailable() == 1; }));
  pair.socket.readAll();
  pair.socket.write("y");
  ASSERT_TRUE(pair.peer.until([&] { return pair.peer.received() == "y"; }));
  const auto& d = SslSocketPrivate::of(pair.socket);
  EXPECT_TRUE(d.incoming.front().empty());
  EXPECT_TRUE(d.unsent.plaintext.front().empty());
  EXPECT_TRUE(d.unsent.ciphertext.front().empty());
  EXPECT_EQ(d.input.leftover.capacity(), 0U);
}

// Three times as many as may wait to be told, and in both versions.
TEST(ssl_socket_bytes, none_of_many_alerts_in_one_read_is_lost) {
  constexpr int count = 200;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SCOPED_TRACE(version);
    test::encrypted_pair pair(
        {.version = version, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256", .ciphersuites = "TLS_AES_128_GCM_SHA256"});
    pair.settle();
    test::signal_trace told(pair.socket);
    test::record_sealer sealer(pair.peer.client());
    std::string records;
    for (int i = 0; i < count; ++i) {
      records += sealer.seal(test::record_type::application_data, "x");
      records += sealer.seal(test::record_type::alert, "\x01\x5a");
    }
    pair.peer.send_raw(records);
    ASSERT_TRUE(pair.peer.until([&] { return pair.socket.bytesAvailable() == count; }));
    pair.settle();
    EXPECT_EQ(told.count("alertReceived warning 90"), count);
    EXPECT_EQ(pair.socket.state(), QAbstractSocket::ConnectedState);
  }
}

TEST(ssl_socket_bytes, the_kernels_options_are_set) {
  test::tls_peer peer;
  SslSocket socket;
  socket.setSocketDescriptor(peer.take_descriptor());
  EXPECT_EQ(socket.socketOption(QAbstractSocket::LowDelayOption).toInt(), 0);
  socket.setSocketOption(QAbstractSocket::LowDelayOption, 1);
  EXPECT_EQ(socket.socketOption(QAbstractSocket::LowDelayOption).toInt(), 1);
  socket.setSocketOption(QAbstractSocket::ReceiveBufferSizeSocketOption, 20'000);
  EXPECT_EQ(socket.socketOption(QAbstractSocket::ReceiveBufferSizeSocketOption).toInt(), 40'000) << "Linux doubles it";
  EXPECT_FALSE(socket.socketOption(QAbstractSocket::MulticastTtlOption).isValid());
}

}  // namespace
}  // namespace sallyport
