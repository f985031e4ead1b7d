// gate_fixture: a server that lets nobody in whom it doesn't know, an echo behind it, and a client that tries.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_INTEGRATION_GATE_FIXTURE_HPP
#define SALLYPORT_TESTS_INTEGRATION_GATE_FIXTURE_HPP

#include "server_fixture.hpp"
#include "support/memory_client.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace sallyport::test {

inline const credentials& gate_ca() {
  static const credentials made = make_ca("Gate CA");
  return made;
}
/// A certificate that the server trusts, and one that it doesn't.
inline const credentials& friend_of_the_house() {
  static const credentials made = issue(gate_ca(), {.common_name = "friend"});
  return made;
}
inline const credentials& stranger() {
  static const credentials made = issue(make_ca("Other CA"), {.common_name = "stranger"});
  return made;
}

inline ssl_configuration gate_configuration(bool interrupts = false) {
  ssl_configuration configuration = make_configuration();
  configuration.verify_mode = peer_verify_mode::verify;
  configuration.ca_certificates = trust_store::from_pem(gate_ca().certificate).value();
  configuration.handshake_must_interrupt_on_error = interrupts;
  return configuration;
}

inline ssl_configuration gate_with_rule(std::string_view rule, bool interrupts = false) {
  ssl_configuration configuration = gate_configuration(interrupts);
  configuration.allow = {access_rule::parse(rule).value()};
  return configuration;
}

inline ssl_configuration key_configuration() {
  ssl_configuration configuration = make_configuration();
  configuration.pre_shared_keys = true;
  return configuration;
}

inline const std::string alices_key = "alice and the server know these";

inline pre_shared_key key_of(std::string_view bytes, pre_shared_key_hash hash = pre_shared_key_hash::sha256) {
  return pre_shared_key(std::as_bytes(std::span(bytes)), hash);
}

inline memory_client_options alice(int version, const std::string& key = alices_key) {
  return {.version = version, .identity = "alice", .key = key};
}

/// The first records of a stream as "TYPE LENGTH", and an alert with what it says: "22 90", "21 2 fatal 48".
inline std::vector<std::string> records_of(std::string_view stream) {
  std::vector<std::string> records;
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(stream[at]); };
  while (stream.size() >= 5) {
    const std::size_t size = static_cast<std::size_t>(byte(3) << 8 | byte(4));
    std::string words = std::to_string(byte(0)) + ' ' + std::to_string(size);
    if (byte(0) == 21 && size == 2 && stream.size() >= 7)
      words += (byte(5) == 2 ? " fatal " : " warning ") + std::to_string(byte(6));
    records.push_back(words);
    stream.remove_prefix(std::min(stream.size(), 5 + size));
  }
  return records;
}

/// What became of a client.
struct fate {
  bool thinks_it_is_in = false;  ///< its handshake is complete, which in TLS 1.3 says nothing
  std::string echoed{};
  std::vector<std::string> alerts{};
  stream_end end = stream_end::fin;  ///< of the server's bytes, unless something was echoed
  std::string wire{};                ///< the server's bytes
};

/// OpenSSL's client on a socket.
class gate_client {
 public:
  gate_client(std::uint16_t port, const memory_client_options& options)
      : socket_(raw_client::to_port(port)), tls_(std::make_unique<memory_client>(options)) {}

  memory_client& tls() { return *tls_; }
  raw_client& socket() { return socket_; }

  /// The handshake up to and with the flight that has the client's certificate.
  void send_certificate() {
    for (int flights = 0; flights < 2;) {
      tls_->handshake();
      const std::string flight = tls_->output();
      if (!flight.empty()) {
        socket_.send(flight);
        ++flights;
      } else {
        const std::string bytes = socket_.receive();
        if (bytes.empty()) throw std::runtime_error("the server has ended the handshake");
        tls_->input(bytes);
      }
    }
  }

  /// Completes the handshake and says hello, as far as it is let.
  fate try_to_get_in() {
    while (!tls_->handshake() && tls_->failure().empty() && exchange()) {
    }
    seen_.thinks_it_is_in = tls_->connected();
    if (tls_->connected()) {
      tls_->write("hello");
      while ((seen_.echoed += tls_->read()).empty() && tls_->failure().empty() && exchange()) {
      }
    }
    send();
    if (seen_.echoed.empty()) {
      while (exchange()) {
      }
      seen_.end = socket_.ended().value();
    }
    seen_.alerts = tls_->alerts();
    return seen_;
  }

 private:
  void send() try { socket_.send(tls_->output()); } catch (const std::system_error&) {
    // The server has ended it; what it said before is still to be read.
  }
  bool exchange() {
    send();
    const std::string bytes = socket_.receive();
    seen_.wire += bytes;
    tls_->input(bytes);
    return !bytes.empty();
  }

  raw_client socket_;
  std::unique_ptr<memory_client> tls_;  // OpenSSL knows its address
  fate seen_;
};

inline std::future<fate> knock(std::uint16_t port, const memory_client_options& options) {
  return in_background([port, options] { return gate_client(port, options).try_to_get_in(); });
}

/// Sends the first bytes of a connection back, then closes it.
class echo : public std::enable_shared_from_this<echo> {
 public:
  explicit echo(ssl_socket socket) : socket_(std::move(socket)) {}
  void start() {
    socket_.async_read_some(asio::buffer(data_), [self = shared_from_this()](error_code ec, std::size_t size) {
      if (ec) return;
      asio::async_write(self->socket_, asio::buffer(self->data_.data(), size), [self](error_code, std::size_t) {});
    });
  }

 private:
  ssl_socket socket_;
  std::array<char, 64> data_{};
};

/// What a slot throws, on purpose.
struct slot_threw {};

/// Counts how connections end. Whoever gets into the queue is served by an echo.
class gatekeeper {
 public:
  explicit gatekeeper(ssl_server& server) {
    server.started_encryption_handshake.connect([this](ssl_socket& socket) { began.push_back(socket.id()); });
    server.error_occurred.connect([this](ssl_socket& socket, error_code error) {
      ++ends[socket.id()];
      ++reasons[std::string(to_string(static_cast<handshake_error>(error.value())))];
    });
    server.pending_connection_available.connect([this, &server] {
      ssl_socket taken = *server.next_pending_connection();
      ++ends[taken.id()];
      ++let_in;
      rules.push_back(taken.matched_rule());
      std::make_shared<echo>(std::move(taken))->start();
    });
  }

  /// Each connection that began has ended once, or was let in, and no other.
  void expect_one_end_each() const {
    EXPECT_EQ(ends.size(), began.size());
    for (const auto id : began) {
      const auto found = ends.find(id);
      EXPECT_EQ(found == ends.end() ? 0 : found->second, 1) << "connection " << id;
    }
  }

  std::vector<std::uint64_t> began;
  std::map<std::uint64_t, int> ends;
  std::map<std::string, int> reasons;
  int let_in = 0;
  std::vector<std::string> rules;  ///< by which they were let in
};

/// The server and its io_context can be destroyed by a test, in any order.
class gate_fixture : public testing::Test {
 protected:
  void open(const ssl_configuration& configuration) {
    server->set_configuration(configuration).value();
    ASSERT_EQ(server->listen(loopback), error_code());
    port = server->server_port();
  }

  /// Runs the event loop, if there is one, until `condition` holds. What slots throw is counted.
  template <class Condition>
  void run_until(Condition condition) {
    const auto give_up = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > give_up) throw std::runtime_error("waited in vain");
      run_some(10ms);
    }
  }
  fate run_until_done(std::future<fate>& client) {
    run_until([&] { return client.wait_for(0s) == std::future_status::ready; });
    return client.get();
  }
  void run_some(std::chrono::milliseconds time) {
    if (!io) return std::this_thread::sleep_for(time);  // only other threads can get on
    const auto work = asio::make_work_guard(*io);
    if (io->stopped()) io->restart();
    try {
      io->run_one_for(time);
    } catch (const slot_threw&) {
      ++thrown;
    }
  }
  /// All that is ready.
  void run_ready() {
    if (io->stopped()) io->restart();
    io->poll();
  }

  /// The io_context goes, and with it the server, which one of its handlers owns: the context must outlive the server,
  /// but no handler gets to run any more.
  void destroy_io_context() {
    asio::post(*io, [owned = std::shared_ptr<ssl_server>(std::move(server))] {});
    io.reset();
  }

  /// Each connection ended once, and none holds a place.
  void expect_the_books_to_balance() {
    run_ready();
    keeper.expect_one_end_each();
    EXPECT_EQ(server->handshakes_in_progress(), 0U);
    EXPECT_EQ(server->pending_connections(), 0U);
  }

  std::unique_ptr<asio::io_context> io = std::make_unique<asio::io_context>(1);
  std::unique_ptr<ssl_server> server = std::make_unique<ssl_server>(io->get_executor());
  gatekeeper keeper{*server};
  std::uint16_t port = 0;
  int thrown = 0;
};

}  // namespace sallyport::test

#endif
