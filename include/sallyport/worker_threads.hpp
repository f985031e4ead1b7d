// worker_threads: a few threads for the work that would keep an event loop waiting.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_WORKER_THREADS_HPP
#define SALLYPORT_WORKER_THREADS_HPP

#include <cstddef>
#include <memory>

namespace sallyport {

namespace detail {
class worker_pool;
}

/// A pool of threads, for ssl_server::set_handshake_workers(). Copies share the same threads, as servers may, and the
/// shards of a server_group. Use from any thread.
///
/// For keys that only keep the processor busy as many threads as there are cores to spare are enough; for keys that are
/// waited for (in an HSM or on a network) as many as may be asked at the same time.
class worker_threads {
 public:
  /// 0 is taken as 1. Throws std::system_error or std::bad_alloc if the threads can't be made.
  explicit worker_threads(std::size_t threads);

  /// That of the last copy waits for the work that the threads are doing; servers and connections in handshake have
  /// copies. Not on one of the threads themselves.
  ~worker_threads();
  worker_threads(const worker_threads&) noexcept;
  worker_threads& operator=(const worker_threads&) noexcept;
  // A moved-from one would be without threads: it is copied.

  std::size_t size() const noexcept;

  /// For the library's own use.
  detail::worker_pool& pool() const noexcept { return *pool_; }

 private:
  std::shared_ptr<detail::worker_pool> pool_;
};

}  // namespace sallyport

#endif
