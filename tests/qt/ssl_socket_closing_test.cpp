// Tests of how an SslSocket's connection ends: by either side, in an orderly way or not, and what comes after it.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/signal_trace.hpp"
#include "support/socket_pair.hpp"

#include "ssl_socket_private.hpp"

#include <sallyport/qt/ssl_socket.hpp>

#include <QtCore/QPointer>
#include <QtNetwork/QHostAddress>
#include <QtTest/QSignalSpy>

#include <gmock/gmock.h>

#include <openssl/ssl.h>

#include <memory>
#include <string>

using sallyport::qt::SslSocket;
using sallyport::qt::SslSocketPrivate;
using testing::ElementsAre;

namespace sallyport {
namespace {

namespace test = sallyport::test;

class ssl_socket_closing : public testing::TestWithParam<int> {
 protected:
  ssl_socket_closing() : peer({.version = GetParam()}), owned(new SslSocket), socket(*owned) {
    adopt(socket, peer);
    encrypt(socket, peer);
    settle(peer);
  }

  test::tls_peer peer;
  std::unique_ptr<SslSocket> owned;
  SslSocket& socket;
};

INSTANTIATE_TEST_SUITE_P(versions, ssl_socket_closing, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) { return info.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

TEST_P(ssl_socket_closing, disconnecting_sends_close_notify) {
  test::signal_trace told(socket, test::written::told);
  quint16 port_in_slot = 0;
  QObject::connect(&socket, &SslSocket::disconnected, [&] {
    port_in_slot = socket.peerPort();
    EXPECT_FALSE(socket.isEncrypted());
    EXPECT_EQ(socket.state(), QAbstractSocket::UnconnectedState);
  });
  socket.disconnectFromHost();
  EXPECT_THAT(told.words(),
              ElementsAre("stateChanged Closing", "alertSent warning 0", "stateChanged Closing",
                          "encryptedBytesWritten", "stateChanged Unconnected", "readChannelFinished", "disconnected"));
  EXPECT_EQ(port_in_slot, peer.port());
  EXPECT_EQ(socket.peerPort(), 0);
  EXPECT_TRUE(socket.peerAddress().isNull());
  EXPECT_TRUE(socket.isOpen());
  ASSERT_TRUE(peer.until([&] { return peer.saw_fin(); }));
  EXPECT_TRUE(peer.saw_close_notify());
}

TEST_P(ssl_socket_closing, what_was_written_arrives_before_the_end) {
  socket.write(QByteArray(3'000'000, 'x'));
  test::signal_trace told(socket);
  socket.disconnectFromHost();
  EXPECT_EQ(socket.state(), QAbstractSocket::ClosingState);
  ASSERT_TRUE(peer.until([&] { return peer.saw_fin(); }));
  EXPECT_EQ(peer.received().size(), 3'000'000U);
  EXPECT_TRUE(peer.saw_close_notify());
  EXPECT_TRUE(peer.until([&] { return told.has("disconnected"); }));
}

TEST_P(ssl_socket_closing, what_was_just_written_comes_before_the_end) {
  test::signal_trace told(socket, test::written::told);
  socket.write("bye");
  socket.disconnectFromHost();
  EXPECT_EQ(socket.state(), QAbstractSocket::ClosingState);
  ASSERT_TRUE(peer.until([&] { return told.has("disconnected"); }));
  EXPECT_THAT(told.words(), ElementsAre("stateChanged Closing", "bytesWritten 3", "encryptedBytesWritten",
                                        "alertSent warning 0", "stateChanged Closing", "encryptedBytesWritten",
                                        "stateChanged Unconnected", "readChannelFinished", "disconnected"));
}

// In TLS 1.3 a ticket waits to be sent then, which mustn't hold the end back: the slot may wait for it.
TEST_P(ssl_socket_closing, disconnecting_in_the_slot_of_encrypted_ends_at_once) {
  test::tls_peer other({.version = GetParam()});
  SslSocket first;
  test::adopt(first, other);
  auto state = QAbstractSocket::ConnectedState;
  QObject::connect(&first, &SslSocket::encrypted, [&] {
    first.disconnectFromHost();
    state = first.state();
  });
  test::begin(first, other);
  ASSERT_TRUE(other.until([&] { return other.saw_fin(); }));
  EXPECT_EQ(state, QAbstractSocket::UnconnectedState);
  EXPECT_TRUE(other.saw_close_notify());
}

// One call of the kernel, and not two: the end of whoever only looks whether the server is there.
TEST_P(ssl_socket_closing, the_ticket_goes_out_with_close_notify) {
  test::tls_peer other({.version = GetParam()});
  SslSocket first;
  test::adopt(first, other);
  test::signal_trace told(first, test::written::told);
  test::begin(first, other);
  for (int i = 0; i < 1000 && !other.connected(); ++i) {
    QCoreApplication::processEvents();
    other.turn();
  }
  other.send_close_notify();
  ASSERT_TRUE(other.until([&] { return told.has("disconnected"); }));
  EXPECT_TRUE(told.has("encrypted"));
  const int flights = GetParam() == TLS1_3_VERSION ? 1 : 2;
  EXPECT_EQ(told.count("encryptedBytesWritten"), flights + 1);
  ASSERT_TRUE(other.until([&] { return other.saw_fin(); }));
  EXPECT_TRUE(other.saw_close_notify());
}

TEST_P(ssl_socket_closing, what_the_peer_sends_late_destroys_nothing) {
  // Without reading what the peer has sent: closed at once the kernel would answer by a reset.
  peer.stop_reading();
  socket.setReadBufferSize(1);
  peer.send(std::string(100'000, 'a'));
  socket.write(QByteArray(100'000, 'x'));
  socket.flush();
  socket.disconnectFromHost();
  owned.reset();
  for (int i = 0; i < 20; ++i) {
    peer.send("late");
    QCoreApplication::processEvents();
  }
  peer.go_on_reading();
  ASSERT_TRUE(peer.until([&] { return peer.saw_fin() || peer.saw_reset(); }));
  EXPECT_FALSE(peer.saw_reset());
  EXPECT_EQ(peer.received().size(), 100'000U);
}

TEST_P(ssl_socket_closing, the_peers_close_notify_is_the_end) {
  test::signal_trace told(socket);
  peer.send("last");
  peer.send_close_notify();
  ASSERT_TRUE(peer.until([&] { return told.has("disconnected"); }));
  EXPECT_THAT(told.words(),
              ElementsAre("readyRead", "alertReceived warning 0", "errorOccurred 1", "stateChanged Closing",
                          "alertSent warning 0", "stateChanged Unconnected", "readChannelFinished", "disconnected"));
  EXPECT_TRUE(socket.isStreamComplete());
  EXPECT_EQ(socket.readAll(), "last");
  EXPECT_EQ(socket.errorString(), QStringLiteral("The remote host closed the connection"));
  char none = 0;
  EXPECT_EQ(socket.read(&none, 1), -1);
  EXPECT_EQ(socket.write("x"), -1);
}

TEST_P(ssl_socket_closing, a_truncated_stream_is_told_from_a_complete_one) {
  test::signal_trace told(socket);
  peer.send("half a mess");
  peer.send_fin();
  ASSERT_TRUE(peer.until([&] { return told.has("disconnected"); }));
  EXPECT_TRUE(told.has("errorOccurred 1"));
  EXPECT_FALSE(socket.isStreamComplete());
  EXPECT_TRUE(socket.errorString().contains(QStringLiteral("data may be missing")));
  EXPECT_EQ(socket.readAll(), "half a mess");
}

TEST_P(ssl_socket_closing, an_answer_to_the_last_request_is_sent) {
  QObject::connect(&socket, &SslSocket::readyRead, [&] { socket.write(QByteArray(1'000'000, 'y')); });
  peer.send("request");
  peer.send_close_notify();
  ASSERT_TRUE(peer.until([&] { return peer.saw_fin(); }));
  EXPECT_EQ(peer.received().size(), 1'000'000U);
}

TEST_P(ssl_socket_closing, a_reset_is_an_error) {
  test::signal_trace told(socket);
  peer.reset();
  ASSERT_TRUE(peer.until([&] { return told.has("disconnected"); }));
  EXPECT_THAT(told.words(), ElementsAre("errorOccurred 1", "stateChanged Closing", "stateChanged Unconnected",
                                        "readChannelFinished", "disconnected"));
  EXPECT_FALSE(socket.isStreamComplete());
}

TEST_P(ssl_socket_closing, bytes_that_do_not_decrypt_are_an_error) {
  test::signal_trace told(socket);
  peer.send_raw(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
  ASSERT_TRUE(peer.until([&] { return told.has("disconnected"); }));
  EXPECT_EQ(told.count("alertSent fatal 20"), 1);
  EXPECT_TRUE(told.has("errorOccurred 20"));
  ASSERT_TRUE(peer.until([&] { return peer.saw_fin(); }));
  EXPECT_FALSE(peer.client().alerts().empty());
}

TEST_P(ssl_socket_closing, aborting_drops_everything_at_once) {
  for (const bool by_base : {false, true}) {
    test::tls_peer other({.version = GetParam()});
    ASSERT_TRUE(socket.setSocketDescriptor(other.take_descriptor()));
    begin(socket, other);
    ASSERT_TRUE(other.until([&] { return socket.isEncrypted(); }));
    test::signal_trace told(socket);
    other.stop_reading();
    socket.write(QByteArray(10'000'000, 'x'));
    if (by_base)
      static_cast<QAbstractSocket&>(socket).abort();
    else
      socket.abort();
    EXPECT_THAT(told.words(),
                ElementsAre("stateChanged Unconnected", "readChannelFinished", "disconnected", "aboutToClose"));
    EXPECT_EQ(socket.bytesToWrite(), 0);
    EXPECT_FALSE(socket.isOpen());
    EXPECT_EQ(socket.state(), QAbstractSocket::UnconnectedState);
    EXPECT_EQ(socket.socketDescriptor(), -1);
    other.go_on_reading();
    ASSERT_TRUE(other.until([&] { return other.saw_fin() || other.saw_reset(); }));
    EXPECT_FALSE(other.saw_close_notify());
    socket.disconnect();
  }
}

TEST_P(ssl_socket_closing, closing_disconnects_and_closes_the_device) {
  test::signal_trace told(socket);
  peer.send("unread");
  ASSERT_TRUE(peer.until([&] { return socket.bytesAvailable() == 6; }));
  socket.write("bye");
  socket.close();
  EXPECT_THAT(told.words(),
              ElementsAre("readyRead", "stateChanged Closing", "alertSent warning 0", "stateChanged Unconnected",
                          "readChannelFinished", "disconnected", "aboutToClose"));
  EXPECT_FALSE(socket.isOpen());
  EXPECT_EQ(socket.bytesAvailable(), 0);
  ASSERT_TRUE(peer.until([&] { return peer.saw_fin(); }));
  EXPECT_EQ(peer.received(), "bye");
  EXPECT_TRUE(peer.saw_close_notify());
}

TEST_P(ssl_socket_closing, closing_goes_on_sending) {
  test::signal_trace told(socket);
  socket.write(QByteArray(3'000'000, 'x'));
  socket.close();
  EXPECT_FALSE(socket.isOpen());
  ASSERT_TRUE(peer.until([&] { return peer.saw_fin(); }));
  EXPECT_EQ(peer.received().size(), 3'000'000U);
  EXPECT_TRUE(peer.until([&] { return told.has("disconnected"); }));
}

TEST_P(ssl_socket_closing, destroying_it_tells_the_end) {
  test::signal_trace told(socket);
  owned.reset();
  EXPECT_THAT(told.words(), ElementsAre("stateChanged Unconnected", "readChannelFinished", "disconnected"));
  ASSERT_TRUE(peer.until([&] { return peer.saw_fin() || peer.saw_reset(); }));
  EXPECT_FALSE(peer.saw_close_notify());
}

TEST_P(ssl_socket_closing, it_can_be_used_again_in_the_slot_of_its_end) {
  test::tls_peer next({.version = GetParam()});
  QObject::connect(&socket, &SslSocket::disconnected, [&] {
    if (next.connected()) return;
    ASSERT_TRUE(socket.setSocketDescriptor(next.take_descriptor()));
    socket.startServerEncryption();
  });
  socket.disconnectFromHost();
  EXPECT_EQ(socket.peerPort(), next.port());
  next.encrypt();
  next.send("hello again");
  ASSERT_TRUE(next.until([&] { return socket.bytesAvailable() == 11; }));
  EXPECT_EQ(socket.readAll(), "hello again");
  owned->disconnect();
}

TEST_P(ssl_socket_closing, what_an_earlier_connection_left_is_gone) {
  peer.send("old");
  ASSERT_TRUE(peer.until([&] { return socket.bytesAvailable() == 3; }));
  EXPECT_EQ(socket.peek(1), "o");
  socket.disconnectFromHost();
  test::tls_peer next;
  socket.setSocketDescriptor(next.take_descriptor());
  EXPECT_EQ(socket.bytesAvailable(), 0);
  next.send_raw("new");
  ASSERT_TRUE(next.until([&] { return socket.bytesAvailable() == 3; }));
  EXPECT_EQ(socket.readAll(), "new");
}

TEST_P(ssl_socket_closing, a_slot_may_end_it_in_any_way) {
  using action = std::function<void(SslSocket*)>;
  const std::vector<action> ends = {[](SslSocket* one) { one->abort(); }, [](SslSocket* one) { one->close(); },
                                    [](SslSocket* one) { one->disconnectFromHost(); },
                                    [](SslSocket* one) { delete one; }};
  const std::vector<std::function<void(SslSocket*, std::function<void()>)>> signals = {
      [](SslSocket* one, auto call) { QObject::connect(one, &SslSocket::stateChanged, call); },
      [](SslSocket* one, auto call) { QObject::connect(one, &SslSocket::disconnected, call); },
      [](SslSocket* one, auto call) { QObject::connect(one, &SslSocket::readChannelFinished, call); },
      [](SslSocket* one, auto call) { QObject::connect(one, &SslSocket::errorOccurred, call); },
      [](SslSocket* one, auto call) { QObject::connect(one, &SslSocket::alertSent, call); },
      [](SslSocket* one, auto call) { QObject::connect(one, &SslSocket::alertReceived, call); },
      [](SslSocket* one, auto call) { QObject::connect(one, &SslSocket::readyRead, call); },
      [](SslSocket* one, auto call) { QObject::connect(one, &SslSocket::bytesWritten, call); },
  };
  for (const auto& end : ends) {
    for (const auto& connect : signals) {
      test::tls_peer other({.version = GetParam()});
      auto* one = new SslSocket;
      const QPointer<SslSocket> alive(one);
      adopt(*one, other);
      encrypt(*one, other);
      bool called = false;
      connect(one, [&, one] {
        if (!std::exchange(called, true)) end(one);
      });
      one->write("x");
      other.send("hello");
      other.send_close_notify();
      EXPECT_TRUE(
          other.until([&] { return called && (!alive || alive->state() == QAbstractSocket::UnconnectedState); }));
      EXPECT_TRUE(other.until([&] { return other.saw_fin() || other.saw_reset(); }));
      delete alive.data();
    }
  }
}

TEST(ssl_socket_plain_end, is_the_peers_fin) {
  test::tls_peer peer;
  SslSocket socket;
  socket.setSocketDescriptor(peer.take_descriptor());
  test::signal_trace told(socket);
  peer.send_raw("bye");
  peer.send_fin();
  ASSERT_TRUE(peer.until([&] { return told.has("disconnected"); }));
  EXPECT_THAT(told.words(), ElementsAre("readyRead", "errorOccurred 1", "stateChanged Closing",
                                        "stateChanged Unconnected", "readChannelFinished", "disconnected"));
  EXPECT_EQ(socket.readAll(), "bye");
}

}  // namespace
}  // namespace sallyport
