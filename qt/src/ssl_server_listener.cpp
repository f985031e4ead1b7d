// ssl_server_listener: QTcpServer's listener: when it rests, and when it can't accept.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_server_private.hpp"

#include <QtCore/QSignalBlocker>
#include <QtCore/QVarLengthArray>

#include <algorithm>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace sallyport::qt {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds shortest_back_off{10};
constexpr milliseconds longest_back_off{1000};
constexpr int suspicious_activations = 3;

}  // namespace

// ---- the user's pauses ----

void SslServerPrivate::pause() {
  if (!q.isListening()) return;
  notifier_ = nullptr;  // it may be that of a listener that was closed a moment ago
  watch_notifier();
  is_paused_ = true;
  q.QTcpServer::pauseAccepting();
  tidy();
  update_limit();  // a loop of accepts under way ends only by the limit
}

void SslServerPrivate::resume() {
  if (!q.isListening()) return;
  is_paused_ = false;
  if (!back_off_timer_.isActive()) q.QTcpServer::resumeAccepting();
  tidy();
  update_limit();
}

void SslServerPrivate::silence_notifier() {
  if ((is_paused_ || back_off_timer_.isActive()) && q.isListening()) q.QTcpServer::pauseAccepting();
}

void SslServerPrivate::forget_pauses() {
  notifier_ = nullptr;
  listener_ = nullptr;
  is_paused_ = false;
  back_off_timer_.stop();
  back_off_ = milliseconds(0);
  tidy();
  update_limit();
}

// ---- errors of accept() ----

void SslServerPrivate::on_accept_error() {
  if (back_off_timer_.isActive()) return;
  back_off_ = std::clamp(back_off_ * 2, shortest_back_off, longest_back_off);
  back_off_timer_.start(back_off_);
}

void SslServerPrivate::on_backed_off() {
  if (!q.isListening()) return forget_pauses();
  if (renew_listener()) {
    silence_notifier();
  } else {
    on_accept_error();
  }
}

// QTcpServer takes every error of accept() for the first one it has met. If that was "nobody is waiting", as nearly
// always, it doesn't notice that descriptors have run out, and tries again as fast as it can. Then its notifier is
// activated time and again, and nobody is accepted.
void SslServerPrivate::watch_notifier() {
  if (notifier_ || !q.isListening()) return;
  for (auto* const notifier : q.findChildren<QSocketNotifier*>()) {
    if (notifier->socket() != q.socketDescriptor() || notifier->type() != QSocketNotifier::Read) continue;
    notifier_ = notifier;
    notifier->installEventFilter(this);
    listener_ = notifier;
    while (listener_->parent() != &q) listener_ = listener_->parent();
  }
}

bool SslServerPrivate::on_activated() {
  if (is_stopped_ || ++idle_activations_ < suspicious_activations) return false;
  idle_activations_ = 0;
  on_accept_error();
  silence_notifier();
  QMetaObject::invokeMethod(
      this, [this] { Q_EMIT q.acceptError(QAbstractSocket::SocketResourceError); }, Qt::QueuedConnection);
  return true;
}

// A new listener for the same socket has forgotten that first error.
bool SslServerPrivate::renew_listener() {
  const int descriptor = ::fcntl(static_cast<int>(q.socketDescriptor()), F_DUPFD_CLOEXEC, 3);
  if (descriptor < 0) return false;  // as accept() would find
  QVarLengthArray<QTcpSocket*, 32> queue;
  while (q.QTcpServer::hasPendingConnections()) queue.append(q.QTcpServer::nextPendingConnection());
  notifier_ = nullptr;
  listener_ = nullptr;  // its end ends no pause
  q.QTcpServer::close();
  if (!q.setSocketDescriptor(descriptor)) ::close(descriptor);
  watch_notifier();
  const QSignalBlocker nothing_new(&q);
  for (auto* const socket : queue) q.addPendingConnection(socket);
  return true;
}

}  // namespace sallyport::qt
