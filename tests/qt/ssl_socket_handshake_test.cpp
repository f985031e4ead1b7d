// Tests of SslSocket as a server: handshakes that succeed and fail, their signals and the order of these.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/signal_trace.hpp"
#include "support/socket_pair.hpp"

#include "context_source.hpp"
#include "handshake_listener.hpp"
#include "ssl_socket_private.hpp"

#include <sallyport/qt/ssl_socket.hpp>

#include <QtCore/QEventLoop>
#include <QtCore/QPointer>
#include <QtCore/QThread>
#include <QtCore/QTimer>
#include <QtNetwork/QHostAddress>
#include <QtNetwork/QSslKey>
#include <QtTest/QSignalSpy>

#include <gmock/gmock.h>

#include <openssl/ssl.h>

#include <memory>

using sallyport::qt::SslSocket;
using sallyport::qt::SslSocketPrivate;
using testing::ElementsAre;

namespace sallyport {
namespace {

namespace test = sallyport::test;

class ssl_socket_handshake : public testing::TestWithParam<int> {
 protected:
  test::memory_client_options options() { return {.version = GetParam()}; }
  bool is_tls_1_3() { return GetParam() == TLS1_3_VERSION; }
};

INSTANTIATE_TEST_SUITE_P(versions, ssl_socket_handshake, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& info) { return info.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

TEST_P(ssl_socket_handshake, tells_what_has_happened_in_order) {
  test::tls_peer peer(options());
  SslSocket socket;
  adopt(socket, peer);
  EXPECT_EQ(socket.state(), QAbstractSocket::ConnectedState);
  EXPECT_EQ(socket.peerPort(), peer.port());
  EXPECT_EQ(socket.peerAddress(), QHostAddress(QHostAddress::LocalHost));
  EXPECT_EQ(socket.mode(), SslSocket::UnencryptedMode);

  test::signal_trace told(socket, test::written::told);
  begin(socket, peer);
  peer.send("hello");
  ASSERT_TRUE(peer.until([&] { return socket.bytesAvailable() == 5; }));
  const std::vector<std::string> expected = {"modeChanged 2", "encryptedBytesWritten", "encrypted"};
  ASSERT_GE(told.words().size(), 4U);
  EXPECT_EQ(std::vector(told.words().begin(), told.words().begin() + 3), expected);
  EXPECT_TRUE(told.has("readyRead"));
  EXPECT_TRUE(socket.isEncrypted());
  EXPECT_EQ(socket.readAll(), "hello");
  EXPECT_EQ(socket.sessionProtocol(), is_tls_1_3() ? QSsl::TlsV1_3 : QSsl::TlsV1_2);
  EXPECT_EQ(socket.keyExchangeGroup(), QStringLiteral("x25519"));

  EXPECT_EQ(socket.write("world"), 5);
  EXPECT_EQ(socket.bytesToWrite(), 5);
  ASSERT_TRUE(peer.until([&] { return peer.received() == "world"; }));
  EXPECT_TRUE(told.has("bytesWritten 5"));
  EXPECT_EQ(socket.bytesToWrite(), 0);
}

TEST_P(ssl_socket_handshake, sends_what_was_written_before_it_was_encrypted) {
  test::tls_peer peer(options());
  SslSocket socket;
  adopt(socket, peer);
  socket.startServerEncryption();
  EXPECT_EQ(socket.write("early"), 5);
  EXPECT_EQ(socket.bytesToWrite(), 5);
  peer.encrypt();
  ASSERT_TRUE(peer.until([&] { return peer.received() == "early"; }));
}

TEST_P(ssl_socket_handshake, knows_the_client_after_the_end) {
  const auto client = test::issue(test::test_ca(), {.common_name = "alice"});
  test::tls_peer peer({.version = GetParam(), .server_name = "localhost", .certificate = client});
  SslSocket socket;
  adopt(socket, peer, test::verifying_settings(SslSocket::VerifyPeer));
  begin(socket, peer);
  ASSERT_TRUE(peer.until([&] { return socket.isEncrypted(); }));
  EXPECT_EQ(socket.peerCertificate(), test::qt_certificate(client));
  EXPECT_EQ(socket.serverName(), QStringLiteral("localhost"));
  EXPECT_FALSE(socket.isSessionResumed());
  EXPECT_NE(socket.sslConfiguration().sessionProtocol(), QSsl::UnknownProtocol);

  socket.abort();
  EXPECT_EQ(socket.peerCertificate(), test::qt_certificate(client));
  EXPECT_FALSE(socket.isEncrypted());
  EXPECT_EQ(socket.mode(), SslSocket::SslServerMode);
  EXPECT_EQ(socket.sessionProtocol(), QSsl::UnknownProtocol);
  EXPECT_TRUE(socket.sessionCipher().isNull());

  test::tls_peer next;
  ASSERT_TRUE(socket.setSocketDescriptor(next.take_descriptor()));
  EXPECT_TRUE(socket.peerCertificate().isNull());
  EXPECT_EQ(socket.mode(), SslSocket::UnencryptedMode);
}

TEST_P(ssl_socket_handshake, refuses_a_client_without_a_certificate_by_an_alert) {
  test::tls_peer peer(options());
  SslSocket socket;
  adopt(socket, peer, test::verifying_settings(SslSocket::VerifyPeer));
  test::signal_trace told(socket);
  quint16 port_in_slot = 0;
  QObject::connect(&socket, &SslSocket::errorOccurred, [&] { port_in_slot = socket.peerPort(); });
  begin(socket, peer);
  ASSERT_TRUE(peer.until([&] { return told.has("disconnected"); }));
  const std::string alert = is_tls_1_3() ? "alertSent fatal 116" : "alertSent fatal 40";
  EXPECT_THAT(told.words(),
              ElementsAre("modeChanged 2", "peerVerifyError 21", "sslErrors 21", alert, "errorOccurred 13",
                          "stateChanged Closing", "stateChanged Unconnected", "readChannelFinished", "disconnected"));
  EXPECT_EQ(port_in_slot, peer.port());
  EXPECT_EQ(socket.peerPort(), 0);
  EXPECT_EQ(socket.errorString(), QSslError(QSslError::NoPeerCertificate).errorString());
  EXPECT_EQ(socket.handshakeFailure(), handshake_error::no_client_certificate);
  ASSERT_TRUE(peer.until([&] { return peer.saw_fin(); }));
  peer.turn();
  EXPECT_EQ(peer.client().alerts().size(), 1U) << "the alert must reach the wire";
}

TEST_P(ssl_socket_handshake, ignored_errors_let_the_client_in) {
  test::tls_peer peer(options());
  SslSocket socket;
  adopt(socket, peer, test::verifying_settings(SslSocket::VerifyPeer));
  test::signal_trace told(socket);
  QObject::connect(&socket, &SslSocket::sslErrors, [&] { socket.ignoreSslErrors(); });
  encrypt(socket, peer);
  EXPECT_THAT(told.words(), ElementsAre("modeChanged 2", "peerVerifyError 21", "sslErrors 21", "encrypted"));
  EXPECT_THAT(socket.sslHandshakeErrors(), ElementsAre(QSslError(QSslError::NoPeerCertificate)));
}

TEST_P(ssl_socket_handshake, a_list_of_errors_decides_alone) {
  test::tls_peer peer(options());
  SslSocket socket;
  adopt(socket, peer, test::verifying_settings(SslSocket::VerifyPeer));
  socket.ignoreSslErrors();
  socket.ignoreSslErrors({QSslError(QSslError::CertificateExpired)});
  QSignalSpy failed(&socket, &SslSocket::errorOccurred);
  begin(socket, peer);
  ASSERT_TRUE(peer.until([&] { return failed.count() == 1; }));
  EXPECT_FALSE(socket.isEncrypted());

  test::tls_peer next(options());
  socket.setSocketDescriptor(next.take_descriptor());
  socket.ignoreSslErrors(QList<QSslError>{QSslError(QSslError::NoPeerCertificate)});
  begin(socket, next);
  EXPECT_TRUE(next.until([&] { return socket.isEncrypted(); }));
}

TEST_P(ssl_socket_handshake, asks_in_query_mode_and_goes_on) {
  const auto stranger = test::issue(test::make_ca("Other CA"), {.common_name = "mallory"});
  test::tls_peer peer({.version = GetParam(), .certificate = stranger});
  SslSocket socket;
  adopt(socket, peer, test::verifying_settings(SslSocket::QueryPeer));
  test::signal_trace told(socket);
  begin(socket, peer);
  ASSERT_TRUE(peer.until([&] { return socket.isEncrypted(); }));
  EXPECT_GE(told.count_of("peerVerifyError"), 1);
  EXPECT_EQ(told.count_of("sslErrors"), 1);
  EXPECT_EQ(socket.peerCertificate(), test::qt_certificate(stranger));
}

TEST_P(ssl_socket_handshake, waits_where_it_is_to_pause_on_errors) {
  for (const bool ignore : {true, false}) {
    test::tls_peer peer(options());
    SslSocket socket;
    socket.setPauseMode(QAbstractSocket::PauseOnSslErrors);
    adopt(socket, peer, test::verifying_settings(SslSocket::VerifyPeer));
    test::signal_trace told(socket);
    begin(socket, peer);
    ASSERT_TRUE(peer.until([&] { return told.has("sslErrors 21"); }));
    settle(peer, 20);
    EXPECT_FALSE(told.has("encrypted"));
    EXPECT_EQ(told.count_of("errorOccurred"), 0);
    if (ignore) socket.ignoreSslErrors();
    socket.resume();
    EXPECT_FALSE(told.has("encrypted"));
    if (ignore)
      EXPECT_TRUE(peer.until([&] { return told.has("encrypted"); }));
    else
      EXPECT_TRUE(peer.until([&] { return told.has("disconnected"); }));
    EXPECT_EQ(told.has("errorOccurred 13"), !ignore);
  }
}

TEST_P(ssl_socket_handshake, interrupts_on_each_error_where_it_must) {
  const auto stranger = test::issue(test::make_ca("Other CA"), {.common_name = "mallory"});
  for (const bool go_on : {false, true}) {
    test::tls_peer peer({.version = GetParam(), .certificate = stranger});
    SslSocket socket;
    auto settings = test::verifying_settings(SslSocket::VerifyPeer);
    settings.setHandshakeMustInterruptOnError(true);
    adopt(socket, peer, settings);
    test::signal_trace told(socket);
    bool knew_peer = true;
    QObject::connect(&socket, &SslSocket::handshakeInterruptedOnError, [&](const QSslError& error) {
      knew_peer = !socket.peerCertificate().isNull();
      EXPECT_EQ(error.certificate(), test::qt_certificate(stranger));
      if (go_on) socket.continueInterruptedHandshake();
    });
    if (go_on) socket.ignoreSslErrors();
    begin(socket, peer);
    if (go_on) {
      ASSERT_TRUE(peer.until([&] { return socket.isEncrypted(); }));
      EXPECT_EQ(told.count_of("sslErrors"), 1);
    } else {
      ASSERT_TRUE(peer.until([&] { return told.has("aboutToClose"); }));
      EXPECT_THAT(told.words(), ElementsAre("modeChanged 2", "handshakeInterruptedOnError 11", "alertSent fatal 48",
                                            "errorOccurred 13", "stateChanged Unconnected", "readChannelFinished",
                                            "disconnected", "aboutToClose"));
    }
    EXPECT_EQ(told.count_of("peerVerifyError"), 0);
    EXPECT_FALSE(knew_peer);
  }
}

TEST_P(ssl_socket_handshake, hears_the_clients_alert) {
  test::tls_peer peer({.version = GetParam(), .trusted = test::make_ca("Other CA").certificate});
  SslSocket socket;
  adopt(socket, peer);
  test::signal_trace told(socket);
  begin(socket, peer);
  ASSERT_TRUE(peer.until([&] { return told.has("aboutToClose"); }));
  EXPECT_THAT(told.words(),
              ElementsAre("modeChanged 2", "alertReceived fatal 48", "errorOccurred 13", "stateChanged Unconnected",
                          "readChannelFinished", "disconnected", "aboutToClose"));
  EXPECT_TRUE(socket.errorString().startsWith(QStringLiteral("Error during SSL handshake: ")))
      << socket.errorString().toStdString();
  EXPECT_EQ(socket.handshakeFailure(), handshake_error::alert_from_client);
}

TEST_P(ssl_socket_handshake, asks_for_pre_shared_keys) {
  for (const bool knows : {true, false}) {
    test::tls_peer peer({.version = GetParam(), .identity = "bob", .key = std::string(32, 'k')});
    SslSocket socket;
    adopt(socket, peer);
    test::signal_trace told(socket);
    QObject::connect(&socket, &SslSocket::preSharedKeyAuthenticationRequired,
                     [&](sallyport::qt::QSslPreSharedKeyAuthenticator* asked) {
                       EXPECT_EQ(asked->identity(), "bob");
                       EXPECT_EQ(asked->maximumIdentityLength(), 0);
                       EXPECT_EQ(asked->maximumPreSharedKeyLength(), 512);
                       if (knows) asked->setPreSharedKey(QByteArray(32, 'k'));
                     });
    begin(socket, peer);
    if (knows) {
      EXPECT_TRUE(peer.until([&] { return socket.isEncrypted(); }));
      EXPECT_EQ(socket.preSharedKeyIdentity(), "bob");
    } else {
      EXPECT_TRUE(peer.until([&] { return told.has("disconnected"); }));
      EXPECT_EQ(socket.handshakeFailure(), handshake_error::bad_pre_shared_key);
      EXPECT_EQ(told.count_of("alertSent fatal"), 1);
      EXPECT_TRUE(told.has("errorOccurred 13"));
    }
  }
}

TEST_P(ssl_socket_handshake, a_slot_may_end_it_in_any_way) {
  using action = std::function<void(SslSocket*)>;
  const std::vector<action> ends = {
      [](SslSocket* socket) { socket->abort(); },
      [](SslSocket* socket) { socket->close(); },
      [](SslSocket* socket) { socket->disconnectFromHost(); },
      [](SslSocket* socket) { static_cast<QAbstractSocket*>(socket)->abort(); },
      [](SslSocket* socket) { delete socket; },
      [](SslSocket* socket) { socket->deleteLater(); },
  };
  const auto connect_all = [](SslSocket* socket, int which, const std::function<void()>& call) {
    switch (which) {
      case 0:
        QObject::connect(socket, &SslSocket::modeChanged, call);
        break;
      case 1:
        QObject::connect(socket, &SslSocket::peerVerifyError, call);
        break;
      case 2:
        QObject::connect(socket, &SslSocket::sslErrors, call);
        break;
      case 3:
        QObject::connect(socket, &SslSocket::encrypted, call);
        break;
      case 4:
        QObject::connect(socket, &SslSocket::readyRead, call);
        break;
      case 5:
        QObject::connect(socket, &SslSocket::encryptedBytesWritten, call);
        break;
      case 6:
        QObject::connect(socket, &SslSocket::stateChanged, call);
        break;
      case 7:
        QObject::connect(socket, &SslSocket::disconnected, call);
        break;
      case 8:
        QObject::connect(socket, &SslSocket::alertSent, call);
        break;
      case 9:
        QObject::connect(socket, &SslSocket::errorOccurred, call);
        break;
      case 10:
        QObject::connect(socket, &SslSocket::bytesWritten, call);
        break;
      default:
        QObject::connect(socket, &SslSocket::readChannelFinished, call);
        break;
    }
  };
  for (std::size_t how = 0; how < ends.size(); ++how) {
    for (int which = 0; which < 12; ++which) {
      for (const bool ignore : {true, false}) {
        SCOPED_TRACE(testing::Message() << "end " << how << " in signal " << which << (ignore ? ", ignoring" : ""));
        test::tls_peer peer(options());
        auto* socket = new SslSocket;
        QPointer<SslSocket> alive(socket);
        adopt(*socket, peer, test::verifying_settings(SslSocket::VerifyPeer));
        bool called = false;
        if (ignore) socket->ignoreSslErrors();
        QObject::connect(socket, &SslSocket::encrypted, [&, socket] { socket->write("x"); });
        // At the end of those that come to an end by themselves.
        QObject::connect(socket, &SslSocket::readyRead, [&, alive] {
          if (alive && alive->bytesAvailable() > 1) alive->disconnectFromHost();
        });
        connect_all(socket, which, [&, socket] {
          if (std::exchange(called, true)) return;
          ends[how](socket);
        });
        begin(*socket, peer);
        peer.send("hello");
        EXPECT_TRUE(peer.until([&] {
          return !alive || (peer.saw_fin() && alive->state() == QAbstractSocket::UnconnectedState) ||
                 (peer.saw_reset() && alive->state() == QAbstractSocket::UnconnectedState);
        }));
        if (ignore || (which != 3 && which != 4 && which != 10)) {
          EXPECT_EQ(called, ignore ? which != 9 : true) << "not reached";
        }
        delete alive.data();
      }
    }
  }
}

TEST_P(ssl_socket_handshake, a_slot_may_run_an_event_loop) {
  test::tls_peer peer(options());
  SslSocket socket;
  adopt(socket, peer, test::verifying_settings(SslSocket::VerifyPeer));
  test::signal_trace told(socket);
  const auto run_loop = [&] { settle(peer); };
  QObject::connect(&socket, &SslSocket::modeChanged, run_loop);
  QObject::connect(&socket, &SslSocket::peerVerifyError, run_loop);
  QObject::connect(&socket, &SslSocket::sslErrors, [&] {
    run_loop();
    socket.ignoreSslErrors();
  });
  QObject::connect(&socket, &SslSocket::encrypted, run_loop);
  QObject::connect(&socket, &SslSocket::readyRead, [&] {
    const QByteArray read = socket.readAll();
    socket.write(read);
    // What was written goes out although this slot doesn't return.
    EXPECT_TRUE(peer.until([&] { return peer.received().size() >= static_cast<std::size_t>(read.size()); }));
  });
  begin(socket, peer);
  peer.send("hello");
  ASSERT_TRUE(peer.until([&] { return peer.received() == "hello"; }));
  EXPECT_EQ(told.count("encrypted"), 1);
  EXPECT_EQ(told.count_of("sslErrors"), 1);
}

// --- what a server does with it ---

struct heard : sallyport::qt::handshake_listener {
  std::vector<std::string> lines;
  std::function<void(SslSocket&)> on_done;
  std::function<void(SslSocket&)> on_failed;

  void handshake_started(SslSocket&) override { lines.push_back("started"); }
  void alert_sent(SslSocket&, QSsl::AlertLevel, QSsl::AlertType type, const QString&) override {
    lines.push_back("alert sent " + std::to_string(static_cast<int>(type)));
  }
  void alert_received(SslSocket&, QSsl::AlertLevel, QSsl::AlertType type, const QString&) override {
    lines.push_back("alert received " + std::to_string(static_cast<int>(type)));
  }
  void handshake_interrupted_on_error(SslSocket&, const QSslError&) override { lines.push_back("interrupted"); }
  void peer_verify_error(SslSocket&, const QSslError&) override { lines.push_back("peer verify error"); }
  void ssl_errors(SslSocket&, const QList<QSslError>&) override { lines.push_back("ssl errors"); }
  void pre_shared_key_authentication_required(SslSocket&, sallyport::qt::SslPreSharedKeyAuthenticator&) override {
    lines.push_back("key");
  }
  void handshake_done(SslSocket& socket) override {
    lines.push_back("done");
    if (on_done) on_done(socket);
  }
  void handshake_failed(SslSocket& socket, QAbstractSocket::SocketError error, handshake_error reason,
                        const QString&) override {
    lines.push_back("failed " + std::to_string(static_cast<int>(error)) + " " + std::string(to_string(reason)));
    EXPECT_NE(socket.peerPort(), 0);
    EXPECT_FALSE(socket.peerAddress().isNull());
    if (on_failed) on_failed(socket);
  }
};

sallyport::context server_context(const sallyport::qt::SslConfiguration& settings) {
  auto made = sallyport::qt::make_server_context(settings, false);
  EXPECT_TRUE(made.made) << made.error.toStdString();
  return *made.made;
}

TEST_P(ssl_socket_handshake, a_listener_hears_first) {
  test::tls_peer peer(options());
  SslSocket socket;
  heard listener;
  socket.setSocketDescriptor(peer.take_descriptor());
  test::signal_trace told(socket);
  QObject::connect(&socket, &SslSocket::encrypted, [&] { listener.lines.push_back("encrypted()"); });
  QObject::connect(&socket, &SslSocket::modeChanged, [&] { listener.lines.push_back("modeChanged()"); });
  SslSocketPrivate::of(socket).accept_tls(server_context(test::server_settings()), &listener);
  EXPECT_EQ(SslSocketPrivate::of(socket).phase(), handshake_phase::before_client_hello);
  EXPECT_EQ(socket.mode(), SslSocket::UnencryptedMode);
  peer.encrypt();
  ASSERT_TRUE(peer.until([&] { return socket.isEncrypted(); }));
  EXPECT_THAT(listener.lines, ElementsAre("modeChanged()", "started", "done", "encrypted()"));
}

TEST(ssl_socket_accepted, says_what_is_not_tls) {
  const std::vector<std::pair<std::string, std::string>> openings = {{"GET / HTTP/1.1\r\n\r\n", "failed 13 plain_http"},
                                                                     {"hello there, server", "failed 13 not_tls"}};
  for (const auto& [bytes, failure] : openings) {
    test::tls_peer peer;
    SslSocket socket;
    heard listener;
    socket.setSocketDescriptor(peer.take_descriptor());
    test::signal_trace told(socket);
    SslSocketPrivate::of(socket).accept_tls(server_context(test::server_settings()), &listener);
    peer.send_raw(bytes);
    ASSERT_TRUE(peer.until([&] { return told.has("disconnected"); }));
    EXPECT_THAT(listener.lines, ElementsAre(failure));
    EXPECT_THAT(told.words(), ElementsAre("errorOccurred 13", "stateChanged Closing", "stateChanged Unconnected",
                                          "readChannelFinished", "disconnected"));
  }
}

TEST(ssl_socket_accepted, hears_of_clients_that_leave) {
  for (const bool reset : {false, true}) {
    test::tls_peer peer;
    SslSocket socket;
    heard listener;
    socket.setSocketDescriptor(peer.take_descriptor());
    test::signal_trace told(socket);
    SslSocketPrivate::of(socket).accept_tls(server_context(test::server_settings()), &listener);
    reset ? peer.reset() : peer.send_fin();
    ASSERT_TRUE(peer.until([&] { return told.has("disconnected"); }));
    EXPECT_THAT(listener.lines, ElementsAre(reset ? "failed 1 reset_by_client" : "failed 1 closed_by_client"));
    EXPECT_THAT(told.words(), ElementsAre("errorOccurred 1", "stateChanged Closing", "stateChanged Unconnected",
                                          "readChannelFinished", "disconnected"));
  }
}

TEST(ssl_socket_accepted, is_ended_by_its_server) {
  test::tls_peer peer;
  SslSocket socket;
  heard listener;
  socket.setSocketDescriptor(peer.take_descriptor());
  test::signal_trace told(socket);
  QAbstractSocket::SocketState state_in_slot = QAbstractSocket::BoundState;
  listener.on_failed = [&](SslSocket& failed) {
    state_in_slot = failed.state();
    told.note("listener");
  };
  SslSocketPrivate::of(socket).accept_tls(server_context(test::server_settings()), &listener);
  SslSocketPrivate::of(socket).end_handshake(handshake_error::timeout_before_client_hello,
                                             QAbstractSocket::SocketTimeoutError, QStringLiteral("too slow"));
  EXPECT_THAT(listener.lines, ElementsAre("failed 5 timeout_before_client_hello"));
  EXPECT_THAT(told.words(), ElementsAre("stateChanged Closing", "stateChanged Unconnected", "readChannelFinished",
                                        "disconnected", "listener"));
  EXPECT_EQ(state_in_slot, QAbstractSocket::UnconnectedState);
  EXPECT_EQ(socket.errorString(), QStringLiteral("too slow"));
  EXPECT_EQ(socket.error(), QAbstractSocket::SocketTimeoutError);
  EXPECT_EQ(socket.peerPort(), 0);
}

TEST(ssl_socket_accepted, its_listener_hears_when_the_application_ends_it) {
  using action = std::function<void(SslSocket*)>;
  const std::vector<action> ends = {
      [](SslSocket* socket) { socket->abort(); }, [](SslSocket* socket) { socket->disconnectFromHost(); },
      [](SslSocket* socket) { socket->close(); }, [](SslSocket* socket) { delete socket; }};
  for (const auto& end : ends) {
    test::tls_peer peer;
    auto* socket = new SslSocket;
    QPointer<SslSocket> alive(socket);
    heard listener;
    socket->setSocketDescriptor(peer.take_descriptor());
    SslSocketPrivate::of(*socket).accept_tls(server_context(test::server_settings()), &listener);
    peer.send_raw(std::string_view("\x16\x03\x01", 3));
    end(socket);
    EXPECT_THAT(listener.lines, ElementsAre("failed 13 aborted"));
    EXPECT_TRUE(peer.until([&] { return peer.saw_fin() || peer.saw_reset(); }));
    delete alive.data();
  }
}

TEST(ssl_socket_accepted, moves_to_another_thread_when_it_is_done) {
  test::tls_peer peer;
  QThread thread;
  thread.start();
  auto* socket = new SslSocket;
  heard listener;
  std::atomic<QThread*> read_in = nullptr;
  std::atomic<QThread*> encrypted_in = nullptr;
  QObject::connect(
      socket, &SslSocket::encrypted, socket, [&] { encrypted_in = QThread::currentThread(); }, Qt::DirectConnection);
  QObject::connect(
      socket, &SslSocket::readyRead, socket,
      [&, socket] {
        read_in = QThread::currentThread();
        socket->write(socket->readAll());
      },
      Qt::DirectConnection);
  listener.on_done = [&](SslSocket& done) { done.moveToThread(&thread); };
  socket->setSocketDescriptor(peer.take_descriptor());
  SslSocketPrivate::of(*socket).accept_tls(server_context(test::server_settings()), &listener);
  peer.encrypt();
  peer.send("hello");
  EXPECT_TRUE(peer.until([&] { return peer.received() == "hello"; }));
  EXPECT_EQ(read_in, &thread);
  EXPECT_EQ(encrypted_in, &thread);
  QMetaObject::invokeMethod(
      socket, [socket] { delete socket; }, Qt::BlockingQueuedConnection);
  thread.quit();
  thread.wait();
}

TEST(ssl_socket_configuration, a_bad_one_ends_the_connection) {
  test::tls_peer peer;
  SslSocket socket;
  auto settings = test::server_settings();
  settings.setPrivateKey(QSslKey());
  adopt(socket, peer, settings);
  test::signal_trace told(socket);
  socket.startServerEncryption();
  EXPECT_THAT(told.words(),
              ElementsAre("modeChanged 2", "errorOccurred 21", "errorOccurred 20", "stateChanged Unconnected",
                          "readChannelFinished", "disconnected", "aboutToClose"));
}

TEST(ssl_socket_misuse, is_harmless) {
  SslSocket socket;
  socket.startServerEncryption();
  EXPECT_EQ(socket.mode(), SslSocket::UnencryptedMode);
  EXPECT_FALSE(socket.setSocketDescriptor(-1));
  socket.disconnectFromHost();
  socket.abort();
  socket.close();
  EXPECT_FALSE(socket.flush());
  socket.resume();
  socket.continueInterruptedHandshake();
  socket.setPeerVerifyDepth(-2);
  EXPECT_EQ(socket.peerVerifyDepth(), 0);
  EXPECT_FALSE(socket.socketOption(QAbstractSocket::LowDelayOption).isValid());
  EXPECT_EQ(socket.write("x"), -1);
  EXPECT_EQ(socket.socketDescriptor(), -1);
}

}  // namespace
}  // namespace sallyport
