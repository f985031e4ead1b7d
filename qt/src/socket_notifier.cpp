// socket_notifier: see socket_notifier.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "socket_notifier.hpp"

#include "ssl_socket_private.hpp"

#include <QtCore/QEvent>

namespace sallyport::qt {

socket_notifier::socket_notifier(SslSocketPrivate& socket, int descriptor, Type type)
    : QSocketNotifier(descriptor, type, &socket.q), socket_(socket) {}

bool socket_notifier::event(QEvent* event) {
  switch (event->type()) {
    case QEvent::SockAct:
      // Slots may delete this.
      if (!isEnabled()) return true;
      type() == Read ? socket_.on_readable() : socket_.on_writable();
      return true;
    case QEvent::ThreadChange:
      if (type() == Read) socket_.on_thread_change();
      return QSocketNotifier::event(event);
    default:
      return QSocketNotifier::event(event);
  }
}

}  // namespace sallyport::qt
