// ssl_socket_wait: going on without an event loop.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_socket_private.hpp"

#include "connection_attempt.hpp"

#include <QtCore/QDeadlineTimer>
#include <QtCore/QPointer>

#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace sallyport::qt {
namespace {

int milliseconds_left(const QDeadlineTimer& deadline) {
  if (deadline.isForever()) return -1;
  return static_cast<int>(std::min<qint64>(deadline.remainingTime(), 24 * 3600 * 1000));
}

}  // namespace

/// False if nothing has come of it in time, or could.
bool SslSocketPrivate::wait_for_descriptor(const QDeadlineTimer& deadline) {
  pollfd ready{descriptor, 0, 0};
  if (wants_input()) ready.events |= POLLIN;
  if (kernel.is_blocked) ready.events |= POLLOUT;
  if (ready.events == 0) return can_decrypt_leftover();  // else it is for the user to read first, or to answer
  int count = 0;
  do count = ::poll(&ready, 1, milliseconds_left(deadline));
  while (count < 0 && errno == EINTR);
  if (count <= 0) return count == 0 && !deadline.hasExpired();
  // An error or a hang-up shows in whatever is tried.
  if (kernel.is_blocked && (ready.revents & ~POLLIN) != 0 && !tell([this] { on_writable(); })) return true;
  if (wants_input() && (ready.revents & ~POLLOUT) != 0) on_readable();
  return true;
}

/// Until `is_done`, which is asked after each thing that has happened; also if the connection has ended by then. A
/// timeout is told as an error.
template <class Condition>
bool SslSocketPrivate::wait_until(const QDeadlineTimer& deadline, Condition is_done) {
  const QPointer<SslSocket> self(&q);
  const auto goes_on = [&](auto what) { return tell(what) && self && !is_done() && descriptor >= 0; };
  const auto ended = [&] { return self && is_done(); };

  for (;;) {
    const std::size_t before = unsent.size();
    if (!goes_on([this] { go_on(); })) return ended();
    if (!kernel.is_blocked && unsent.size() < before && has_unsent()) continue;  // a turn isn't all
    bool in_time = false;
    if (!goes_on([&] { in_time = wait_for_descriptor(deadline); })) return ended();
    if (in_time) continue;
    tell_error(QAbstractSocket::SocketTimeoutError, QStringLiteral("Network operation timed out"));
    return false;
  }
}

/// True if there is a connection, then.
bool SslSocketPrivate::wait_until_connected(const QDeadlineTimer& deadline) {
  if (stage != socket_stage::connecting) return descriptor >= 0;
  const QPointer<SslSocket> self(&q);
  attempt->wait(deadline);
  if (!self) return false;
  forget_attempt();
  return descriptor >= 0;
}

bool SslSocketPrivate::wait_until_encrypted(const QDeadlineTimer& deadline) {
  if (stage != socket_stage::handshake) return descriptor >= 0;
  return wait_until(deadline, [this] { return stage == socket_stage::encrypted && !untold.encrypted; });
}

bool SslSocket::waitForConnected(int msecs) {
  return d_->wait_until_connected(QDeadlineTimer(msecs)) && state() == ConnectedState;
}

bool SslSocket::waitForEncrypted(int msecs) {
  const QDeadlineTimer deadline(msecs);
  if (d_->stage == socket_stage::encrypted || (d_->mode == UnencryptedMode && !d_->handshake.is_awaited)) return false;
  if (!d_->wait_until_connected(deadline)) return false;
  return d_->stage == socket_stage::encrypted ||
         (d_->stage == socket_stage::handshake && d_->wait_until_encrypted(deadline));
}

bool SslSocket::waitForReadyRead(int msecs) {
  const QDeadlineTimer deadline(msecs);
  // What has come and will be told at once counts, too.
  const std::int64_t before = d_->known.received - (d_->untold.ready_read && !d_->telling.ready_read ? 1 : 0);
  if (!d_->wait_until_connected(deadline) || !d_->wait_until_encrypted(deadline)) return false;
  return d_->wait_until(deadline, [this, before] { return d_->known.received > before; });
}

bool SslSocket::waitForBytesWritten(int msecs) {
  const QDeadlineTimer deadline(msecs);
  // In a slot of bytesWritten() what was written meanwhile is told only afterwards.
  const bool tells = !d_->telling.written;
  const bool is_due = tells && d_->untold.written > 0;
  if (!d_->has_unsent() && !is_due) return false;
  const bool is_plaintext = is_due || !d_->unsent.plaintext.empty() || !d_->unsent.in_ciphertext.empty();
  const auto progress = [this, is_plaintext] {
    return is_plaintext ? d_->written_told + d_->untold.written : d_->sent_told + d_->untold.sent;
  };
  const std::int64_t before = progress() - (is_due ? 1 : 0);
  if (!d_->wait_until_connected(deadline) || !d_->wait_until_encrypted(deadline)) return false;
  return d_->wait_until(deadline, [=] { return progress() > before; });
}

bool SslSocket::waitForDisconnected(int msecs) {
  if (state() == UnconnectedState) {
    qWarning("QSslSocket::waitForDisconnected() is not allowed in UnconnectedState");
    return false;
  }
  const QDeadlineTimer deadline(msecs);
  if (!d_->wait_until_connected(deadline)) return false;
  return d_->wait_until(deadline, [this] { return state() == UnconnectedState; });
}

}  // namespace sallyport::qt
