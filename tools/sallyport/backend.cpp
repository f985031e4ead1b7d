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

#include <algorithm>
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

}  // namespace

backend::backend(const tool::address& address, std::chrono::milliseconds connect_timeout)
    : address_(address), connect_timeout_(connect_timeout), name_(to_string(address)) {
  if (!literal_endpoint(address_)) look_up("--to", address_);
}

connector::connector(asio::any_io_executor executor, const backend& target)
    : executor_(executor), target_(target), socket_(executor) {}

void connector::cancel() {
  is_cancelled_ = true;
  if (waiting_ != nullptr) waiting_->cancel();
}

asio::awaitable<void> connector::wait(asio::steady_timer& timer) {
  if (is_cancelled_) co_return;
  waiting_ = &timer;
  co_await timer.async_wait(as_result);
  waiting_ = nullptr;
}

error_code connector::unfinished() const {
  return is_cancelled_ ? error_code(asio::error::operation_aborted) : error_code(asio::error::timed_out);
}

error connector::describe(error_code failure) const {
  if (failure == asio::error::timed_out) return {failure, "timed out after " + to_string(target_.connect_timeout())};
  return {failure, failure.message()};
}

asio::awaitable<result<connector::endpoints>> connector::look_up(clock::time_point deadline) {
  const address& address = target_.address();
  if (const auto literal = literal_endpoint(address)) co_return endpoints{*literal};

  const auto lookup = std::make_shared<timed<tcp::resolver>>(executor_, deadline);
  const auto found = std::make_shared<endpoints>();
  lookup->operation.async_resolve(address.host, std::to_string(address.port), tcp::resolver::numeric_service,
                                  [lookup, found](error_code failure, const tcp::resolver::results_type& results) {
                                    for (const auto& entry : results) found->push_back(entry.endpoint());
                                    lookup->completed = failure;
                                    lookup->timer.cancel();
                                  });
  co_await wait(lookup->timer);
  if (!lookup->completed) {
    lookup->operation.cancel();  // frees those that still wait for their turn; the one that runs can't be stopped
    co_return describe(unfinished());
  }
  if (*lookup->completed) co_return error{*lookup->completed, "lookup failed: " + lookup->completed->message()};
  co_return *found;
}

asio::awaitable<error_code> connector::try_once(const stream_endpoint& endpoint, clock::time_point deadline) {
  const auto attempt = std::make_shared<timed<backend_socket>>(executor_, deadline);
  attempt->operation.async_connect(endpoint, [attempt](error_code failure) {
    attempt->completed = failure;
    attempt->timer.cancel();
  });
  co_await wait(attempt->timer);
  if (!attempt->completed) {
    error_code ignored;
    attempt->operation.close(ignored);
    co_return unfinished();
  }
  error_code failure = *attempt->completed;
  // Asio takes a unix socket's EAGAIN for "in progress" and then finds no error: ask whether there is a peer.
  if (!failure) attempt->operation.remote_endpoint(failure);
  if (!failure) socket_ = std::move(attempt->operation);
  co_return failure;
}

asio::awaitable<error_code> connector::connect_to(const stream_endpoint& endpoint, clock::time_point deadline) {
  for (;;) {
    const error_code failure = co_await try_once(endpoint, deadline);
    const bool queue_is_full = target_.address().is_unix() && failure == asio::error::not_connected;
    if (!queue_is_full) co_return failure;
    asio::steady_timer pause(executor_, unix_retry_interval);
    co_await wait(pause);
    if (is_cancelled_ || clock::now() >= deadline) co_return unfinished();
  }
}

asio::awaitable<result<backend_socket>> connector::connect() {
  const auto deadline = clock::now() + target_.connect_timeout();
  const auto candidates = co_await look_up(deadline);
  if (candidates.has_error()) co_return candidates.error();

  error_code failure = asio::error::host_not_found;
  for (std::size_t at = 0; at < candidates->size() && !is_cancelled_; ++at) {
    const auto left = std::max(deadline - clock::now(), clock::duration::zero());
    const auto share = left / static_cast<clock::duration::rep>(candidates->size() - at);
    failure = co_await connect_to((*candidates)[at], clock::now() + share);
    if (failure) continue;
    set_no_delay(socket_);
    co_return std::move(socket_);
  }
  co_return describe(failure);
}

void reset(backend_socket& socket) noexcept {
  error_code ignored;
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

}  // namespace sallyport::tool
