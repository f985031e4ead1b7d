// ssl_socket_progress: what a socket does when something can go on, and what it tells of it.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_socket_private.hpp"

#include <utility>

namespace sallyport::qt {

void SslSocketPrivate::on_readable() {
  if (stage == socket_stage::handshake) {
    // A slot of the handshake runs an event loop.
    if (is_in_handshake_turn || is_paused_on_errors) return update_notifier();
    return handshake_turn(true);
  }
  receive();
  tell_progress();
}

void SslSocketPrivate::on_writable() {
  is_blocked = false;
  go_on();
}

void SslSocketPrivate::go_on() {
  forget_attempt();
  if (descriptor < 0) return;
  transmit();
  if (stage == socket_stage::handshake) {
    if (!is_in_handshake_turn && !is_paused_on_errors) handshake_turn(true);
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
  while (ready_read_due && !is_telling_ready_read) {
    ready_read_due = false;
    is_telling_ready_read = true;
    if (!tell_corked([&] { Q_EMIT q.readyRead(); })) return false;
    if (!tell_corked([&] { Q_EMIT q.channelReadyRead(0); })) return false;
    is_telling_ready_read = false;
  }
  return true;
}

bool SslSocketPrivate::tell_written() {
  while ((written_untold > 0 || sent_untold > 0) && !is_telling_written) {
    is_telling_written = true;
    if (const auto count = std::exchange(written_untold, 0); count > 0) {
      written_told += count;
      if (!tell([&] { Q_EMIT q.bytesWritten(count); })) return false;
      if (!tell([&] { Q_EMIT q.channelBytesWritten(0, count); })) return false;
    }
    if (const auto count = std::exchange(sent_untold, 0); count > 0) {
      sent_told += count;
      if (mode != SslSocket::UnencryptedMode && !tell([&] { Q_EMIT q.encryptedBytesWritten(count); })) return false;
    }
    is_telling_written = false;
  }
  return true;
}

bool SslSocketPrivate::tell_progress() {
  if (std::exchange(encrypted_due, false)) {
    if (!tell_corked([&] { Q_EMIT q.encrypted(); })) return false;
    // What the kernel has taken so far is older than what the peer has sent after its last flight.
    if (!tell_written()) return false;
    decrypt_leftover();
  }
  if (!tell_ready_read()) return false;
  if (!events_untold.empty() && !tell_events()) return false;  // an alert is the end of what comes
  if (has_unsent()) transmit();
  if (!tell_written()) return false;
  if (!finish_closing()) return false;
  if (std::exchange(end_due, false) && !end_by_peer()) return false;
  update_notifier();
  return true;
}

}  // namespace sallyport::qt
