// bench/latency_histogram: percentiles against those of the sorted values.
//
// SPDX-License-Identifier: Apache-2.0
#include "../../bench/latency_histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace {

constexpr double shares[]{0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0};

std::uint64_t exact_percentile(std::vector<std::uint64_t> values, double share) {
  std::ranges::sort(values);
  const double rank = std::max(1.0, std::ceil(share * static_cast<double>(values.size())));
  return values[static_cast<std::size_t>(rank) - 1];
}

// From nanoseconds to minutes, each magnitude as likely.
std::vector<std::uint64_t> some_values(std::size_t count, unsigned seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> magnitude(0, 37);
  std::vector<std::uint64_t> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(static_cast<std::uint64_t>(std::exp2(magnitude(random))));
  return values;
}

TEST(latency_histogram, is_empty_at_first) {
  const latency_histogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.max(), 0U);
  EXPECT_EQ(histogram.percentile(0.5), 0U);
}

TEST(latency_histogram, small_values_are_exact) {
  latency_histogram histogram;
  for (std::uint64_t value = 1; value <= 200; ++value) histogram.add(value);
  EXPECT_EQ(histogram.percentile(0.0), 1U);
  EXPECT_EQ(histogram.percentile(0.005), 1U);
  EXPECT_EQ(histogram.percentile(0.0051), 2U);
  EXPECT_EQ(histogram.percentile(0.5), 100U);
  EXPECT_EQ(histogram.percentile(0.9), 180U);
  EXPECT_EQ(histogram.percentile(1.0), 200U);
}

TEST(latency_histogram, no_value_is_told_as_less_or_as_one_percent_more) {
  constexpr auto greatest = std::numeric_limits<std::uint64_t>::max();
  std::vector<std::uint64_t> values{0, greatest, greatest / 3};
  for (unsigned power = 0; power < 64; ++power) {
    const std::uint64_t value = std::uint64_t{1} << power;
    values.insert(values.end(), {value - 1, value, value + 1, value + value / 2, value + (value - 1)});
  }
  for (const std::uint64_t value : values) {
    latency_histogram histogram;
    histogram.add(value);
    histogram.add(greatest);  // so that the greatest value isn't what bounds the answer
    const std::uint64_t told = histogram.percentile(0.5);
    EXPECT_GE(told, value);
    EXPECT_LE(told - value, value / 100) << value;
  }
}

TEST(latency_histogram, percentiles_are_those_of_the_sorted_values) {
  const std::vector<std::uint64_t> values = some_values(10'000, 1);
  latency_histogram histogram;
  for (const std::uint64_t value : values) histogram.add(value);
  EXPECT_EQ(histogram.count(), values.size());
  EXPECT_EQ(histogram.max(), std::ranges::max(values));
  for (const double share : shares) {
    const std::uint64_t exact = exact_percentile(values, share);
    EXPECT_GE(histogram.percentile(share), exact) << share;
    EXPECT_LE(histogram.percentile(share) - exact, exact / 100) << share;
  }
  EXPECT_EQ(histogram.percentile(1.0), histogram.max());
}

TEST(latency_histogram, merged_is_as_if_all_had_been_added_to_one) {
  latency_histogram all, first, second;
  for (const std::uint64_t value : some_values(1000, 2)) {
    first.add(value);
    all.add(value);
  }
  for (const std::uint64_t value : some_values(3000, 3)) {
    second.add(value);
    all.add(value);
  }
  first.merge(second);
  EXPECT_EQ(first.count(), 4000U);
  EXPECT_EQ(first.max(), all.max());
  for (const double share : shares) EXPECT_EQ(first.percentile(share), all.percentile(share)) << share;
}

}  // namespace
