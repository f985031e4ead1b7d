// poller: the readiness of many descriptors for one wait of the event loop.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_POLLER_HPP
#define SALLYPORT_NET_POLLER_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sallyport::detail {

class poller;

/// Somebody who waits for a descriptor of theirs. They own the descriptor, and must be taken out of the poller before
/// they close it or end.
class watched {
 public:
  bool is_watched() const noexcept { return descriptor_ >= 0; }

 protected:
  watched() = default;
  ~watched() = default;
  watched(const watched&) = delete;
  watched& operator=(const watched&) = delete;

 private:
  friend class poller;
  /// What was wanted is there, or an error that reading or writing will tell; it isn't wanted any more. User code may
  /// be called. `peer_has_ended`: nothing will come after what the kernel has now.
  virtual void on_readable(bool peer_has_ended) = 0;
  virtual void on_writable() = 0;

  int descriptor_ = -1;
  std::uint32_t slot_ = 0;
  std::uint32_t wanted_ = 0;      // of EPOLLIN and EPOLLOUT
  std::uint32_t registered_ = 0;  // in the kernel: never less than what is wanted
  bool has_its_turn_soon_ = false;
};

/// An epoll within the epoll of Asio: its descriptors stay registered, level-triggered, and wanting the next input
/// costs no system call. What comes unwanted is taken off the registration then, so that nothing spins.
///
/// The order of a turn is the loop's: async_wait() tells it that dispatch() will find something.
class poller {
 public:
  /// Throws system_error if the process is out of descriptors or memory.
  explicit poller(const boost::asio::any_io_executor& executor);

  /// Throws system_error, having done nothing, if the kernel refuses.
  void add(watched& who, int descriptor);
  /// Nothing is told to them any more, not even of the batch that is being dispatched.
  void remove(watched& who) noexcept;

  void want_input(watched& who) noexcept;
  void want_output(watched& who) noexcept;
  void stop_wanting(watched& who) noexcept;
  void stop_wanting_input(watched& who) noexcept;
  /// True: they don't want input, but are about to read it. That few of them are told about in vain is cheaper than
  /// taking it off the registration and putting it there again.
  static void set_turn_soon(watched& who, bool soon) noexcept { who.has_its_turn_soon_ = soon; }

  /// True if somebody wants something: only then is there anything to wait for.
  bool is_wanted() const noexcept { return wants_ > 0; }

  /// Calls `tell(watched&, events)` for each of one batch that has what it wants; `tell` calls run(). The size of the
  /// batch: where it was a large one the kernel may have more by now.
  template <class Tell>
  std::size_t dispatch(Tell tell);
  // A batch is bounded so that timers, posted work and the other servers of the io_context get their turn.
  static constexpr std::size_t batch_size = 256;

  /// Tells one watched what has happened to it.
  static void run(watched& who, std::uint32_t events);

  /// Handler: void(error_code). Ends with operation_aborted by cancel() and by the end of this object.
  template <class Handler>
  void async_wait(Handler&& handler) {
    inner_.async_wait(boost::asio::posix::descriptor_base::wait_read, std::forward<Handler>(handler));
  }
  void cancel() noexcept;

  /// The execution context is being destroyed: from now on nobody is told anything.
  void close() noexcept;

 private:
  struct event {
    watched* who;
    std::uint32_t events;
  };
  struct slot {
    watched* who = nullptr;
    std::uint32_t generation = 0;  // of the tenant; events of a former one are stale
  };

  /// How many events there are; 0 also on an error.
  int collect() noexcept;
  event take(int number) noexcept;
  void want(watched& who, std::uint32_t what) noexcept;
  void set_registered(watched& who, std::uint32_t events) noexcept;

  boost::asio::posix::stream_descriptor inner_;
  std::vector<slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::size_t wants_ = 0;
  std::vector<std::byte> batch_;  // epoll_events, whose header isn't for everybody
};

template <class Tell>
std::size_t poller::dispatch(Tell tell) {
  const int count = collect();
  for (int number = 0; number < count; ++number) {
    if (const event happened = take(number); happened.who != nullptr) tell(*happened.who, happened.events);
  }
  return static_cast<std::size_t>(count);
}

}  // namespace sallyport::detail

#endif
