// poller: the readiness of many descriptors for one wait of the event loop.
//
// SPDX-License-Identifier: Apache-2.0
#include "net/poller.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace sallyport::detail {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

/// One end is watched, the other is the test's.
class channel final : public watched {
 public:
  explicit channel(std::vector<std::string>& trace, std::string name = "") : trace_(trace), name_(std::move(name)) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0)
      throw std::system_error(errno, std::system_category());
    mine = ends[0];
    peer = ends[1];
  }
  ~channel() {
    close_peer();
    close_mine();
  }

  void close_mine() {
    if (mine >= 0) ::close(std::exchange(mine, -1));
  }
  void close_peer() {
    if (peer >= 0) ::close(std::exchange(peer, -1));
  }
  void send() const { ASSERT_EQ(::send(peer, "x", 1, MSG_NOSIGNAL), 1); }
  void read_all() const {
    std::array<char, 4096> room{};
    while (::recv(mine, room.data(), room.size(), MSG_DONTWAIT) > 0) {
    }
  }
  void fill() const {
    const std::string data(4096, 'x');
    while (::send(mine, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
  }
  void drain_peer() const {
    std::array<char, 4096> room{};
    while (::recv(peer, room.data(), room.size(), MSG_DONTWAIT) > 0) {
    }
  }

  std::function<void()> when_readable = [] {};
  int mine = -1;
  int peer = -1;

 private:
  void on_readable(bool peer_has_ended) override {
    trace_.push_back(name_ + (peer_has_ended ? "in, the last" : "in"));
    when_readable();
  }
  void on_writable() override { trace_.push_back(name_ + "out"); }

  std::vector<std::string>& trace_;
  std::string name_;
};

class pollers : public testing::Test {
 protected:
  /// The size of the batch.
  std::size_t dispatch() {
    trace.clear();
    return poller_.dispatch([](watched& who, std::uint32_t events) { poller::run(who, events); });
  }
  channel& add(std::string name = "") {
    channel& added = channels.emplace_back(trace, std::move(name));
    poller_.add(added, added.mine);
    return added;
  }

  boost::asio::io_context io{1};
  std::vector<std::string> trace;
  std::deque<channel> channels;  // outlive the poller, which doesn't touch them any more
  poller poller_{io.get_executor()};
};

TEST_F(pollers, tells_of_input_once_for_each_want) {
  channel& one = add();
  EXPECT_TRUE(one.is_watched());
  poller_.want_input(one);
  EXPECT_EQ(dispatch(), 0U);
  one.send();
  EXPECT_EQ(dispatch(), 1U);
  EXPECT_THAT(trace, ElementsAre("in"));
  EXPECT_FALSE(poller_.is_wanted());
  poller_.want_input(one);  // it has not been read
  dispatch();
  EXPECT_THAT(trace, ElementsAre("in"));
}

TEST_F(pollers, what_comes_unwanted_is_met_once_at_most) {
  channel& one = add();
  one.send();
  EXPECT_LE(dispatch(), 1U);
  EXPECT_THAT(trace, IsEmpty());
  EXPECT_EQ(dispatch(), 0U);  // otherwise the loop would spin
  one.send();                 // nor does more of it
  EXPECT_EQ(dispatch(), 0U);
  poller_.want_input(one);
  EXPECT_EQ(dispatch(), 1U);
  EXPECT_THAT(trace, ElementsAre("in"));
}

TEST_F(pollers, what_was_read_before_it_is_wanted_is_not_told) {
  channel& one = add();
  one.send();
  dispatch();
  one.read_all();
  poller_.want_input(one);
  EXPECT_EQ(dispatch(), 0U);
  one.send();
  dispatch();
  EXPECT_THAT(trace, ElementsAre("in"));
}

TEST_F(pollers, a_hang_up_that_nobody_wants_does_not_spin) {
  channel& one = add();
  channel& reset = add();
  reset.send();  // unread data makes the end of a unix socket a reset
  ASSERT_EQ(::send(reset.mine, "x", 1, MSG_NOSIGNAL), 1);
  one.close_peer();
  reset.close_peer();
  for (int turn = 0; turn < 3; ++turn) dispatch();
  EXPECT_EQ(dispatch(), 0U);
  EXPECT_THAT(trace, IsEmpty());
  poller_.want_input(one);
  poller_.want_input(reset);
  dispatch();
  EXPECT_THAT(trace, ElementsAre("in, the last", "in, the last"));
  for (int turn = 0; turn < 3; ++turn) dispatch();
  EXPECT_EQ(dispatch(), 0U);
}

TEST_F(pollers, a_fin_is_told_with_the_last_input) {
  channel& one = add();
  one.send();
  ASSERT_EQ(::shutdown(one.peer, SHUT_WR), 0);
  poller_.want_input(one);
  dispatch();
  EXPECT_THAT(trace, ElementsAre("in, the last"));
}

TEST_F(pollers, room_is_told_when_it_is_wanted) {
  channel& one = add();
  one.fill();
  poller_.want_output(one);
  EXPECT_EQ(dispatch(), 0U);
  one.drain_peer();
  dispatch();
  EXPECT_THAT(trace, ElementsAre("out"));
  for (int turn = 0; turn < 2; ++turn) dispatch();
  EXPECT_EQ(dispatch(), 0U);  // there is room all the time
}

TEST_F(pollers, one_thing_at_a_time_output_first) {
  channel& one = add();
  one.send();
  poller_.want_input(one);
  poller_.want_output(one);
  dispatch();
  EXPECT_THAT(trace, ElementsAre("out"));
  EXPECT_TRUE(poller_.is_wanted());
  dispatch();
  EXPECT_THAT(trace, ElementsAre("in"));
  EXPECT_FALSE(poller_.is_wanted());
}

TEST_F(pollers, a_reset_is_told_to_both) {
  channel& one = add();
  one.fill();
  poller_.want_input(one);
  poller_.want_output(one);
  EXPECT_EQ(dispatch(), 0U);
  one.close_peer();
  dispatch();
  EXPECT_THAT(trace, ElementsAre("out"));
  dispatch();
  EXPECT_THAT(trace, ElementsAre("in, the last"));
}

TEST_F(pollers, unread_input_does_not_spin_while_output_is_wanted) {
  channel& one = add();
  one.fill();
  one.send();
  poller_.want_output(one);
  EXPECT_LE(dispatch(), 1U);
  EXPECT_THAT(trace, IsEmpty());
  EXPECT_EQ(dispatch(), 0U);
  one.drain_peer();
  dispatch();
  EXPECT_THAT(trace, ElementsAre("out"));
  poller_.want_input(one);
  dispatch();
  EXPECT_THAT(trace, ElementsAre("in"));
}

TEST_F(pollers, wants_are_counted) {
  channel& one = add();
  channel& other = add();
  EXPECT_FALSE(poller_.is_wanted());
  for (int time = 0; time < 3; ++time) {
    poller_.want_input(one);
    poller_.want_output(one);
    poller_.want_input(other);
  }
  poller_.stop_wanting(one);
  EXPECT_TRUE(poller_.is_wanted());
  poller_.stop_wanting(one);
  EXPECT_TRUE(poller_.is_wanted());
  poller_.remove(other);
  EXPECT_FALSE(poller_.is_wanted());
  poller_.want_input(other);  // it isn't watched
  EXPECT_FALSE(poller_.is_wanted());
  poller_.remove(other);
  poller_.want_input(one);
  EXPECT_TRUE(poller_.is_wanted());
  poller_.remove(one);
  EXPECT_FALSE(poller_.is_wanted());
}

TEST_F(pollers, after_stop_wanting_nothing_is_told) {
  channel& one = add();
  one.send();
  poller_.want_input(one);
  poller_.want_output(one);
  poller_.stop_wanting(one);
  for (int turn = 0; turn < 2; ++turn) {
    dispatch();
    EXPECT_THAT(trace, IsEmpty());
  }
  EXPECT_EQ(dispatch(), 0U);
  poller_.want_output(one);
  dispatch();
  EXPECT_THAT(trace, ElementsAre("out"));
}

TEST_F(pollers, after_stop_wanting_input_output_is_told) {
  channel& one = add();
  one.send();
  poller_.want_input(one);
  poller_.want_output(one);
  poller_.stop_wanting_input(one);
  poller_.stop_wanting_input(one);
  EXPECT_TRUE(poller_.is_wanted());
  dispatch();
  EXPECT_THAT(trace, ElementsAre("out"));
  EXPECT_FALSE(poller_.is_wanted());
}

// --- removal ---

TEST_F(pollers, whoever_is_removed_is_told_nothing) {
  channel& one = add();
  one.send();
  poller_.want_input(one);
  poller_.remove(one);
  EXPECT_FALSE(one.is_watched());
  EXPECT_EQ(dispatch(), 0U);
  poller_.add(one, one.mine);  // again
  poller_.want_input(one);
  dispatch();
  EXPECT_THAT(trace, ElementsAre("in"));
}

// A copy of the descriptor keeps what it refers to open: without a word to the kernel the registration would stay.
TEST_F(pollers, a_copy_of_a_removed_descriptor_tells_nothing) {
  channel& one = add();
  const int copy = ::dup(one.mine);
  poller_.want_input(one);
  poller_.remove(one);
  one.close_mine();
  one.send();
  EXPECT_EQ(dispatch(), 0U);
  ::close(copy);
}

TEST_F(pollers, whoever_is_removed_by_another_of_the_same_batch_is_told_nothing) {
  channel& one = add("one ");
  channel& two = add("two ");
  for (channel* each : {&one, &two}) {
    each->send();
    poller_.want_input(*each);
  }
  one.when_readable = [&] { poller_.remove(two); };
  two.when_readable = [&] { poller_.remove(one); };
  EXPECT_EQ(dispatch(), 2U);
  EXPECT_EQ(trace.size(), 1U);
  EXPECT_FALSE(poller_.is_wanted());
  EXPECT_EQ(dispatch(), 1U);  // unwanted, of the other
  EXPECT_EQ(dispatch(), 0U);
}

TEST_F(pollers, a_successor_gets_no_event_of_its_predecessor) {
  channel& one = add("one ");
  channel& two = add("two ");
  for (channel* each : {&one, &two}) {
    each->send();
    poller_.want_input(*each);
  }
  // Whoever is told first replaces the other, on the same descriptor number and in the same place.
  std::optional<channel> successor;
  const auto replace = [&](channel& other) {
    const int number = other.mine;
    poller_.remove(other);
    other.close_mine();
    successor.emplace(trace, "successor ");
    ASSERT_EQ(successor->mine, number);
    poller_.add(*successor, successor->mine);
    poller_.want_input(*successor);
    poller_.want_output(*successor);
  };
  one.when_readable = [&] { replace(two); };
  two.when_readable = [&] { replace(one); };
  EXPECT_EQ(dispatch(), 2U);
  EXPECT_EQ(trace.size(), 1U);
  EXPECT_THAT(trace.front(), testing::AnyOf("one in", "two in"));
  dispatch();
  EXPECT_THAT(trace, ElementsAre("successor out"));  // and no input, which nobody has sent
  successor->send();
  dispatch();
  EXPECT_THAT(trace, ElementsAre("successor in"));
  poller_.remove(*successor);
}

TEST_F(pollers, somebody_may_remove_and_end_themselves) {
  std::optional<channel> one(std::in_place, trace, "one ");
  channel& two = add("two ");
  poller_.add(*one, one->mine);
  for (channel* each : {&*one, &two}) {
    each->send();
    poller_.want_input(*each);
  }
  one->when_readable = [&] { poller_.remove(*one); };
  dispatch();
  EXPECT_THAT(trace, UnorderedElementsAre("one in", "two in"));
  one.reset();
  two.read_all();
  EXPECT_EQ(dispatch(), 0U);
}

TEST_F(pollers, what_throws_leaves_the_others_events) {
  channel& one = add("one ");
  channel& two = add("two ");
  for (channel* each : {&one, &two}) {
    each->send();
    poller_.want_input(*each);
    each->when_readable = [] { throw std::runtime_error("of the user"); };
  }
  EXPECT_THROW(dispatch(), std::runtime_error);
  EXPECT_EQ(trace.size(), 1U);
  const auto first = trace.front();
  EXPECT_THROW(dispatch(), std::runtime_error);
  EXPECT_EQ(trace.size(), 1U);
  EXPECT_NE(trace.front(), first);
  EXPECT_FALSE(poller_.is_wanted());
}

// --- many ---

TEST_F(pollers, a_batch_is_bounded_and_everybody_has_a_turn) {
  constexpr std::size_t count = poller::batch_size + 44;
  for (std::size_t number = 0; number < count; ++number) {
    channel& each = add();
    each.send();
    poller_.want_input(each);
  }
  std::size_t told = 0;
  EXPECT_EQ(dispatch(), poller::batch_size);
  told += trace.size();
  while (dispatch() > 0) told += trace.size();
  EXPECT_EQ(told, count);
}

TEST_F(pollers, places_are_used_again) {
  for (int round = 0; round < 3; ++round) {
    std::deque<channel> some;
    for (int number = 0; number < 20; ++number) {
      channel& added = some.emplace_back(trace);
      poller_.add(added, added.mine);
      poller_.want_input(added);
      if (number % 2 == 0) added.send();
    }
    dispatch();
    EXPECT_EQ(trace.size(), 10U);
    for (channel& each : some) poller_.remove(each);
    EXPECT_FALSE(poller_.is_wanted());
  }
}

TEST_F(pollers, whoever_has_a_turn_soon_stays_registered) {
  channel& one = add();
  one.send();
  poller::set_turn_soon(one, true);
  EXPECT_EQ(dispatch(), 1U);
  EXPECT_EQ(dispatch(), 1U);  // told in vain: that's what is asked for
  EXPECT_THAT(trace, IsEmpty());
  poller::set_turn_soon(one, false);
  EXPECT_EQ(dispatch(), 1U);
  EXPECT_EQ(dispatch(), 0U);
}

// --- refused, and the wait ---

TEST_F(pollers, a_refused_descriptor_leaves_nothing) {
  channel one(trace);
  EXPECT_THROW(poller_.add(one, -1), boost::system::system_error);
  EXPECT_FALSE(one.is_watched());
  poller_.add(one, one.mine);
  channel twice(trace);
  EXPECT_THROW(poller_.add(twice, one.mine), boost::system::system_error);
  EXPECT_FALSE(twice.is_watched());
  poller_.want_input(one);
  one.send();
  dispatch();
  EXPECT_THAT(trace, ElementsAre("in"));
  poller_.remove(one);
}

TEST_F(pollers, the_wait_ends_when_something_is_there) {
  channel& one = add();
  poller_.want_input(one);
  std::vector<boost::system::error_code> ends;
  const auto wait = [&] { poller_.async_wait([&](const boost::system::error_code& ec) { ends.push_back(ec); }); };
  wait();
  io.poll();
  EXPECT_THAT(ends, IsEmpty());
  one.send();
  io.poll();
  EXPECT_THAT(ends, ElementsAre(boost::system::error_code()));
  wait();  // level-triggered: it is still there
  io.restart();
  io.poll();
  EXPECT_EQ(ends.size(), 2U);

  one.read_all();
  wait();
  io.restart();
  io.poll();
  EXPECT_EQ(ends.size(), 2U);
  poller_.cancel();
  io.restart();
  io.poll();
  ASSERT_EQ(ends.size(), 3U);
  EXPECT_EQ(ends.back(), boost::asio::error::operation_aborted);
}

TEST_F(pollers, after_close_nobody_is_told_anything) {
  channel& one = add();
  one.send();
  poller_.want_input(one);
  poller_.close();
  EXPECT_EQ(dispatch(), 0U);
  EXPECT_THAT(trace, IsEmpty());
  poller_.remove(one);
  EXPECT_FALSE(one.is_watched());
}

}  // namespace
}  // namespace sallyport::detail
