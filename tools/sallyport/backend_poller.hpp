// backend_poller: the readiness of all backends of a thread, for one wait of its event loop.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_BACKEND_POLLER_HPP
#define SALLYPORT_TOOL_BACKEND_POLLER_HPP

#include <sallyport/error.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace sallyport::tool {

class backend_poller;

/// Somebody who waits for a descriptor of theirs.
class watched {
 public:
  virtual ~watched() = default;
  watched(const watched&) = delete;
  watched& operator=(const watched&) = delete;

 protected:
  watched() = default;

 private:
  friend class backend_poller;
  /// What was wanted is there, or an error that receiving or sending will tell. It comes again for as long as it is
  /// wanted.
  virtual void on_readable() = 0;
  virtual void on_writable() = 0;

  std::uint32_t slot_ = 0;
  std::uint32_t wanted_ = 0;      // of EPOLLIN and EPOLLOUT
  std::uint32_t registered_ = 0;  // in the kernel: never less than what is wanted
  int descriptor_ = -1;
};

/// An epoll within the epoll of Asio, as the library has one for its clients: its descriptors stay registered, so that
/// waiting for the next bytes costs no system call. (Asio would make one for each wait.)
///
/// It also keeps who is watched alive, until they end or the event loop does.
class backend_poller : public boost::asio::execution_context::service {
 public:
  static boost::asio::execution_context::id id;

  /// The one of this executor's context; it is made if there is none.
  static backend_poller& of(const boost::asio::any_io_executor& executor);

  /// Throws system_error if the process is out of descriptors.
  explicit backend_poller(boost::asio::execution_context& context);
  ~backend_poller() override;

  const boost::asio::any_io_executor& executor() const noexcept { return executor_; }

  void keep(std::shared_ptr<watched> who);
  /// Nothing is told to them any more. They may end with the pointer that comes back.
  std::shared_ptr<watched> release(watched& who) noexcept;

  /// Of somebody who is kept, one descriptor at a time: until it is readable, or writable, to begin with.
  error_code watch_until_readable(watched& who, int descriptor) noexcept;
  error_code watch_until_writable(watched& who, int descriptor) noexcept;
  /// The descriptor must be closed then, which is what takes it off the epoll.
  void stop_watching(watched& who) noexcept;

  void want_input(watched& who) noexcept;
  void want_output(watched& who) noexcept;
  void stop_input(watched& who) noexcept;
  void stop_output(watched& who) noexcept;

 private:
  struct slot {
    std::shared_ptr<watched> who{};
    std::uint32_t generation = 0;  // of the descriptor; events of a former one are stale
  };

  void shutdown() override;
  error_code watch(watched& who, int descriptor, std::uint32_t what) noexcept;
  void want(watched& who, std::uint32_t what) noexcept;
  void set_registered(watched& who) noexcept;
  void go_on();
  void turn();
  void tell(std::uint64_t place, std::uint32_t events);

  boost::asio::any_io_executor executor_;
  boost::asio::posix::stream_descriptor inner_;
  std::vector<slot> slots_{};
  std::vector<std::uint32_t> free_slots_{};
  std::size_t watched_ = 0;
  bool is_waiting_ = false;
  bool in_turn_ = false;
};

}  // namespace sallyport::tool

#endif
