// latency_histogram: how long operations took, in logarithmic buckets of fixed number, so that adding costs next to
// nothing and percentiles are off by less than one percent.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_BENCH_LATENCY_HISTOGRAM_HPP
#define SALLYPORT_BENCH_LATENCY_HISTOGRAM_HPP

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

class latency_histogram {
 public:
  void add(std::uint64_t value) noexcept {
    ++buckets_[bucket_of(value)];
    ++count_;
    max_ = std::max(max_, value);
  }

  /// As if all that was added to the other had been added here.
  void merge(const latency_histogram& other) noexcept {
    for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
  }

  std::uint64_t count() const noexcept { return count_; }

  /// Exact; 0 if nothing was added.
  std::uint64_t max() const noexcept { return max_; }

  /// The least value that at least this share of all values doesn't exceed: 0.5 for the median. It is never less than
  /// the true one, and less than one percent more. 0 if nothing was added.
  std::uint64_t percentile(double share) const noexcept {
    if (count_ == 0) return 0;
    const double exact = std::ceil(share * static_cast<double>(count_));
    const std::uint64_t rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(exact), 1, count_);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen >= rank) return std::min(greatest_in(i), max_);
    }
    return max_;
  }

 private:
  // Each power of two is divided into 128 buckets; values below 128 have one each.
  static constexpr unsigned precision = 7;
  static constexpr std::size_t per_power = std::size_t{1} << precision;
  static constexpr std::size_t bucket_count = (64 - precision + 1) * per_power;

  static std::size_t bucket_of(std::uint64_t value) noexcept {
    if (value < per_power) return static_cast<std::size_t>(value);
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - 1 - precision;
    return (shift + 1) * per_power + (static_cast<std::size_t>(value >> shift) - per_power);
  }

  static std::uint64_t greatest_in(std::size_t bucket) noexcept {
    if (bucket < per_power) return bucket;
    const std::size_t shift = bucket / per_power - 1;
    const std::uint64_t least = (per_power + bucket % per_power) << shift;
    return least + ((std::uint64_t{1} << shift) - 1);
  }

  std::vector<std::uint64_t> buckets_ = std::vector<std::uint64_t>(bucket_count);
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

#endif
