// event_loop: waiting for something to happen while Qt's events are handled.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_QT_SUPPORT_EVENT_LOOP_HPP
#define SALLYPORT_TESTS_QT_SUPPORT_EVENT_LOOP_HPP

#include <QtCore/QCoreApplication>
#include <QtCore/QElapsedTimer>
#include <QtCore/QEventLoop>
#include <QtCore/QTimer>

namespace sallyport::test {

/// Handles this thread's events until the condition holds; false if it doesn't after 20 s.
template <class Condition>
bool wait_until(Condition condition) {
  QElapsedTimer since;
  since.start();
  QTimer wake;  // for conditions that another thread makes true
  wake.start(20);
  while (!condition()) {
    if (since.elapsed() > 20'000) return false;
    QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents);
    QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
  }
  return true;
}

/// Handles what is due now, and what that makes due.
inline void handle_events() {
  for (int round = 0; round < 10; ++round) {
    QCoreApplication::processEvents();
    QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
  }
}

}  // namespace sallyport::test

#endif
