// ssl_server_limits_test: how many clients at a time, and that none of them can keep the others waiting.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/qt_peer.hpp"
#include "support/traced_ssl_server.hpp"

#include <QtCore/QScopeGuard>
#include <QtNetwork/QTcpServer>

#include <gmock/gmock.h>

#include <algorithm>

#include <sys/resource.h>
#include <unistd.h>

namespace sallyport::test {
namespace {

using qt::SslServer;
using qt::SslSocket;
using testing::ElementsAre;

/// Somebody has a whole handshake with this server.
bool serves(traced_ssl_server& server, const char* address = "127.0.0.1") {
  const auto client = std::make_unique<::QSslSocket>();
  client->setSslConfiguration(client_settings());
  client->bind(QHostAddress(QString::fromLatin1(address)));
  client->connectToHostEncrypted("127.0.0.1", server.serverPort(), "localhost");
  if (!wait_until([&] { return client->isEncrypted() || is_gone(*client); }) || !client->isEncrypted()) return false;
  return wait_until([&] {
    while (server.hasPendingConnections()) {
      auto* const socket = server.take();
      const bool is_this_one = socket->peerPort() == client->localPort();
      delete socket;
      if (is_this_one) return true;
    }
    return false;
  });
}

TEST(ssl_server_limits, defaults) {
  const SslServer server;
  EXPECT_EQ(server.maxPendingConnections(), 30);
  EXPECT_EQ(server.maxHandshakesPerPeer(), 15);
  EXPECT_EQ(server.handshakeTimeout(), 5000);
  EXPECT_FALSE(server.hasPendingConnections());
}

TEST(ssl_server_limits, handshakes_and_queued_sockets_count_together_also_within_one_burst) {
  traced_ssl_server server;
  server.setMaxPendingConnections(3);
  const auto client = encrypted_client(server.serverPort());
  ASSERT_TRUE(wait_until([&] { return server.has("k.encrypted"); }));
  const auto silent = connected_clients(10, server.serverPort());
  handle_events();
  EXPECT_EQ(server.count("S.newConnection"), 3);
  EXPECT_EQ(server.open_sockets(), 3U);
}

TEST(ssl_server_limits, never_more_sockets_than_the_limit_while_a_crowd_is_served) {
  traced_ssl_server server;
  server.setMaxPendingConnections(4);
  std::size_t most = 0;
  QObject::connect(&server, &QTcpServer::newConnection, [&] { most = std::max(most, server.open_sockets()); });
  std::vector<tls_client> clients;
  for (int i = 0; i < 40; ++i) clients.push_back(encrypted_client(server.serverPort()));
  int served = 0;
  ASSERT_TRUE(wait_until([&] {
    if (auto* const socket = server.take()) {
      ++served;
      delete socket;
    }
    return served == 40;
  }));
  EXPECT_EQ(most, 4U);
  EXPECT_EQ(server.count("S.errorOccurred 9"), 0);
}

TEST(ssl_server_limits, a_limit_of_nothing_accepts_nobody_until_it_is_raised) {
  traced_ssl_server server;
  server.setMaxPendingConnections(0);
  const auto client = encrypted_client(server.serverPort());
  ASSERT_TRUE(wait_until([&] { return client->state() == QAbstractSocket::ConnectedState; }));
  handle_events();
  EXPECT_FALSE(server.has("S.newConnection"));
  server.setMaxPendingConnections(1);
  EXPECT_TRUE(wait_until([&] { return server.has("k.encrypted"); }));
}

TEST(ssl_server_limits, the_setter_of_qtcpserver_is_honoured) {
  traced_ssl_server server;
  QTcpServer& base = server;
  base.setMaxPendingConnections(2);
  EXPECT_EQ(server.maxPendingConnections(), 2);
  const auto silent = connected_clients(6, server.serverPort());
  handle_events();
  EXPECT_EQ(server.count("S.newConnection"), 2);
  EXPECT_EQ(server.maxPendingConnections(), 2);
  base.setMaxPendingConnections(4);
  base.resumeAccepting();
  handle_events();
  EXPECT_EQ(server.open_sockets(), 4U);
  EXPECT_EQ(server.maxPendingConnections(), 4);
}

TEST(ssl_server_limits, taking_one_makes_room_for_the_next) {
  traced_ssl_server server;
  server.setMaxPendingConnections(1);
  std::vector<tls_client> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(encrypted_client(server.serverPort()));
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(wait_until([&] { return server.hasPendingConnections(); }));
    EXPECT_EQ(server.count("S.newConnection"), i);
    ASSERT_NE(server.take(), nullptr);
  }
}

class ssl_server_floods : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(clients, ssl_server_floods, testing::Values(30, 90, 900));

TEST_P(ssl_server_floods, clients_that_connect_and_close_stop_nobody) {
  traced_ssl_server server;
  for (int left = GetParam(); left > 0; left -= 30) {
    for (const auto& client : connected_clients(30, server.serverPort())) client->abort();
    handle_events();
  }
  EXPECT_TRUE(wait_until([&] { return server.count("k.destroyed") == GetParam(); }));
  EXPECT_TRUE(serves(server));
}

TEST_P(ssl_server_floods, clients_that_send_garbage_stop_nobody) {
  traced_ssl_server server;
  for (const char* const garbage : {"\x16\x03\x01\x02\x02garbage, a whole record", "GET / HTTP/1.0\r\n\r\n"}) {
    for (int left = GetParam() / 2; left > 0; left -= 15) {
      const auto clients = connected_clients(15, server.serverPort());
      for (const auto& client : clients) client->write(QByteArray(garbage).leftJustified(600, 'x'));
      ASSERT_TRUE(wait_until(
          [&] { return std::ranges::all_of(clients, [](const auto& client) { return is_gone(*client); }); }));
    }
  }
  EXPECT_TRUE(wait_until([&] { return server.count("k.destroyed") == GetParam(); }));
  EXPECT_EQ(server.count("S.errorOccurred 13"), GetParam());
  EXPECT_TRUE(serves(server));
}

TEST_P(ssl_server_floods, clients_that_stay_silent_stop_nobody_for_long) {
  traced_ssl_server server;
  std::vector<plain_client> silent = connected_clients(30, server.serverPort());
  handle_events();
  EXPECT_EQ(server.open_sockets(), 30U);
  for (int i = 30; i < std::min(GetParam(), 300); ++i) {  // of descriptors there are two for each
    silent.push_back(std::make_unique<QTcpSocket>());
    silent.back()->connectToHost(QHostAddress::LocalHost, server.serverPort());
  }
  QElapsedTimer since;
  since.start();
  EXPECT_TRUE(serves(server, "127.0.0.2"));
  EXPECT_LT(since.elapsed(), server.handshakeTimeout());
  EXPECT_GE(server.count("S.handshakeFailed evicted"), 1);
  EXPECT_EQ(server.count("S.handshakeFailed timeout_before_client_hello"), 0);
}

TEST(ssl_server_limits, a_client_beyond_its_share_takes_the_place_of_its_own_oldest) {
  traced_ssl_server server;
  server.setMaxHandshakesPerPeer(2);
  EXPECT_EQ(server.maxHandshakesPerPeer(), 2);
  auto clients = connected_clients(1, server.serverPort());
  handle_events();
  for (int i = 0; i < 4; ++i) {
    clients.push_back(connected_client(server.serverPort()));
    handle_events();
    EXPECT_EQ(server.count("S.handshakeFailed evicted"), std::max(i, 0));
    EXPECT_EQ(server.open_sockets(), 2U);
  }
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(wait_until([&] { return is_gone(*clients[i]); }));
  EXPECT_FALSE(is_gone(*clients[3]));
  EXPECT_FALSE(is_gone(*clients[4]));
  EXPECT_THAT(server.since("S.handshakeFailed evicted").at(1), "S.errorOccurred 4");
}

TEST(ssl_server_limits, pausing_holds_within_a_burst_and_until_it_is_resumed) {
  traced_ssl_server server;
  QObject::connect(&server, &QTcpServer::newConnection, [&] { server.pauseAccepting(); });
  std::vector<tls_client> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(encrypted_client(server.serverPort()));
  ASSERT_TRUE(wait_until([&] { return server.hasPendingConnections(); }));
  EXPECT_EQ(server.count("S.newConnection"), 1);
  ASSERT_NE(server.take(), nullptr);  // QTcpServer would accept now
  handle_events();
  EXPECT_EQ(server.count("S.newConnection"), 1);
  server.resumeAccepting();
  ASSERT_TRUE(wait_until([&] { return server.count("S.newConnection") == 2; }));
}

TEST(ssl_server_limits, pausing_through_a_pointer_to_qtcpserver_is_qts_and_ends_when_one_is_taken) {
  traced_ssl_server server;
  QTcpServer& as_tcp_server = server;
  const auto first = encrypted_client(server.serverPort());
  ASSERT_TRUE(wait_until([&] { return server.hasPendingConnections(); }));
  as_tcp_server.pauseAccepting();
  const auto waiting = encrypted_client(server.serverPort());
  ASSERT_TRUE(wait_until([&] { return waiting->state() == QAbstractSocket::ConnectedState; }));
  handle_events();
  EXPECT_EQ(server.count("S.newConnection"), 1);
  ASSERT_NE(server.take(), nullptr);
  EXPECT_TRUE(wait_until([&] { return waiting->isEncrypted() && server.hasPendingConnections(); }));
  EXPECT_TRUE(serves(server));
}

TEST(ssl_server_limits, resuming_through_a_pointer_to_qtcpserver_does_not_end_a_pause) {
  traced_ssl_server server;
  QTcpServer& as_tcp_server = server;
  server.pauseAccepting();
  as_tcp_server.resumeAccepting();
  const auto waiting = connected_client(server.serverPort());
  handle_events();
  EXPECT_FALSE(server.has("S.newConnection"));
  server.resumeAccepting();
  EXPECT_TRUE(wait_until([&] { return server.has("S.newConnection"); }));
}

/// Three in the queue and one in the backlog, with room for three by the setter of QTcpServer, at which that rests.
struct full_by_qtcpserver {
  full_by_qtcpserver() {
    for (int i = 0; i < 3; ++i) clients.push_back(encrypted_client(server.serverPort()));
    EXPECT_TRUE(wait_until([&] { return server.count("S.pendingConnectionAvailable") == 3; }));
    QTcpServer& as_tcp_server = server;
    as_tcp_server.setMaxPendingConnections(3);
    clients.push_back(encrypted_client(server.serverPort()));
    EXPECT_TRUE(wait_until([&] { return clients.back()->state() == QAbstractSocket::ConnectedState; }));
    handle_events();
    EXPECT_EQ(server.count("S.newConnection"), 3);
  }

  traced_ssl_server server;
  std::vector<tls_client> clients;
};

TEST(ssl_server_limits, resting_at_the_limit_of_qtcpserver_is_no_pause) {
  full_by_qtcpserver full;
  ASSERT_NE(full.server.nextPendingConnection(), nullptr);
  EXPECT_TRUE(wait_until([&] { return full.server.count("S.pendingConnectionAvailable") == 4; }));
  while (full.server.take() != nullptr) continue;
  EXPECT_TRUE(serves(full.server));
}

TEST(ssl_server_limits, resting_at_the_limit_of_qtcpserver_ends_when_ours_is_raised) {
  full_by_qtcpserver full;
  full.server.setMaxPendingConnections(10);
  EXPECT_TRUE(wait_until([&] { return full.server.count("S.pendingConnectionAvailable") == 4; }));
  EXPECT_TRUE(serves(full.server));
}

TEST(ssl_server_limits, each_kind_of_pause_is_ended_by_resuming_and_by_closing) {
  using function = void (*)(traced_ssl_server&);
  const function pauses[] = {[](traced_ssl_server& server) { server.pauseAccepting(); },
                             [](traced_ssl_server& server) { server.QTcpServer::pauseAccepting(); }};
  const function ends[] = {[](traced_ssl_server& server) { server.resumeAccepting(); },
                           [](traced_ssl_server& server) {
                             server.close();
                             EXPECT_TRUE(server.listen(QHostAddress::LocalHost));
                           },
                           [](traced_ssl_server& server) {
                             server.QTcpServer::close();
                             EXPECT_TRUE(server.listen(QHostAddress::LocalHost));
                           },
                           [](traced_ssl_server& server) {
                             server.QTcpServer::close();
                             handle_events();
                             EXPECT_TRUE(server.listen(QHostAddress::LocalHost));
                           }};
  for (const bool somebody_came_before : {true, false}) {
    for (const auto& pause : pauses) {
      for (const auto& end : ends) {
        SCOPED_TRACE(testing::Message() << "pause " << (&pause - pauses) << ", end " << (&end - ends) << ", before "
                                        << somebody_came_before);
        traced_ssl_server server;
        if (somebody_came_before) {
          EXPECT_TRUE(serves(server));
        }
        pause(server);
        const auto waiting = connected_client(server.serverPort());
        const auto accepted = server.count("S.newConnection");
        handle_events();
        EXPECT_EQ(server.count("S.newConnection"), accepted);
        end(server);
        EXPECT_TRUE(serves(server));
      }
    }
  }
}

TEST(ssl_server_limits, a_pause_of_a_new_listener_outlives_the_one_before) {
  traced_ssl_server server;
  EXPECT_TRUE(serves(server));
  for (const bool was_paused_before : {false, true}) {
    if (was_paused_before) server.pauseAccepting();
    server.QTcpServer::close();  // that listener is deleted in the next turn
    ASSERT_TRUE(server.listen(QHostAddress::LocalHost));
    server.pauseAccepting();
    const auto so_far = server.count("S.newConnection");
    const auto waiting = connected_client(server.serverPort());
    handle_events();
    EXPECT_EQ(server.count("S.newConnection"), so_far);
    server.resumeAccepting();
    EXPECT_TRUE(serves(server));
  }
}

TEST(ssl_server_limits, pausing_and_resuming_do_nothing_when_it_does_not_listen) {
  SslServer server;
  server.pauseAccepting();
  server.resumeAccepting();
  traced_ssl_server other;
  other.close();
  other.pauseAccepting();
  ASSERT_TRUE(other.listen(QHostAddress::LocalHost));
  EXPECT_TRUE(serves(other));
  other.pauseAccepting();
  other.close();
  ASSERT_TRUE(other.listen(QHostAddress::LocalHost));
  EXPECT_TRUE(serves(other));
}

/// Whether a client was accepted before: Qt behaves in another way then.
class ssl_server_descriptors : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(after, ssl_server_descriptors, testing::Bool(),
                         [](const auto& info) { return info.param ? "a_client" : "nobody"; });

TEST_P(ssl_server_descriptors, when_descriptors_run_out_it_goes_on_as_soon_as_there_are_some) {
  traced_ssl_server server;
  tls_client waiting;
  if (GetParam()) {
    waiting = encrypted_client(server.serverPort());
    ASSERT_TRUE(wait_until([&] { return server.has("k.encrypted"); }));
  }
  const auto so_far = server.count("S.newConnection");
  const quint16 port = server.serverPort();
  const auto one = connected_client(port);
  const auto two = connected_client(port);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = dup(0);  // all below are in use
  close(next);
  {
    const auto restore = qScopeGuard([&] { setrlimit(RLIMIT_NOFILE, &before); });
    rlimit none = before;
    none.rlim_cur = static_cast<rlim_t>(next);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    std::vector<int> held;  // what other tests give back meanwhile
    const auto release = qScopeGuard([&] {
      for (const int each : held) close(each);
    });
    ASSERT_TRUE(wait_until([&] {
      for (int each = dup(0); each >= 0; each = dup(0)) held.push_back(each);
      return server.has("S.acceptError 4");
    }));
  }
  ASSERT_TRUE(wait_until([&] { return server.count("S.newConnection") == so_far + 2; }));
  EXPECT_EQ(server.serverPort(), port);
  EXPECT_EQ(server.serverAddress(), QHostAddress(QHostAddress::LocalHost));
  EXPECT_EQ(server.hasPendingConnections(), GetParam());
  if (GetParam()) {
    EXPECT_EQ(server.take()->peerPort(), waiting->localPort());
  }
  EXPECT_TRUE(serves(server));
  EXPECT_TRUE(serves(server));
  EXPECT_LE(server.count("S.acceptError 4"), 3);
}

TEST(ssl_server_limits, handshake_timeouts_below_one_millisecond_are_one) {
  SslServer server;
  server.setHandshakeTimeout(0);
  EXPECT_EQ(server.handshakeTimeout(), 1);
  server.setHandshakeTimeout(-5);
  EXPECT_EQ(server.handshakeTimeout(), 1);
}

TEST(ssl_server_limits, a_timeout_is_for_those_accepted_later_and_the_shorter_comes_first) {
  traced_ssl_server server;
  server.setHandshakeTimeout(60'000);
  const auto patient = connected_client(server.serverPort());
  ASSERT_TRUE(wait_until([&] { return server.has("S.newConnection"); }));
  server.setHandshakeTimeout(50);
  const auto hurried = connected_client(server.serverPort());
  ASSERT_TRUE(wait_until([&] { return is_gone(*hurried); }));
  EXPECT_FALSE(is_gone(*patient));
  EXPECT_EQ(server.open_sockets(), 1U);
}

TEST(ssl_server_limits, bytes_do_not_restart_the_timeout) {
  traced_ssl_server server;
  server.setHandshakeTimeout(300);
  const auto client = connected_client(server.serverPort());
  QElapsedTimer since;
  since.start();
  client->write("\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 9);
  QTimer drip;
  QObject::connect(&drip, &QTimer::timeout, [&] { client->write("x", 1); });
  drip.start(20);
  ASSERT_TRUE(wait_until([&] { return server.has("k.destroyed"); }));
  EXPECT_GE(since.elapsed(), 250);
  EXPECT_LT(since.elapsed(), 3000);
  EXPECT_THAT(server.of_server(), ElementsAre("S.newConnection", "S.startedEncryptionHandshake",
                                              "S.handshakeFailed timeout_before_client_hello", "S.errorOccurred 5"));
}

}  // namespace
}  // namespace sallyport::test
