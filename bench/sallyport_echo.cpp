// sallyport_echo: an echo over TLS on the library, by each of the ways to use a socket.
//
// SPDX-License-Identifier: Apache-2.0
#include "named_identities.hpp"
#include "program.hpp"

#include <sallyport/sallyport.hpp>

#include <boost/asio.hpp>
#include <boost/asio/deferred.hpp>

#include <unistd.h>

#include <array>
#include <cstddef>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using asio::ip::tcp;
using sallyport::error_code;
using sallyport::ssl_server;
using sallyport::ssl_socket;

namespace {

constexpr std::size_t one_record = 16 * 1024;

// All of these end a connection by destroying the socket: that sends close_notify, and doesn't wait.

/// --api callbacks: an object for each connection, which the outstanding operation's handler owns.
class callback_echo {
 public:
  static void start(ssl_socket socket) { read(std::make_unique<callback_echo>(std::move(socket))); }

  explicit callback_echo(ssl_socket socket) : socket_(std::move(socket)) {}

 private:
  using owner = std::unique_ptr<callback_echo>;

  static void read(owner self) {
    callback_echo& echo = *self;
    echo.socket_.async_read_some(asio::buffer(echo.data_),
                                 [self = std::move(self)](const error_code& ended, std::size_t size) mutable {
                                   if (!ended) write(std::move(self), 0, size);
                                 });
  }

  static void write(owner self, std::size_t from, std::size_t to) {
    callback_echo& echo = *self;
    echo.socket_.async_write_some(
        asio::buffer(echo.data_.data() + from, to - from),
        [self = std::move(self), from, to](const error_code& failed, std::size_t size) mutable {
          if (failed) return;
          if (from + size < to)
            write(std::move(self), from + size, to);
          else
            read(std::move(self));
        });
  }

  ssl_socket socket_;
  std::array<char, one_record> data_;
};

/// --api wait: no connection has a buffer of its own, unless its client doesn't read.
class waiting_echo {
 public:
  static void start(ssl_socket socket) { wait(std::make_unique<waiting_echo>(std::move(socket))); }

  explicit waiting_echo(ssl_socket socket) : socket_(std::move(socket)) {}

 private:
  using owner = std::unique_ptr<waiting_echo>;

  static void wait(owner self) {
    waiting_echo& echo = *self;
    echo.socket_.async_wait(echo.rest_.empty() ? ssl_wait::wait_read : ssl_wait::wait_write,
                            [self = std::move(self)](const error_code& failed) mutable {
                              if (!failed && self->go_on()) wait(std::move(self));
                            });
  }

  /// False: the connection has ended.
  bool go_on() {
    error_code failure;
    if (!rest_.empty()) {
      if (socket_.write_some(asio::buffer(rest_), failure) > 0) rest_ = {};
      return !failure || failure == asio::error::would_block;
    }
    thread_local std::array<char, 8 * one_record> data;  // as much as write_some takes at a time
    const std::size_t size = socket_.read_some(asio::buffer(data), failure);
    if (size == 0) return failure == asio::error::would_block;
    if (socket_.write_some(asio::buffer(data.data(), size), failure) > 0) return true;
    rest_.assign(data.data(), data.data() + size);
    return failure == asio::error::would_block;
  }

  using ssl_wait = asio::socket_base;

  ssl_socket socket_;
  std::vector<char> rest_;
};

/// --api coroutines: what awaits an operation directly, without a coroutine for it.
asio::awaitable<void> deferred_echo(ssl_socket socket) {
  constexpr auto as_result = asio::as_tuple(asio::deferred);
  std::array<char, one_record> data;
  for (;;) {
    const auto [ended, size] = co_await socket.async_read_some(asio::buffer(data), as_result);
    if (ended) break;
    for (std::size_t from = 0; from < size;) {
      const auto [failed, taken] =
          co_await socket.async_write_some(asio::buffer(data.data() + from, size - from), as_result);
      if (failed) co_return;
      from += taken;
    }
  }
}

/// --api coroutines-with-executor: what everybody writes.
asio::awaitable<void> usual_echo(ssl_socket socket) {
  constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
  std::array<char, one_record> data;
  for (;;) {
    const auto [ended, size] = co_await socket.async_read_some(asio::buffer(data), as_result);
    if (ended) break;
    const auto [failed, sent] = co_await asio::async_write(socket, asio::buffer(data, size), as_result);
    if (failed) break;
  }
}

using start_function = void (*)(ssl_socket);

start_function start_of(const std::string& api) {
  if (api == "callbacks") return callback_echo::start;
  if (api == "wait") return waiting_echo::start;
  if (api == "coroutines") {
    return [](ssl_socket socket) {
      const auto executor = socket.get_executor();
      asio::co_spawn(executor, deferred_echo(std::move(socket)), asio::detached);
    };
  }
  if (api == "coroutines-with-executor") {
    return [](ssl_socket socket) {
      const auto executor = socket.get_executor();
      asio::co_spawn(executor, usual_echo(std::move(socket)), asio::detached);
    };
  }
  refuse("--api: '" + api + "' is none of callbacks, wait, coroutines, coroutines-with-executor");
}

std::vector<sallyport::identity> identities_of(const options& given) {
  const auto count = static_cast<std::size_t>(given.number("--identities"));
  if (count > 0) return load_identities(given.text("--directory"), count);
  for (const char* needed : {"--cert", "--key"}) {
    if (given.text(needed) == "none") refuse(std::string(needed) + ": is needed, or --identities and --directory");
  }
  return {sallyport::identity::from_pem_files(given.text("--cert"), given.text("--key")).value()};
}

void accept(ssl_server& server, start_function start) {
  server.async_accept([&server, start](const error_code& closed, ssl_socket socket) {
    if (closed) return;
    start(std::move(socket));
    accept(server, start);
  });
}

}  // namespace

int main(int argc, char** argv) try {
  const options given(argc, argv,
                      {{"--cert", "none"},
                       {"--key", "none"},
                       {"--listen", "127.0.0.1:0"},
                       {"--api", "callbacks"},
                       {"--identities", "0"},  // 0: --cert and --key; otherwise so many of --directory
                       {"--directory", "none"},
                       {"--threads", "0"},             // 0: no server_group
                       {"--handshake-budget", "0"}});  // 0: the library's
  const start_function start = start_of(given.text("--api"));
  const auto budget = static_cast<std::size_t>(given.number("--handshake-budget"));
  const auto threads = static_cast<std::size_t>(given.number("--threads"));

  sallyport::ssl_configuration configuration;
  configuration.identities = identities_of(given);
  const sockaddr_in address = given.address("--listen");
  const tcp::endpoint endpoint(asio::ip::address_v4(ntohl(address.sin_addr.s_addr)), ntohs(address.sin_port));
  const auto set_up = [&](ssl_server& server) {
    if (budget > 0) server.set_handshake_budget(budget);
    accept(server, start);
  };
  const auto tell = [](const tcp::endpoint& at) { print_listening(at.address().to_string(), at.port()); };
  end_on_sigterm();

  if (threads > 0) {
    sallyport::server_group group(threads, [&](ssl_server& server, std::size_t) { set_up(server); });
    group.set_configuration(configuration).value();
    group.listen(endpoint).value();
    tell(group.local_endpoint());
    for (;;) ::pause();
  }

  asio::io_context loop(1);
  ssl_server server(loop.get_executor());
  server.set_configuration(configuration).value();
  set_up(server);
  if (server.listen(endpoint)) refuse("--listen: " + server.error_string());
  tell(server.local_endpoint());
  loop.run();
} catch (const std::exception& error) {
  std::cerr << "sallyport_echo: " << error.what() << '\n';
  return 1;
}
