// loop_window: the buffers that the sockets of a thread share, and which of them have something left to send.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_LOOP_WINDOW_HPP
#define SALLYPORT_QT_LOOP_WINDOW_HPP

#include <QtCore/QAbstractEventDispatcher>
#include <QtCore/QPointer>

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace sallyport::qt {

struct SslSocketPrivate;

/// One for each thread. Ciphertext passes through it; no slot runs while it is lent out, so nothing stays in it.
class loop_window {
 public:
  static loop_window& of_this_thread();

  /// Ten records: what a turn takes from the kernel.
  static constexpr std::size_t size = 10 * (16 * 1024 + 256 + 5);

  std::span<std::byte> input() noexcept { return {input_.get(), size}; }
  std::span<std::byte> output() noexcept { return {output_.get(), size}; }

  /// What `socket` has to send waits until the slot that runs has returned, which uncorks it, or until an event loop
  /// turns in the meantime: a slot may run one of its own.
  void cork(SslSocketPrivate& socket);
  void uncork(const SslSocketPrivate& socket) noexcept;

 private:
  loop_window();
  void watch_event_loop();
  void send_corked();

  std::unique_ptr<std::byte[]> input_;
  std::unique_ptr<std::byte[]> output_;
  std::vector<SslSocketPrivate*> corked_;
  QPointer<QAbstractEventDispatcher> watched_;
};

}  // namespace sallyport::qt

#endif
