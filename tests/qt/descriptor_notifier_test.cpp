// descriptor_notifier_test: who is told what, whatever is done meanwhile to notifiers, descriptors, loops and threads.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/event_loop.hpp"

#include "descriptor_notifier.hpp"
#include "descriptor_poller.hpp"

#include <QtCore/QEventLoop>
#include <QtCore/QSocketNotifier>
#include <QtCore/QThread>

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sallyport::test {
namespace {

using qt::descriptor_notifier;
using qt::descriptor_poller;

/// A connection, and who is told of its one end.
class probe final : public descriptor_notifier {
 public:
  explicit probe(QObject* parent = nullptr) : probe(new_pair(), parent) {}
  explicit probe(std::array<int, 2> ends, QObject* parent = nullptr)
      : descriptor_notifier(ends[0], parent), near_(ends[0]), far_(ends[1]) {}
  ~probe() override {
    stop();
    if (owns_near) ::close(near_);
    if (far_ >= 0) ::close(far_);
  }

  static std::array<int, 2> new_pair() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    return ends;
  }

  int number() const { return near_; }
  void arrive() const { EXPECT_EQ(::write(far_, "x", 1), 1); }
  void read() const {
    char byte = 0;
    const bool is_read = ::read(near_, &byte, 1) == 1;
    EXPECT_TRUE(is_read || errno == EAGAIN);  // an event loop in a slot was quicker
  }
  void hang_up() { ::close(std::exchange(far_, -1)); }

  std::function<void()> input = [this] { read(); };
  std::function<void()> output = [this] { want(false, false); };
  std::atomic<int> inputs = 0;
  std::atomic<int> outputs = 0;
  bool owns_near = true;

 protected:
  // What they call may destroy this.
  void on_input() override {
    ++inputs;
    const auto call = input;
    call();
  }
  void on_output() override {
    ++outputs;
    const auto call = output;
    call();
  }

 private:
  int near_;
  int far_;
};

/// Whether the event loop would do anything.
bool is_quiet() {
  handle_events();
  return !QEventLoop().processEvents();
}

TEST(descriptor_notifier_test, tells_as_long_as_it_is_there_and_wanted) {
  probe one;
  one.input = [] {};
  one.arrive();
  handle_events();
  EXPECT_EQ(one.inputs, 0);
  one.want(true, false);
  QCoreApplication::processEvents();
  QCoreApplication::processEvents();
  EXPECT_GE(one.inputs, 1);
  ASSERT_TRUE(wait_until([&] { return one.inputs >= 3; }));
  one.want(false, false);
  one.inputs = 0;
  handle_events();
  EXPECT_EQ(one.inputs, 0);
  one.want(true, false);
  EXPECT_TRUE(wait_until([&] { return one.inputs >= 1; }));
  one.read();
  one.inputs = 0;
  handle_events();
  EXPECT_EQ(one.inputs, 0);
}

TEST(descriptor_notifier_test, tells_of_output_before_input) {
  probe one;
  std::vector<char> told;
  one.input = [&] {
    told.push_back('i');
    one.read();
  };
  one.output = [&] {
    told.push_back('o');
    one.want(true, false);
  };
  one.arrive();
  one.want(true, true);
  ASSERT_TRUE(wait_until([&] { return told.size() == 2; }));
  EXPECT_THAT(told, testing::ElementsAre('o', 'i'));
  one.want(true, true);
  EXPECT_TRUE(wait_until([&] { return one.outputs == 2; }));
}

TEST(descriptor_notifier_test, nothing_spins_for_what_is_not_wanted) {
  probe input;
  input.want(true, false);
  input.want(false, false);
  input.arrive();
  EXPECT_TRUE(is_quiet());
  probe output;
  output.want(true, true);
  output.want(true, false);
  EXPECT_TRUE(is_quiet());
  output.arrive();
  ASSERT_TRUE(wait_until([&] { return output.inputs == 1; }));
  probe ended;
  ended.want(true, false);
  ended.want(false, false);
  ended.hang_up();
  EXPECT_TRUE(is_quiet());
  EXPECT_EQ(input.inputs + output.outputs + ended.inputs, 0);
}

TEST(descriptor_notifier_test, a_hang_up_is_input_and_output) {
  probe one;
  one.input = [&] { one.want(false, true); };
  one.hang_up();
  one.want(true, false);
  EXPECT_TRUE(wait_until([&] { return one.inputs == 1 && one.outputs == 1; }));
}

/// Two that are ready in the same turn; whoever is told first does `what` with the other.
void first_of_two(const std::function<void(probe& first, std::unique_ptr<probe>& other)>& what) {
  std::array<std::unique_ptr<probe>, 2> both{std::make_unique<probe>(), std::make_unique<probe>()};
  bool told = false;
  for (std::size_t i = 0; i < 2; ++i) {
    both[i]->want(true, false);
    both[i]->input = [&, i] {
      both[i]->read();
      if (!std::exchange(told, true)) what(*both[i], both[1 - i]);
    };
  }
  for (const auto& one : both) one->arrive();
  ASSERT_TRUE(wait_until([&] { return told; }));
  handle_events();
}

TEST(descriptor_notifier_test, who_is_gone_is_not_told) {
  first_of_two([](probe&, std::unique_ptr<probe>& other) { other.reset(); });
}

TEST(descriptor_notifier_test, who_has_the_descriptor_of_one_that_is_gone_is_not_told_of_its_events) {
  std::unique_ptr<probe> next;
  first_of_two([&](probe&, std::unique_ptr<probe>& other) {
    const int number = other->number();
    other.reset();
    auto ends = probe::new_pair();
    if (ends[1] == number) std::swap(ends[0], ends[1]);
    if (ends[0] != number) {
      ASSERT_EQ(::dup3(ends[0], number, O_CLOEXEC), number);
      ::close(ends[0]);
    }
    next = std::make_unique<probe>(std::array{number, ends[1]});
    next->want(true, false);
    EXPECT_TRUE(is_quiet());
  });
  EXPECT_EQ(next->inputs, 0);
  next->arrive();
  EXPECT_TRUE(wait_until([&] { return next->inputs == 1; }));
}

TEST(descriptor_notifier_test, a_copy_of_a_closed_descriptor_tells_nothing) {
  auto one = std::make_unique<probe>();
  one->want(true, false);
  const int copy = ::fcntl(one->number(), F_DUPFD_CLOEXEC, 0);
  one->arrive();
  one.reset();
  EXPECT_TRUE(is_quiet());
  ::close(copy);
}

TEST(descriptor_notifier_test, it_may_be_destroyed_in_its_own_slots) {
  auto* const one = new probe;
  bool told = false;
  one->output = [&] {
    told = true;
    delete one;
  };
  one->arrive();
  one->want(true, true);
  EXPECT_TRUE(wait_until([&] { return told; }));
  EXPECT_TRUE(is_quiet());
}

TEST(descriptor_notifier_test, an_event_loop_in_a_slot_goes_on_telling_the_others) {
  first_of_two([](probe& first, std::unique_ptr<probe>& other) {
    EXPECT_TRUE(wait_until([&] { return other->inputs == 1; }));
    first.arrive();
    EXPECT_TRUE(wait_until([&] { return first.inputs == 2; }));
    probe third;
    third.want(true, false);
    third.arrive();
    EXPECT_TRUE(wait_until([&] { return third.inputs == 1; }));
  });
}

TEST(descriptor_notifier_test, an_event_loop_in_a_slot_may_destroy_the_others) {
  first_of_two([](probe&, std::unique_ptr<probe>& other) {
    QMetaObject::invokeMethod(
        other.get(), [&] { other.reset(); }, Qt::QueuedConnection);
    EXPECT_TRUE(wait_until([&] { return other == nullptr; }));
  });
}

TEST(descriptor_notifier_test, a_crowd_is_told_in_turns_and_each_as_often) {
  constexpr std::size_t count = descriptor_poller::batch_size * 5 / 2;
  std::vector<std::unique_ptr<probe>> crowd;
  for (std::size_t i = 0; i < count; ++i) {
    crowd.push_back(std::make_unique<probe>());
    crowd.back()->input = [] {};  // so it is ready for ever
    crowd.back()->arrive();
    crowd.back()->want(true, false);
  }
  const auto told = [&] {
    std::size_t sum = 0;
    for (const auto& each : crowd) sum += static_cast<std::size_t>(each->inputs);
    return sum;
  };
  int posted = 0;
  QObject target;
  std::function<void()> post = [&] {
    ++posted;
    QMetaObject::invokeMethod(&target, post, Qt::QueuedConnection);
  };
  post();
  std::size_t before = 0;
  for (int turns = 0; turns < 25; ++turns) {
    QCoreApplication::processEvents();
    EXPECT_LE(told(), before + descriptor_poller::batch_size);
    before = told();
    const auto [least, most] = std::ranges::minmax_element(
        crowd, [](const auto& one, const auto& other) { return one->inputs < other->inputs; });
    EXPECT_LE((*most)->inputs - (*least)->inputs, 1);
  }
  EXPECT_GT(before, 3 * count);
  EXPECT_GT(posted, 10);
}

TEST(descriptor_notifier_test, goes_to_another_thread_with_its_parent) {
  for (const bool in_its_slot : {false, true}) {
    for (const bool is_started : {false, true}) {
      QThread thread;
      if (is_started) thread.start();
      auto* const parent = new QObject;
      auto* const one = new probe(parent);
      std::atomic<QThread*> told_in = nullptr;
      one->input = [&, one] {
        one->read();
        told_in = QThread::currentThread();
      };
      if (in_its_slot) {
        one->want(true, true);
        one->output = [&] {
          one->want(true, false);
          one->arrive();
          parent->moveToThread(&thread);
        };
      } else {
        one->want(true, false);
        one->arrive();
        parent->moveToThread(&thread);
      }
      handle_events();
      EXPECT_EQ(one->outputs, in_its_slot ? 1 : 0);
      thread.start();
      EXPECT_TRUE(wait_until([&] { return told_in != nullptr; }));
      EXPECT_EQ(told_in, &thread);
      QObject::connect(&thread, &QThread::finished, parent, &QObject::deleteLater);
      thread.quit();
      thread.wait();
    }
  }
}

TEST(descriptor_notifier_test, may_outlive_its_thread) {
  for (int i = 0; i < 20; ++i) {
    QThread thread;
    thread.start();
    auto one = std::make_unique<probe>();
    one->want(true, false);
    one->moveToThread(&thread);
    one->arrive();
    EXPECT_TRUE(wait_until([&] { return one->inputs == 1; }));
    thread.quit();
    thread.wait();
    one->arrive();
    one.reset();
  }
  EXPECT_TRUE(is_quiet());
}

TEST(descriptor_notifier_test, in_a_thread_that_has_its_event_loop_later) {
  const auto in_thread = [] {
    probe one;
    one.want(true, false);
    one.arrive();
    QEventLoop loop;
    one.input = [&] {
      one.read();
      loop.quit();
    };
    EXPECT_EQ(one.inputs, 0);
    loop.exec();
    EXPECT_EQ(one.inputs, 1);
  };
  const std::unique_ptr<QThread> qts(QThread::create(in_thread));
  qts->start();
  EXPECT_TRUE(qts->wait(20'000));
  std::thread(in_thread).join();
}

TEST(descriptor_notifier_test, a_child_process_takes_nothing_away) {
  auto one = std::make_unique<probe>();
  one->want(true, false);
  handle_events();
  const pid_t child = ::fork();
  if (child == 0) {
    one.reset();
    probe own;
    own.want(true, false);
    own.arrive();
    ::_exit(wait_until([&] { return own.inputs == 1; }) ? 0 : 1);
  }
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  one->arrive();
  EXPECT_TRUE(wait_until([&] { return one->inputs == 1; }));
}

/// The process has no descriptor left as long as this lives.
class no_descriptors {
 public:
  no_descriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit none{0, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~no_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  no_descriptors(const no_descriptors&) = delete;
  no_descriptors& operator=(const no_descriptors&) = delete;

 private:
  rlimit before_{};
};

TEST(descriptor_notifier_test, where_the_kernel_gives_no_epoll_qts_notifiers_do) {
  QThread other;
  other.start();
  const std::unique_ptr<QThread> thread(QThread::create([&] {
    auto* const one = new probe;
    {
      const no_descriptors left;
      one->want(true, false);
    }
    EXPECT_EQ(one->findChildren<QSocketNotifier*>().size(), 2);
    EXPECT_TRUE(is_quiet());
    one->arrive();
    EXPECT_TRUE(wait_until([&] { return one->inputs == 1; }));
    one->want(false, false);
    one->arrive();
    EXPECT_TRUE(is_quiet());
    one->want(false, true);
    EXPECT_TRUE(wait_until([&] { return one->outputs == 1; }));
    one->want(true, false);
    one->moveToThread(&other);
    EXPECT_TRUE(wait_until([&] { return one->inputs == 2; }));
    QMetaObject::invokeMethod(
        one, [one] { delete one; }, Qt::BlockingQueuedConnection);

    probe later;  // there are descriptors again
    later.want(true, false);
    EXPECT_TRUE(later.findChildren<QSocketNotifier*>().isEmpty());
    later.arrive();
    EXPECT_TRUE(wait_until([&] { return later.inputs == 1; }));
  }));
  thread->start();
  EXPECT_TRUE(thread->wait(30'000));
  other.quit();
  other.wait();
}

TEST(descriptor_notifier_test, a_descriptor_that_is_watched_already_has_qts_notifiers) {
  probe one;
  one.want(true, false);
  one.input = [] {};
  probe second(std::array{one.number(), -1});
  second.owns_near = false;
  second.input = [&] { one.read(); };
  second.want(true, false);
  EXPECT_EQ(second.findChildren<QSocketNotifier*>().size(), 2);
  one.arrive();
  EXPECT_TRUE(wait_until([&] { return second.inputs >= 1; }));
}

}  // namespace
}  // namespace sallyport::test
