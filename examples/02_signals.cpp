// The queue and the signals, without coroutines: QSslServer's way of working.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/sallyport.hpp>

#include <boost/asio.hpp>

#include <iostream>
#include <memory>

namespace asio = boost::asio;

/// Says hello to one client and closes. The handlers keep it alive.
class greeter : public std::enable_shared_from_this<greeter> {
 public:
  explicit greeter(sallyport::ssl_socket socket) : socket_(std::move(socket)) {}

  void start() {
    asio::async_write(socket_, asio::buffer(greeting_),
                      [self = shared_from_this()](sallyport::error_code error, std::size_t) {
                        if (!error) self->say_goodbye();
                      });
  }

 private:
  void say_goodbye() {
    socket_.async_shutdown([self = shared_from_this()](sallyport::error_code) {});  // its end closes the socket
  }

  sallyport::ssl_socket socket_;
  std::string greeting_ =
      "Hello " + socket_.peer_name() + ", you speak " + std::string(socket_.session_cipher()) + "\n";
};

int main(int argc, char** argv) {
  asio::io_context context(1);
  sallyport::ssl_server server(context.get_executor());

  sallyport::ssl_configuration configuration;
  configuration.identities = {sallyport::identity::self_signed({"localhost"}).value()};
  server.set_configuration(configuration).value();
  server.set_handshake_timeout(std::chrono::seconds(2));

  server.started_encryption_handshake.connect(
      [](sallyport::ssl_socket& socket) { std::cerr << socket.id() << ": handshake started\n"; });
  server.alert_received.connect(
      [](sallyport::ssl_socket& socket, sallyport::alert_level, sallyport::alert_type, std::string_view text) {
        std::cerr << socket.id() << ": the client says: " << text << '\n';
      });
  server.error_occurred.connect([](sallyport::ssl_socket& socket, sallyport::error_code why) {
    std::cerr << socket.id() << ": " << why.message() << " (" << socket.error_string() << ")\n";
  });
  server.pending_connection_available.connect([&server] {
    while (auto socket = server.next_pending_connection()) std::make_shared<greeter>(*std::move(socket))->start();
  });

  const auto port = static_cast<std::uint16_t>(argc > 1 ? std::stoi(argv[1]) : 8443);
  if (auto error = server.listen(asio::ip::tcp::endpoint(asio::ip::tcp::v6(), port))) {
    std::cerr << "listen: " << error.message() << '\n';
    return 1;
  }
  std::cerr << "listening on port " << server.server_port() << '\n';
  context.run();
}
