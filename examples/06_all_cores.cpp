// The echo server on all cores, without a buffer for connections that are idle.
//
// Each core has a server, an event loop and a thread of its own, on the same port. What one of them works with is
// touched by no other thread, so nothing here needs a lock.
//
// Try it: openssl s_client -connect localhost:8443 -quiet
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/sallyport.hpp>

#include <boost/asio.hpp>

#include <iostream>

namespace asio = boost::asio;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

asio::awaitable<void> echo(sallyport::ssl_socket socket) {
  thread_local std::array<char, 64 * 1024> data;  // of all connections of this core: it is used between two co_awaits
  for (;;) {
    co_await socket.async_wait(asio::socket_base::wait_read, as_result);
    sallyport::error_code failure;
    std::size_t size = socket.read_some(asio::buffer(data), failure);
    if (failure == asio::error::would_block) continue;  // a part of a record
    if (failure) break;
    if (socket.write_some(asio::buffer(data, size), failure) == size) continue;
    const std::string rest(data.data(), size);  // the client doesn't read: only now is memory needed
    co_await asio::async_write(socket, asio::buffer(rest), as_result);
  }
}

asio::awaitable<void> serve(sallyport::ssl_server& server) {
  for (;;) {
    auto socket = co_await server.async_accept(asio::use_awaitable);
    asio::co_spawn(server.get_executor(), echo(std::move(socket)), asio::detached);
  }
}

int main(int argc, char** argv) {
  sallyport::server_group group(0, [](sallyport::ssl_server& server, std::size_t) {
    asio::co_spawn(server.get_executor(), serve(server), asio::detached);
  });
  sallyport::ssl_configuration configuration;
  configuration.identities = {sallyport::identity::self_signed({"localhost"}).value()};
  group.set_configuration(configuration).value();
  const auto port = static_cast<std::uint16_t>(argc > 1 ? std::stoi(argv[1]) : 8443);
  group.listen(asio::ip::tcp::endpoint(asio::ip::tcp::v6(), port)).value();
  std::cerr << "listening on port " << group.server_port() << " with " << group.size() << " threads\n";

  asio::io_context main_thread;
  asio::signal_set signals(main_thread, SIGINT, SIGTERM);
  signals.async_wait([&](auto, int) {
    // Connections may finish for ten seconds.
    group.async_drain(std::chrono::seconds(10), asio::bind_executor(main_thread.get_executor(), [](auto) {}));
  });
  main_thread.run();
}
