// ssl_server_ends_test: close(), and users who delete things where they like.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/qt_certificates.hpp"
#include "support/qt_peer.hpp"
#include "support/test_servers.hpp"
#include "support/traced_ssl_server.hpp"

#include <QtCore/QPointer>
#include <QtNetwork/QTcpServer>

#include <gmock/gmock.h>

#include <functional>
#include <memory>
#include <tuple>
#include <utility>

namespace sallyport::test {
namespace {

using qt::SslServer;
using qt::SslSocket;
using testing::ElementsAre;

TEST(ssl_server_close, ends_handshakes_with_a_reason_and_deletes_the_queue) {
  traced_ssl_server server;
  const auto client = encrypted_client(server.serverPort());
  ASSERT_TRUE(wait_until([&] { return server.has("k.encrypted"); }));
  const auto silent = connected_clients(2, server.serverPort());
  ASSERT_TRUE(wait_until([&] { return server.count("S.newConnection") == 3; }));
  server.close();
  EXPECT_FALSE(server.isListening());
  EXPECT_FALSE(server.hasPendingConnections());
  EXPECT_EQ(server.count("S.handshakeFailed aborted"), 2);
  EXPECT_EQ(server.count("S.errorOccurred 13"), 2);
  EXPECT_EQ(server.open_sockets(), 0U);
  EXPECT_TRUE(wait_until([&] { return server.count("k.destroyed") == 3; }));
  EXPECT_TRUE(wait_until([&] { return is_gone(*client) && is_gone(*silent[0]) && is_gone(*silent[1]); }));
}

TEST(ssl_server_close, through_a_pointer_to_qtcpserver_is_noticed) {
  traced_ssl_server server;
  server.setHandshakeTimeout(60'000);
  const auto silent = connected_clients(2, server.serverPort());
  ASSERT_TRUE(wait_until([&] { return server.count("S.newConnection") == 2; }));
  static_cast<QTcpServer&>(server).close();
  EXPECT_TRUE(wait_until([&] { return server.count("k.destroyed") == 2; }));
  EXPECT_EQ(server.count("S.handshakeFailed aborted"), 2);
  EXPECT_TRUE(wait_until([&] { return is_gone(*silent[0]) && is_gone(*silent[1]); }));
}

TEST(ssl_server_close, in_a_slot_of_the_handshake_and_nothing_is_queued_afterwards) {
  for (const bool through_base : {false, true}) {
    traced_ssl_server server(verifying_settings(::QSslSocket::VerifyPeer));
    QObject::connect(&server, &SslServer::sslErrors, [&](SslSocket* socket) {
      socket->ignoreSslErrors();
      through_base ? server.QTcpServer::close() : server.close();
    });
    const auto client = encrypted_client(server.serverPort());
    ASSERT_TRUE(wait_until([&] { return server.has("k.destroyed"); }));
    EXPECT_FALSE(server.has("S.pendingConnectionAvailable"));
    EXPECT_EQ(server.count("S.handshakeFailed aborted"), 1) << testing::PrintToString(server.words());
    EXPECT_EQ(server.count("S.errorOccurred 13"), 1);
    EXPECT_TRUE(wait_until([&] { return is_gone(*client); }));
  }
}

TEST(ssl_server_close, and_it_can_listen_again) {
  traced_ssl_server server;
  const auto silent = connected_clients(30, server.serverPort());
  ASSERT_TRUE(wait_until([&] { return server.count("S.newConnection") == 30; }));
  server.close();
  ASSERT_TRUE(server.listen(QHostAddress::LocalHost));
  const auto client = encrypted_client(server.serverPort());
  EXPECT_TRUE(wait_until([&] { return server.has("k.encrypted"); }));
  ASSERT_NE(server.take(), nullptr);
}

TEST(ssl_server_close, twice_and_without_listening) {
  SslServer server;
  server.close();
  ASSERT_TRUE(server.listen(QHostAddress::LocalHost));
  server.close();
  server.close();
  EXPECT_FALSE(server.isListening());
}

/// What somebody does in a slot: of the server, or with the socket.
using deed = std::function<void(SslServer*, SslSocket*)>;
struct named_deed {
  const char* name;
  deed action;
};

const std::vector<named_deed> deeds = {
    {"delete_the_server", [](SslServer* server, SslSocket*) { delete server; }},
    {"close_the_server", [](SslServer* server, SslSocket*) { server->close(); }},
    {"delete_the_socket", [](SslServer*, SslSocket* socket) { delete socket; }},
    {"abort_the_socket", [](SslServer*, SslSocket* socket) { socket->abort(); }},
    {"abort_through_the_base", [](SslServer*, SslSocket* socket) { socket->QAbstractSocket::abort(); }},
    {"close_the_socket", [](SslServer*, SslSocket* socket) { socket->close(); }},
    {"disconnect_the_socket", [](SslServer*, SslSocket* socket) { socket->disconnectFromHost(); }},
    {"delete_the_socket_later", [](SslServer*, SslSocket* socket) { socket->deleteLater(); }},
    {"reparent_the_socket",
     [](SslServer* server, SslSocket* socket) {
       socket->setParent(server->parent());
       socket->abort();
     }},
};

/// In which slot.
struct place {
  const char* name;
  std::function<void(SslServer&, const deed&)> connect;
};

template <class Signal>
place of_server(const char* name, Signal signal) {
  return {name, [signal](SslServer& server, const deed& action) {
            QObject::connect(&server, signal, [&server, action](SslSocket* socket) { action(&server, socket); });
          }};
}

/// The first time only, as an end has signals, too.
template <class Signal>
place of_socket(const char* name, Signal signal) {
  return {name, [signal](SslServer& server, const deed& action) {
            QObject::connect(&server, &QTcpServer::newConnection, [&server, action, signal] {
              for (auto* const socket : server.findChildren<SslSocket*>()) {
                QObject::connect(
                    socket, signal, socket, [&server, action, socket] { action(&server, socket); },
                    Qt::SingleShotConnection);
              }
            });
          }};
}

const std::vector<place> slot_places = {
    {"newConnection",
     [](SslServer& server, const deed& action) {
       QObject::connect(&server, &QTcpServer::newConnection,
                        [&server, action] { action(&server, server.findChildren<SslSocket*>().last()); });
     }},
    {"pendingConnectionAvailable",
     [](SslServer& server, const deed& action) {
       QObject::connect(&server, &QTcpServer::pendingConnectionAvailable,
                        [&server, action] { action(&server, server.findChildren<SslSocket*>().last()); });
     }},
    of_server("startedEncryptionHandshake", &SslServer::startedEncryptionHandshake),
    of_server("peerVerifyError", &SslServer::peerVerifyError),
    of_server("sslErrors", &SslServer::sslErrors),
    of_server("alertSent", &SslServer::alertSent),
    of_server("handshakeFailed", &SslServer::handshakeFailed),
    of_server("errorOccurred", &SslServer::errorOccurred),
    of_socket("modeChanged", &SslSocket::modeChanged),
    of_socket("encrypted", &SslSocket::encrypted),
    of_socket("socket_errorOccurred", &QAbstractSocket::errorOccurred),
    of_socket("stateChanged", &QAbstractSocket::stateChanged),
    of_socket("disconnected", &QAbstractSocket::disconnected),
};

class ssl_server_slots : public testing::TestWithParam<std::tuple<place, named_deed>> {};
INSTANTIATE_TEST_SUITE_P(everywhere, ssl_server_slots,
                         testing::Combine(testing::ValuesIn(slot_places), testing::ValuesIn(deeds)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) + "_" + std::get<1>(info.param).name;
                         });

/// Without a word: it tells its end from its destructor, and whoever deletes it then deletes it twice.
void dismiss(QTcpSocket* socket) {
  socket->disconnect();
  delete socket;
}

// Clients of all kinds come; whatever was done, the server still serves if it is there and listens.
TEST_P(ssl_server_slots, may_do_anything) {
  QObject parent;
  for (const auto& configuration : {server_settings(), verifying_settings(::QSslSocket::VerifyPeer)}) {
    QPointer<SslServer> server(new SslServer(&parent));
    server->setHandshakeTimeout(60);
    ASSERT_TRUE(server->setSslConfiguration(configuration));
    ASSERT_TRUE(server->listen(QHostAddress::LocalHost));
    server->setMaxPendingConnections(4);
    // What is done has signals, too; for those it isn't done again.
    std::get<0>(GetParam()).connect(*server, [is_doing = std::make_shared<bool>(false)](auto* of, auto* socket) {
      if (std::exchange(*is_doing, true)) return;
      std::get<1>(GetParam()).action(of, socket);
      *is_doing = false;
    });
    for (int round = 0; round < 2 && server && server->isListening(); ++round) {
      const quint16 port = server->serverPort();
      const auto silent = connected_client(port);
      const auto garbage = connected_client(port);
      garbage->write("garbage, enough for a whole record");
      const auto gone = connected_client(port);
      gone->close();
      const auto good = encrypted_client(port);
      ASSERT_TRUE(wait_until([&] {
        if (server && server->isListening() && server->hasPendingConnections())
          dismiss(server->nextPendingConnection());
        return is_gone(*silent) && is_gone(*garbage) && is_gone(*good);
      }));
    }
    if (!server) continue;
    // Every place was given back.
    if (!server->isListening()) continue;
    server->setHandshakeTimeout(5000);
    server->disconnect();
    for (auto* const socket : server->findChildren<SslSocket*>()) socket->disconnect();
    ASSERT_TRUE(server->setSslConfiguration(server_settings()));
    std::vector<tls_client> crowd;
    for (int i = 0; i < 4; ++i) crowd.push_back(encrypted_client(server->serverPort()));
    int served = 0;
    ASSERT_TRUE(wait_until([&] {
      if (auto* const socket = server->nextPendingConnection()) {
        ++served;
        delete socket;
      }
      return served == 4;
    }));
    delete server;
  }
}

TEST(ssl_server_ends, deleting_a_queued_socket_takes_it_out_of_the_queue) {
  traced_ssl_server server;
  server.setMaxPendingConnections(2);
  std::vector<tls_client> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(encrypted_client(server.serverPort()));
  ASSERT_TRUE(wait_until([&] { return server.count("k.encrypted") == 2; }));
  delete server.findChildren<SslSocket*>().first();
  ASSERT_TRUE(wait_until([&] { return server.count("k.encrypted") == 3; }));
  EXPECT_EQ(server.count("S.pendingConnectionAvailable"), 3);
  EXPECT_NE(server.take(), nullptr);
  EXPECT_NE(server.take(), nullptr);
  EXPECT_EQ(server.take(), nullptr);
}

TEST(ssl_server_ends, deleting_a_queued_socket_that_has_another_parent_does_so_too) {
  for (const bool in_handshake : {false, true}) {
    traced_ssl_server server;
    server.setMaxPendingConnections(2);
    QObject owner;
    if (in_handshake) {
      QObject::connect(
          &server, &SslServer::startedEncryptionHandshake, &owner,
          [&](SslSocket* socket) { socket->setParent(&owner); }, Qt::SingleShotConnection);
    }
    std::vector<tls_client> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(encrypted_client(server.serverPort()));
    ASSERT_TRUE(wait_until([&] { return server.count("k.encrypted") == 2; }));
    if (!in_handshake) server.findChildren<SslSocket*>().first()->setParent(&owner);
    handle_events();
    EXPECT_TRUE(server.hasPendingConnections());
    delete owner.findChildren<SslSocket*>().first();
    EXPECT_TRUE(server.hasPendingConnections());
    EXPECT_NE(server.take(), nullptr);
    ASSERT_TRUE(wait_until([&] { return server.count("k.encrypted") == 3; }));
    EXPECT_NE(server.take(), nullptr);
    EXPECT_EQ(server.take(), nullptr);
  }
}

TEST(ssl_server_ends, a_slot_at_the_end_of_a_queued_socket_does_not_get_that_one) {
  traced_ssl_server server;
  server.setMaxPendingConnections(2);
  std::vector<tls_client> clients;
  for (int i = 0; i < 2; ++i) clients.push_back(encrypted_client(server.serverPort()));
  ASSERT_TRUE(wait_until([&] { return server.count("k.encrypted") == 2; }));
  auto* const dying = server.findChildren<SslSocket*>().first();
  SslSocket* taken = nullptr;
  QObject::connect(dying, &QObject::destroyed, &server, [&] { taken = server.take(); });
  delete dying;
  ASSERT_NE(taken, nullptr);
  EXPECT_NE(taken, dying);
  EXPECT_TRUE(taken->isEncrypted());
  EXPECT_EQ(server.take(), nullptr);
}

TEST(ssl_server_ends, a_socket_with_another_parent_outlives_the_server) {
  QPointer<SslSocket> taken;
  QObject owner;
  tls_client client;
  {
    traced_ssl_server server;
    client = encrypted_client(server.serverPort());
    ASSERT_TRUE(wait_until([&] { return server.has("k.encrypted") && client->isEncrypted(); }));
    taken = server.take();
    taken->setParent(&owner);
  }
  ASSERT_TRUE(taken);
  taken->write("still here");
  ASSERT_TRUE(wait_until([&] { return client->bytesAvailable() == 10; }));
}

TEST(ssl_server_ends, a_slot_at_the_end_of_a_handshake_may_use_the_socket_for_something_else) {
  traced_ssl_server server;
  server.setHandshakeTimeout(50);
  QTcpServer other;
  ASSERT_TRUE(other.listen(QHostAddress::LocalHost));
  QObject::connect(&server, &QTcpServer::newConnection, [&] {
    auto* const socket = server.findChildren<SslSocket*>().last();
    QObject::connect(
        socket, &QAbstractSocket::disconnected, socket,
        [&other, socket] { socket->connectToHost(QHostAddress(QHostAddress::LocalHost), other.serverPort()); },
        Qt::SingleShotConnection);
  });
  const auto client = connected_client(server.serverPort());
  ASSERT_TRUE(wait_until([&] { return server.has("k.destroyed"); }));
  EXPECT_EQ(server.count("S.errorOccurred 13") + server.count("S.errorOccurred 5"), 1);
}

// The server doesn't hear of the end of such a socket, and has to find out that it is gone.
TEST(ssl_server_ends, a_socket_used_for_something_else_may_be_deleted_while_it_gives_its_place_to_another) {
  SslServer server;
  ASSERT_TRUE(server.setSslConfiguration(server_settings()));
  ASSERT_TRUE(server.listen(QHostAddress::LocalHost));
  server.setMaxHandshakesPerPeer(1);
  QTcpServer other;
  ASSERT_TRUE(other.listen(QHostAddress::LocalHost));
  const auto first = connected_client(server.serverPort());
  ASSERT_TRUE(wait_until([&] { return server.findChild<SslSocket*>() != nullptr; }));
  auto* const socket = server.findChild<SslSocket*>();
  QObject::connect(
      socket, &QAbstractSocket::disconnected, socket,
      [&] { socket->connectToHost(QHostAddress(QHostAddress::LocalHost), other.serverPort()); },
      Qt::SingleShotConnection);
  QObject::connect(
      &server, &QTcpServer::newConnection, &server, [&] { dismiss(socket); }, Qt::SingleShotConnection);
  const auto second = encrypted_client(server.serverPort());
  ASSERT_TRUE(second->waitForConnected());
  socket->abort();
  ASSERT_EQ(socket->state(), QAbstractSocket::ConnectingState);
  ASSERT_TRUE(server.waitForNewConnection(1000));
  EXPECT_TRUE(wait_until([&] { return server.hasPendingConnections(); }));
}

}  // namespace
}  // namespace sallyport::test
