// loop_window: see loop_window.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "loop_window.hpp"

#include "ssl_socket_private.hpp"

#include <algorithm>
#include <utility>

namespace sallyport::qt {
namespace {

// Trivial, so it can be looked at when the thread's other variables are gone: static sockets end after those.
thread_local loop_window* current_window = nullptr;

struct window_owner {
  std::unique_ptr<loop_window> window{};
  ~window_owner() { current_window = nullptr; }
};

}  // namespace

loop_window& loop_window::of_this_thread() {
  if (current_window == nullptr) {
    static thread_local bool had_one = false;
    current_window = new loop_window;
    if (!std::exchange(had_one, true)) {
      static thread_local window_owner owned;
      owned.window.reset(current_window);
    }  // otherwise it is for the very last, and stays
  }
  return *current_window;
}

loop_window::loop_window()
    : input_(std::make_unique_for_overwrite<std::byte[]>(size)),
      output_(std::make_unique_for_overwrite<std::byte[]>(size)) {}

void loop_window::cork(SslSocketPrivate& socket) {
  watch_event_loop();
  corked_.push_back(&socket);
}

void loop_window::uncork(const SslSocketPrivate& socket) noexcept { std::erase(corked_, &socket); }

void loop_window::watch_event_loop() {
  QAbstractEventDispatcher* const dispatcher = QAbstractEventDispatcher::instance();
  if (dispatcher == nullptr || dispatcher == watched_) return;
  watched_ = dispatcher;
  // Every turn begins with awake(); a dispatcher that isn't Qt's own may tell only the other.
  const auto turn = [] { of_this_thread().send_corked(); };
  QObject::connect(dispatcher, &QAbstractEventDispatcher::awake, dispatcher, turn);
  QObject::connect(dispatcher, &QAbstractEventDispatcher::aboutToBlock, dispatcher, turn);
}

void loop_window::send_corked() {
  // Slots run meanwhile: sockets come and go.
  while (!corked_.empty()) {
    SslSocketPrivate& socket = *corked_.back();
    corked_.pop_back();
    socket.send_corked();
  }
}

}  // namespace sallyport::qt
