// tunnel: see tunnel.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "tunnel.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cstddef>
#include <exception>
#include <utility>

namespace sallyport::tool {
namespace {

namespace asio = boost::asio;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t buffer_size = 16 * 1024;  // one TLS record

// Somebody who has said "that was all" and then neither sends, takes, nor ends anything for so long is gone: a client
// that never answers a close_notify would otherwise hold two descriptors for ever. Longer than a slow backend takes to
// answer a request, as a client may well half-close after it.
constexpr std::chrono::seconds half_closed_timeout{60};

}  // namespace

tunnel::tunnel(ssl_socket client, const backend& target)
    : client_(std::move(client)),
      connector_(client_.get_executor(), target),
      backend_(client_.get_executor()),
      connected_(client_.get_executor(), clock::time_point::max()),
      changed_(client_.get_executor()) {}

asio::awaitable<served> tunnel::run() {
  try {
    start(client_to_backend());
    start(backend_to_client());
  } catch (const std::exception& failure) {  // out of memory; one direction may run already
    cut("server", failure.what());
  }
  while (coroutines_ > 0) {
    const auto patience = last_movement_ + half_closed_timeout;
    if (half_closed_ && !is_cut_ && clock::now() >= patience) cut("server", "half-closed, and nothing moves");
    changed_.expires_at(half_closed_ && !is_cut_ ? patience : clock::time_point::max());
    co_await changed_.async_wait(as_result);
  }
  if (!is_cut_) served_.ended = "close_notify";
  client_.close();
  error_code ignored;
  backend_.close(ignored);
  co_return served_;
}

void tunnel::start(asio::awaitable<void> direction) {
  asio::co_spawn(client_.get_executor(), std::move(direction), [self = shared_from_this()](std::exception_ptr thrown) {
    --self->coroutines_;
    if (thrown) {
      try {
        std::rethrow_exception(thrown);
      } catch (const std::exception& failure) {
        self->cut("server", failure.what());
      }
    }
    self->changed_.cancel();
  });
  ++coroutines_;
}

asio::awaitable<void> tunnel::client_to_backend() {
  std::array<std::byte, buffer_size> buffer;
  std::size_t size = 0;
  error_code end;
  // Reading begins before the backend is there: it is how we learn that the client doesn't wait for it.
  while (!is_connected_ && !end && size < buffer.size()) {
    const auto [failure, count] =
        co_await client_.async_read_some(asio::buffer(buffer.data() + size, buffer.size() - size), as_result);
    size += count;
    served_.bytes_in += count;
    if (failure == asio::error::operation_aborted && is_connected_) break;
    end = failure;
  }
  if (end && end != asio::error::eof) {
    cut("client", end.message());
    co_return;
  }
  if (!is_connected_ && !is_cut_) co_await connected_.async_wait(as_result);
  if (is_cut_) co_return;

  for (;;) {
    const auto [write_failure, written] =
        co_await asio::async_write(backend_, asio::buffer(buffer.data(), size), as_result);
    if (write_failure) {
      if (is_cut_) co_return;
      // The backend doesn't want to hear more, but it may have answered ("413 Content Too Large") before it said so:
      // what it has sent still goes to the client. The kernel says EPIPE where the answer had ended with a FIN before,
      // and it was complete; otherwise (ECONNRESET) the cut comes after it.
      if (write_failure != asio::error::broken_pipe) backend_failure_ = write_failure.message();
      if (half_closed_ && !backend_failure_.empty()) cut("backend", backend_failure_);
      direction_ended();
      co_return;
    }
    moved();
    if (end) break;
    const auto [failure, count] = co_await client_.async_read_some(asio::buffer(buffer), as_result);
    size = count;
    end = failure;
    if (end && end != asio::error::eof) {
      cut("client", end.message());
      co_return;
    }
    served_.bytes_in += count;
    moved();
  }
  error_code ignored;  // a backend that is gone is found by the other direction
  backend_.shutdown(backend_socket::shutdown_send, ignored);
  direction_ended();
}

asio::awaitable<void> tunnel::connect() {
  auto made = co_await connector_.connect();
  if (made.has_error()) {
    cut_by_backend(made.error().detail);
  } else if (is_cut_) {
    reset(*made);
  } else {
    backend_ = std::move(*made);
    is_connected_ = true;
    connected_.cancel();
    client_.cancel();  // the read that waits to see it leave; no data is lost
  }
}

asio::awaitable<void> tunnel::backend_to_client() {
  co_await connect();
  if (is_cut_) co_return;
  std::array<std::byte, buffer_size> buffer;
  for (;;) {
    const auto [read_failure, size] = co_await backend_.async_read_some(asio::buffer(buffer), as_result);
    if (read_failure == asio::error::eof) break;
    if (read_failure) {
      cut_by_backend(read_failure.message());
      co_return;
    }
    moved();
    const auto [write_failure, written] =
        co_await asio::async_write(client_, asio::buffer(buffer.data(), size), as_result);
    served_.bytes_out += written;
    if (write_failure) {
      cut("client", write_failure.message());
      co_return;
    }
    moved();
  }
  // A failed write has taken the reset off the socket, and what then reads like a clean end isn't one.
  if (!backend_failure_.empty()) {
    cut("backend", backend_failure_);
    co_return;
  }
  direction_ended();
  const auto [failure] = co_await client_.async_shutdown_send(as_result);
  if (failure) cut("client", failure.message());
}

void tunnel::direction_ended() {
  half_closed_ = true;
  moved();  // from here on the other one's patience counts
  changed_.cancel();
}

void tunnel::cut_by_backend(const std::string& reason) {
  if (is_cut_) return;
  backend_failure_ = reason;
  cut("backend", reason);
}

// The first reason counts: the other direction then fails because of the cut.
void tunnel::cut(std::string_view side, const std::string& reason) {
  if (is_cut_) return;
  is_cut_ = true;
  served_.ended = std::string(side) + ": " + reason;
  if (side == "backend")
    client_.close_without_notify();  // a reset would cost the client what the backend had sent before
  else
    client_.abort();
  reset(backend_);
  connected_.cancel();
  connector_.cancel();
}

}  // namespace sallyport::tool
