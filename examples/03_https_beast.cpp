// An HTTPS server: Boost.Beast speaks HTTP, an ssl_socket is its stream.
//
// Try it: curl --insecure https://127.0.0.1:8443/
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/sallyport.hpp>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <fstream>
#include <iostream>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

asio::awaitable<void> serve_client(sallyport::ssl_socket socket) {
  beast::flat_buffer buffer;
  for (;;) {
    http::request<http::string_body> request;
    auto [error, size] = co_await http::async_read(socket, buffer, request, asio::as_tuple(asio::use_awaitable));
    if (error) break;  // the client has closed, or doesn't speak HTTP

    http::response<http::string_body> response(http::status::ok, request.version());
    response.set(http::field::content_type, "text/plain");
    response.keep_alive(request.keep_alive());
    response.body() = "You asked for " + std::string(request.target()) + " over " +
                      std::string(to_string(socket.session_protocol())) + ".\n";
    response.prepare_payload();
    co_await http::async_write(socket, response, asio::use_awaitable);
    if (response.need_eof()) break;
  }
  co_await socket.async_shutdown(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<void> serve(sallyport::ssl_server& server) {
  for (;;) {
    auto socket = co_await server.async_accept(asio::use_awaitable);
    asio::co_spawn(server.get_executor(), serve_client(std::move(socket)), asio::detached);
  }
}

// With a second argument, writes its certificate to that file, so that a client can trust it:
//   curl --cacert FILE https://localhost:PORT/
int main(int argc, char** argv) {
  asio::io_context context(1);
  sallyport::ssl_server server(context.get_executor());

  sallyport::ssl_configuration configuration;
  configuration.identities = {sallyport::identity::self_signed({"localhost", "127.0.0.1"}).value()};
  configuration.alpn_protocols = {"http/1.1"};
  server.set_configuration(configuration).value();
  if (argc > 2) std::ofstream(argv[2]) << configuration.identities.front().certificate_pem();

  const auto port = static_cast<std::uint16_t>(argc > 1 ? std::stoi(argv[1]) : 8443);
  if (auto error = server.listen(asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port))) {
    std::cerr << "listen: " << error.message() << '\n';
    return 1;
  }
  std::cerr << "listening on port " << server.server_port() << '\n';
  asio::co_spawn(context, serve(server), asio::detached);
  context.run();
}
