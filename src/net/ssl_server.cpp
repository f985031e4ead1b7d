// ssl_server: a TCP server whose queue only ever holds connections with a complete TLS handshake.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/ssl_server.hpp>

#include "address.hpp"
#include "server_state.hpp"

#include <algorithm>
#include <utility>

namespace sallyport {

using std::chrono::milliseconds;

namespace {

// "No limit" is often written milliseconds::max(), which added to the time now would be in the past.
constexpr milliseconds longest_timeout = std::chrono::hours(24 * 365);

}  // namespace

ssl_server::ssl_server(boost::asio::any_io_executor executor)
    : state_(std::make_shared<detail::server_state>(std::move(executor))),
      pending_connection_available(state_->pending_connection_available),
      started_encryption_handshake(state_->started_encryption_handshake),
      alert_sent(state_->alert_sent),
      alert_received(state_->alert_received),
      peer_verify_error(state_->peer_verify_error),
      ssl_errors(state_->ssl_errors),
      handshake_interrupted_on_error(state_->handshake_interrupted_on_error),
      pre_shared_key_authentication_required(state_->pre_shared_key_authentication_required),
      unknown_server_name(state_->unknown_server_name),
      error_occurred(state_->error_occurred),
      accept_error(state_->accept_error) {}

ssl_server::~ssl_server() { state_->destroy(); }

ssl_server::executor_type ssl_server::get_executor() const noexcept { return state_->loop().executor(); }

result<void> ssl_server::set_configuration(const ssl_configuration& configuration) {
  auto made = state_->make_context(configuration);
  if (!made) return made.error();
  state_->configuration = *std::move(made);
  return {};
}

const ssl_configuration& ssl_server::configuration() const noexcept {
  static const ssl_configuration none;
  return state_->configuration ? state_->configuration->configuration() : none;
}

std::span<const std::string> ssl_server::configuration_warnings() const noexcept {
  if (!state_->configuration) return {};
  return state_->configuration->warnings();
}

void ssl_server::set_handshake_timeout(milliseconds timeout) {
  state_->handshake_timeout = std::clamp(timeout, milliseconds(1), longest_timeout);
}
milliseconds ssl_server::handshake_timeout() const noexcept { return state_->handshake_timeout; }

void ssl_server::set_shutdown_timeout(milliseconds timeout) {
  state_->shutdown_timeout = std::clamp(timeout, milliseconds(1), longest_timeout);
}
milliseconds ssl_server::shutdown_timeout() const noexcept { return state_->shutdown_timeout; }

void ssl_server::set_max_handshakes(std::size_t count) { state_->places().set_limit(count); }
std::size_t ssl_server::max_handshakes() const noexcept { return state_->places().limit(); }

void ssl_server::set_max_handshakes_per_address(std::size_t count) { state_->places().set_limit_per_address(count); }
std::size_t ssl_server::max_handshakes_per_address() const noexcept { return state_->places().limit_per_address(); }

void ssl_server::set_handshake_budget(std::size_t steps) { state_->loop().set_handshake_budget(steps); }
std::size_t ssl_server::handshake_budget() const noexcept { return state_->loop().handshake_budget(); }

void ssl_server::set_handshake_workers(std::optional<worker_threads> workers) {
  state_->handshake_workers = std::move(workers);
}

void ssl_server::set_max_pending_connections(std::size_t count) {
  state_->max_pending_connections = std::max<std::size_t>(count, 1);
  state_->wait_for_clients();
}
std::size_t ssl_server::max_pending_connections() const noexcept { return state_->max_pending_connections; }

error_code ssl_server::listen(const boost::asio::generic::stream_protocol::endpoint& endpoint,
                              const listen_options& options) {
  return state_->listen(endpoint, options);
}
error_code ssl_server::set_socket_descriptor(int descriptor) { return state_->set_socket_descriptor(descriptor); }
int ssl_server::socket_descriptor() const noexcept { return state_->listening().descriptor(); }
bool ssl_server::is_listening() const noexcept { return state_->listening().is_open(); }
boost::asio::ip::tcp::endpoint ssl_server::local_endpoint() const {
  return detail::to_tcp(state_->listening().local_endpoint());
}
std::uint16_t ssl_server::server_port() const { return local_endpoint().port(); }

void ssl_server::pause_accepting() { state_->pause_accepting(); }
void ssl_server::resume_accepting() { state_->resume_accepting(); }
void ssl_server::adopt(boost::asio::generic::stream_protocol::socket socket, std::span<const std::byte> already_read) {
  state_->adopt(std::move(socket), already_read);
}
void ssl_server::close() { state_->close(); }

bool ssl_server::has_pending_connections() const noexcept { return state_->pending() > 0; }
std::optional<ssl_socket> ssl_server::next_pending_connection() {
  auto first = state_->take_pending();
  if (!first) return std::nullopt;
  return detail::connection::hand_out(std::move(first));
}

bool ssl_server::wait_for_new_connection(milliseconds timeout, bool* timed_out) {
  if (timeout < milliseconds(0)) return state_->wait_for_new_connection(std::nullopt, timed_out);
  return state_->wait_for_new_connection(std::min(timeout, longest_timeout), timed_out);
}

error_code ssl_server::server_error() const noexcept { return state_->server_error(); }
const std::string& ssl_server::error_string() const noexcept { return state_->error_string(); }

std::size_t ssl_server::pending_connections() const noexcept { return state_->pending(); }
std::size_t ssl_server::handshakes_in_progress() const noexcept { return state_->places().size(); }
std::size_t ssl_server::open_connections() const noexcept { return state_->open_connections(); }

void ssl_server::start_accept(detail::accept_handler handler) { state_->start_accept(std::move(handler)); }
void ssl_server::start_drain(milliseconds deadline, detail::shutdown_handler handler) {
  state_->start_drain(std::clamp(deadline, milliseconds(0), longest_timeout), std::move(handler));
}

}  // namespace sallyport
