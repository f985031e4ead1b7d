// An echo server over TLS: what the README shows.
//
// Try it: openssl s_client -connect localhost:8443 -quiet
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/sallyport.hpp>

#include <boost/asio.hpp>

#include <iostream>

namespace asio = boost::asio;

asio::awaitable<void> echo(sallyport::ssl_socket socket) {
  std::array<char, 4096> data;
  for (;;) {
    auto [error, size] = co_await socket.async_read_some(asio::buffer(data), asio::as_tuple(asio::use_awaitable));
    if (error) break;  // asio::error::eof: the client has said goodbye
    co_await asio::async_write(socket, asio::buffer(data, size), asio::use_awaitable);
  }
  co_await socket.async_shutdown(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<void> serve(sallyport::ssl_server& server) {
  for (;;) {
    auto socket = co_await server.async_accept(asio::use_awaitable);  // its handshake is complete
    asio::co_spawn(server.get_executor(), echo(std::move(socket)), asio::detached);
  }
}

int main(int argc, char** argv) {
  asio::io_context context(1);
  sallyport::ssl_server server(context.get_executor());
  sallyport::ssl_configuration configuration;
  configuration.identities = {sallyport::identity::self_signed({"localhost"}).value()};  // or from_pem_files(...)
  server.set_configuration(configuration).value();
  const auto port = static_cast<std::uint16_t>(argc > 1 ? std::stoi(argv[1]) : 8443);
  if (auto error = server.listen(asio::ip::tcp::endpoint(asio::ip::tcp::v6(), port))) return error.value();
  std::cerr << "listening on port " << server.server_port() << '\n';
  asio::co_spawn(context, serve(server), asio::detached);
  context.run();
}
