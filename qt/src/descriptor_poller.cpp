// descriptor_poller: see descriptor_poller.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "descriptor_poller.hpp"

#include "descriptor_notifier.hpp"

#include <QtCore/QEvent>
#include <QtCore/QSocketNotifier>

#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <span>

namespace sallyport::qt {
namespace {

// An error or hang-up is told whether asked for or not.
constexpr std::uint32_t ended = EPOLLERR | EPOLLHUP;
constexpr std::uint32_t readable = EPOLLIN | ended;
constexpr std::uint32_t writable = EPOLLOUT | ended;

// Trivial, so they can be looked at when the thread's other variables are gone: static sockets end after those.
thread_local descriptor_poller* current = nullptr;
thread_local bool is_over = false;

struct owner {
  std::vector<std::unique_ptr<descriptor_poller>> pollers{};  // in a child process also its parent's
  ~owner() {
    current = nullptr;
    is_over = true;
  }
};

// The epoll that a child process has inherited is its parent's still: what the child did to it the parent would miss.
std::atomic<unsigned> process = 0;  // how many forks it is away from the first
void watch_forks() {
  [[maybe_unused]] static const int failed = ::pthread_atfork(nullptr, nullptr, [] { ++process; });
}

std::uint64_t next_number() {
  static std::atomic<std::uint64_t> latest = 0;
  return ++latest;
}

}  // namespace

class descriptor_poller::loop_notifier final : public QSocketNotifier {
 public:
  explicit loop_notifier(descriptor_poller& poller) : QSocketNotifier(poller.epoll_, Read), poller_(poller) {}

 protected:
  bool event(QEvent* event) override {
    if (event->type() != QEvent::SockAct) return QSocketNotifier::event(event);
    poller_.turn();
    return true;
  }

 private:
  descriptor_poller& poller_;
};

descriptor_poller::descriptor_poller() : number_(next_number()), process_(process) { watch_forks(); }

descriptor_poller::~descriptor_poller() {
  loop_notifier_.reset();
  if (epoll_ >= 0) ::close(epoll_);
}

descriptor_poller* descriptor_poller::of_this_thread() {
  if ((current == nullptr || current->process_ != process) && !is_over) {
    static thread_local owner owned;
    owned.pollers.emplace_back(new descriptor_poller);
    current = owned.pollers.back().get();
  }
  return current;
}

bool descriptor_poller::watch_event_loop() {
  QAbstractEventDispatcher* const dispatcher = QAbstractEventDispatcher::instance();
  if (dispatcher == nullptr) return false;
  if (dispatcher == watched_) return true;
  loop_notifier_.reset();
  loop_notifier_ = std::make_unique<loop_notifier>(*this);
  watched_ = dispatcher;
  return true;
}

bool descriptor_poller::set(descriptor_notifier& who, std::uint32_t events) {
  if (who.poller_ != number_) return add(who, events);
  if (events == who.registered_) return true;
  epoll_event event{};
  event.events = events;
  event.data.u64 = std::uint64_t{places_[who.place_].generation} << 32 | who.place_;
  if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, who.descriptor_, &event) != 0) {
    give_back(who);
    return false;
  }
  who.registered_ = events;
  return true;
}

bool descriptor_poller::add(descriptor_notifier& who, std::uint32_t events) {
  if (epoll_ < 0) epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return false;
  if (free_places_.empty()) {
    places_.emplace_back();
    free_places_.reserve(places_.capacity());  // giving back needs no memory
    free_places_.push_back(static_cast<std::uint32_t>(places_.size() - 1));
  }
  const std::uint32_t number = free_places_.back();
  place& taken = places_[number];
  epoll_event event{};
  event.events = events;
  event.data.u64 = std::uint64_t{taken.generation} << 32 | number;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, who.descriptor_, &event) != 0) return false;
  free_places_.pop_back();
  taken.who = &who;
  who.poller_ = number_;
  who.place_ = number;
  who.registered_ = events;
  return true;
}

void descriptor_poller::remove(descriptor_notifier& who) noexcept {
  if (current != nullptr && who.poller_ == current->number_ && current->process_ == process) {
    // Not left to close(): a copy of the descriptor (a child process) would go on telling us.
    ::epoll_ctl(current->epoll_, EPOLL_CTL_DEL, who.descriptor_, nullptr);
    current->give_back(who);
  }
  who.poller_ = 0;
  who.registered_ = 0;
}

void descriptor_poller::give_back(descriptor_notifier& who) noexcept {
  place& left = places_[who.place_];
  left.who = nullptr;
  ++left.generation;
  free_places_.push_back(who.place_);
  who.poller_ = 0;
  who.registered_ = 0;
}

descriptor_notifier* descriptor_poller::find(std::uint64_t key) const noexcept {
  const place& at = places_[static_cast<std::uint32_t>(key)];
  return at.generation == static_cast<std::uint32_t>(key >> 32) ? at.who : nullptr;
}

/// Level-triggered, it would come again and again. A hang-up can't be switched off: who wants nothing is taken out.
void descriptor_poller::take_off_unwanted(descriptor_notifier& who, std::uint32_t happened) {
  const std::uint32_t unwanted = who.registered_ & ~who.wanted_;
  const bool comes_unwanted = ((unwanted & EPOLLIN) != 0 && (happened & readable) != 0) ||
                              ((unwanted & EPOLLOUT) != 0 && (happened & writable) != 0);
  if (!comes_unwanted) return;
  if (who.wanted_ == 0)
    remove(who);
  else
    set(who, who.wanted_);
}

void descriptor_poller::turn() {
  if (process_ != process) return loop_notifier_->setEnabled(false);
  std::array<epoll_event, batch_size> batch;
  const int count = ::epoll_wait(epoll_, batch.data(), static_cast<int>(batch_size), 0);
  for (const epoll_event& each : std::span(batch).first(static_cast<std::size_t>(std::max(count, 0)))) {
    if (process_ != process) return;  // a slot has forked
    const std::uint64_t key = each.data.u64;
    if (descriptor_notifier* const who = find(key)) take_off_unwanted(*who, each.events);
    // Output first, as it makes room. After each call `who` may be gone, or be in another thread.
    if (descriptor_notifier* const who = find(key))
      if ((who->wanted_ & EPOLLOUT) != 0 && (each.events & writable) != 0) who->on_output();
    if (descriptor_notifier* const who = find(key))
      if ((who->wanted_ & EPOLLIN) != 0 && (each.events & readable) != 0) who->on_input();
  }
}

}  // namespace sallyport::qt
