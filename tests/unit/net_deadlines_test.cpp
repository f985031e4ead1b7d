// deadlines: many points in time, one timer.
//
// SPDX-License-Identifier: Apache-2.0
#include "net/deadlines.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace sallyport::detail {
namespace {

using namespace std::chrono_literals;

class named_deadline : public deadline {
 public:
  named_deadline(std::string name, std::string& log) : name_(std::move(name)), log_(log) {}
  std::function<void()> then = [] {};

 private:
  void on_deadline() override {
    log_ += name_;
    then();
  }

  std::string name_;
  std::string& log_;
};

class deadlines_test : public testing::Test {
 protected:
  deadline::clock::time_point in(std::chrono::milliseconds time) const { return start + time; }

  boost::asio::io_context io;
  std::string log;
  std::shared_ptr<deadlines> all = std::make_shared<deadlines>(io.get_executor());
  named_deadline a{"a", log}, b{"b", log}, c{"c", log};
  deadline::clock::time_point start = deadline::clock::now();
};

TEST_F(deadlines_test, come_in_the_order_of_time) {
  all->set(a, in(30ms));
  all->set(b, in(10ms));
  all->set(c, in(20ms));
  io.run();
  EXPECT_EQ(log, "bca");
  EXPECT_GE(deadline::clock::now(), in(30ms));
  EXPECT_FALSE(a.is_set());
}

TEST_F(deadlines_test, what_is_taken_back_does_not_come) {
  all->set(a, in(10ms));
  all->set(b, in(20ms));
  a.take_back();
  EXPECT_FALSE(a.is_set());
  a.take_back();
  io.run();
  EXPECT_EQ(log, "b");
}

TEST_F(deadlines_test, what_is_destroyed_does_not_come) {
  {
    named_deadline gone("x", log);
    all->set(gone, in(10ms));
  }
  all->set(b, in(20ms));
  io.run();
  EXPECT_EQ(log, "b");
}

TEST_F(deadlines_test, setting_again_moves) {
  all->set(a, in(1h));
  all->set(b, in(20ms));
  all->set(a, in(10ms));
  io.run();
  EXPECT_EQ(log, "ab");
  all->set(a, in(40ms));
  all->set(b, in(30ms));
  all->set(b, in(50ms));
  io.restart();
  io.run();
  EXPECT_EQ(log, "abab");
}

TEST_F(deadlines_test, the_past_comes_at_once_but_not_inside_set) {
  all->set(a, start - 1s);
  EXPECT_EQ(log, "");
  io.run();
  EXPECT_EQ(log, "a");
}

TEST_F(deadlines_test, one_may_set_itself_and_destroy_others) {
  auto other = std::make_unique<named_deadline>("o", log);
  all->set(a, start);
  all->set(*other, start);
  a.then = [&] {
    if (!std::exchange(other, nullptr)) return;
    all->set(a, in(10ms));
  };
  io.run();
  EXPECT_EQ(log, "aa");
}

TEST_F(deadlines_test, one_that_throws_does_not_stop_the_others) {
  all->set(a, start);
  all->set(b, start);
  all->set(c, in(10ms));
  a.then = [] { throw std::runtime_error("thrown by a slot"); };
  EXPECT_THROW(io.run(), std::runtime_error);
  io.run();
  EXPECT_EQ(log, "abc");
}

TEST_F(deadlines_test, at_rest_they_do_not_keep_the_event_loop) {
  all->set(a, in(1h));
  a.take_back();
  all->rest_if_empty();
  io.run();
  EXPECT_EQ(log, "");
  all->set(a, start);
  io.restart();
  io.run();
  EXPECT_EQ(log, "a");
}

TEST_F(deadlines_test, rest_does_nothing_while_one_is_set) {
  all->set(a, in(10ms));
  all->rest_if_empty();
  io.run();
  EXPECT_EQ(log, "a");
}

TEST_F(deadlines_test, may_be_destroyed_by_one_of_them) {
  all->set(a, start);
  a.then = [&] {
    b.take_back();
    all.reset();
  };
  io.run();
  EXPECT_EQ(log, "a");
}

}  // namespace
}  // namespace sallyport::detail
