// descriptor_notifier: tells when a descriptor is ready for input or output.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_DESCRIPTOR_NOTIFIER_HPP
#define SALLYPORT_QT_DESCRIPTOR_NOTIFIER_HPP

#include <QtCore/QObject>

#include <cstdint>

namespace sallyport::qt {

class descriptor_poller;

/// Like a QSocketNotifier, but it costs the event loop nothing while its descriptor is idle: descriptor_poller. The
/// descriptor is its owner's, who destroys this, or calls stop(), before closing it. It goes to another thread with its
/// parent.
class descriptor_notifier : public QObject {
 public:
  ~descriptor_notifier() override;

  /// Until it is changed. Cheap if nothing changes, and mostly if something does.
  void want(bool input, bool output) {
    const std::uint32_t wanted = (input ? input_events : 0) | (output ? output_events : 0);
    if (wanted == wanted_) return;
    wanted_ = wanted;
    update();
  }

 protected:
  /// Wants nothing yet.
  descriptor_notifier(int descriptor, QObject* parent);

  int descriptor() const noexcept { return descriptor_; }
  /// From now on nothing is told.
  void stop();

  /// What is wanted is there, or an error that reading or writing will tell; or it was, before a slot of somebody else
  /// ran an event loop, so don't block. These may do anything, also destroy this
  /// or run an event loop. Told again and again as long as it is there and wanted.
  virtual void on_input() = 0;
  virtual void on_output() = 0;

  bool event(QEvent* event) override;

 private:
  friend class descriptor_poller;
  class lone_notifier;

  // EPOLLIN and EPOLLOUT
  static constexpr std::uint32_t input_events = 0x001;
  static constexpr std::uint32_t output_events = 0x004;

  void update();
  /// In the event loop's next turn, in the thread where this is by then.
  void enlist_soon();
  void enlist();

  const int descriptor_;
  std::uint32_t wanted_ = 0;
  bool enlists_soon_ = false;

  // --- the poller's; in a thread that has ended they mean nothing any more ---
  std::uint64_t poller_ = 0;      // its number
  std::uint32_t place_ = 0;       // there
  std::uint32_t registered_ = 0;  // in the kernel: nothing, or at least what is wanted

  // --- children, only if the kernel has refused the poller ---
  lone_notifier* lone_input_ = nullptr;
  lone_notifier* lone_output_ = nullptr;
};

}  // namespace sallyport::qt

#endif
