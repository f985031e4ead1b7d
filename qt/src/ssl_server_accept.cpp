// ssl_server_accept: who is let in, and who waits in the kernel's backlog.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_server_private.hpp"
#include "ssl_socket_private.hpp"

#include <QtCore/QEvent>
#include <QtCore/QSignalBlocker>
#include <QtCore/QSocketNotifier>
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

// Then it is the others' turn: QTcpServer goes on for as long as somebody waits and there is room, and one who connects
// fast enough makes room by displacing his own.
constexpr int most_accepts_in_a_row = 64;

}  // namespace

SslServerPrivate::SslServerPrivate(SslServer& server)
    : QObject(&server), q(server), places([](const SslSocket& socket) {
        return SslSocketPrivate::of(socket).phase() != handshake_phase::before_client_hello;
      }) {
  deadline_timer_.setSingleShot(true);
  deadline_timer_.setTimerType(Qt::PreciseTimer);
  pulse_timer_.setInterval(ssl_server_places::pulse_interval);
  back_off_timer_.setSingleShot(true);
  connect(&deadline_timer_, &QTimer::timeout, this, [this] { on_deadline(); });
  connect(&pulse_timer_, &QTimer::timeout, this, [this] { on_pulse(); });
  connect(&back_off_timer_, &QTimer::timeout, this, [this] { on_backed_off(); });
  connect_to_server();  // before the user does, so ours come first
  q.installEventFilter(this);
}

// Again after somebody has disconnected all slots of the server's signals, ours too.
void SslServerPrivate::connect_to_server() {
  connect(&q, &QTcpServer::pendingConnectionAvailable, this, &SslServerPrivate::on_added, Qt::UniqueConnection);
  connect(&q, &QTcpServer::newConnection, this, &SslServerPrivate::end_displaced, Qt::UniqueConnection);
  connect(&q, &QTcpServer::acceptError, this, &SslServerPrivate::on_accept_error, Qt::UniqueConnection);
}

void SslServerPrivate::accept(qintptr descriptor) {
  back_off_ = milliseconds(0);
  idle_activations_ = 0;
  watch_notifier();
  tidy();
  note_accept();
  update_limit();
  auto* const socket = new SslSocket(&q);
  socket->setSslConfiguration(configuration);
  if (!socket->setSocketDescriptor(descriptor)) {
    delete socket;
    if (descriptor >= 0) ::close(static_cast<int>(descriptor));
    return;
  }
  const auto peer = peer_network_of(socket->peerAddress());
  // It ends in QTcpServer's newConnection(), which follows: here a slot mustn't delete the server. (If somebody else
  // has called incomingConnection() nothing follows.)
  if (auto* const displaced = places.displaced_by(peer, is_full())) {
    places.displace(*displaced);
    QMetaObject::invokeMethod(
        this, [this] { end_displaced(); }, Qt::QueuedConnection);
  }
  const auto deadline = clock::now() + handshake_timeout;
  places.take({.socket = socket,
               .peer = peer,
               .timeout = handshake_timeout,
               .deadline = deadline,
               .was_listening = q.isListening(),
               .guard = socket});
  SslSocketPrivate::of(*socket).deaths = deaths_;
  update_limit();
  arm_deadline(deadline);
  if (!pulse_timer_.isActive()) pulse_timer_.start();
  SslSocketPrivate::of(*socket).accept_tls(context_for_now(), this);
}

// ---- the limit ----

void SslServerPrivate::note_accept() {
  if (++accepts_in_a_row_ < std::clamp(wanted_limit_, 1, most_accepts_in_a_row)) return;
  if (std::exchange(has_had_its_turn_, true)) return;
  const auto next_turn = [this] {
    accepts_in_a_row_ = 0;
    has_had_its_turn_ = false;
    tidy();
    update_limit();
  };
  QMetaObject::invokeMethod(this, next_turn, Qt::QueuedConnection);
}

void SslServerPrivate::set_limit(int count) {
  wanted_limit_ = count;
  told_limit_ = q.QTcpServer::maxPendingConnections();
  tidy();
  update_limit();
}

int SslServerPrivate::limit() const {
  const int now = q.QTcpServer::maxPendingConnections();
  return now != told_limit_ ? now : wanted_limit_;  // somebody has called QTcpServer's setter
}

bool SslServerPrivate::is_full() const { return static_cast<std::int64_t>(places.size() + queued_) >= wanted_limit_; }

void SslServerPrivate::update_limit() {
  wanted_limit_ = limit();
  places.set_share(static_cast<std::size_t>(q.maxHandshakesPerPeer()), per_peer != 0);
  const auto total = static_cast<std::int64_t>(places.size() + queued_);
  std::int64_t room = std::max<std::int64_t>(wanted_limit_ - total, 0);
  // Whether somebody waits is known only when he is accepted. Then he takes the place of one who may go.
  if (total == wanted_limit_ && places.size() != 0 && places.can_make_room()) room = 1;
  if (is_paused_ || has_had_its_turn_) room = 0;
  told_limit_ = static_cast<int>(room == 0 ? 0 : static_cast<std::int64_t>(queued_) + room);
  q.QTcpServer::setMaxPendingConnections(told_limit_);
  if (room == 0) {
    is_stopped_ = true;
  } else if (std::exchange(is_stopped_, false) && q.isListening() && !back_off_timer_.isActive()) {
    q.QTcpServer::resumeAccepting();
  }
}

void SslServerPrivate::pause() {
  if (!q.isListening()) return;
  is_paused_ = true;
  q.QTcpServer::pauseAccepting();
  tidy();
  update_limit();  // a loop of accepts under way ends only by the limit
}

void SslServerPrivate::resume() {
  if (!q.isListening()) return;
  is_paused_ = false;
  tidy();
  update_limit();
  if (!back_off_timer_.isActive()) q.QTcpServer::resumeAccepting();
}

void SslServerPrivate::silence_notifier() {
  if ((is_paused_ || back_off_timer_.isActive()) && q.isListening()) q.QTcpServer::pauseAccepting();
}

void SslServerPrivate::forget_pauses() {
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
  q.QTcpServer::close();
  if (!q.setSocketDescriptor(descriptor)) ::close(descriptor);
  const QSignalBlocker nothing_new(&q);
  for (auto* const socket : queue) q.addPendingConnection(socket);
  return true;
}

// ---- the queue ----

void SslServerPrivate::on_added() {
  if (std::exchange(is_adding_, false)) return;  // counted already
  ++queued_;                                     // a subclass has added one of its own
  update_limit();
}

// Not now: this may be QTcpServer clearing its queue, or a destructor with slots on the stack.
void SslServerPrivate::on_child_removed(const QObject* child) {
  const bool is_known = watched_.contains(child) || places.contains(static_cast<const SslSocket*>(child));
  const bool was_closed = !q.isListening() && !places.empty();
  if (!is_known && !was_closed) return;
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
  update_limit();
  silence_notifier();
  return socket;
}

bool SslServerPrivate::eventFilter(QObject* watched, QEvent* event) {
  if (watched == notifier_ && event->type() == QEvent::SockAct) return on_activated();
  if (watched == &q && event->type() == QEvent::ChildRemoved)
    on_child_removed(static_cast<QChildEvent*>(event)->child());
  return false;
}

}  // namespace sallyport::qt
