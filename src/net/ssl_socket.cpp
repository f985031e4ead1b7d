// ssl_socket: one encrypted connection, as the server hands it out.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/ssl_socket.hpp>

#include "connection.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/system_executor.hpp>

#include <utility>

namespace sallyport {
namespace {

namespace asio = boost::asio;

const std::string no_text;

// Without a connection there is no executor of ours to complete on.
const asio::any_io_executor nowhere = asio::system_executor();

void fail_without_connection(detail::io_handler&& handler) {
  detail::pending_io::refuse(std::move(handler), nowhere, asio::error::bad_descriptor);
}
void fail_without_connection(detail::shutdown_handler handler) {
  detail::pending_operation<error_code>(std::move(handler), nowhere, [] {}).complete_later(asio::error::bad_descriptor);
}

}  // namespace

ssl_socket::ssl_socket() noexcept = default;
ssl_socket::ssl_socket(std::shared_ptr<detail::connection> connection) noexcept : connection_(std::move(connection)) {}
ssl_socket::ssl_socket(ssl_socket&& other) noexcept = default;

ssl_socket& ssl_socket::operator=(ssl_socket&& other) noexcept {
  ssl_socket former(std::move(*this));  // closes what it held, after the move
  connection_ = std::move(other.connection_);
  return *this;
}

ssl_socket::~ssl_socket() {
  if (connection_) connection_->close();
}

ssl_socket::executor_type ssl_socket::get_executor() const noexcept {
  return connection_ ? connection_->executor() : executor_type();
}

std::uint64_t ssl_socket::id() const noexcept { return connection_ ? connection_->id() : 0; }

asio::ip::tcp::endpoint ssl_socket::remote_endpoint() const {
  return connection_ ? connection_->remote_endpoint() : asio::ip::tcp::endpoint();
}
asio::ip::tcp::endpoint ssl_socket::local_endpoint() const {
  return connection_ ? connection_->local_endpoint() : asio::ip::tcp::endpoint();
}
std::string ssl_socket::peer_name() const { return connection_ ? connection_->peer_name() : std::string(); }

bool ssl_socket::is_open() const noexcept {
  return connection_ && (connection_->current_state() == detail::connection::state::handshaking ||
                         connection_->current_state() == detail::connection::state::open);
}
bool ssl_socket::is_encrypted() const noexcept {
  return connection_ && connection_->current_state() == detail::connection::state::open;
}

handshake_phase ssl_socket::phase() const noexcept {
  return connection_ ? connection_->tls().phase() : handshake_phase::before_client_hello;
}
std::chrono::steady_clock::duration ssl_socket::handshake_duration() const noexcept {
  return connection_ ? connection_->handshake_duration() : std::chrono::steady_clock::duration();
}

tls_version ssl_socket::session_protocol() const noexcept {
  return connection_ ? connection_->tls().version() : tls_version::unknown;
}
std::string_view ssl_socket::session_cipher() const noexcept { return connection_ ? connection_->tls().cipher() : ""; }
std::string ssl_socket::key_exchange_group() const {
  return connection_ ? connection_->tls().key_exchange_group() : std::string();
}
std::string_view ssl_socket::next_negotiated_protocol() const noexcept {
  return connection_ ? connection_->tls().application_protocol() : "";
}
const std::string& ssl_socket::server_name() const noexcept {
  return connection_ ? connection_->tls().server_name() : no_text;
}
bool ssl_socket::session_resumed() const noexcept { return connection_ && connection_->tls().resumed(); }

std::optional<certificate> ssl_socket::peer_certificate() const {
  const auto& chain = peer_certificate_chain();
  return chain.empty() ? std::nullopt : std::optional(chain.front());
}
const std::vector<certificate>& ssl_socket::peer_certificate_chain() const noexcept {
  static const std::vector<certificate> none;
  return connection_ ? connection_->tls().peer_certificate_chain() : none;
}
std::optional<certificate> ssl_socket::local_certificate() const {
  return connection_ ? connection_->tls().local_certificate() : std::nullopt;
}
const std::string& ssl_socket::pre_shared_key_identity() const noexcept {
  return connection_ ? connection_->tls().pre_shared_key_identity() : no_text;
}
const std::string& ssl_socket::matched_rule() const noexcept {
  return connection_ ? connection_->tls().matched_rule() : no_text;
}
std::span<const ssl_error> ssl_socket::ssl_handshake_errors() const noexcept {
  return connection_ ? connection_->tls().ssl_handshake_errors() : std::span<const ssl_error>();
}

void ssl_socket::ignore_ssl_errors() {
  if (connection_) connection_->ignore_ssl_errors();
}
void ssl_socket::ignore_ssl_errors(std::span<const ssl_error> expected) {
  if (connection_) connection_->ignore_ssl_errors(expected);
}
void ssl_socket::continue_interrupted_handshake() {
  if (connection_) connection_->continue_interrupted_handshake();
}
interrupted_handshake ssl_socket::defer_interrupted_handshake() {
  if (!connection_) return detail::connection::nothing_interrupted();
  return connection_->defer_interrupted_handshake();
}
deferred_pre_shared_key ssl_socket::defer_pre_shared_key() {
  if (!connection_) return detail::connection::nothing_deferred();
  return connection_->defer_pre_shared_key();
}
void ssl_socket::use_identity(const identity& shown) {
  if (connection_) connection_->use_identity(shown);
}
deferred_identity ssl_socket::defer_identity() {
  if (!connection_) return detail::connection::no_identity_deferred();
  return connection_->defer_identity();
}
handshake_report ssl_socket::report() const { return connection_ ? connection_->report() : handshake_report(); }

error_code ssl_socket::error() const noexcept { return connection_ ? connection_->error() : error_code(); }
const std::string& ssl_socket::error_string() const noexcept {
  return connection_ ? connection_->error_string() : no_text;
}

const asio::any_io_executor& ssl_socket::home() const noexcept {
  return connection_ ? connection_->executor() : nowhere;
}

void ssl_socket::start_wait(asio::socket_base::wait_type what, detail::io_handler&& handler) {
  if (!connection_) return fail_without_connection(std::move(handler));
  connection_->start_wait(what, std::move(handler));
}
std::size_t ssl_socket::read_now(asio::mutable_buffer buffer, error_code& ec) {
  if (connection_) return connection_->read_now(buffer, ec);
  ec = asio::error::bad_descriptor;
  return 0;
}
std::size_t ssl_socket::write_now(const detail::gathered_buffers& buffers, error_code& ec) {
  if (connection_) return connection_->write_now(buffers, ec);
  ec = asio::error::bad_descriptor;
  return 0;
}
void ssl_socket::shutdown_send(error_code& ec) {
  ec = connection_ ? connection_->shutdown_send_now() : asio::error::bad_descriptor;
}
void ssl_socket::start_read(asio::mutable_buffer buffer, detail::io_handler&& handler) {
  if (!connection_) return fail_without_connection(std::move(handler));
  connection_->start_read(buffer, std::move(handler));
}
void ssl_socket::start_write(const detail::gathered_buffers& buffers, detail::io_handler&& handler) {
  if (!connection_) return fail_without_connection(std::move(handler));
  connection_->start_write(buffers, std::move(handler));
}
void ssl_socket::start_shutdown_send(detail::shutdown_handler handler) {
  if (!connection_) return fail_without_connection(std::move(handler));
  connection_->start_shutdown_send(std::move(handler));
}
void ssl_socket::start_shutdown(detail::shutdown_handler handler) {
  if (!connection_) return fail_without_connection(std::move(handler));
  connection_->start_shutdown(std::move(handler));
}

void ssl_socket::cancel() {
  if (connection_) connection_->cancel();
}
void ssl_socket::close() {
  if (connection_) connection_->close();
}
void ssl_socket::close_without_notify() {
  if (connection_) connection_->close_without_notify();
}
void ssl_socket::abort() {
  if (connection_) connection_->abort();
}
void* ssl_socket::native_handle() noexcept { return connection_ ? connection_->tls().native_handle() : nullptr; }

}  // namespace sallyport
