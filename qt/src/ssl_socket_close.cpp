// ssl_socket_close: how a connection ends, and what is told of it.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_socket_private.hpp"

#include "lingering_descriptor.hpp"

#include <QtCore/QPointer>
#include <QtNetwork/QHostAddress>

#include <unistd.h>

#include <utility>

namespace sallyport::qt {

void SslSocketPrivate::release_descriptor(ending how) {
  delete std::exchange(notifier, nullptr);  // this may be called from its own on_input()
  const int released = std::exchange(descriptor, -1);
  if (how == ending::orderly && !kernel.has_ended)
    linger(released);
  else
    ::close(released);
}

void SslSocketPrivate::forget_addresses() {
  q.setLocalAddress(QHostAddress());
  q.setLocalPort(0);
  q.setPeerAddress(QHostAddress());
  q.setPeerPort(0);
  q.setPeerName(QString());
}

/// Of the connection, everything; what is known of it, and what may still be read, stays.
void SslSocketPrivate::let_go(ending how) {
  abandon_telling();
  attempt.reset();
  if (descriptor >= 0) release_descriptor(how);
  tls.reset();
  listener = nullptr;
  stage = socket_stage::idle;
  kernel = {};
  input = {};
  unsent = {};
  untold = {};
  handshake = {};
  closing = {};
}

bool SslSocketPrivate::end_connection(ending how, bool close_device, addresses after) {
  const bool was_connected = stage != socket_stage::connecting;
  let_go(how);
  ignores_all_errors = false;  // a slot below may say so of the next peer

  if (!tell_state(QAbstractSocket::UnconnectedState)) return false;
  if (!tell([&] { Q_EMIT q.readChannelFinished(); })) return false;
  if (was_connected && !tell([&] { Q_EMIT q.disconnected(); })) return false;
  if (close_device && !this->close_device()) return false;
  if (after == addresses::forgotten) forget_addresses();
  return true;
}

/// QIODevice's part of close(): aboutToClose(), and nothing can be read any more.
bool SslSocketPrivate::close_device() {
  const QString sentence = q.errorString();
  if (!tell([&] { q.QIODevice::close(); })) return false;
  incoming.clear();
  untold.ready_read = false;
  if (known.failure) q.setErrorString(sentence);
  return true;
}

/// Of a handshake that the application has ended the server hears at the very end.
void SslSocketPrivate::end_handshake_by_application(ending how, bool closes_device) {
  handshake_listener* const hears = std::exchange(listener, nullptr);
  const QString sentence = QStringLiteral("the application ended the connection during the handshake");
  if (!known.failure) note_failure(handshake_error::aborted, QAbstractSocket::SslHandshakeFailedError, sentence);
  if (hears == nullptr) {
    end_connection(how, closes_device);
    return;
  }
  if (!end_connection(how, closes_device, addresses::kept)) return;
  if (tell([&] {
        hears->handshake_failed(q, QAbstractSocket::SslHandshakeFailedError, handshake_error::aborted, sentence);
      }))
    forget_addresses();
}

void SslSocketPrivate::close_gracefully() {
  if (closing.has_begun) return;
  switch (stage) {
    case socket_stage::idle:
      return;
    case socket_stage::connecting:
      closing.has_begun = true;  // when it is connected, and what was written is sent
      return;
    case socket_stage::handshake:
      if (!unsent.plaintext.empty()) {
        closing.has_begun = true;
        tell_state(QAbstractSocket::ClosingState);
        return;
      }
      telling.handshake_turn = true;  // no step any more
      if (tell_state(QAbstractSocket::ClosingState)) end_handshake_by_application(ending::orderly, false);
      return;
    case socket_stage::plain:
    case socket_stage::encrypted:
      closing.has_begun = true;
      if (!tell_state(QAbstractSocket::ClosingState)) return;
      // As with Qt, what was written goes out in its own time, and the end comes after it.
      if (has_unsent() && !can_wait_for_close_notify()) return telling.is_corked ? void() : go_on_soon();
      if (finish_closing()) update_notifier();
      return;
  }
}

bool SslSocketPrivate::can_wait_for_close_notify() const {
  return stage == socket_stage::encrypted && !closing.close_notify_done && !kernel.is_blocked &&
         unsent.plaintext.empty() && unsent.in_ciphertext.empty() &&
         unsent.ciphertext.size() <= session::max_record_size;
}

bool SslSocketPrivate::finish_closing() {
  if (!closing.has_begun || (has_unsent() && !can_wait_for_close_notify())) return true;
  if (stage == socket_stage::encrypted && !std::exchange(closing.close_notify_done, true)) {
    io_window window{{}, loop_window::of_this_thread().output(), 0};
    window.produced = unsent.ciphertext.read(window.output);
    tls->shutdown(window);  // after a failure it has nothing to say any more
    note_events();
    if (window.produced > 0) send_or_keep(window.output.first(window.produced));
    if (!tell_events()) return false;
    // Qt says it twice.
    if (!closing.tells_once && !tell_state(QAbstractSocket::ClosingState)) return false;
    if (has_unsent()) return true;
  }
  if (!tell_events() || !tell_written()) return false;
  return end_connection(ending::orderly);
}

/// False where it has ended, or where it isn't the caller's business any more.
bool SslSocketPrivate::end_by_peer() {
  if (input.end == input_end::reset) {
    kernel.cannot_send = true;
    unsent = {};
  }
  if (closing.has_begun) {
    // It is the answer to our own end, or won't take the rest.
    if (input.end != input_end::reset) return finish_closing();
    return end_connection(ending::abrupt);
  }
  if (!tell_error(input.error, input.sentence)) return false;
  if (!can_wait_for_close_notify()) transmit();
  if (!tell_written()) return false;
  closing.tells_once = true;
  close_gracefully();
  return false;
}

void SslSocketPrivate::abort() {
  switch (stage) {
    case socket_stage::idle:
      close_device();
      return;
    case socket_stage::handshake:
      return end_handshake_by_application(ending::abrupt, true);
    case socket_stage::connecting:
    case socket_stage::plain:
    case socket_stage::encrypted:
      end_connection(ending::abrupt, true);
      return;
  }
}

void SslSocket::disconnectFromHost() { d_->close_gracefully(); }

void SslSocket::abort() {
  if (state() == UnconnectedState) return close();
  QAbstractSocket::abort();  // which calls close()
}

void SslSocket::close() {
  // QAbstractSocket::abort(), which can't be overridden, takes the write channel away before it calls close().
  const bool is_abort = (openMode() & WriteOnly) != 0 && writeChannelCount() == 0;
  if (is_abort) return d_->abort();

  const QPointer<SslSocket> self(this);
  flush();
  if (!self) return;
  d_->closing.tells_once = true;
  d_->close_gracefully();
  // What was written goes on being sent without the device. Unless a slot has begun another connection meanwhile.
  if (self && (d_->stage == socket_stage::idle || d_->closing.has_begun)) d_->close_device();
}

}  // namespace sallyport::qt
