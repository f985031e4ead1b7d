// ssl_server_threads_test: a server that goes from thread to thread, in whatever state it is; and threads that end
// while servers live in them.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/qt_peer.hpp"
#include "support/traced_ssl_server.hpp"

#include <QtCore/QPointer>
#include <QtCore/QThread>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <vector>

namespace sallyport::test {
namespace {

using qt::SslServer;
using qt::SslSocket;

/// Runs from its beginning.
class running_thread : public QThread {
 public:
  running_thread() { start(); }
  ~running_thread() override {
    quit();
    wait();
  }

  /// There, while this thread waits.
  void run_inside(const std::function<void()>& what) {
    QObject inside;
    inside.moveToThread(this);
    QMetaObject::invokeMethod(&inside, what, Qt::BlockingQueuedConnection);
    QMetaObject::invokeMethod(
        &inside, [&] { inside.moveToThread(nullptr); }, Qt::BlockingQueuedConnection);
  }
};

/// Where it says nothing of its sockets that another thread would have to be asked for.
class echo_server : public SslServer {
 public:
  echo_server() {
    EXPECT_TRUE(setSslConfiguration(server_settings()));
    EXPECT_TRUE(listen(QHostAddress::LocalHost));
    connect(this, &SslServer::errorOccurred, this, [this] { ++failures; });
  }

  void take_all() {
    while (auto* const socket = nextPendingConnection()) echo(*socket);
  }
  void take_all_from_now_on() {
    connect(this, &QTcpServer::pendingConnectionAvailable, this, &echo_server::take_all);
    take_all();
  }
  static void echo(QTcpSocket& socket) {
    const auto answer = [&socket] { socket.write(socket.readAll()); };
    connect(&socket, &QIODevice::readyRead, &socket, answer);
    answer();
  }

  std::atomic<int> failures = 0;
};

bool is_echoed(::QSslSocket& client) {
  const auto before = client.bytesAvailable();
  client.write("hello");
  return wait_until([&] { return client.bytesAvailable() == before + 5 || is_gone(client); }) && !is_gone(client);
}

bool is_served(quint16 port) {
  const auto client = encrypted_client(port);
  return is_echoed(*client);
}

/// A server, and clients in all states: encrypted and taken, in the queue, in their handshake, silent.
struct busy_server {
  busy_server() {
    taken = encrypted_client(server->serverPort());
    EXPECT_TRUE(wait_until([&] { return server->hasPendingConnections(); }));
    server->take_all();
    EXPECT_TRUE(is_echoed(*taken));
    queued = encrypted_client(server->serverPort());
    EXPECT_TRUE(wait_until([&] { return server->hasPendingConnections() && queued->isEncrypted(); }));
    silent = connected_client(server->serverPort());
    started = connected_client(server->serverPort());
    started->write("\x16\x03\x01\x02\x00\x01\x00", 7);
    EXPECT_TRUE(wait_until([&] { return server->findChildren<SslSocket*>().size() == 4; }));
    handle_events();
    late = connected_client(server->serverPort());  // perhaps not accepted yet
  }

  void expect_all_served() {
    EXPECT_TRUE(is_echoed(*taken));
    EXPECT_TRUE(is_echoed(*queued));
    EXPECT_TRUE(is_served(server->serverPort()));
    silent->write("GET / HTTP/1.1\r\n\r\n");
    started->abort();
    late->abort();
    EXPECT_TRUE(wait_until([&] { return is_gone(*silent) && server->failures == 3; }));
  }

  std::unique_ptr<echo_server> server = std::make_unique<echo_server>();
  tls_client taken;
  tls_client queued;
  plain_client silent;
  plain_client started;
  plain_client late;
};

TEST(ssl_server_threads, a_server_moves_while_it_listens_and_nobody_is_there) {
  running_thread thread;
  auto server = std::make_unique<echo_server>();
  server->moveToThread(&thread);
  thread.run_inside([&] { server->take_all_from_now_on(); });
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(is_served(server->serverPort()));
  thread.run_inside([&] { server.reset(); });
}

TEST(ssl_server_threads, a_server_moves_with_clients_in_all_states) {
  running_thread thread;
  busy_server busy;
  busy.server->moveToThread(&thread);
  thread.run_inside([&] { busy.server->take_all_from_now_on(); });
  busy.expect_all_served();
  thread.run_inside([&] { busy.server.reset(); });
}

TEST(ssl_server_threads, a_server_moves_time_and_again) {
  running_thread threads[2];
  busy_server busy;
  busy.server->moveToThread(&threads[0]);
  threads[0].run_inside([&] { busy.server->take_all_from_now_on(); });
  for (int i = 0; i < 20; ++i) {
    threads[i % 2].run_inside([&] { busy.server->moveToThread(&threads[1 - i % 2]); });
    if (i % 5 == 0) {
      EXPECT_TRUE(is_echoed(*busy.taken));
    }
  }
  busy.expect_all_served();
  threads[0].run_inside([&] { busy.server.reset(); });
}

TEST(ssl_server_threads, a_full_server_moves_and_goes_on_when_there_is_room) {
  running_thread thread;
  auto server = std::make_unique<echo_server>();
  server->setMaxPendingConnections(2);
  std::vector<tls_client> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(encrypted_client(server->serverPort()));
  ASSERT_TRUE(wait_until([&] { return std::ranges::count_if(clients, &::QSslSocket::isEncrypted) == 2; }));
  server->moveToThread(&thread);
  handle_events();
  thread.run_inside([&] { server->take_all_from_now_on(); });
  for (const auto& client : clients) EXPECT_TRUE(is_echoed(*client));
  thread.run_inside([&] { server.reset(); });
}

TEST(ssl_server_threads, a_paused_server_moves_and_stays_paused) {
  running_thread thread;
  auto server = std::make_unique<echo_server>();
  EXPECT_TRUE(
      wait_until([&, client = encrypted_client(server->serverPort())] { return server->hasPendingConnections(); }));
  delete server->nextPendingConnection();
  server->pauseAccepting();
  server->moveToThread(&thread);
  std::atomic<int> accepted = 0;
  thread.run_inside([&] {
    QObject::connect(server.get(), &QTcpServer::newConnection, server.get(), [&] { ++accepted; });
    server->take_all_from_now_on();
  });
  const auto client = encrypted_client(server->serverPort());
  ASSERT_TRUE(wait_until([&] { return client->state() == QAbstractSocket::ConnectedState; }));
  for (int i = 0; i < 3; ++i) thread.run_inside([&] { handle_events(); });
  EXPECT_EQ(accepted, 0);
  thread.run_inside([&] { server->resumeAccepting(); });
  EXPECT_TRUE(is_echoed(*client));
  thread.run_inside([&] { server.reset(); });
}

TEST(ssl_server_threads, handshake_timeouts_hold_in_the_new_thread) {
  running_thread thread;
  auto server = std::make_unique<echo_server>();
  server->setHandshakeTimeout(300);
  const auto client = connected_client(server->serverPort());
  ASSERT_TRUE(wait_until([&] { return server->findChildren<SslSocket*>().size() == 1; }));
  server->moveToThread(&thread);
  EXPECT_TRUE(wait_until([&] { return is_gone(*client) && server->failures == 1; }));
  thread.run_inside([&] { server.reset(); });
}

// A thread that is never started: it stands for one that ends before it comes to what was posted.
TEST(ssl_server_threads, who_is_on_his_way_to_another_thread_when_the_server_is_deleted_is_closed) {
  QThread thread;
  QObject there;
  there.moveToThread(&thread);
  auto server = std::make_unique<echo_server>();
  QObject mover;
  QObject::connect(
      server.get(), &QTcpServer::newConnection, &mover,
      [&] {
        if (server->thread() == &thread) return;
        server->moveToThread(&thread);
        // There, behind what Qt has posted for the move, and before what the server posts for those accepted from now
        // on.
        QMetaObject::invokeMethod(
            &there, [&] { server.reset(); }, Qt::QueuedConnection);
      },
      Qt::DirectConnection);
  std::vector<plain_client> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(connected_client(server->serverPort()));
  ASSERT_TRUE(wait_until([&] { return server->thread() == &thread; }));
  thread.start();
  EXPECT_TRUE(
      wait_until([&] { return std::ranges::all_of(clients, [](const auto& each) { return is_gone(*each); }); }));
  thread.quit();
  thread.wait();
}

TEST(ssl_server_threads, a_server_that_a_slot_moves_at_a_deadline_ends_the_others_that_are_due) {
  running_thread thread;
  auto server = std::make_unique<echo_server>();
  server->setHandshakeTimeout(200);
  QThread* const here = QThread::currentThread();
  QObject mover;
  QObject::connect(
      server.get(), &SslServer::handshakeFailed, &mover,
      [&] {
        if (QThread::currentThread() == here) server->moveToThread(&thread);
      },
      Qt::DirectConnection);
  const std::vector<plain_client> silent = connected_clients(2, server->serverPort());
  ASSERT_TRUE(wait_until([&] { return server->findChildren<SslSocket*>().size() == 2; }));
  QThread::msleep(250);  // a loop that is held up finds both due at once
  EXPECT_TRUE(wait_until([&] { return std::ranges::all_of(silent, [](const auto& each) { return is_gone(*each); }); }));
  thread.run_inside([&] { server.reset(); });
}

/// In a slot, with the server's own functions on the stack.
class ssl_server_moves_in_a_slot : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(of, ssl_server_moves_in_a_slot,
                         testing::Values("newConnection", "startedEncryptionHandshake", "pendingConnectionAvailable",
                                         "handshakeFailed", "errorOccurred"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(ssl_server_moves_in_a_slot, and_serves_there) {
  const std::string in = GetParam();
  running_thread thread;
  auto server = std::make_unique<echo_server>();
  server->setHandshakeTimeout(500);
  QThread* const here = QThread::currentThread();
  std::atomic<bool> has_moved = false;
  const auto move = [&] {
    if (QThread::currentThread() != here || has_moved) return;
    QObject::connect(server.get(), &QTcpServer::pendingConnectionAvailable, server.get(), &echo_server::take_all);
    server->moveToThread(&thread);
    has_moved = true;
  };
  // The slot is of another object: Qt notes down at its receiver that it runs, and the receiver has to stay for that.
  QObject mover;
  const auto on = [&](const char* name, auto signal) {
    if (in == name) QObject::connect(server.get(), signal, &mover, move, Qt::DirectConnection);
  };
  on("newConnection", &QTcpServer::newConnection);
  on("startedEncryptionHandshake", &SslServer::startedEncryptionHandshake);
  on("pendingConnectionAvailable", &QTcpServer::pendingConnectionAvailable);
  on("handshakeFailed", &SslServer::handshakeFailed);
  on("errorOccurred", &SslServer::errorOccurred);
  const auto silent = connected_clients(5, server->serverPort());
  const auto client = encrypted_client(server->serverPort());
  EXPECT_TRUE(wait_until([&] { return has_moved.load(); }));
  thread.run_inside([&] { server->take_all(); });
  EXPECT_TRUE(is_echoed(*client));
  EXPECT_TRUE(wait_until([&] { return std::ranges::all_of(silent, [](const auto& each) { return is_gone(*each); }); }));
  EXPECT_TRUE(is_served(server->serverPort()));
  thread.run_inside([&] { server.reset(); });
}

// --- sockets in the queue ---

TEST(ssl_server_threads, a_socket_goes_to_another_thread_while_it_is_queued) {
  running_thread thread;
  echo_server server;
  const auto client = encrypted_client(server.serverPort());
  ASSERT_TRUE(wait_until([&] { return server.hasPendingConnections(); }));
  auto* const socket = server.findChild<SslSocket*>();
  socket->setParent(nullptr);
  socket->moveToThread(&thread);
  thread.run_inside([&] { echo_server::echo(*socket); });
  EXPECT_TRUE(is_echoed(*client));
  EXPECT_EQ(server.nextPendingConnection(), socket);
  EXPECT_FALSE(server.hasPendingConnections());
  thread.run_inside([&] { delete socket; });
  EXPECT_TRUE(wait_until([&] { return is_gone(*client); }));
}

TEST(ssl_server_threads, a_socket_that_another_thread_deletes_while_it_is_queued_is_taken_out) {
  running_thread thread;
  echo_server server;
  server.setMaxPendingConnections(1);
  for (int i = 0; i < 3; ++i) {
    const auto client = encrypted_client(server.serverPort());
    ASSERT_TRUE(wait_until([&] { return server.hasPendingConnections(); }));
    auto* const socket = server.findChild<SslSocket*>();
    socket->setParent(nullptr);
    socket->moveToThread(&thread);
    thread.run_inside([&] { delete socket; });
    EXPECT_FALSE(server.hasPendingConnections());
    EXPECT_EQ(server.nextPendingConnection(), nullptr);
  }
}

// --- the end of a thread ---

TEST(ssl_server_threads, a_thread_ends_and_another_one_deletes_what_lived_there) {
  busy_server busy;
  {
    running_thread thread;
    busy.server->moveToThread(&thread);
    thread.run_inside([&] { busy.server->take_all_from_now_on(); });
    EXPECT_TRUE(is_echoed(*busy.queued));
  }
  // Nothing happens any more to those that live there.
  busy.taken->write("hello");
  handle_events();
  busy.server.reset();
  EXPECT_TRUE(wait_until([&] {
    return is_gone(*busy.taken) && is_gone(*busy.queued) && is_gone(*busy.silent) && is_gone(*busy.started);
  }));
}

TEST(ssl_server_threads, a_thread_ends_and_deletes_what_lived_there) {
  running_thread thread;
  busy_server busy;
  const QPointer<SslServer> server(busy.server.release());
  QObject::connect(&thread, &QThread::finished, server, &QObject::deleteLater);
  server->moveToThread(&thread);
  thread.run_inside([] {});
  thread.quit();
  thread.wait();
  EXPECT_TRUE(server.isNull());
  EXPECT_TRUE(wait_until([&] { return is_gone(*busy.taken) && is_gone(*busy.queued) && is_gone(*busy.silent); }));
}

TEST(ssl_server_threads, a_thread_gives_away_at_its_end_what_lived_there) {
  QThread* const here = QThread::currentThread();
  busy_server busy;
  {
    running_thread thread;
    QObject::connect(
        &thread, &QThread::finished, busy.server.get(), [&] { busy.server->moveToThread(here); }, Qt::DirectConnection);
    busy.server->moveToThread(&thread);
    thread.run_inside([] {});
  }
  EXPECT_EQ(busy.server->thread(), here);
  busy.server->take_all_from_now_on();
  busy.expect_all_served();
}

TEST(ssl_server_threads, a_thread_ends_in_the_midst_of_handshakes) {
  for (int round = 0; round < 10; ++round) {
    auto server = std::make_unique<echo_server>();
    std::vector<tls_client> clients;
    {
      running_thread thread;
      server->moveToThread(&thread);
      for (int i = 0; i < 5; ++i) clients.push_back(encrypted_client(server->serverPort()));
      wait_until([&] {
        return std::ranges::any_of(
            clients, [](const auto& each) { return each->encryptedBytesAvailable() > 0 || each->isEncrypted(); });
      });
    }
    server.reset();
    EXPECT_TRUE(
        wait_until([&] { return std::ranges::all_of(clients, [](const auto& each) { return is_gone(*each); }); }));
  }
}

}  // namespace
}  // namespace sallyport::test
