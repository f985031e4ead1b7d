// ssl_socket_progress: what a socket does when something can go on, and what it tells of it.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_socket_private.hpp"

#include <utility>

namespace sallyport::qt {

void SslSocketPrivate::on_readable() {
  if (stage == socket_stage::handshake) {
    // A slot of the handshake runs an event loop.
    if (telling.handshake_turn || handshake.is_paused) return update_notifier();
    return handshake_turn(true);
  }
  receive();
  tell_progress();
}

void SslSocketPrivate::on_writable() {
  kernel.is_blocked = false;
  go_on();
}

void SslSocketPrivate::go_on() {
  forget_attempt();
  if (descriptor < 0) return;
  transmit();
  if (stage == socket_stage::handshake) {
    if (!telling.handshake_turn && !handshake.is_paused) handshake_turn(true);
    return;
  }
  decrypt_leftover();
  tell_progress();
}

/// From the event loop, in the middle of a slot of this socket's.
void SslSocketPrivate::send_corked() {
  is_in_cork_list = false;
  transmit();
  if (tell_written() && finish_closing()) update_notifier();
}

bool SslSocketPrivate::tell_state(QAbstractSocket::SocketState state) {
  q.setSocketState(state);
  return tell([&] { Q_EMIT q.stateChanged(state); });
}

bool SslSocketPrivate::tell_error(QAbstractSocket::SocketError error, const QString& sentence) {
  q.setSocketError(error);
  q.setErrorString(sentence);
  return tell([&] { Q_EMIT q.errorOccurred(error); });
}

bool SslSocketPrivate::tell_ready_read() {
  while (untold.ready_read && !telling.ready_read) {
    untold.ready_read = false;
    telling.ready_read = true;
    if (!tell_corked([&] { Q_EMIT q.readyRead(); })) return false;
    if (!tell_corked([&] { Q_EMIT q.channelReadyRead(0); })) return false;
    telling.ready_read = false;
  }
  return true;
}

bool SslSocketPrivate::tell_written() {
  while ((untold.written > 0 || untold.sent > 0) && !telling.written) {
    telling.written = true;
    if (const auto count = std::exchange(untold.written, 0); count > 0) {
      written_told += count;
      if (!tell([&] { Q_EMIT q.bytesWritten(count); })) return false;
      if (!tell([&] { Q_EMIT q.channelBytesWritten(0, count); })) return false;
    }
    if (const auto count = std::exchange(untold.sent, 0); count > 0) {
      sent_told += count;
      if (mode != SslSocket::UnencryptedMode && !tell([&] { Q_EMIT q.encryptedBytesWritten(count); })) return false;
    }
    telling.written = false;
  }
  return true;
}

bool SslSocketPrivate::tell_progress() {
  if (std::exchange(untold.encrypted, false)) {
    if (!tell_corked([&] { Q_EMIT q.encrypted(); })) return false;
    // What the kernel has taken so far is older than what the peer has sent after its last flight.
    if (!tell_written()) return false;
    decrypt_leftover();
  }
  if (!tell_ready_read()) return false;
  if (!untold.events.empty() && !tell_events()) return false;  // an alert is the end of what comes
  if (has_unsent() && !((untold.end || closing.has_begun) && can_wait_for_close_notify())) transmit();
  if (!tell_written()) return false;
  if (!finish_closing()) return false;
  if (std::exchange(untold.end, false) && !end_by_peer()) return false;
  update_notifier();
  return true;
}

}  // namespace sallyport::qt
