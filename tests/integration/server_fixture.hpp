// server_fixture: an ssl_server on loopback, a trace of its signals, and a way to wait for things to happen.
//
// The server runs on the test's own thread, in run_until(); clients run on threads of their own (test::in_background).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_INTEGRATION_SERVER_FIXTURE_HPP
#define SALLYPORT_TESTS_INTEGRATION_SERVER_FIXTURE_HPP

#include "support/test_pki.hpp"
#include "support/wire_client.hpp"

#include <sallyport/sallyport.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::test {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using asio::ip::tcp;
using events = std::vector<std::string>;

// What must happen happens within this, also on a busy machine and under sanitizers.
constexpr auto patience = 30s;

/// One identity for all tests: making a key takes time.
inline const credentials& server_credentials() {
  static const credentials made = make_self_signed({.common_name = "localhost", .names = {"localhost", "127.0.0.1"}});
  return made;
}

inline ssl_configuration make_configuration() {
  ssl_configuration configuration;
  configuration.identities = {identity::from_pem(server_credentials().certificate, server_credentials().key).value()};
  return configuration;
}

inline const tcp::endpoint loopback{asio::ip::address_v4::loopback(), 0};

/// The signals of a server, one line each, in the order in which they came.
inline void record(ssl_server& server, events& trace) {
  server.started_encryption_handshake.connect([&trace](ssl_socket&) { trace.push_back("started"); });
  server.alert_sent.connect([&trace](ssl_socket&, alert_level, alert_type type, std::string_view) {
    trace.push_back("alert_sent " + std::string(to_string(type)));
  });
  server.alert_received.connect([&trace](ssl_socket&, alert_level, alert_type type, std::string_view) {
    trace.push_back("alert_received " + std::string(to_string(type)));
  });
  server.error_occurred.connect([&trace](ssl_socket&, error_code error) {
    trace.push_back("error " + std::string(to_string(static_cast<handshake_error>(error.value()))));
  });
  server.pending_connection_available.connect([&trace] { trace.push_back("available"); });
  server.accept_error.connect([&trace](error_code error) { trace.push_back("accept_error " + error.message()); });
}

/// The result of an operation, as its handler got it.
struct outcome {
  int calls = 0;
  error_code error;
  std::size_t bytes = 0;

  auto handler() {
    return [this](error_code ec, std::size_t size = 0) {
      ++calls;
      error = ec;
      bytes = size;
    };
  }
  bool is_done() const noexcept { return calls > 0; }
};

class server_fixture : public testing::Test {
 protected:
  server_fixture() { server.set_configuration(make_configuration()).value(); }

  /// Listens on loopback, any port.
  void listen() { ASSERT_EQ(server.listen(loopback), error_code()); }
  std::uint16_t port() const { return server.server_port(); }
  raw_client connect() const { return raw_client::to_port(port()); }

  /// Runs the event loop until `condition` holds; throws, which fails the test, if it doesn't within `patience`.
  template <class Condition>
  void run_until(Condition condition) {
    const auto work = asio::make_work_guard(io);
    const auto give_up = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > give_up) throw std::runtime_error("waited in vain");
      if (io.stopped()) io.restart();
      io.run_one_for(10ms);  // short, as the condition may also depend on another thread
    }
  }

  /// Runs the event loop until the client on the other thread is done.
  template <class T>
  T run_until_done(std::future<T>& client) {
    run_until([&] { return client.wait_for(0s) == std::future_status::ready; });
    return client.get();
  }

  /// Runs what is ready, without waiting.
  void run_ready() {
    if (io.stopped()) io.restart();
    io.poll();
  }

  /// Takes the next complete connection.
  ssl_socket accept() {
    run_until([&] { return server.has_pending_connections(); });
    return *server.next_pending_connection();
  }

  struct connected_pair {
    wire_client client;
    ssl_socket socket;
  };
  /// A client and our end of its connection, both past the handshake.
  connected_pair make_pair(const wire_client_options& options = {}) {
    auto client = in_background([options, client_port = port()] {
      wire_client made(raw_client::to_port(client_port), options);
      made.handshake();
      return made;
    });
    auto socket = accept();
    return {run_until_done(client), std::move(socket)};
  }

  /// Reads exactly `size` bytes.
  std::string read(ssl_socket& socket, std::size_t size) {
    std::string data(size, '\0');
    outcome got;
    asio::async_read(socket, asio::buffer(data), got.handler());
    run_until([&] { return got.is_done(); });
    if (got.error) throw boost::system::system_error(got.error);
    return data;
  }
  /// One async_read_some's result.
  outcome read_some(ssl_socket& socket, std::string& data) {
    data.resize(64 * 1024);
    outcome got;
    socket.async_read_some(asio::buffer(data), got.handler());
    run_until([&] { return got.is_done(); });
    data.resize(got.bytes);
    return got;
  }
  /// Why reading ends; what comes before goes to `data`.
  error_code read_to_end(ssl_socket& socket, std::string& data) {
    for (;;) {
      std::string more;
      const auto got = read_some(socket, more);
      data += more;
      if (got.error) return got.error;
    }
  }
  void write(ssl_socket& socket, std::string_view data) {
    outcome done;
    asio::async_write(socket, asio::buffer(data), done.handler());
    run_until([&] { return done.is_done(); });
    if (done.error) throw boost::system::system_error(done.error);
  }

  asio::io_context io{1};
  ssl_server server{io.get_executor()};
};

}  // namespace sallyport::test

#endif
