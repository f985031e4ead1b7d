// shard_balance: who gets a new connection.
//
// SPDX-License-Identifier: Apache-2.0
#include "net/shard_balance.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <random>
#include <thread>
#include <vector>

namespace sallyport::detail {
namespace {

constexpr std::size_t tolerance = shard_balance::tolerance;

/// Shards with these numbers of connections, which all accept.
class balance_of {
 public:
  balance_of(std::initializer_list<std::size_t> connections) : balance(connections.size()) {
    std::size_t shard = 0;
    for (const std::size_t count : connections) {
      for (std::size_t i = 0; i < count; ++i) balance.add(shard);
      balance.set_accepting(shard++, true);
    }
  }
  shard_balance balance;
};

std::optional<std::size_t> better(std::initializer_list<std::size_t> connections, std::size_t than) {
  return balance_of(connections).balance.better_than(than);
}

TEST(shard_balance, counts) {
  shard_balance balance(3);
  EXPECT_EQ(balance.size(), 3U);
  balance.add(1);
  balance.add(1);
  balance.add(2);
  balance.remove(1);
  EXPECT_EQ(balance.connections(0), 0U);
  EXPECT_EQ(balance.connections(1), 1U);
  EXPECT_EQ(balance.connections(2), 1U);
}

TEST(shard_balance, a_shard_keeps_what_is_not_clearly_more) {
  EXPECT_EQ(better({0, 0}, 0), std::nullopt);
  EXPECT_EQ(better({tolerance, 0}, 0), std::nullopt);
  EXPECT_EQ(better({tolerance + 1, 0}, 0), 1U);
  EXPECT_EQ(better({tolerance + 7, 7}, 0), std::nullopt);
  EXPECT_EQ(better({tolerance + 8, 7}, 0), 1U);
}

TEST(shard_balance, tolerates_an_eighth_of_large_numbers) {
  EXPECT_EQ(better({80 + 10 + tolerance, 80}, 0), std::nullopt);
  EXPECT_EQ(better({80 + 10 + tolerance + 1, 80}, 0), 1U);
}

TEST(shard_balance, the_one_with_the_fewest_gets_it) {
  EXPECT_EQ(better({100, 40, 30, 50}, 0), 2U);
  EXPECT_EQ(better({30, 40, 100, 50}, 2), 0U);
  EXPECT_EQ(better({30, 40, 100, 50}, 1), 0U);
  EXPECT_EQ(better({30, 40, 100, 50}, 0), std::nullopt);
}

TEST(shard_balance, of_equal_ones_each_shard_has_another_first) {
  EXPECT_EQ(better({9, 0, 9, 0}, 0), 1U);
  EXPECT_EQ(better({9, 0, 9, 0}, 2), 3U);
}

TEST(shard_balance, one_that_does_not_accept_gets_nothing) {
  balance_of shards({100, 0, 50});
  shards.balance.set_accepting(1, false);
  EXPECT_EQ(shards.balance.better_than(0), 2U);
  shards.balance.set_accepting(2, false);
  EXPECT_EQ(shards.balance.better_than(0), std::nullopt);
  shards.balance.set_accepting(1, true);
  EXPECT_EQ(shards.balance.better_than(0), 1U);
}

TEST(shard_balance, a_shard_accepts_only_when_it_has_said_so) {
  shard_balance balance(2);
  for (std::size_t i = 0; i < 100; ++i) balance.add(0);
  EXPECT_EQ(balance.better_than(0), std::nullopt);
}

TEST(shard_balance, a_single_shard_keeps_all) { EXPECT_EQ(better({1000}, 0), std::nullopt); }

/// Connections come to shards at random; with `ends`, one at random ends for each that comes.
struct simulation {
  shard_balance& balance;
  std::mt19937 random{42};
  std::size_t came = 0;
  std::size_t passed_on = 0;

  void one_comes() {
    const std::size_t by_hash = random() % balance.size();
    const auto better = balance.better_than(by_hash);
    balance.add(better.value_or(by_hash));
    ++came;
    if (better) ++passed_on;
  }
  void one_ends() {
    for (;;) {
      const std::size_t shard = random() % balance.size();
      if (balance.connections(shard) == 0) continue;
      return balance.remove(shard);
    }
  }
  std::size_t spread() const {
    std::vector<std::size_t> all;
    for (std::size_t shard = 0; shard < balance.size(); ++shard) all.push_back(balance.connections(shard));
    const auto [least, most] = std::minmax_element(all.begin(), all.end());
    return *most - *least;
  }
};

TEST(shard_balance, few_connections_are_spread_within_a_constant) {
  balance_of shards({0, 0, 0, 0});
  simulation run{shards.balance};
  for (int i = 0; i < 30; ++i) {
    run.one_comes();
    EXPECT_LE(run.spread(), tolerance + 1);
  }
}

TEST(shard_balance, many_connections_are_spread_within_an_eighth) {
  balance_of shards({0, 0, 0, 0});
  simulation run{shards.balance};
  for (int i = 0; i < 4000; ++i) run.one_comes();
  EXPECT_LE(run.spread(), tolerance + 1 + 1000 / 8);
  EXPECT_LT(run.passed_on, run.came / 10);
}

// What a flood of handshakes is: short connections, some at a time, and each shard ends them at its own pace.
TEST(shard_balance, a_flood_is_rarely_passed_on) {
  for (const std::size_t at_a_time : {8U, 16U, 64U, 256U, 1024U}) {
    balance_of shards({0, 0, 0, 0});
    simulation run{shards.balance};
    for (std::size_t i = 0; i < at_a_time; ++i) run.one_comes();
    for (int i = 0; i < 20000; ++i) {
      run.one_ends();
      run.one_comes();
    }
    EXPECT_LT(run.passed_on, run.came / 5) << at_a_time;
  }
}

TEST(shard_balance, a_skewed_spread_becomes_even) {
  balance_of shards({200, 0, 0, 0});
  simulation run{shards.balance};
  for (int i = 0; i < 600; ++i) run.one_comes();
  EXPECT_LE(run.spread(), tolerance + 1 + 200 / 8);
}

TEST(shard_balance, may_be_used_by_all_shards_at_once) {
  balance_of shards({0, 0, 0, 0});
  std::vector<std::thread> threads;
  for (std::size_t shard = 0; shard < 4; ++shard) {
    threads.emplace_back([&shards, shard] {
      for (int i = 0; i < 5000; ++i) {
        const std::size_t to = shards.balance.better_than(shard).value_or(shard);
        shards.balance.add(to);
        shards.balance.set_accepting(shard, i % 2 == 0);
        if (i % 3 != 0) shards.balance.remove(to);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::size_t total = 0;
  for (std::size_t shard = 0; shard < 4; ++shard) total += shards.balance.connections(shard);
  EXPECT_EQ(total, 4U * 1667U);
}

}  // namespace
}  // namespace sallyport::detail
