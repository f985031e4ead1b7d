// poller: the readiness of many descriptors for one wait of the event loop.
//
// SPDX-License-Identifier: Apache-2.0
#include "poller.hpp"

#include <sys/epoll.h>

#include <boost/system/system_error.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>

namespace sallyport::detail {
namespace {

// An error or hang-up of the connection is told whether asked for or not.
constexpr std::uint32_t ended = EPOLLERR | EPOLLHUP;
constexpr std::uint32_t readable = EPOLLIN | EPOLLRDHUP | ended;
constexpr std::uint32_t writable = EPOLLOUT | ended;

[[noreturn]] void throw_last_error(const char* what) {
  throw boost::system::system_error(errno, boost::system::system_category(), what);
}

int make_epoll() {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) throw_last_error("epoll_create1");
  return descriptor;
}

// With nothing to register, EPOLLONESHOT makes even a hang-up come once at most.
std::uint32_t as_epoll_has_it(std::uint32_t events) noexcept {
  if (events == 0) return EPOLLONESHOT;
  return (events & EPOLLIN) != 0 ? events | EPOLLRDHUP : events;
}

}  // namespace

poller::poller(const boost::asio::any_io_executor& executor)
    : inner_(executor, make_epoll()), batch_(batch_size * sizeof(epoll_event)) {}

void poller::add(watched& who, int descriptor) {
  if (free_slots_.empty()) {
    free_slots_.reserve(slots_.size() + 1);  // remove() needs no memory
    slots_.emplace_back();
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
  }
  const std::uint32_t number = free_slots_.back();
  slot& place = slots_[number];
  epoll_event event{};
  event.events = as_epoll_has_it(EPOLLIN);
  event.data.u64 = std::uint64_t{place.generation} << 32 | number;
  if (::epoll_ctl(inner_.native_handle(), EPOLL_CTL_ADD, descriptor, &event) != 0) throw_last_error("epoll_ctl");
  free_slots_.pop_back();
  place.who = &who;
  who.descriptor_ = descriptor;
  who.slot_ = number;
  who.wanted_ = 0;
  who.registered_ = EPOLLIN;
}

void poller::remove(watched& who) noexcept {
  if (!who.is_watched()) return;
  stop_wanting(who);
  // Not left to close(): a copy of the descriptor (a child process) would go on telling us.
  ::epoll_ctl(inner_.native_handle(), EPOLL_CTL_DEL, who.descriptor_, nullptr);
  who.descriptor_ = -1;
  slot& place = slots_[who.slot_];
  place.who = nullptr;
  ++place.generation;
  free_slots_.push_back(who.slot_);
}

void poller::want_input(watched& who) noexcept { want(who, EPOLLIN); }
void poller::want_output(watched& who) noexcept { want(who, EPOLLOUT); }

void poller::want(watched& who, std::uint32_t what) noexcept {
  if (!who.is_watched() || (who.wanted_ & what) != 0) return;
  who.wanted_ |= what;
  ++wants_;
  if ((who.registered_ & what) == 0) set_registered(who, who.registered_ | what);
}

void poller::stop_wanting(watched& who) noexcept {
  wants_ -= static_cast<std::size_t>(std::popcount(who.wanted_));
  who.wanted_ = 0;
}

void poller::stop_wanting_input(watched& who) noexcept {
  if ((who.wanted_ & EPOLLIN) == 0) return;
  who.wanted_ &= ~std::uint32_t{EPOLLIN};
  --wants_;
}

void poller::set_registered(watched& who, std::uint32_t events) noexcept {
  epoll_event event{};
  event.events = as_epoll_has_it(events);
  event.data.u64 = std::uint64_t{slots_[who.slot_].generation} << 32 | who.slot_;
  // It can't fail for a descriptor that is registered.
  ::epoll_ctl(inner_.native_handle(), EPOLL_CTL_MOD, who.descriptor_, &event);
  who.registered_ = events;
}

int poller::collect() noexcept {
  auto* const events = reinterpret_cast<epoll_event*>(batch_.data());
  return std::max(::epoll_wait(inner_.native_handle(), events, static_cast<int>(batch_size), 0), 0);
}

/// One event of the batch, in `who` null if nobody wants it.
poller::event poller::take(int number) noexcept {
  const epoll_event& happened = reinterpret_cast<const epoll_event*>(batch_.data())[number];
  const auto index = static_cast<std::uint32_t>(happened.data.u64);
  const slot& place = slots_[index];
  if (place.who == nullptr || place.generation != static_cast<std::uint32_t>(happened.data.u64 >> 32)) return {};
  watched& who = *place.who;

  // Level-triggered, what nobody wants would come again and again. What is wanted stays registered: it is mostly
  // wanted again.
  const std::uint32_t unwanted = who.registered_ & ~who.wanted_;
  const bool comes_unwanted =
      ((happened.events & readable) != 0 && (unwanted & EPOLLIN) != 0 && !who.has_its_turn_soon_) ||
      ((happened.events & writable) != 0 && (unwanted & EPOLLOUT) != 0);
  if (comes_unwanted) set_registered(who, who.wanted_);

  // One thing at a time: the other is told again. Output first, as it makes room.
  if ((who.wanted_ & EPOLLOUT) != 0 && (happened.events & writable) != 0) {
    who.wanted_ &= ~std::uint32_t{EPOLLOUT};
    --wants_;
    return {&who, EPOLLOUT};
  }
  if ((who.wanted_ & EPOLLIN) != 0 && (happened.events & readable) != 0) {
    who.wanted_ &= ~std::uint32_t{EPOLLIN};
    --wants_;
    return {&who, happened.events & (EPOLLRDHUP | EPOLLHUP) ? EPOLLIN | EPOLLRDHUP : std::uint32_t{EPOLLIN}};
  }
  return {};
}

void poller::run(watched& who, std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) return who.on_writable();
  who.on_readable((events & EPOLLRDHUP) != 0);
}

void poller::cancel() noexcept {
  boost::system::error_code ignored;
  inner_.cancel(ignored);
}

void poller::close() noexcept {
  boost::system::error_code ignored;
  inner_.close(ignored);
}

}  // namespace sallyport::detail
