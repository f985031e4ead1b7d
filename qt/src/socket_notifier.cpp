// socket_notifier: see socket_notifier.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "socket_notifier.hpp"

#include "ssl_socket_private.hpp"

#include <QtCore/QEvent>

namespace sallyport::qt {

socket_notifier::socket_notifier(SslSocketPrivate& socket, int descriptor)
    : descriptor_notifier(descriptor, &socket.q), socket_(socket) {
  want(true, false);
}

void socket_notifier::on_input() { socket_.on_readable(); }
void socket_notifier::on_output() { socket_.on_writable(); }

bool socket_notifier::event(QEvent* event) {
  if (event->type() == QEvent::ThreadChange) socket_.on_thread_change();
  return descriptor_notifier::event(event);
}

}  // namespace sallyport::qt
