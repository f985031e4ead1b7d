// connector: see connector.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "connector.hpp"

#include "duration.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

namespace sallyport::tool {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// A unix socket whose queue is full refuses at once (EAGAIN) instead of queueing as TCP does.
constexpr std::chrono::milliseconds unix_retry_interval{20};

}  // namespace

connector::connector(backend_poller& poller, watched& owner, const backend& target, handler done)
    : poller_(poller), owner_(owner), target_(target), done_(std::move(done)), timer_(poller.executor()) {}

// Out of memory: this connection fails, and it is told.
template <class Function>
void connector::guarded(Function function) {
  try {
    function();
  } catch (const std::exception& failure) {
    if (done_) fail({make_error_code(boost::system::errc::not_enough_memory), failure.what()});
  }
}

void connector::start() {
  deadline_ = clock::now() + target_.connect_timeout();
  if (!target_.endpoint()) return look_up();
  found_ = {*target_.endpoint()};
  connect_to_next();
}

void connector::look_up() {
  const address& address = target_.address();
  resolver_.emplace(poller_.executor());
  resolver_->async_resolve(address.host, std::to_string(address.port), tcp::resolver::numeric_service,
                           [weak = weak_from_this()](error_code failure, const tcp::resolver::results_type& results) {
                             const auto self = weak.lock();
                             if (self && self->resolver_) self->guarded([&] { self->looked_up(failure, results); });
                           });
  wait(deadline_, &connector::give_up_lookup);
}

void connector::looked_up(error_code failure, const tcp::resolver::results_type& results) {
  resolver_.reset();
  timer_.cancel();
  if (failure) return fail({failure, "lookup failed: " + failure.message()});
  for (const auto& entry : results) found_.emplace_back(entry.endpoint());
  failure_ = asio::error::host_not_found;
  connect_to_next();
}

// Frees those that still wait for their turn; the one that runs can't be stopped.
void connector::give_up_lookup() {
  if (!resolver_) return;
  resolver_.reset();
  fail(describe(asio::error::timed_out));
}

void connector::connect_to_next() {
  for (; at_ < found_.size(); ++at_) {
    const auto now = clock::now();
    const auto left = std::max(deadline_ - now, clock::duration::zero());
    address_deadline_ = now + left / static_cast<clock::duration::rep>(found_.size() - at_);
    if (try_once()) return;
  }
  fail(describe(failure_));
}

bool connector::try_once() {
  failure_ = socket_.connect(found_[at_]);
  if (failure_ == asio::error::would_block && target_.address().is_unix()) {
    socket_.close();
    const auto now = clock::now();
    if (now >= address_deadline_) {
      failure_ = asio::error::timed_out;
      return false;
    }
    wait(std::min(now + unix_retry_interval, address_deadline_), &connector::retry);
    return true;
  }
  const bool is_connected = !failure_;
  if (is_connected)
    failure_ = poller_.watch_until_readable(owner_, socket_.descriptor());
  else if (failure_ == asio::error::in_progress)
    failure_ = poller_.watch_until_writable(owner_, socket_.descriptor());
  if (failure_) {
    socket_.close();
    return false;
  }
  if (is_connected)
    succeed();
  else
    wait(address_deadline_, &connector::give_up_address);
  return true;
}

void connector::retry() {
  if (try_once()) return;
  ++at_;
  connect_to_next();
}

void connector::on_writable() {
  const error_code failure = socket_.connect_error();
  failure ? leave_address(failure) : succeed();
}

void connector::give_up_address() { leave_address(asio::error::timed_out); }

void connector::leave_address(error_code failure) {
  poller_.stop_watching(owner_);
  socket_.close();
  failure_ = failure;
  ++at_;
  connect_to_next();
}

void connector::wait(clock::time_point until, void (connector::*then)()) {
  timer_.expires_at(until);
  timer_.async_wait([weak = weak_from_this(), then](error_code cancelled) {
    const auto self = weak.lock();
    // One that has expired can't be cancelled any more.
    if (!self || cancelled || !self->done_ || clock::now() < self->timer_.expiry()) return;
    self->guarded([&] { ((*self).*then)(); });
  });
}

void connector::succeed() {
  timer_.cancel();
  std::exchange(done_, {})(std::move(socket_));
}

void connector::fail(error reason) {
  timer_.cancel();
  std::exchange(done_, {})(std::move(reason));
}

error connector::describe(error_code failure) const {
  if (failure == asio::error::timed_out) return {failure, "timed out after " + to_string(target_.connect_timeout())};
  return {failure, failure.message()};
}

}  // namespace sallyport::tool
