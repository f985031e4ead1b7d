// ssl_server_use_test: what programs that were written for QSslServer do with it.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/qt_peer.hpp"
#include "support/traced_ssl_server.hpp"

#include <QtCore/QPointer>
#include <QtCore/QThread>
#include <QtNetwork/QSslServer>
#include <QtNetwork/QTcpServer>
#include <QtTest/QSignalSpy>

#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace sallyport::test {
namespace {

using qt::SslServer;
using qt::SslSocket;
using testing::ElementsAre;

TEST(ssl_server_use, string_based_connects_and_spies) {
  traced_ssl_server server;
  const QPointer<QObject> witness(new QObject(&server));
  EXPECT_TRUE(QObject::connect(&server, SIGNAL(errorOccurred(QSslSocket*, QAbstractSocket::SocketError)), witness,
                               SLOT(deleteLater())));
  QSignalSpy errors(&server, SIGNAL(errorOccurred(QSslSocket*, QAbstractSocket::SocketError)));
  QSignalSpy started(&server, SIGNAL(startedEncryptionHandshake(QSslSocket*)));
  for (const char* const signal :
       {SIGNAL(sslErrors(QSslSocket*, QList<QSslError>)), SIGNAL(peerVerifyError(QSslSocket*, QSslError)),
        SIGNAL(preSharedKeyAuthenticationRequired(QSslSocket*, QSslPreSharedKeyAuthenticator*)),
        SIGNAL(alertSent(QSslSocket*, QSsl::AlertLevel, QSsl::AlertType, QString)),
        SIGNAL(alertReceived(QSslSocket*, QSsl::AlertLevel, QSsl::AlertType, QString)),
        SIGNAL(handshakeInterruptedOnError(QSslSocket*, QSslError))}) {
    EXPECT_TRUE(QSignalSpy(&server, signal).isValid()) << signal;
  }
  const auto client = connected_client(server.serverPort());
  client->write("\x16\x03\x01\x00\x05\x01\x00\x00\x01x", 10);
  ASSERT_TRUE(wait_until([&] { return errors.count() == 1; }));
  EXPECT_EQ(started.count(), 1);
  EXPECT_TRUE(wait_until([&] { return witness.isNull(); }));
  EXPECT_EQ(errors.first().at(1).value<QAbstractSocket::SocketError>(), QAbstractSocket::SslHandshakeFailedError);
  QObject* const as_object = &server;
  EXPECT_EQ(qobject_cast<SslServer*>(as_object), &server);
  EXPECT_EQ(qobject_cast<QTcpServer*>(as_object), &server);
}

TEST(ssl_server_use, without_an_identity_clients_get_a_handshake_failure) {
  SslServer server;
  EXPECT_EQ(static_cast<QSslConfiguration>(server.sslConfiguration()), QSslConfiguration::defaultConfiguration());
  QSignalSpy failures(&server, &SslServer::handshakeFailed);
  ASSERT_TRUE(server.listen(QHostAddress::LocalHost));
  const auto client = encrypted_client(server.serverPort());
  ASSERT_TRUE(wait_until([&] { return is_gone(*client); }));
  EXPECT_EQ(failures.count(), 1);
  EXPECT_FALSE(client->isEncrypted());
}

/// Counts, then lets the base work.
class counting_server : public traced_ssl_server {
 public:
  int incoming = 0;

 protected:
  void incomingConnection(qintptr descriptor) override {
    ++incoming;
    SslServer::incomingConnection(descriptor);
  }
};

TEST(ssl_server_use, a_subclass_that_calls_the_base) {
  counting_server server;
  const auto client = encrypted_client(server.serverPort());
  ASSERT_TRUE(wait_until([&] { return server.has("k.encrypted"); }));
  EXPECT_EQ(server.incoming, 1);
}

/// Makes its own sockets.
class own_sockets_server : public traced_ssl_server {
 public:
  bool encrypts = false;

 protected:
  void incomingConnection(qintptr descriptor) override {
    if (!encrypts) {
      auto* const socket = new QTcpSocket(this);
      socket->setSocketDescriptor(descriptor);
      return addPendingConnection(socket);
    }
    auto* const socket = new SslSocket(this);
    socket->setSslConfiguration(sslConfiguration());
    ASSERT_TRUE(socket->setSocketDescriptor(descriptor));
    addPendingConnection(socket);
    socket->startServerEncryption();
  }
};

TEST(ssl_server_use, a_subclass_that_queues_its_own_sockets) {
  own_sockets_server server;
  server.setMaxPendingConnections(2);
  const auto clients = connected_clients(4, server.serverPort());
  handle_events();
  EXPECT_EQ(server.count("S.pendingConnectionAvailable"), 2);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(wait_until([&] { return server.hasPendingConnections(); }));
    auto* const socket = server.nextPendingConnection();
    EXPECT_EQ(socket->peerPort(), clients[static_cast<std::size_t>(i)]->localPort());
    EXPECT_EQ(qobject_cast<SslSocket*>(socket), nullptr);
  }
  server.encrypts = true;
  const auto client = encrypted_client(server.serverPort());
  ASSERT_TRUE(wait_until([&] { return client->isEncrypted(); }));
  EXPECT_NE(server.take(), nullptr);
}

TEST(ssl_server_use, the_queue_by_qtcpservers_own_function) {
  traced_ssl_server server;
  server.setMaxPendingConnections(1);
  for (int i = 0; i < 3; ++i) {
    const auto client = encrypted_client(server.serverPort());
    ASSERT_TRUE(wait_until([&] { return server.QTcpServer::hasPendingConnections(); }));
    EXPECT_NE(server.QTcpServer::nextPendingConnection(), nullptr);
  }
}

/// Hands out descriptors of its own making.
struct open_server : SslServer {
  using SslServer::incomingConnection;
};

TEST(ssl_server_use, a_descriptor_that_is_no_connection_is_closed_and_forgotten) {
  open_server server;
  const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(file, 0);
  server.incomingConnection(file);
  EXPECT_EQ(::fcntl(file, F_GETFD), -1);
  server.incomingConnection(-1);
  EXPECT_TRUE(server.findChildren<SslSocket*>().isEmpty());
  EXPECT_FALSE(server.hasPendingConnections());
}

/// A server that doesn't listen, and gets its connections from somebody who does.
template <class Server>
class ssl_server_without_listening : public testing::Test {
 protected:
  struct open_server : Server {
    using Server::incomingConnection;
  };
  struct listener : QTcpServer {
    std::function<void(int descriptor)> on_connection;
    void incomingConnection(qintptr descriptor) override { on_connection(static_cast<int>(descriptor)); }
  };

  ssl_server_without_listening() {
    server.setSslConfiguration(server_settings());
    QObject::connect(&server, &Server::errorOccurred, &server, [this](auto*, auto error) { errors.push_back(error); });
    EXPECT_TRUE(somebody.listen(QHostAddress::LocalHost));
  }

  std::vector<QAbstractSocket::SocketError> errors;
  open_server server;
  listener somebody;
  QSignalSpy accepted{&server, &QTcpServer::newConnection};
  QSignalSpy available{&server, &QTcpServer::pendingConnectionAvailable};
};

using servers = testing::Types<::QSslServer, SslServer>;
TYPED_TEST_SUITE(ssl_server_without_listening, servers);

TYPED_TEST(ssl_server_without_listening, serves_whom_somebody_else_has_accepted) {
  this->somebody.on_connection = [this](int descriptor) { this->server.incomingConnection(descriptor); };
  const auto client = encrypted_client(this->somebody.serverPort());
  ASSERT_TRUE(wait_until([&] { return client->isEncrypted() && this->server.hasPendingConnections(); }));
  EXPECT_EQ(this->available.count(), 1);
  EXPECT_EQ(this->accepted.count(), 0);
  EXPECT_TRUE(this->errors.empty());
  auto* const socket = this->server.nextPendingConnection();  // with a warning
  ASSERT_NE(socket, nullptr);
  EXPECT_EQ(socket->peerPort(), client->localPort());
}

TYPED_TEST(ssl_server_without_listening, tells_that_a_connection_has_been_shut_down_elsewhere) {
  this->somebody.on_connection = [this](int descriptor) {
    this->server.incomingConnection(::dup(descriptor));
    ::shutdown(descriptor, SHUT_RDWR);
    ::close(descriptor);
  };
  const auto client = encrypted_client(this->somebody.serverPort());
  ASSERT_TRUE(wait_until([&] { return !this->errors.empty() && is_gone(*client); }));
  handle_events();
  EXPECT_THAT(this->errors, ElementsAre(QAbstractSocket::RemoteHostClosedError));
  EXPECT_EQ(this->available.count(), 0);
  EXPECT_FALSE(this->server.hasPendingConnections());
}

TYPED_TEST(ssl_server_without_listening, goes_on_when_the_socket_that_had_the_connection_is_deleted) {
  QTcpServer other;
  ASSERT_TRUE(other.listen(QHostAddress::LocalHost));
  QObject::connect(&other, &QTcpServer::newConnection, [&] {
    auto* const owner = other.nextPendingConnection();
    this->server.incomingConnection(::dup(static_cast<int>(owner->socketDescriptor())));
    delete owner;
  });
  const auto client = encrypted_client(other.serverPort());
  EXPECT_TRUE(wait_until([&] { return this->available.count() != 0 || !this->errors.empty(); }));
  EXPECT_EQ(this->available.count(), 1);
}

TEST(ssl_server_use, an_adopted_listener) {
  QTcpServer listener;
  ASSERT_TRUE(listener.listen(QHostAddress::LocalHost));
  SslServer server;
  ASSERT_TRUE(server.setSslConfiguration(server_settings()));
  ASSERT_TRUE(server.setSocketDescriptor(::dup(static_cast<int>(listener.socketDescriptor()))));
  listener.pauseAccepting();
  EXPECT_EQ(server.serverPort(), listener.serverPort());
  const auto client = encrypted_client(server.serverPort());
  EXPECT_TRUE(wait_until([&] { return client->isEncrypted() && server.hasPendingConnections(); }));
}

TEST(ssl_server_use, waiting_without_an_event_loop) {
  traced_ssl_server server;
  bool timed_out = false;
  EXPECT_FALSE(server.waitForNewConnection(10, &timed_out));
  EXPECT_TRUE(timed_out);
  EXPECT_EQ(server.serverError(), QAbstractSocket::SocketTimeoutError);
  const auto client = connected_client(server.serverPort());
  EXPECT_TRUE(server.waitForNewConnection(1000, &timed_out));
  EXPECT_FALSE(timed_out);
  EXPECT_EQ(server.count("S.newConnection"), 1);
  EXPECT_FALSE(server.hasPendingConnections());  // it is in handshake
}

TEST(ssl_server_use, in_a_thread_with_sockets_that_go_to_others) {
  QThread thread;
  thread.start();
  auto* const server = new traced_ssl_server;
  const quint16 port = server->serverPort();
  server->close();
  server->setMaxPendingConnections(2);
  QObject::connect(server, &QTcpServer::pendingConnectionAvailable, server, [server] {
    auto* const socket = server->nextPendingConnection();
    EXPECT_EQ(QThread::currentThread(), socket->thread());
    QObject::connect(socket, &QIODevice::readyRead, socket, [socket] { socket->write(socket->readAll()); });
  });
  server->moveToThread(&thread);
  QMetaObject::invokeMethod(
      server, [=] { EXPECT_TRUE(server->listen(QHostAddress::LocalHost, port)); }, Qt::BlockingQueuedConnection);
  std::vector<tls_client> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(encrypted_client(port));
    clients.back()->write("hello");
  }
  EXPECT_TRUE(wait_until(
      [&] { return std::ranges::all_of(clients, [](const auto& client) { return client->bytesAvailable() == 5; }); }));
  QMetaObject::invokeMethod(
      server, [=] { delete server; }, Qt::BlockingQueuedConnection);
  thread.quit();
  thread.wait();
}

TEST(ssl_server_use, a_socket_that_goes_to_another_thread_in_its_handshake_goes_on_without_the_server) {
  QThread thread;
  thread.start();
  traced_ssl_server server;
  server.setMaxPendingConnections(1);
  std::vector<SslSocket*> moved;
  QObject::connect(&server, &SslServer::startedEncryptionHandshake, [&](SslSocket* socket) {
    moved.push_back(socket);
    socket->setParent(nullptr);
    QObject::connect(socket, &SslSocket::encrypted, socket, [socket] { socket->write("hello"); });
    socket->moveToThread(&thread);
  });
  for (int i = 0; i < 3; ++i) {
    const auto client = encrypted_client(server.serverPort());
    ASSERT_TRUE(wait_until([&] { return client->bytesAvailable() == 5; }));
  }
  EXPECT_FALSE(server.hasPendingConnections());
  EXPECT_EQ(server.count("S.errorOccurred 13"), 0);
  for (auto* const socket : moved) {
    QMetaObject::invokeMethod(
        socket, [socket] { delete socket; }, Qt::BlockingQueuedConnection);
  }
  thread.quit();
  thread.wait();
}

TEST(ssl_server_use, disconnecting_all_slots_of_the_server_leaves_it_working) {
  traced_ssl_server server;
  QObject witness;
  QObject::connect(&server, &QTcpServer::newConnection, &witness, [] {});
  server.disconnect(&witness);
  server.disconnect();
  server.setMaxPendingConnections(2);
  std::vector<tls_client> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(encrypted_client(server.serverPort()));
    ASSERT_TRUE(wait_until([&] { return server.hasPendingConnections(); }));
    EXPECT_NE(server.take(), nullptr);
  }
}

}  // namespace
}  // namespace sallyport::test
