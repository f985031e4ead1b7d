// backend_poller: see backend_poller.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "backend_poller.hpp"

#include <sys/epoll.h>

#include <boost/asio/execution/context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <cerrno>
#include <utility>

namespace sallyport::tool {
namespace {

namespace asio = boost::asio;

// An error or hang-up is told whether asked for or not.
constexpr std::uint32_t ended = EPOLLERR | EPOLLHUP;
constexpr std::uint32_t readable = EPOLLIN | ended;
constexpr std::uint32_t writable = EPOLLOUT | ended;

// A batch is bounded so that clients, timers and posted work get their turn.
constexpr std::size_t batch_size = 64;

int make_epoll() {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) throw boost::system::system_error(errno, boost::system::system_category(), "epoll_create1");
  return descriptor;
}

}  // namespace

asio::execution_context::id backend_poller::id;

backend_poller& backend_poller::of(const asio::any_io_executor& executor) {
  return asio::use_service<backend_poller>(asio::query(executor, asio::execution::context));
}

backend_poller::backend_poller(asio::execution_context& context)
    : service(context),
      executor_(static_cast<asio::io_context&>(context).get_executor()),  // the command has no other contexts
      inner_(executor_, make_epoll()) {}

backend_poller::~backend_poller() = default;

void backend_poller::shutdown() {
  in_turn_ = true;  // what ends now may ask for nothing more
  for (auto& [who, generation] : std::exchange(slots_, {})) who.reset();
  error_code ignored;
  inner_.close(ignored);
}

void backend_poller::keep(std::shared_ptr<watched> who) {
  if (free_slots_.empty()) {
    free_slots_.reserve(slots_.size() + 1);  // release() needs no memory
    slots_.emplace_back();
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
  }
  who->slot_ = free_slots_.back();
  free_slots_.pop_back();
  slots_[who->slot_].who = std::move(who);
}

std::shared_ptr<watched> backend_poller::release(watched& who) noexcept {
  stop_watching(who);
  free_slots_.push_back(who.slot_);
  return std::move(slots_[who.slot_].who);
}

error_code backend_poller::watch_until_readable(watched& who, int descriptor) noexcept {
  return watch(who, descriptor, EPOLLIN);
}
error_code backend_poller::watch_until_writable(watched& who, int descriptor) noexcept {
  return watch(who, descriptor, EPOLLOUT);
}

error_code backend_poller::watch(watched& who, int descriptor, std::uint32_t what) noexcept {
  epoll_event event{};
  event.events = what;
  event.data.u64 = std::uint64_t{slots_[who.slot_].generation} << 32 | who.slot_;
  if (::epoll_ctl(inner_.native_handle(), EPOLL_CTL_ADD, descriptor, &event) != 0)
    return {errno, boost::system::system_category()};
  who.descriptor_ = descriptor;
  who.wanted_ = who.registered_ = what;
  ++watched_;
  go_on();
  return {};
}

void backend_poller::stop_watching(watched& who) noexcept {
  if (who.descriptor_ < 0) return;
  who.descriptor_ = -1;
  ++slots_[who.slot_].generation;
  --watched_;
  // Where nobody waits any more nor may the context's run(), which our wait would keep.
  if (watched_ > 0 || !is_waiting_) return;
  error_code ignored;
  inner_.cancel(ignored);
}

void backend_poller::want_input(watched& who) noexcept { want(who, EPOLLIN); }
void backend_poller::want_output(watched& who) noexcept { want(who, EPOLLOUT); }
void backend_poller::stop_input(watched& who) noexcept { who.wanted_ &= ~std::uint32_t{EPOLLIN}; }
void backend_poller::stop_output(watched& who) noexcept { who.wanted_ &= ~std::uint32_t{EPOLLOUT}; }

void backend_poller::want(watched& who, std::uint32_t what) noexcept {
  who.wanted_ |= what;
  if ((who.registered_ & what) == 0) set_registered(who);
}

// To what is wanted. It can't fail for a descriptor that is registered.
void backend_poller::set_registered(watched& who) noexcept {
  epoll_event event{};
  // With nothing to register, EPOLLONESHOT makes even a hang-up come once at most.
  event.events = who.wanted_ != 0 ? who.wanted_ : std::uint32_t{EPOLLONESHOT};
  event.data.u64 = std::uint64_t{slots_[who.slot_].generation} << 32 | who.slot_;
  ::epoll_ctl(inner_.native_handle(), EPOLL_CTL_MOD, who.descriptor_, &event);
  who.registered_ = who.wanted_;
}

void backend_poller::go_on() {
  if (in_turn_ || is_waiting_ || watched_ == 0) return;
  is_waiting_ = true;
  inner_.async_wait(asio::posix::descriptor_base::wait_read, [this](const error_code& cancelled) {
    is_waiting_ = false;
    cancelled ? go_on() : turn();  // cancelled, and perhaps wanted again meanwhile
  });
}

void backend_poller::turn() {
  struct ending {
    backend_poller& self;
    ~ending() {
      self.in_turn_ = false;
      self.go_on();
    }
  };
  std::array<epoll_event, batch_size> batch;
  const int count = ::epoll_wait(inner_.native_handle(), batch.data(), static_cast<int>(batch.size()), 0);
  in_turn_ = true;
  const ending at_the_end{*this};
  for (int number = 0; number < count; ++number) {
    const epoll_event& event = batch[static_cast<std::size_t>(number)];
    tell(event.data.u64, event.events);
  }
}

void backend_poller::tell(std::uint64_t place, std::uint32_t events) {
  const auto index = static_cast<std::uint32_t>(place);
  const auto generation = static_cast<std::uint32_t>(place >> 32);
  const auto is_stale = [&] { return slots_[index].generation != generation; };
  if (is_stale()) return;
  const std::shared_ptr<watched> who = slots_[index].who;

  // Level-triggered, what nobody wants would come again and again. What is wanted stays registered: it is mostly
  // wanted again.
  const std::uint32_t unwanted = who->registered_ & ~who->wanted_;
  const bool comes_unwanted = ((events & readable) != 0 && (unwanted & EPOLLIN) != 0) ||
                              ((events & writable) != 0 && (unwanted & EPOLLOUT) != 0);
  if (comes_unwanted) set_registered(*who);

  if ((events & writable) != 0 && (who->wanted_ & EPOLLOUT) != 0) who->on_writable();
  if (is_stale()) return;
  if ((events & readable) != 0 && (who->wanted_ & EPOLLIN) != 0) who->on_readable();
}

}  // namespace sallyport::tool
