// A call on a stack of its own, stopped and gone on with, also on other threads.
//
// SPDX-License-Identifier: Apache-2.0
#include "tls/suspendable_call.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace sallyport::detail {
namespace {

struct counter {
  suspendable_call call;
  int stops = 0;
  int steps = 0;

  static int count(void* self) {
    auto& counted = *static_cast<counter*>(self);
    for (int i = 0; i < counted.stops; ++i) {
      ++counted.steps;
      counted.call.suspend();
    }
    return counted.steps;
  }
};

TEST(suspendable_call, runs_to_the_end_at_once_if_nothing_stops_it) {
  counter counted;
  ASSERT_TRUE(counted.call.start(counter::count, &counted));
  EXPECT_FALSE(counted.call.is_suspended());
  EXPECT_EQ(counted.call.value(), 0);
}

TEST(suspendable_call, stops_and_goes_on) {
  counter counted;
  counted.stops = 2;
  ASSERT_TRUE(counted.call.start(counter::count, &counted));
  EXPECT_TRUE(counted.call.is_suspended());
  EXPECT_FALSE(counted.call.is_running());
  EXPECT_EQ(counted.steps, 1);
  counted.call.resume();
  EXPECT_TRUE(counted.call.is_suspended());
  counted.call.resume();
  EXPECT_FALSE(counted.call.is_suspended());
  EXPECT_EQ(counted.call.value(), 2);
}

TEST(suspendable_call, can_be_used_again) {
  counter counted;
  counted.stops = 1;
  for (int round = 0; round < 100; ++round) {
    counted.steps = 0;
    ASSERT_TRUE(counted.call.start(counter::count, &counted));
    counted.call.resume();
    EXPECT_EQ(counted.call.value(), 1);
  }
}

TEST(suspendable_call, goes_on_on_other_threads) {
  std::vector<std::unique_ptr<counter>> all;
  for (int i = 0; i < 100; ++i) {
    all.push_back(std::make_unique<counter>());
    all.back()->stops = 2;
    ASSERT_TRUE(all.back()->call.start(counter::count, all.back().get()));
  }
  for (int thread = 0; thread < 2; ++thread) {
    std::thread([&all] {
      for (const auto& each : all) each->call.resume();
    }).join();
  }
  for (const auto& each : all) EXPECT_EQ(each->call.value(), 2);
}

TEST(suspendable_call, is_running_only_inside) {
  struct observer {
    suspendable_call call;
    bool inside = false;
  } seen;
  EXPECT_FALSE(seen.call.is_running());
  ASSERT_TRUE(seen.call.start(
      [](void* self) {
        auto& observed = *static_cast<observer*>(self);
        observed.inside = observed.call.is_running();
        return 0;
      },
      &seen));
  EXPECT_TRUE(seen.inside);
  EXPECT_FALSE(seen.call.is_running());
}

}  // namespace
}  // namespace sallyport::detail
