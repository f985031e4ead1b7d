// tunnel: see tunnel.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "tunnel.hpp"

#include "shared_buffer.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/socket_base.hpp>

#include <exception>
#include <utility>

namespace sallyport::tool {
namespace {

namespace asio = boost::asio;

// Somebody who has said "that was all" and then neither sends, takes, nor ends anything for so long is gone: a client
// that never answers a close_notify would otherwise hold two descriptors for ever. Longer than a slow backend takes to
// answer a request, as a client may well half-close after it.
constexpr std::chrono::seconds half_closed_timeout{60};

// Of what a client sends before its backend is there. With this much it isn't read any more.
constexpr std::size_t most_early_data = 16 * 1024;

asio::const_buffer as_buffer(std::span<const std::byte> data) { return {data.data(), data.size()}; }

}  // namespace

std::string_view tunnel::name_of(side by) noexcept {
  switch (by) {
    case side::client:
      return "client";
    case side::backend:
      return "backend";
    case side::server:
      break;
  }
  return "server";
}

tunnel::tunnel(ssl_socket client, backend_poller& poller, const backend& target, logger& log, served_handler done)
    : client_(std::move(client)), poller_(poller), target_(target), log_(log), done_(std::move(done)) {}

// What fails here is memory.
template <class Function>
void tunnel::guarded(Function function) {
  try {
    function();
  } catch (const std::exception& failure) {
    cut(side::server, failure.what());
  }
}

void tunnel::start() {
  poller_.keep(shared_from_this());
  guarded([this] {
    // Reading begins before the backend is there: it is how we learn that the client doesn't wait for it.
    wait_for_client();
    const auto connecting = std::make_shared<connector>(poller_, *this, target_, [this](result<backend_socket> made) {
      guarded([&] { on_connected(std::move(made)); });
    });
    connector_ = connecting;
    connecting->start();
  });
}

// --- what happens ---

void tunnel::on_connected(result<backend_socket> made) {
  connector_ = nullptr;
  if (made.has_error()) return cut(side::backend, made.error().detail);
  backend_ = std::move(*made);
  if (!for_backend_.empty()) {
    poller_.want_output(*this);
  } else {
    poller_.stop_output(*this);
    if (client_has_ended_) go_on_with_client();
  }
  poller_.want_input(*this);
}

void tunnel::on_client_readable(error_code failure) {
  is_waiting_for_client_ = false;
  if (is_over_) return;
  if (failure) return cut(side::client, failure.message());
  guarded([this] { read_from_client(); });
}

void tunnel::on_client_writable(error_code failure) {
  if (is_over_) return;
  if (failure) return cut(side::client, failure.message());
  guarded([this] {
    const bytes waiting = std::exchange(for_client_, {});
    pass_to_client(waiting);
    if (is_over_ || !for_client_.empty()) return;
    poller_.want_input(*this);
  });
}

void tunnel::on_client_told_the_end(error_code failure) {
  if (is_over_) return;
  if (failure) return cut(side::client, failure.message());
  to_client_is_over_ = true;
  if (backend_failure_) return cut(side::backend, backend_failure_.message());
  direction_ended();
}

void tunnel::on_readable() {
  guarded([this] { read_from_backend(); });
}

void tunnel::on_writable() {
  guarded([this] {
    if (const auto connecting = connector_) return connecting->on_writable();
    const bytes waiting = std::exchange(for_backend_, {});
    pass_to_backend(waiting);
  });
}

// --- from the client to the backend ---

void tunnel::wait_for_client() {
  if (std::exchange(is_waiting_for_client_, true)) return;
  client_.async_wait(asio::socket_base::wait_read,
                     [self = shared_from_this()](const error_code& failure) { self->on_client_readable(failure); });
}

void tunnel::read_from_client() {
  const bool has_to_wait = connector_ || !for_backend_.empty();
  const auto buffer = shared_buffer();
  error_code end;
  const std::size_t size = client_.read_some(asio::buffer(buffer.data(), buffer.size()), end);
  if (end == asio::error::would_block) return wait_for_client();
  if (end == asio::error::eof) {
    client_has_ended_ = true;
    if (!has_to_wait) go_on_with_client();
    return;
  }
  if (end) return cut(side::client, end.message());
  bytes_in_ += size;
  moved();
  const auto data = buffer.first(size);
  has_to_wait ? keep_for_backend(data) : pass_to_backend(data);
}

void tunnel::keep_for_backend(std::span<const std::byte> early) {
  for_backend_.insert(for_backend_.end(), early.begin(), early.end());
  if (for_backend_.size() < most_early_data) wait_for_client();
}

void tunnel::pass_to_backend(std::span<const std::byte> data) {
  error_code failure;
  const std::size_t sent = backend_.send(data, failure);
  if (failure && failure != asio::error::would_block) return backend_takes_no_more(failure);
  if (sent > 0) moved();
  if (sent == data.size()) return go_on_with_client();
  const auto rest = data.subspan(sent);
  for_backend_.assign(rest.begin(), rest.end());
  poller_.want_output(*this);
}

// The backend has taken all.
void tunnel::go_on_with_client() {
  poller_.stop_output(*this);
  if (!client_has_ended_) return wait_for_client();
  backend_.shutdown_send();  // a backend that is gone is found by the other direction
  to_backend_is_over_ = true;
  direction_ended();
}

// It doesn't want to hear more, but it may have answered ("413 Content Too Large") before it said so: what it has sent
// still goes to the client. The kernel says EPIPE where the answer had ended with a FIN before, and it was complete;
// otherwise (ECONNRESET) the cut comes after it.
void tunnel::backend_takes_no_more(error_code failure) {
  poller_.stop_output(*this);
  if (failure != asio::error::broken_pipe) backend_failure_ = failure;
  if (to_client_is_over_ && backend_failure_) return cut(side::backend, backend_failure_.message());
  to_backend_is_over_ = true;
  direction_ended();
}

// --- from the backend to the client ---

void tunnel::read_from_backend() {
  const auto buffer = shared_buffer();
  error_code end;
  const std::size_t size = backend_.receive(buffer, end);
  if (end == asio::error::would_block) return;
  if (!end) {
    moved();
    return pass_to_client(buffer.first(size));
  }
  poller_.stop_input(*this);
  // A failed write has taken the reset off the socket, and what then reads like a clean end isn't one.
  if (end != asio::error::eof) backend_failure_ = end;
  backend_failure_ ? cut_when_sent(backend_failure_) : tell_client_the_end();
}

void tunnel::pass_to_client(std::span<const std::byte> data) {
  error_code failure;
  const std::size_t taken = client_.write_some(as_buffer(data), failure);
  if (failure && failure != asio::error::would_block) return cut(side::client, failure.message());
  bytes_out_ += taken;
  if (taken > 0) moved();
  if (taken == data.size()) return;
  const auto rest = data.subspan(taken);
  for_client_.assign(rest.begin(), rest.end());
  poller_.stop_input(*this);
  wait_for_room();
}

void tunnel::wait_for_room() {
  client_.async_wait(asio::socket_base::wait_write,
                     [self = shared_from_this()](const error_code& failure) { self->on_client_writable(failure); });
}

// It is done when all that was written is in the kernel: what close() doesn't get rid of within two seconds is lost.
void tunnel::tell_client_the_end() {
  error_code failure;
  client_.shutdown_send(failure);
  if (failure != asio::error::would_block) return on_client_told_the_end(failure);
  direction_ended();
  client_.async_shutdown_send([self = shared_from_this()](const error_code& failed) {
    self->guarded([&] { self->on_client_told_the_end(failed); });
  });
}

// The client gets first what the backend had sent.
void tunnel::cut_when_sent(error_code failure) {
  direction_ended();
  client_.async_wait(asio::socket_base::wait_write, [self = shared_from_this(), failure](const error_code&) {
    if (!self->is_over_) self->cut(side::backend, failure.message());
  });
}

// --- the end ---

void tunnel::moved() {
  if (is_half_closed()) last_movement_ = clock::now();
}

void tunnel::direction_ended() {
  if (to_backend_is_over_ && to_client_is_over_) {
    client_.close();
    return end("close_notify");
  }
  if (!is_half_closed()) {
    timer_ = std::make_unique<asio::steady_timer>(poller_.executor());
    last_movement_ = clock::now();
    return wait_for_movement();
  }
  moved();
}

void tunnel::wait_for_movement() {
  timer_->expires_at(last_movement_ + half_closed_timeout);
  timer_->async_wait([weak = weak_from_this()](const error_code& cancelled) {
    const auto self = weak.lock();
    if (cancelled || !self || self->is_over_) return;
    self->guarded([&] {
      if (clock::now() < self->last_movement_ + half_closed_timeout) return self->wait_for_movement();
      self->cut(side::server, "half-closed, and nothing moves");
    });
  });
}

// The first reason counts: what then fails does so because of it.
void tunnel::cut(side by, const std::string& reason) {
  if (is_over_) return;
  if (by == side::backend)
    client_.close_without_notify();  // a reset would cost the client what the backend had sent before
  else
    client_.abort();
  backend_.reset();
  if (by == side::backend || backend_failure_) {
    log_.warning("backend connection failed", {{"backend", target_.name()},
                                               {"reason", by == side::backend ? reason : backend_failure_.message()},
                                               {"peer", client_.peer_name()},
                                               {"id", client_.id()}});
  }
  end(std::string(name_of(by)) + ": " + reason);
}

void tunnel::end(std::string how) {
  is_over_ = true;
  const auto self = poller_.release(*this);
  backend_.close();
  connector_ = nullptr;
  timer_ = nullptr;
  for_backend_ = {};
  for_client_ = {};
  if (done_) std::exchange(done_, {})({.bytes_in = bytes_in_, .bytes_out = bytes_out_, .ended = std::move(how)});
}

}  // namespace sallyport::tool
