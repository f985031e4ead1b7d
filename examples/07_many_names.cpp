// Several names on one server, rules for clients, session tickets that other hosts understand, and a reload.
//
//     07_many_names PORT CLIENT_CA TICKET_SECRET CERT_AND_KEY...
//
// Each CERT_AND_KEY is a PEM file with a certificate chain and its key; its names are those in the certificate. Clients
// have to show a certificate of CLIENT_CA with the unit "operations", or a SPIFFE URI of production. After SIGHUP the
// files are read again: for the next connections, if all of them are good.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/sallyport.hpp>

#include <boost/asio.hpp>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

namespace asio = boost::asio;
using sallyport::error_code;
using sallyport::ssl_socket;

namespace {

sallyport::result<sallyport::ssl_configuration> read_files(const std::vector<std::string>& arguments) {
  sallyport::ssl_configuration configuration;
  auto clients = sallyport::trust_store::from_pem_file(arguments[1]);
  if (!clients) return clients.error();
  configuration.verify_mode = sallyport::peer_verify_mode::verify;
  configuration.ca_certificates = *std::move(clients);
  for (const char* rule : {"ou=operations", "uri=spiffe://example.org/production/**"})
    configuration.allow.push_back(sallyport::access_rule::parse(rule).value());

  auto tickets = sallyport::ticket_keys::from_secret_file(arguments[2]);
  if (!tickets) return tickets.error();
  configuration.tickets = *std::move(tickets);

  for (std::size_t at = 3; at < arguments.size(); ++at) {
    auto loaded = sallyport::identity::from_pem_files(arguments[at], arguments[at]);
    if (!loaded) return loaded.error();
    configuration.identities.push_back(*std::move(loaded));
  }
  configuration.unknown_names = sallyport::unknown_name_policy::refuse;
  return configuration;
}

/// The former settings stay if the new ones are wrong.
void load(sallyport::ssl_server& server, const std::vector<std::string>& arguments) {
  const auto read = read_files(arguments);
  const auto set = read ? server.set_configuration(*read) : sallyport::result<void>(read.error());
  std::cerr << (set ? "loaded" : "not loaded: " + set.error().detail) << std::endl;
}

asio::awaitable<void> greet(ssl_socket socket) {
  const std::string greeting = "You asked for " + socket.server_name() + " and are here by the rule " +
                               socket.matched_rule() + (socket.session_resumed() ? " (resumed).\n" : ".\n");
  co_await asio::async_write(socket, asio::buffer(greeting), asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<void> serve(sallyport::ssl_server& server) {
  for (;;) {
    auto [closed, socket] = co_await server.async_accept(asio::as_tuple(asio::use_awaitable));
    if (closed) co_return;
    asio::co_spawn(server.get_executor(), greet(std::move(socket)), asio::detached);
  }
}

asio::awaitable<void> reload(asio::signal_set& hang_up, sallyport::ssl_server& server,
                             const std::vector<std::string>& arguments) {
  for (;;) {
    const auto [cancelled, number] = co_await hang_up.async_wait(asio::as_tuple(asio::use_awaitable));
    if (cancelled) co_return;
    load(server, arguments);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() < 4) {
    std::cerr << "usage: 07_many_names PORT CLIENT_CA TICKET_SECRET CERT_AND_KEY...\n";
    return EXIT_FAILURE;
  }
  asio::io_context io(1);
  sallyport::ssl_server server(io.get_executor());
  server.error_occurred.connect([](ssl_socket& socket, error_code) {
    std::cerr << socket.peer_name() << ": " << socket.report().sentence << std::endl;
  });
  server.set_configuration(read_files(arguments).value()).value();
  const auto port = static_cast<std::uint16_t>(std::stoul(arguments[0]));
  if (server.listen(asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port))) {
    std::cerr << server.error_string() << '\n';
    return EXIT_FAILURE;
  }
  std::cerr << "listening on port " << server.server_port() << std::endl;

  asio::signal_set hang_up(io, SIGHUP);
  asio::co_spawn(io, reload(hang_up, server, arguments), asio::detached);
  asio::co_spawn(io, serve(server), asio::detached);
  io.run();
} catch (const std::exception& failure) {
  std::cerr << failure.what() << '\n';
  return EXIT_FAILURE;
}
