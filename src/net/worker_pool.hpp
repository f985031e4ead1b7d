// worker_pool: threads that do one piece of work after the other, the oldest first.
//
// Work that hasn't begun can be taken back, which asio::thread_pool has no way to do: behind a key that has stopped
// answering, what nobody wants any more would pile up.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_WORKER_POOL_HPP
#define SALLYPORT_NET_WORKER_POOL_HPP

#include <boost/intrusive/list.hpp>

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace sallyport::detail {

/// Something to be done once.
class work {
 public:
  virtual ~work() = default;
  work(const work&) = delete;
  work& operator=(const work&) = delete;

 protected:
  work() = default;

 private:
  friend class worker_pool;
  /// On one of the threads.
  virtual void run() noexcept = 0;

  boost::intrusive::list_member_hook<> among_waiting_;
  std::shared_ptr<work> kept_;  // while it waits
};

class worker_pool {
 public:
  /// Throws std::system_error or std::bad_alloc, and then no thread is left running.
  explicit worker_pool(std::size_t threads);
  /// Waits for what is running. What waits is dropped.
  ~worker_pool();
  worker_pool(const worker_pool&) = delete;
  worker_pool& operator=(const worker_pool&) = delete;

  std::size_t size() const noexcept { return threads_.size(); }

  void add(std::shared_ptr<work> next) noexcept;
  /// True if it hasn't begun and never will.
  bool take_back(work& unwanted) noexcept;

 private:
  using work_list = boost::intrusive::list<
      work, boost::intrusive::member_hook<work, boost::intrusive::list_member_hook<>, &work::among_waiting_>>;
  void run() noexcept;
  std::shared_ptr<work> wait_for_next() noexcept;
  void stop() noexcept;

  std::mutex mutex_;
  std::condition_variable changed_;
  work_list waiting_;
  bool is_stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace sallyport::detail

#endif
