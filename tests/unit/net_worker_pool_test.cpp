// worker_pool: the oldest work first, and what can be taken back.
//
// SPDX-License-Identifier: Apache-2.0
#include "net/worker_pool.hpp"

#include <sallyport/worker_threads.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace sallyport::detail {
namespace {

using testing::ElementsAre;

class task final : public work {
 public:
  explicit task(std::function<void()> what) : what_(std::move(what)) {}

 private:
  void run() noexcept override { what_(); }

  std::function<void()> what_;
};

std::shared_ptr<task> make_task(std::function<void()> what) { return std::make_shared<task>(std::move(what)); }

/// Keeps a thread from anything else until the latch lets it go.
struct occupied {
  std::latch begun{1};
  std::latch may_end{1};
  std::shared_ptr<task> work = make_task([this] {
    begun.count_down();
    may_end.wait();
  });
};

TEST(worker_pool, does_the_oldest_first) {
  std::vector<int> order;  // of one thread
  {
    worker_pool pool(1);
    occupied first;
    pool.add(first.work);
    first.begun.wait();
    std::latch done(3);
    for (int number = 0; number < 3; ++number) {
      pool.add(make_task([&, number] {
        order.push_back(number);
        done.count_down();
      }));
    }
    first.may_end.count_down();
    done.wait();
  }
  EXPECT_THAT(order, ElementsAre(0, 1, 2));
}

TEST(worker_pool, works_at_the_same_time_on_each_thread) {
  worker_pool pool(3);
  EXPECT_EQ(pool.size(), 3U);
  std::latch together(3);
  std::latch done(3);
  for (int number = 0; number < 3; ++number) {
    pool.add(make_task([&] {
      together.arrive_and_wait();
      done.count_down();
    }));
  }
  done.wait();
}

TEST(worker_pool, gives_back_what_has_not_begun) {
  worker_pool pool(1);
  occupied first;
  pool.add(first.work);
  first.begun.wait();
  std::atomic<bool> ran = false;
  auto waiting = make_task([&] { ran = true; });
  const std::weak_ptr<work> seen = waiting;
  pool.add(waiting);
  EXPECT_FALSE(pool.take_back(*first.work)) << "it has begun";
  EXPECT_TRUE(pool.take_back(*waiting));
  EXPECT_FALSE(pool.take_back(*waiting)) << "twice";
  waiting.reset();
  EXPECT_TRUE(seen.expired()) << "the pool keeps nothing of it";
  std::latch last(1);
  pool.add(make_task([&] { last.count_down(); }));
  first.may_end.count_down();
  last.wait();
  EXPECT_FALSE(ran);
}

TEST(worker_pool, lets_go_of_what_is_done) {
  worker_pool pool(1);
  std::latch begun(1);
  auto done = make_task([&] { begun.count_down(); });
  const std::weak_ptr<work> seen = done;
  pool.add(std::exchange(done, nullptr));
  begun.wait();
  occupied next;  // the thread has let go of the former when it begins this one
  pool.add(next.work);
  next.begun.wait();
  EXPECT_TRUE(seen.expired());
  next.may_end.count_down();
}

TEST(worker_pool, its_end_waits_for_what_has_begun_and_keeps_nothing) {
  std::atomic<bool> ended = false;
  occupied first;
  auto pool = std::make_unique<worker_pool>(1);
  pool->add(make_task([&] {
    first.begun.count_down();
    first.may_end.wait();
    ended = true;
  }));
  first.begun.wait();
  auto dropped = make_task([] {});
  const std::weak_ptr<work> seen = dropped;
  pool->add(std::move(dropped));
  std::thread ending([&] { pool.reset(); });
  first.may_end.count_down();
  ending.join();
  EXPECT_TRUE(ended);
  EXPECT_TRUE(seen.expired());
}

TEST(worker_threads, has_at_least_one_and_copies_share_them) {
  EXPECT_EQ(worker_threads(0).size(), 1U);
  const worker_threads three(3);
  worker_threads copy = three;
  EXPECT_EQ(copy.size(), 3U);
  EXPECT_EQ(&copy.pool(), &three.pool());
  const worker_threads moved = std::move(copy);
  EXPECT_EQ(copy.size(), 3U) << "moving copies, so that none is without threads";
}

}  // namespace
}  // namespace sallyport::detail
