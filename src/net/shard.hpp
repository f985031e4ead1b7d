// shard: one of a server_group's: an ssl_server, its io_context, and the thread that runs it.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_SHARD_HPP
#define SALLYPORT_NET_SHARD_HPP

#include "neighbours.hpp"
#include "shard_balance.hpp"

#include <sallyport/server_group.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace sallyport::detail {

class shard final : private neighbours {
 public:
  /// `all` are the shards of the group and `balance` their numbers of connections; both outlive it.
  shard(std::size_t number, const std::vector<std::unique_ptr<shard>>& all, shard_balance& balance);
  ~shard();

  /// Runs the event loop on a thread of its own until begin_end(). What is thrown there goes to `on_exception`, or ends
  /// the process if that is empty.
  void start(const server_group::exception_handler& on_exception);

  /// The thread closes the server, aborts its connections and ends when it has run what was ready then. Doesn't wait.
  void begin_end() noexcept;
  void join();

  /// Calls `function` on the shard's thread, or here if there is none (any more).
  std::future<void> call(std::function<void()> function);
  /// The same, and waits; what it throws comes out of here.
  void call_and_wait(const std::function<void()>& function);

  std::size_t number() const noexcept { return number_; }
  ssl_server& server() noexcept { return server_; }
  server_state& state() noexcept;
  boost::asio::io_context& context() noexcept { return context_; }

  /// The shard whose thread this is; null on any other.
  static const shard* current() noexcept;
  bool belongs_to(const shard_balance& balance) const noexcept { return &balance_ == &balance; }

 private:
  void run(const server_group::exception_handler& on_exception);

  void connection_added() noexcept override { balance_.add(number_); }
  void connection_removed() noexcept override { balance_.remove(number_); }
  void note_accepting(bool accepting) noexcept override { balance_.set_accepting(number_, accepting); }
  bool pass_on(const accepted_descriptor& accepted) override;

  const std::size_t number_;
  const std::vector<std::unique_ptr<shard>>& all_;
  shard_balance& balance_;
  // What is destroyed with the context may own connections, which are counted.
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{context_.get_executor()};
  ssl_server server_{context_.get_executor()};
  std::atomic<bool> is_ending_{false};
  std::atomic<bool> is_stopped_{false};  // begin_end() has stopped the context
  std::thread thread_;
};

}  // namespace sallyport::detail

#endif
