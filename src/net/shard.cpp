// shard: one of a server_group's: an ssl_server, its io_context, and the thread that runs it.
//
// SPDX-License-Identifier: Apache-2.0
#include "shard.hpp"

#include "passed_connection.hpp"
#include "server_state.hpp"

#include <pthread.h>

#include <boost/asio/post.hpp>

#include <chrono>
#include <exception>
#include <string>
#include <utility>

namespace sallyport::detail {
namespace {

namespace asio = boost::asio;

// At the end, for the handlers that the end itself has called for. One that always starts the next one isn't waited
// for.
constexpr std::chrono::seconds longest_end{1};

thread_local const shard* shard_of_this_thread = nullptr;

}  // namespace

shard::shard(std::size_t number, const std::vector<std::unique_ptr<shard>>& all, shard_balance& balance)
    : number_(number), all_(all), balance_(balance) {
  if (balance_.size() > 1) state().neighbours = this;
}

shard::~shard() {
  begin_end();
  join();
}

server_state& shard::state() noexcept { return *server_.state_; }

const shard* shard::current() noexcept { return shard_of_this_thread; }

void shard::start(const server_group::exception_handler& on_exception) {
  thread_ = std::thread([this, &on_exception] { run(on_exception); });
}

void shard::begin_end() noexcept {
  is_ending_ = true;
  context_.stop();
  is_stopped_ = true;
  is_stopped_.notify_one();
}

void shard::join() {
  if (thread_.joinable()) thread_.join();
}

std::future<void> shard::call(std::function<void()> function) {
  std::packaged_task<void()> task(std::move(function));
  auto done = task.get_future();
  if (thread_.joinable())
    asio::post(context_, std::move(task));
  else
    task();
  return done;
}

void shard::call_and_wait(const std::function<void()>& function) {
  // Not through the future: its two ends let go of an exception in either order, and ThreadSanitizer can't see that
  // libstdc++ counts them.
  std::exception_ptr thrown;
  call([&] {
    try {
      function();
    } catch (...) {
      thrown = std::current_exception();
    }
  }).get();
  if (thrown) std::rethrow_exception(std::move(thrown));
}

void shard::run(const server_group::exception_handler& on_exception) {
  shard_of_this_thread = this;
  // For top, gdb and perf. At most 15 characters.
  ::pthread_setname_np(::pthread_self(), ("shard " + std::to_string(number_)).c_str());
  const auto guarded = [&](auto function) {
    if (!on_exception) return function();  // what it throws finds no handler, and ends the process where it was thrown
    try {
      function();
    } catch (...) {
      on_exception(std::current_exception(), number_);
    }
  };
  while (!is_ending_) {
    guarded([this] { context_.run(); });
    if (context_.stopped()) context_.restart();  // by begin_end(), or by a handler, which isn't asked
  }
  is_stopped_.wait(false);  // a stop() that came later would stop what follows
  context_.restart();
  guarded([this] { server_.close(); });
  guarded([this] { state().destroy(); });
  work_.reset();
  const auto end = std::chrono::steady_clock::now() + longest_end;
  for (bool more = true; more && std::chrono::steady_clock::now() < end;)
    guarded([&] { more = context_.poll_one() > 0; });
}

bool shard::pass_on(const accepted_descriptor& accepted) {
  const auto better = balance_.better_than(number_);
  if (!better) return false;
  passed_connection passed(accepted, balance_, *better);
  shard& to = *all_[*better];
  asio::post(to.context_, [&to, passed = std::move(passed)]() mutable { to.state().take_over(passed.release()); });
  return true;
}

}  // namespace sallyport::detail
