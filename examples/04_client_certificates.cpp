// Clients show certificates. Who has one of our CA's gets in; about anybody else a slow look-up on another thread
// decides, while the handshake waits.
//
//   04_client_certificates PORT CA_FILE [FINGERPRINT]...
//   openssl s_client -connect localhost:PORT -cert client.pem -key client.key
//
// A fingerprint is `openssl x509 -in client.pem -noout -fingerprint -sha256` in lower case and without colons.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/sallyport.hpp>

#include <boost/asio.hpp>

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

namespace asio = boost::asio;

asio::awaitable<void> greet(sallyport::ssl_socket socket) {
  const std::string greeting = "Hello " + socket.peer_certificate()->subject() + "\n";
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
  if (argc < 3) {
    std::cerr << "usage: 04_client_certificates PORT CA_FILE [FINGERPRINT]...\n";
    return 2;
  }
  const std::vector<std::string> known(argv + 3, argv + argc);

  asio::io_context context(1);
  asio::thread_pool database(1);  // destroyed before the context and after the server
  sallyport::ssl_server server(context.get_executor());

  sallyport::ssl_configuration configuration;
  configuration.identities = {sallyport::identity::self_signed({"localhost"}).value()};
  configuration.verify_mode = sallyport::peer_verify_mode::verify;
  const auto ca = sallyport::trust_store::from_pem_file(argv[2]);
  if (!ca) {
    std::cerr << ca.error().detail << '\n';
    return 2;
  }
  configuration.ca_certificates = *ca;
  configuration.handshake_must_interrupt_on_error = true;
  server.set_configuration(configuration).value();

  server.handshake_interrupted_on_error.connect([&](sallyport::ssl_socket& socket, const sallyport::ssl_error&) {
    // If we go on, what was found so far is accepted in the end, and nothing else.
    socket.ignore_ssl_errors(socket.ssl_handshake_errors());
    // The client's own certificate counts: the error may be about another one of its chain.
    asio::post(database,
               [&known, client = socket.peer_certificate(), waiting = socket.defer_interrupted_handshake()]() mutable {
                 if (client && std::ranges::count(known, client->sha256_fingerprint()) > 0) waiting.resume();
               });  // undecided, it is refused here
  });
  server.error_occurred.connect([](sallyport::ssl_socket& socket, sallyport::error_code) {
    std::cerr << socket.peer_name() << ": " << socket.report().sentence << '\n';
  });

  if (auto error =
          server.listen(asio::ip::tcp::endpoint(asio::ip::tcp::v6(), static_cast<std::uint16_t>(std::stoi(argv[1]))))) {
    std::cerr << server.error_string() << '\n';
    return error.value();
  }
  std::cerr << "listening on port " << server.server_port() << '\n';
  asio::co_spawn(context, serve(server), asio::detached);
  context.run();
}
