// group_drain: the drain of a server_group: its handler, and which shards it still waits for.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_GROUP_DRAIN_HPP
#define SALLYPORT_NET_GROUP_DRAIN_HPP

#include <sallyport/server_group.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/prefer.hpp>

#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>

namespace sallyport::detail {

/// The handler is called once, through its associated executor. Its cancellation slot isn't used: it belongs to the
/// thread of that executor, and the shards complete on others. From any thread.
class group_drain {
 public:
  group_drain(shutdown_handler handler, const boost::asio::any_io_executor& default_executor, std::size_t shards)
      : handler_(std::in_place, std::move(handler)),
        executor_(boost::asio::prefer(boost::asio::get_associated_executor(*handler_, default_executor),
                                      boost::asio::execution::outstanding_work.tracked)),
        shards_(shards) {}

  /// A shard has ended its own drain. True if it was the last one: complete() is due.
  bool end_one(error_code ec) {
    const std::lock_guard lock(mutex_);
    if (ec && (!result_ || result_ == boost::asio::error::timed_out)) result_ = ec;
    return --shards_ == 0;
  }

  /// With the result of all shards; no effect if it was called before.
  void complete() {
    std::unique_lock lock(mutex_);
    const error_code result = result_;
    lock.unlock();
    complete(result);
  }
  void complete(error_code result) {
    std::unique_lock lock(mutex_);
    if (!handler_) return;
    // any_completion_handler of Asio 1.26 can't be assigned to, so it is moved into the very last place at once.
    auto call = [completion = std::move(*handler_), result]() mutable { std::move(completion)(result); };
    handler_.reset();
    const auto executor = std::exchange(executor_, {});
    lock.unlock();
    executor.execute(std::move(call));
  }

 private:
  std::mutex mutex_;
  std::optional<shutdown_handler> handler_;
  boost::asio::any_completion_executor executor_;  // holds work, so that the handler's context goes on running
  error_code result_;                              // another error than timed_out counts more
  std::size_t shards_;
};

}  // namespace sallyport::detail

#endif
