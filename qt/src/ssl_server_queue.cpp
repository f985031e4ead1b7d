// ssl_server_queue: the sockets that wait to be taken, and what becomes of those that somebody deletes.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_server_private.hpp"
#include "ssl_socket_private.hpp"

#include <QtCore/QSignalBlocker>
#include <QtCore/QVarLengthArray>

#include <algorithm>
#include <utility>

namespace sallyport::qt {

void SslServerPrivate::on_added() {
  if (std::exchange(is_adding_, false)) return;  // counted already
  ++queued_;                                     // a subclass has added one of its own
  tidy();
  update_limit();
}

// Not now: this may be QTcpServer clearing its queue, or a destructor with slots on the stack.
void SslServerPrivate::on_child_removed(const QObject* child) {
  const bool is_known = watched_.contains(child) || places.contains(static_cast<const SslSocket*>(child));
  const bool was_closed = !q.isListening() && (is_paused_ || !places.empty());
  const bool was_listener = is_paused_ && child == listener_;
  if (child == listener_) listener_ = nullptr;
  if (was_listener) is_paused_ = false;  // that was this one's; somebody may listen again already
  if (!is_known && !was_closed && !was_listener) return;
  if (std::exchange(is_tidying_posted_, true)) return;
  const auto soon = [this] {
    is_tidying_posted_ = false;
    tidy();
    update_limit();
    end_closed();
  };
  QMetaObject::invokeMethod(this, soon, Qt::QueuedConnection);
}

void SslServerPrivate::forget_death(SslSocket& socket) { SslSocketPrivate::of(socket).deaths.reset(); }

void SslServerPrivate::tidy() {
  if (!q.QTcpServer::hasPendingConnections()) queued_ = 0;  // somebody has called QTcpServer's nextPendingConnection()
  if (*deaths_ == 0) return;
  tidy_queue();
  QVarLengthArray<const SslSocket*, 32> dead;
  for (const auto& place : places.all()) {
    if (!place.guard) dead.append(place.socket);
  }
  for (const auto* const socket : dead) places.give_back(socket);
  *deaths_ -= static_cast<int>(dead.size());
}

void SslServerPrivate::tidy_queue() {
  const auto is_dead = [](const auto& each) { return each.second.isNull(); };
  if (std::ranges::none_of(watched_, is_dead)) return;
  QVarLengthArray<QTcpSocket*, 32> alive;
  while (q.QTcpServer::hasPendingConnections()) {
    auto* const socket = q.QTcpServer::nextPendingConnection();
    const auto found = watched_.find(socket);
    if (found == watched_.end() || !is_dead(*found)) alive.append(socket);
  }
  *deaths_ -= static_cast<int>(std::erase_if(watched_, is_dead));
  const QSignalBlocker nothing_new(&q);
  for (auto* const socket : alive) q.addPendingConnection(socket);
  queued_ = static_cast<std::size_t>(alive.size());
  silence_notifier();
}

QTcpSocket* SslServerPrivate::next_in_queue() {
  tidy();
  auto* const socket = q.QTcpServer::nextPendingConnection();
  if (socket == nullptr) return nullptr;
  if (watched_.erase(socket) != 0) forget_death(*static_cast<SslSocket*>(socket));
  if (queued_ != 0) --queued_;
  silence_notifier();
  update_limit();
  return socket;
}

}  // namespace sallyport::qt
