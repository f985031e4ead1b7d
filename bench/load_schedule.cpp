// load_schedule: see load_schedule.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "load_schedule.hpp"

#include <chrono>

namespace load {

schedule::schedule(const load_options& options, std::size_t thread)
    : options_(options),
      thread_(thread),
      left_(options.count / options.threads + (thread < options.count % options.threads ? 1 : 0)) {}

void schedule::begin(time_point now) {
  begin_ = now;
  measurement_begin_ = now + options_.warmup;
  measurement_end_ = measurement_begin_ + options_.duration;
  // With a count, only running out of patience ends it before.
  last_start_ = options_.count > 0 ? time_point::max() : measurement_end_;
  due_ = time_of(0);
  if (options_.count > 0 && left_ == 0) due_ = time_point::max();
}

// The threads take turns, so that all together are even.
time_point schedule::time_of(std::uint64_t operation) const {
  if (options_.rate <= 0) return begin_;
  const auto number = static_cast<double>(operation * options_.threads + thread_);
  return begin_ + std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(number / options_.rate));
}

std::optional<schedule::operation> schedule::next(time_point now) {
  if (due_ > now || is_over(now)) return std::nullopt;
  const time_point start = options_.rate > 0 ? due_ : now;
  const operation given{start, start >= measurement_begin_};
  ++given_out_;
  due_ = time_of(given_out_);
  if (options_.count > 0 && given.counts && --left_ == 0) due_ = time_point::max();
  return given;
}

// In an open loop those whose time was before the end are begun after it if need be.
bool schedule::is_over(time_point now) const noexcept {
  return due_ >= last_start_ || (options_.rate <= 0 && now >= last_start_);
}

// A closed loop that runs for a time counts what ended in it, or else the first operations would be missing at the end.
bool schedule::counts(bool operation_counts, time_point now) const noexcept {
  if (options_.rate > 0 || options_.count > 0) return operation_counts;
  return now >= measurement_begin_ && now < measurement_end_;
}

}  // namespace load
