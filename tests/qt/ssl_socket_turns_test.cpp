// ssl_socket_turns_test: many sockets in one event loop, and what their slots do to each other.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/event_loop.hpp"
#include "support/socket_pair.hpp"

#include <sallyport/qt/ssl_socket.hpp>

#include <QtCore/QPointer>

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

using sallyport::qt::SslSocket;

namespace sallyport {
namespace {

namespace test = sallyport::test;

struct connection {
  connection() : socket(new SslSocket) {
    adopt(*socket, peer);
    socket->startServerEncryption();
  }
  ~connection() { delete socket.data(); }

  void encrypt() {
    peer.encrypt();
    EXPECT_TRUE(peer.until([&] { return socket->isEncrypted() && peer.connected(); }));
  }

  test::tls_peer peer;
  QPointer<SslSocket> socket;
};

/// Data for both comes in one turn; the first that is told does `what` with the other.
void first_of_two(const std::function<void(connection& first, connection& other)>& what) {
  std::array<connection, 2> both;
  bool told = false;
  for (auto& one : both) one.encrypt();
  test::handle_events();
  for (std::size_t i = 0; i < 2; ++i) {
    QObject::connect(both[i].socket, &QIODevice::readyRead, [&, i] {
      both[i].socket->write(both[i].socket->readAll());
      if (!std::exchange(told, true)) what(both[i], both[1 - i]);
    });
  }
  for (auto& one : both) one.peer.send("hello");
  ASSERT_TRUE(test::wait_until([&] { return told; }));
  test::handle_events();
}

TEST(ssl_socket_turns, a_slot_may_end_the_others) {
  using action = std::function<void(connection&)>;
  const std::vector<action> ends = {[](connection& other) { delete other.socket.data(); },
                                    [](connection& other) { other.socket->abort(); },
                                    [](connection& other) { other.socket->disconnectFromHost(); }};
  for (const auto& end : ends) {
    first_of_two([&](connection& first, connection& other) {
      end(other);
      EXPECT_TRUE(other.peer.until([&] { return other.peer.saw_fin() || other.peer.saw_reset(); }));
      EXPECT_TRUE(first.peer.until([&] { return first.peer.received() == "hello"; }));
    });
  }
}

TEST(ssl_socket_turns, a_slot_may_give_anothers_place_to_a_new_connection) {
  test::tls_peer next;
  bool told = false;
  first_of_two([&](connection&, connection& other) {
    other.socket->abort();
    ASSERT_TRUE(other.socket->setSocketDescriptor(next.take_descriptor()));
    other.socket->disconnect();
    QObject::connect(other.socket, &QIODevice::readyRead, [&] { told = true; });
    test::handle_events();
    EXPECT_FALSE(told);
    next.send_raw("plain");
    EXPECT_TRUE(test::wait_until([&] { return told; }));
    other.socket->disconnect();
  });
}

TEST(ssl_socket_turns, a_slot_may_run_an_event_loop_in_which_the_others_go_on) {
  first_of_two([](connection& first, connection& other) {
    EXPECT_TRUE(other.peer.until([&] { return other.peer.received() == "hello"; }));
    other.peer.send(" again");
    EXPECT_TRUE(other.peer.until([&] { return other.peer.received() == "hello again"; }));
    connection third;
    third.encrypt();
    EXPECT_TRUE(first.peer.until([&] { return first.peer.received() == "hello"; }));
  });
}

// However much a handshake costs, a turn makes one step of each.
TEST(ssl_socket_turns, a_crowd_in_handshake_does_not_stop_the_others) {
  connection echo;
  echo.encrypt();
  QObject::connect(echo.socket, &QIODevice::readyRead, [&] { echo.socket->write(echo.socket->readAll()); });
  std::vector<std::unique_ptr<connection>> crowd;
  for (int i = 0; i < 64; ++i) crowd.push_back(std::make_unique<connection>());
  test::handle_events();
  for (const auto& each : crowd) each->peer.encrypt();  // their ClientHellos are there before the turn
  echo.peer.send("hello");
  for (int turns = 0; turns < 3; ++turns) QCoreApplication::processEvents();
  echo.peer.turn();
  EXPECT_EQ(echo.peer.received(), "hello");
  EXPECT_TRUE(std::ranges::none_of(crowd, [](const auto& each) { return each->socket->isEncrypted(); }));
  EXPECT_TRUE(test::wait_until([&] {
    for (const auto& each : crowd) each->peer.turn();
    return std::ranges::all_of(crowd, [](const auto& each) { return each->socket->isEncrypted(); });
  }));
}

}  // namespace
}  // namespace sallyport
