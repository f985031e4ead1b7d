// descriptor_poller: the readiness of a thread's descriptors for one notifier of Qt's.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_DESCRIPTOR_POLLER_HPP
#define SALLYPORT_QT_DESCRIPTOR_POLLER_HPP

#include <QtCore/QAbstractEventDispatcher>
#include <QtCore/QPointer>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace sallyport::qt {

class descriptor_notifier;

/// Qt's event loop asks the kernel about each descriptor in each turn. So a thread's descriptors are in an epoll, and
/// that alone is Qt's. Level-triggered: an event that is dropped comes again.
///
/// A turn tells each descriptor that is ready once, and no more of them than fit into a batch: then timers, posted
/// events and Qt's own sockets get their turn, and the kernel goes on with those that have waited longest. A slot that
/// runs an event loop begins a turn within the turn.
class descriptor_poller {
 public:
  static constexpr std::size_t batch_size = 64;

  /// Null when the thread is at its very end. A child process has one of its own.
  static descriptor_poller* of_this_thread();
  ~descriptor_poller();
  descriptor_poller(const descriptor_poller&) = delete;
  descriptor_poller& operator=(const descriptor_poller&) = delete;

  /// It will be told of these events, not none; it may be in no other poller. False if the kernel refuses.
  bool set(descriptor_notifier& who, std::uint32_t events);
  /// Out of this thread's poller, if it is there. If it is in that of a thread that has ended there is nothing to do.
  static void remove(descriptor_notifier& who) noexcept;

  /// False if the thread has none yet: call again when it has. A program may also have one after the other.
  bool watch_event_loop();

 private:
  class loop_notifier;
  struct place {
    descriptor_notifier* who = nullptr;
    std::uint32_t generation = 0;  // of the tenant; events of a former one are stale
  };

  descriptor_poller();
  bool add(descriptor_notifier& who, std::uint32_t events);
  void give_back(descriptor_notifier& who) noexcept;
  void turn();
  void take_off_unwanted(descriptor_notifier& who, std::uint32_t happened);
  descriptor_notifier* find(std::uint64_t key) const noexcept;

  const std::uint64_t number_;  // of all pollers of the process
  const unsigned process_;
  int epoll_ = -1;
  std::vector<place> places_{};
  std::vector<std::uint32_t> free_places_{};
  std::unique_ptr<loop_notifier> loop_notifier_;
  QPointer<QAbstractEventDispatcher> watched_{};
};

}  // namespace sallyport::qt

#endif
