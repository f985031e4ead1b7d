// Clients without certificates: each has a key that the server knows, too.
//
//   05_pre_shared_keys PORT
//   openssl s_client -connect localhost:PORT -psk_identity alice -psk 00112233445566778899aabbccddeeff
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/sallyport.hpp>

#include <boost/asio.hpp>

#include <array>
#include <iostream>
#include <string>

namespace asio = boost::asio;

// From a database, in a real server. The key of each client is its own, random, and at least 16 bytes long.
constexpr std::array<std::uint8_t, 16> key_of_alice{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                                    0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};

asio::awaitable<void> greet(sallyport::ssl_socket socket) {
  const std::string greeting = "Hello " + socket.pre_shared_key_identity() + "\n";
  co_await asio::async_write(socket, asio::buffer(greeting), asio::use_awaitable);
  co_await socket.async_shutdown(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<void> serve(sallyport::ssl_server& server) {
  for (;;) {
    auto socket = co_await server.async_accept(asio::use_awaitable);
    asio::co_spawn(server.get_executor(), greet(std::move(socket)), asio::detached);
  }
}

int main(int argc, char** argv) {
  asio::io_context context(1);
  sallyport::ssl_server server(context.get_executor());

  sallyport::ssl_configuration configuration;
  configuration.pre_shared_keys = true;  // and no identities: nobody gets in without a key
  server.set_configuration(configuration).value();

  server.pre_shared_key_authentication_required.connect(
      [](sallyport::ssl_socket&, sallyport::ssl_pre_shared_key_authenticator& authenticator) {
        if (authenticator.identity() == "alice")
          authenticator.set_pre_shared_key(std::as_bytes(std::span(key_of_alice)));
      });
  server.error_occurred.connect([](sallyport::ssl_socket& socket, sallyport::error_code) {
    std::cerr << socket.peer_name() << ": " << socket.report().sentence << '\n';
  });

  const auto port = static_cast<std::uint16_t>(argc > 1 ? std::stoi(argv[1]) : 8443);
  if (auto error = server.listen(asio::ip::tcp::endpoint(asio::ip::tcp::v6(), port))) {
    std::cerr << server.error_string() << '\n';
    return error.value();
  }
  std::cerr << "listening on port " << server.server_port() << '\n';
  asio::co_spawn(context, serve(server), asio::detached);
  context.run();
}
