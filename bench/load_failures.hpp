// load_failures: the operations that failed, of all threads. The first one's reason is told, the others' are not.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_BENCH_LOAD_FAILURES_HPP
#define SALLYPORT_BENCH_LOAD_FAILURES_HPP

#include <atomic>
#include <cstdint>
#include <iostream>
#include <string>

namespace load {

class failures {
 public:
  void add(const std::string& reason) {
    if (count_++ == 0) std::cerr << "load: " + reason + "\n";
  }

  /// What keeps the threads from going on at all. It is told in any case.
  void add_fatal(const std::string& reason) {
    if (count_++ == 0 || !is_fatal_) std::cerr << "load: " + reason + "\n";
    is_fatal_ = true;
  }

  std::uint64_t count() const noexcept { return count_; }
  bool too_many() const noexcept { return count_ >= most || is_fatal_; }

 private:
  static constexpr std::uint64_t most = 100;

  std::atomic<std::uint64_t> count_{0};
  std::atomic<bool> is_fatal_{false};
};

}  // namespace load

#endif
