// service: see service.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "service.hpp"

#include "duration.hpp"
#include "endpoint.hpp"
#include "handshake_log.hpp"
#include "live_configuration.hpp"
#include "psk_file.hpp"

#include <sallyport/server_group.hpp>
#include <sallyport/ssl_server.hpp>
#include <sallyport/worker_threads.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace sallyport::tool {
namespace {

namespace asio = boost::asio;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

// At most one line about accept() per second: out of descriptors, it fails for as long as there are clients.
constexpr std::chrono::seconds accept_error_interval{1};

// Who got in is what an operator wants to know where not everybody may; elsewhere it would be a line per client.
log_level level_of_accepted(const service_options& options) {
  const bool are_told_apart = options.asks_for_certificates() || options.psk_file;
  return are_told_apart ? log_level::info : log_level::debug;
}

// What a thread gets of a limit that is for all together.
std::size_t share_of(std::size_t total, std::size_t threads, std::size_t number) {
  return std::max<std::size_t>(total / threads + (number < total % threads ? 1 : 0), 1);
}

// Its own thread, which is the main thread, waits for signals; clients are served by the group's.
class service {
 public:
  service(const service_options& options, logger& log, handler_maker make_handler)
      : options_(options), log_(log), make_handler_(std::move(make_handler)) {}

  exit_status run();

 private:
  void configure();
  void listen();
  // Of one of the group's servers, before its thread runs.
  void set_up(ssl_server& server, std::size_t number, std::size_t threads);
  void connect_slots(ssl_server& server);

  void reload_on_signal();
  asio::awaitable<void> stop_on_signal();
  void stop_at_once();
  std::size_t open_connections();
  // True if nothing is left that the threads would have to wait for.
  bool is_out_of_work();

  // --- on the group's threads ---
  asio::awaitable<void> accept_connections(ssl_server& server, connection_handler handler);
  void serve(ssl_socket socket, const connection_handler& handler);
  served_handler log_end(const ssl_socket& socket);
  // True if this client may come in.
  bool is_authenticated(const ssl_socket& socket) const;
  void find_pre_shared_key(ssl_pre_shared_key_authenticator& authenticator) const;
  void log_accept_error(error_code failure);

  // Nothing that a slot or handler throws ends a thread.
  void log_unexpected(std::string_view what, const std::exception_ptr& thrown);
  // For co_spawn: what a coroutine threw is logged and goes no further.
  auto log_exception(std::string_view what);

  const service_options& options_;
  logger& log_;
  handler_maker make_handler_;
  asio::io_context context_{1};
  asio::signal_set signals_{context_};
  asio::signal_set hangups_{context_};
  live_configuration configuration_{context_.get_executor(), options_, log_};
  handshake_log handshakes_{context_.get_executor(), log_, level_of_accepted(options_)};
  log_sampler accept_errors_{accept_error_interval};
  exit_status status_ = exit_ok;
  std::optional<worker_threads> key_threads_{};
  std::optional<server_group> group_{};  // the last one: its threads use the others
};

void service::log_unexpected(std::string_view what, const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& failure) {
    log_.error(what, {{"detail", failure.what()}});
  }
}

auto service::log_exception(std::string_view what) {
  return [this, what](const std::exception_ptr& thrown) {
    if (thrown) log_unexpected(what, thrown);
  };
}

void service::configure() {
  if (options_.key_threads != 0) key_threads_.emplace(options_.key_threads);
  const std::size_t threads = options_.threads == 0 ? server_group::usable_cores() : options_.threads;
  group_.emplace(
      threads, [this, threads](ssl_server& server, std::size_t number) { set_up(server, number, threads); },
      [this](const std::exception_ptr& thrown, std::size_t) { log_unexpected("unexpected failure", thrown); });
  configuration_.start(*group_);
}

void service::listen() {
  error_code failure;
  for (const stream_endpoint& endpoint : listen_endpoints(options_.listen)) {
    const auto listening = group_->listen(endpoint);
    failure = listening.has_error() ? listening.error().code : error_code();
    const bool no_such_family =
        failure == asio::error::address_family_not_supported || failure == boost::system::errc::address_not_available;
    if (!no_such_family) break;
  }
  const std::string asked = tool::to_string(options_.listen);
  if (failure) throw startup_failure(exit_failure, "can't listen on " + asked + ": " + failure.message());
  log_.info("listening on " + (options_.listen.is_unix() ? asked : tool::to_string(group_->local_endpoint())),
            {{"threads", group_->size()}});
}

void service::set_up(ssl_server& server, std::size_t number, std::size_t threads) {
  server.set_handshake_timeout(options_.handshake_timeout);
  server.set_max_handshakes(share_of(options_.max_handshakes, threads, number));
  server.set_max_handshakes_per_address(share_of(options_.max_handshakes_per_address, threads, number));
  server.set_max_pending_connections(share_of(options_.max_pending_connections, threads, number));
  server.set_handshake_workers(key_threads_);
  connect_slots(server);
  asio::co_spawn(server.get_executor(), accept_connections(server, make_handler_(server.get_executor())),
                 log_exception("accepting ended unexpectedly"));
}

void service::connect_slots(ssl_server& server) {
  server.error_occurred.connect(
      [this](ssl_socket& socket, error_code failure) { handshakes_.failed(socket, failure); });
  server.accept_error.connect([this](error_code failure) { log_accept_error(failure); });
  if (!options_.psk_file) return;
  server.pre_shared_key_authentication_required.connect(
      [this](ssl_socket&, ssl_pre_shared_key_authenticator& authenticator) { find_pre_shared_key(authenticator); });
  // Who has a pre-shared key needs no certificate.
  server.ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) {
    if (socket.pre_shared_key_identity().empty()) return;
    const ssl_error missing{.code = ssl_error_code::no_peer_certificate};
    socket.ignore_ssl_errors({&missing, 1});
  });
}

void service::find_pre_shared_key(ssl_pre_shared_key_authenticator& authenticator) const {
  const auto keys = configuration_.pre_shared_keys();  // those in use now, for as long as one of them is
  const pre_shared_key* key = keys->find(authenticator.identity());
  if (key != nullptr) authenticator.set_pre_shared_key(key->bytes(), key->hash());
}

// What the handshake has made sure of, asked once more when it is over: the slot of ssl_errors forgives a missing
// certificate to a client that has only named an identity, and whether its key was used is known only now.
bool service::is_authenticated(const ssl_socket& socket) const {
  if (!socket.pre_shared_key_identity().empty()) return true;
  // With --for it depends on the name whether a certificate is required; if it is, its absence has been told.
  const auto is_missing = [](const ssl_error& error) { return error.code == ssl_error_code::no_peer_certificate; };
  if (std::ranges::any_of(socket.ssl_handshake_errors(), is_missing)) return false;
  if (options_.client_verify != peer_verify_mode::verify || !options_.for_names.empty()) return true;
  return socket.peer_certificate() && socket.ssl_handshake_errors().empty();
}

void service::log_accept_error(error_code failure) {
  std::uint64_t suppressed = 0;
  if (!accept_errors_.admit(std::chrono::steady_clock::now(), suppressed)) return;
  std::vector<log_field> fields{{"reason", failure.message()}};
  if (suppressed != 0) fields.emplace_back("suppressed", suppressed);
  log_.warning("accept failed", fields);
}

void service::serve(ssl_socket socket, const connection_handler& handler) {
  if (!is_authenticated(socket)) {
    log_.error("connection refused", {{"peer", socket.peer_name()},
                                      {"id", socket.id()},
                                      {"detail", "neither a certificate nor a pre-shared key vouches for the client"}});
    socket.abort();
    return;
  }
  handshakes_.accepted(socket);
  auto done = log_end(socket);
  handler(std::move(socket), std::move(done));
}

// Nothing is kept of a connection for a line that won't be written.
served_handler service::log_end(const ssl_socket& socket) {
  if (!log_.enabled(log_level::debug)) return {};
  return [this, peer = socket.peer_name(), id = socket.id()](const served& all) {
    log_.debug(
        "connection closed",
        {{"peer", peer}, {"id", id}, {"bytes_in", all.bytes_in}, {"bytes_out", all.bytes_out}, {"ended", all.ended}});
  };
}

asio::awaitable<void> service::accept_connections(ssl_server& server, connection_handler handler) {
  for (;;) {
    auto [closed, socket] = co_await server.async_accept(as_result);
    if (closed) co_return;
    try {
      serve(std::move(socket), handler);
    } catch (const std::exception& failure) {  // out of memory: this one is lost, the next may not be
      log_.error("connection ended unexpectedly", {{"detail", failure.what()}});
    }
  }
}

std::size_t service::open_connections() {
  std::size_t all = 0;
  group_->for_each([&](ssl_server& server, std::size_t) { all += server.open_connections(); });
  return all;
}

// The second signal: no farewells, and no destructors either, which would wait for a name server.
void service::stop_at_once() {
  log_.warning("stopped at once", {{"open_connections", open_connections()}});
  group_->stop();
  handshakes_.finish();
  std::exit(exit_failure);
}

// For as long as we run, though after a while nothing is reloaded any more: without a handler it would end the process.
void service::reload_on_signal() {
  hangups_.async_wait([this](error_code cancelled, int) {
    if (cancelled) return;
    reload_on_signal();
    configuration_.reload("SIGHUP");
  });
}

asio::awaitable<void> service::stop_on_signal() {
  const auto [cancelled, number] = co_await signals_.async_wait(as_result);
  if (cancelled) co_return;
  configuration_.stop();
  signals_.async_wait([this](error_code nothing, int) {
    if (!nothing) stop_at_once();
  });
  log_.info("stopping", {{"signal", number == SIGINT ? "SIGINT" : "SIGTERM"},
                         {"open_connections", open_connections()},
                         {"timeout", tool::to_string(options_.shutdown_timeout)}});
  const auto [forced] = co_await group_->async_drain(options_.shutdown_timeout, as_result);
  group_->stop();  // and what the connections have to say at their end is said
  handshakes_.finish();
  if (forced) {
    status_ = exit_failure;
    log_.warning("stopped", {{"detail", "connections were still open at --shutdown-timeout and have been cut"}});
  } else {
    log_.info("stopped");
  }
  context_.stop();
}

bool service::is_out_of_work() {
  bool is_out = true;
  group_->for_each([&](ssl_server& server, std::size_t) {  // here, as the threads have ended
    auto& context = server.get_executor().target<asio::io_context::executor_type>()->context();
    context.restart();
    context.poll();
    is_out = is_out && context.stopped();
  });
  return is_out;
}

exit_status service::run() {
  // Without a handler it would end us; one that comes while we start is looked at when we have.
  hangups_.add(SIGHUP);
  configure();
  // Before the log says that we listen: whoever reads it may send a signal at once.
  signals_.add(SIGTERM);
  signals_.add(SIGINT);
  listen();
  reload_on_signal();
  asio::co_spawn(context_, stop_on_signal(), log_exception("stopping failed unexpectedly"));
  while (!context_.stopped()) {
    try {
      context_.run();
    } catch (const std::exception&) {
      log_unexpected("unexpected failure", std::current_exception());
    }
  }
  // Work that is left belongs to coroutines in the middle of something, such as a name server that doesn't answer. They
  // end with the process, not by being torn down one by one while they refer to each other.
  if (!is_out_of_work()) std::exit(status_);
  return status_;
}

}  // namespace

exit_status run_service(const service_options& options, logger& log, handler_maker make_handler) {
  return service(options, log, std::move(make_handler)).run();
}

}  // namespace sallyport::tool
