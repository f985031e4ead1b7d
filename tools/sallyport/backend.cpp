// backend: see backend.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "backend.hpp"

#include "duration.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/socket_base.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace sallyport::tool {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using clock = std::chrono::steady_clock;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

// A unix socket whose queue is full refuses at once (EAGAIN) instead of queueing as TCP does.
constexpr std::chrono::milliseconds unix_retry_interval{20};

// An operation and its deadline, whichever comes first. Shared between the waiting coroutine and the operation's
// handler, because a lookup that nobody waits for any more still ends some time later.
template <class Operation>
struct timed {
  timed(asio::any_io_executor executor, clock::time_point deadline) : operation(executor), timer(executor, deadline) {}

  Operation operation;
  asio::steady_timer timer;
  std::optional<error_code> completed{};
};

void set_no_delay(backend_socket& socket) {
  error_code ignored;  // not on unix sockets
  socket.set_option(tcp::no_delay(true), ignored);
}

// Completes with a connected socket, or why there is none; asio::error::timed_out at the deadline.
asio::awaitable<std::pair<error_code, backend_socket>> connect_to(asio::any_io_executor executor,
                                                                  stream_endpoint endpoint,
                                                                  clock::time_point deadline) {
  const auto attempt = std::make_shared<timed<backend_socket>>(executor, deadline);
  attempt->operation.async_connect(endpoint, [attempt](error_code failure) {
    attempt->completed = failure;
    attempt->timer.cancel();
  });
  co_await attempt->timer.async_wait(as_result);
  if (!attempt->completed) {
    error_code ignored;
    attempt->operation.close(ignored);
    co_return std::pair(error_code(asio::error::timed_out), backend_socket(executor));
  }
  error_code failure = *attempt->completed;
  // Asio takes a unix socket's EAGAIN for "in progress" and then finds no error: ask whether there is a peer.
  if (!failure) attempt->operation.remote_endpoint(failure);
  if (!failure) set_no_delay(attempt->operation);
  co_return std::pair(failure, std::move(attempt->operation));
}

asio::awaitable<std::pair<error_code, backend_socket>> connect_to_unix(asio::any_io_executor executor,
                                                                       stream_endpoint endpoint,
                                                                       clock::time_point deadline) {
  for (;;) {
    auto [failure, socket] = co_await connect_to(executor, endpoint, deadline);
    if (failure != asio::error::not_connected) co_return std::pair(failure, std::move(socket));
    if (clock::now() + unix_retry_interval >= deadline) {
      co_return std::pair(error_code(asio::error::timed_out), std::move(socket));
    }
    asio::steady_timer pause(executor, unix_retry_interval);
    co_await pause.async_wait(as_result);
  }
}

}  // namespace

backend::backend(const address& address, std::chrono::milliseconds connect_timeout)
    : address_(address), connect_timeout_(connect_timeout), name_(to_string(address)) {
  if (!literal_endpoint(address_)) look_up("--to", address_);
}

error backend::timed_out() const { return {asio::error::timed_out, "no answer within " + to_string(connect_timeout_)}; }

asio::awaitable<result<std::vector<stream_endpoint>>> backend::endpoints(asio::any_io_executor executor,
                                                                         time_point deadline) const {
  if (const auto literal = literal_endpoint(address_)) co_return std::vector<stream_endpoint>{*literal};

  const auto lookup = std::make_shared<timed<tcp::resolver>>(executor, deadline);
  const auto found = std::make_shared<std::vector<stream_endpoint>>();
  lookup->operation.async_resolve(address_.host, std::to_string(address_.port), tcp::resolver::numeric_service,
                                  [lookup, found](error_code failure, const tcp::resolver::results_type& results) {
                                    for (const auto& entry : results) found->push_back(entry.endpoint());
                                    lookup->completed = failure;
                                    lookup->timer.cancel();
                                  });
  co_await lookup->timer.async_wait(as_result);
  if (!lookup->completed) {
    lookup->operation.cancel();  // frees those that still wait for their turn; the one that runs can't be stopped
    co_return timed_out();
  }
  if (*lookup->completed) co_return error{*lookup->completed, "lookup failed: " + lookup->completed->message()};
  co_return *found;
}

asio::awaitable<result<backend_socket>> backend::connect(asio::any_io_executor executor) const {
  const time_point deadline = clock::now() + connect_timeout_;
  auto candidates = co_await endpoints(executor, deadline);
  if (candidates.has_error()) co_return candidates.error();

  error last = timed_out();
  for (std::size_t at = 0; at < candidates->size(); ++at) {
    const auto left = std::max(deadline - clock::now(), clock::duration::zero());
    const auto share = left / static_cast<clock::duration::rep>(candidates->size() - at);
    const stream_endpoint& endpoint = (*candidates)[at];
    auto [failure, socket] = address_.is_unix() ? co_await connect_to_unix(executor, endpoint, clock::now() + share)
                                                : co_await connect_to(executor, endpoint, clock::now() + share);
    if (!failure) co_return std::move(socket);
    last = failure == asio::error::timed_out ? timed_out() : error{failure, failure.message()};
  }
  co_return last;
}

void reset(backend_socket& socket) noexcept {
  error_code ignored;
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

}  // namespace sallyport::tool
