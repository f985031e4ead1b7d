// service: see service.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "service.hpp"

#include "configuration.hpp"
#include "duration.hpp"
#include "endpoint.hpp"
#include "handshake_log.hpp"
#include "psk_file.hpp"

#include <sallyport/ssl_server.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <memory>
#include <span>
#include <utility>

namespace sallyport::tool {
namespace {

namespace asio = boost::asio;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

// After the drain what is left are farewells: ssl_socket::close() waits at most two seconds so that a client doesn't
// lose its last bytes. Whatever takes longer (a name server that doesn't answer) isn't waited for.
constexpr std::chrono::milliseconds farewell{2500};

// At most one line about accept() per second: out of descriptors, it fails for as long as there are clients.
constexpr std::chrono::seconds accept_error_interval{1};

// Who got in is what an operator wants to know where not everybody may; elsewhere it would be a line per client.
log_level level_of_accepted(const service_options& options) {
  const bool are_told_apart = options.client_verify != peer_verify_mode::none || options.psk_file;
  return are_told_apart ? log_level::info : log_level::debug;
}

class service {
 public:
  service(const service_options& options, logger& log, connection_handler handler)
      : options_(options), log_(log), handler_(std::move(handler)) {}

  exit_status run();

 private:
  void configure();
  void listen();
  void connect_signals();

  // Runs the event loop until it is stopped or out of work. Nothing that a slot or handler throws ends it.
  template <class Run>
  void keep_running(Run run);

  asio::awaitable<void> accept_connections();
  asio::awaitable<void> serve(ssl_socket socket);
  asio::awaitable<void> stop_on_signal();

  // True if this client may come in.
  bool is_authenticated(const ssl_socket& socket) const;
  void find_pre_shared_key(ssl_pre_shared_key_authenticator& authenticator) const;
  void log_accept_error(error_code failure);
  // For co_spawn: what a coroutine threw is logged and goes no further.
  auto log_exception(std::string_view what);

  const service_options& options_;
  logger& log_;
  connection_handler handler_;
  asio::io_context context_{1};
  ssl_server server_{context_.get_executor()};
  asio::signal_set signals_{context_};
  std::unique_ptr<const psk_file> pre_shared_keys_{};
  handshake_log handshakes_{context_.get_executor(), log_, level_of_accepted(options_)};
  log_sampler accept_errors_{accept_error_interval};
  exit_status status_ = exit_ok;
};

auto service::log_exception(std::string_view what) {
  return [this, what](std::exception_ptr thrown) {
    if (!thrown) return;
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& failure) {
      log_.error(what, {{"detail", failure.what()}});
    }
  };
}

void service::configure() {
  if (options_.psk_file) pre_shared_keys_ = std::make_unique<const psk_file>(*options_.psk_file);
  const auto set = server_.set_configuration(make_configuration(options_));
  if (set.has_error()) throw startup_failure(exit_usage, set.error().detail);
  server_.set_handshake_timeout(options_.handshake_timeout);
  server_.set_max_handshakes(options_.max_handshakes);
  server_.set_max_handshakes_per_address(options_.max_handshakes_per_address);
  server_.set_max_pending_connections(options_.max_pending_connections);
  for (const std::string& warning : server_.configuration_warnings()) {
    log_.warning("configuration", {{"detail", warning}});
  }
  if (!pre_shared_keys_) return;
  if (!pre_shared_keys_->warning().empty()) log_.warning("configuration", {{"detail", pre_shared_keys_->warning()}});
  const bool has_certificate = options_.self_signed || !options_.certificates.empty();
  if (has_certificate && options_.client_verify != peer_verify_mode::verify) {
    log_.warning("configuration", {{"detail",
                                    "--psk-file beside --cert: clients without a pre-shared key are let in "
                                    "too (leave --cert out, or ask them for certificates by --client-ca)"}});
  }
}

void service::listen() {
  error_code failure;
  for (const stream_endpoint& endpoint : listen_endpoints(options_.listen)) {
    failure = server_.listen(endpoint);
    const bool no_such_family =
        failure == asio::error::address_family_not_supported || failure == boost::system::errc::address_not_available;
    if (!no_such_family) break;
  }
  const std::string asked = tool::to_string(options_.listen);
  if (failure) throw startup_failure(exit_failure, "can't listen on " + asked + ": " + failure.message());
  log_.info("listening on " + (options_.listen.is_unix() ? asked : tool::to_string(server_.local_endpoint())));
}

void service::connect_signals() {
  server_.error_occurred.connect(
      [this](ssl_socket& socket, error_code failure) { handshakes_.failed(socket, failure); });
  server_.accept_error.connect([this](error_code failure) { log_accept_error(failure); });
  if (!pre_shared_keys_) return;
  server_.pre_shared_key_authentication_required.connect(
      [this](ssl_socket&, ssl_pre_shared_key_authenticator& authenticator) { find_pre_shared_key(authenticator); });
  // Who has a pre-shared key needs no certificate.
  server_.ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) {
    if (socket.pre_shared_key_identity().empty()) return;
    const ssl_error missing{.code = ssl_error_code::no_peer_certificate};
    socket.ignore_ssl_errors({&missing, 1});
  });
}

void service::find_pre_shared_key(ssl_pre_shared_key_authenticator& authenticator) const {
  const pre_shared_key* key = pre_shared_keys_->find(authenticator.identity());
  if (key != nullptr) authenticator.set_pre_shared_key(key->bytes(), key->hash());
}

// What the handshake has made sure of, asked once more when it is over: the slot of ssl_errors forgives a missing
// certificate to a client that has only named an identity, and whether its key was used is known only now.
bool service::is_authenticated(const ssl_socket& socket) const {
  if (options_.client_verify != peer_verify_mode::verify) return true;
  if (!socket.pre_shared_key_identity().empty()) return true;
  return socket.peer_certificate() && socket.ssl_handshake_errors().empty();
}

void service::log_accept_error(error_code failure) {
  std::uint64_t suppressed = 0;
  if (!accept_errors_.admit(std::chrono::steady_clock::now(), suppressed)) return;
  std::vector<log_field> fields{{"reason", failure.message()}};
  if (suppressed != 0) fields.emplace_back("suppressed", suppressed);
  log_.warning("accept failed", fields);
}

asio::awaitable<void> service::serve(ssl_socket socket) {
  if (!is_authenticated(socket)) {
    log_.error("connection refused", {{"peer", socket.peer_name()},
                                      {"id", socket.id()},
                                      {"detail", "neither a certificate nor a pre-shared key vouches for the client"}});
    socket.abort();
    co_return;
  }
  handshakes_.accepted(socket);
  const std::string peer = log_.enabled(log_level::debug) ? socket.peer_name() : std::string();
  const std::uint64_t id = socket.id();
  const served done = co_await handler_(std::move(socket));
  if (!log_.enabled(log_level::debug)) co_return;
  log_.debug(
      "connection closed",
      {{"peer", peer}, {"id", id}, {"bytes_in", done.bytes_in}, {"bytes_out", done.bytes_out}, {"ended", done.ended}});
}

asio::awaitable<void> service::accept_connections() {
  for (;;) {
    auto [closed, socket] = co_await server_.async_accept(as_result);
    if (closed) co_return;
    try {
      asio::co_spawn(context_, serve(std::move(socket)), log_exception("connection ended unexpectedly"));
    } catch (const std::exception& failure) {  // out of memory: this one is lost, the next may not be
      log_.error("connection ended unexpectedly", {{"detail", failure.what()}});
    }
  }
}

asio::awaitable<void> service::stop_on_signal() {
  const auto [cancelled, number] = co_await signals_.async_wait(as_result);
  if (cancelled) co_return;
  // The second signal: no farewells, and no destructors either, which would wait for a name server.
  signals_.async_wait([this](error_code nothing, int) {
    if (nothing) return;
    log_.warning("stopped at once", {{"open_connections", server_.open_connections()}});
    server_.close();
    handshakes_.finish();
    std::exit(exit_failure);
  });
  log_.info("stopping", {{"signal", number == SIGINT ? "SIGINT" : "SIGTERM"},
                         {"open_connections", server_.open_connections()},
                         {"timeout", tool::to_string(options_.shutdown_timeout)}});
  const auto [forced] = co_await server_.async_drain(options_.shutdown_timeout, as_result);
  handshakes_.finish();
  if (forced) {
    status_ = exit_failure;
    log_.warning("stopped", {{"detail", "connections were still open at --shutdown-timeout and have been cut"}});
  } else {
    log_.info("stopped");
  }
  signals_.cancel();
  server_.close();
  context_.stop();
}

template <class Run>
void service::keep_running(Run run) {
  for (;;) {
    try {
      run();
      return;
    } catch (const std::exception& failure) {
      log_.error("unexpected failure", {{"detail", failure.what()}});
    }
  }
}

exit_status service::run() {
  configure();
  connect_signals();
  // Before the log says that we listen: whoever reads it may send a signal at once.
  signals_.add(SIGTERM);
  signals_.add(SIGINT);
  listen();
  asio::co_spawn(context_, accept_connections(), log_exception("accepting ended unexpectedly"));
  asio::co_spawn(context_, stop_on_signal(), log_exception("stopping failed unexpectedly"));
  keep_running([this] { context_.run(); });

  context_.restart();
  const auto end = std::chrono::steady_clock::now() + farewell;
  keep_running([this, end] { context_.run_until(end); });
  handshakes_.finish();
  // Work that is left belongs to coroutines in the middle of something. They end with the process, not by being torn
  // down one by one while they refer to each other.
  if (!context_.stopped()) std::exit(status_);
  return status_;
}

}  // namespace

exit_status run_service(const service_options& options, logger& log, connection_handler handler) {
  return service(options, log, std::move(handler)).run();
}

}  // namespace sallyport::tool
