// worker_pool: threads that do one piece of work after the other, the oldest first.
//
// SPDX-License-Identifier: Apache-2.0
#include "worker_pool.hpp"

#include <pthread.h>

#include <string>
#include <utility>

namespace sallyport::detail {

worker_pool::worker_pool(std::size_t threads) {
  try {
    threads_.reserve(threads);
    for (std::size_t number = 0; number < threads; ++number) {
      threads_.emplace_back([this] { run(); });
      // For top, gdb and perf. At most 15 characters; it is copied.
      ::pthread_setname_np(threads_.back().native_handle(), ("worker " + std::to_string(number)).c_str());
    }
  } catch (...) {
    stop();
    throw;
  }
}

worker_pool::~worker_pool() { stop(); }

void worker_pool::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    is_stopped_ = true;
  }
  changed_.notify_all();
  for (std::thread& each : threads_) each.join();
  waiting_.clear_and_dispose([](work* dropped) { const auto last = std::move(dropped->kept_); });
}

void worker_pool::add(std::shared_ptr<work> next) noexcept {
  {
    const std::lock_guard lock(mutex_);
    work& added = *next;
    added.kept_ = std::move(next);
    waiting_.push_back(added);
  }
  changed_.notify_one();
}

bool worker_pool::take_back(work& unwanted) noexcept {
  std::shared_ptr<work> last;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  if (!unwanted.among_waiting_.is_linked()) return false;
  waiting_.erase(waiting_.iterator_to(unwanted));
  last = std::move(unwanted.kept_);
  return true;
}

/// Null when the pool ends.
std::shared_ptr<work> worker_pool::wait_for_next() noexcept {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return is_stopped_ || !waiting_.empty(); });
  if (is_stopped_) return nullptr;
  auto next = std::move(waiting_.front().kept_);
  waiting_.pop_front();
  return next;
}

void worker_pool::run() noexcept {
  while (const auto next = wait_for_next()) next->run();
}

}  // namespace sallyport::detail
