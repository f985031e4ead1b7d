// asio_stream: an echo over TLS as Boost.Asio's documentation teaches it: ssl::stream, and a coroutine per connection.
//
// SPDX-License-Identifier: Apache-2.0
#include "program.hpp"

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>

#include <array>
#include <exception>
#include <iostream>
#include <utility>

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;

namespace {

asio::awaitable<void> echo(tcp::socket socket, ssl::context& context) {
  ssl::stream<tcp::socket> stream(std::move(socket), context);
  auto [refused] = co_await stream.async_handshake(ssl::stream_base::server, asio::as_tuple(asio::use_awaitable));
  if (refused) co_return;
  std::array<char, 16 * 1024> data;
  for (;;) {
    auto [ended, size] = co_await stream.async_read_some(asio::buffer(data), asio::as_tuple(asio::use_awaitable));
    if (ended) break;
    auto [failed, sent] =
        co_await asio::async_write(stream, asio::buffer(data, size), asio::as_tuple(asio::use_awaitable));
    if (failed) co_return;
  }
  co_await stream.async_shutdown(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<void> serve(tcp::acceptor& acceptor, ssl::context& context) {
  for (;;) {
    auto [failed, socket] = co_await acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
    if (failed) continue;
    asio::co_spawn(acceptor.get_executor(), echo(std::move(socket), context), asio::detached);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const options given(argc, argv, {{"--cert", ""}, {"--key", ""}, {"--listen", "127.0.0.1:0"}});
  ssl::context context(ssl::context::tls_server);
  context.set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  context.use_certificate_chain_file(given.text("--cert"));
  context.use_private_key_file(given.text("--key"), ssl::context::pem);

  asio::io_context loop(1);
  const sockaddr_in address = given.address("--listen");
  tcp::acceptor acceptor(loop, {asio::ip::address_v4(ntohl(address.sin_addr.s_addr)), ntohs(address.sin_port)});
  acceptor.set_option(tcp::no_delay(true));  // Linux hands it on to the accepted sockets
  asio::co_spawn(loop, serve(acceptor, context), asio::detached);

  end_on_sigterm();
  print_listening(acceptor.local_endpoint().address().to_string(), acceptor.local_endpoint().port());
  loop.run();
} catch (const std::exception& error) {
  std::cerr << "asio_stream: " << error.what() << '\n';
  return 1;
}
