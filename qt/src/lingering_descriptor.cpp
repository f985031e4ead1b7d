// lingering_descriptor: see lingering_descriptor.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "lingering_descriptor.hpp"

#include "descriptor_notifier.hpp"
#include "descriptor_poller.hpp"
#include "loop_window.hpp"

#include <QtCore/QAbstractEventDispatcher>
#include <QtCore/QEvent>

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <vector>

namespace sallyport::qt {
namespace {

// Long enough for a round trip round the world and a retransmission.
constexpr int linger_milliseconds = 2000;
constexpr std::size_t max_count = 256;
constexpr int drops_per_turn = 8;

/// True when nothing more will come.
bool drop_input(int descriptor) {
  const auto scratch = loop_window::of_this_thread().input();
  for (int drops = 0; drops < drops_per_turn; ++drops) {
    const ssize_t received = ::recv(descriptor, scratch.data(), scratch.size(), MSG_DONTWAIT);
    if (received > 0 || (received < 0 && errno == EINTR)) continue;
    return received == 0 || errno != EAGAIN;
  }
  return false;
}

class lingering_descriptor;

/// A thread's, the oldest first.
struct lingering_descriptors {
  std::vector<lingering_descriptor*> all;

  // After the thread's event loop.
  ~lingering_descriptors();
  /// Null when the thread is at its very end.
  static lingering_descriptors* of_this_thread() {
    if (is_over) return nullptr;
    static thread_local lingering_descriptors descriptors;
    return &descriptors;
  }

 private:
  static thread_local bool is_over;  // outlives the list
};

thread_local bool lingering_descriptors::is_over = false;

class lingering_descriptor final : public descriptor_notifier {
 public:
  explicit lingering_descriptor(int descriptor) : descriptor_notifier(descriptor, nullptr) {
    want(true, false);
    startTimer(linger_milliseconds, Qt::CoarseTimer);
  }
  ~lingering_descriptor() override {
    if (auto* const lingering = lingering_descriptors::of_this_thread()) std::erase(lingering->all, this);
    stop();
    ::close(descriptor());
  }

 protected:
  void on_input() override {
    if (drop_input(descriptor())) delete this;
  }
  void on_output() override {}
  bool event(QEvent* event) override {
    if (event->type() != QEvent::Timer) return descriptor_notifier::event(event);
    delete this;
    return true;
  }
};

lingering_descriptors::~lingering_descriptors() {
  is_over = true;
  for (lingering_descriptor* const each : all) delete each;
}

}  // namespace

void linger(int descriptor) {
  ::shutdown(descriptor, SHUT_WR);
  // Static sockets end when the thread's own variables are gone: nobody could wait.
  auto* const lingering = lingering_descriptors::of_this_thread();
  const bool is_over = QAbstractEventDispatcher::instance() == nullptr || !descriptor_poller::of_this_thread();
  if (is_over || lingering == nullptr || drop_input(descriptor)) {
    ::close(descriptor);
    return;
  }
  if (lingering->all.size() >= max_count) delete lingering->all.front();
  lingering->all.push_back(new lingering_descriptor(descriptor));
}

}  // namespace sallyport::qt
