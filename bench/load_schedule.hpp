// load_schedule: when a thread's operations begin, and which of them count.
//
// A closed loop begins one as soon as there is a connection for it. An open loop has a time for each beforehand,
// whatever became of those before; latency is counted from then, so that a server that stalls is charged for all who
// had to wait.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_BENCH_LOAD_SCHEDULE_HPP
#define SALLYPORT_BENCH_LOAD_SCHEDULE_HPP

#include "load_options.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace load {

class schedule {
 public:
  struct operation {
    time_point start;  ///< what its latency is counted from
    bool counts;       ///< not in the warmup
  };

  schedule(const load_options& options, std::size_t thread);

  void begin(time_point now);

  /// The next operation, if its time has come. Then it must be begun.
  std::optional<operation> next(time_point now);

  /// When next() will have one; in a closed loop that is at once.
  time_point due() const noexcept { return due_; }
  /// Whether all that were to begin have begun.
  bool is_over(time_point now) const noexcept;

  /// Whether an operation that ended now is one of the result's.
  bool counts(bool operation_counts, time_point now) const noexcept;

  time_point measurement_begin() const noexcept { return measurement_begin_; }
  time_point measurement_end() const noexcept { return measurement_end_; }

 private:
  time_point time_of(std::uint64_t operation) const;

  const load_options& options_;
  std::size_t thread_;
  std::uint64_t left_;  // of --count
  std::uint64_t given_out_ = 0;
  time_point begin_{};
  time_point measurement_begin_{};
  time_point measurement_end_{};
  time_point last_start_{};
  time_point due_{};
};

}  // namespace load

#endif
