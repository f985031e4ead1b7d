// ssl_server_accept: who is let in, and who waits in the kernel's backlog.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_server_private.hpp"
#include "ssl_socket_private.hpp"

#include <QtCore/QEvent>

#include <algorithm>
#include <memory>
#include <utility>

#include <unistd.h>

namespace sallyport::qt {

namespace {

using std::chrono::milliseconds;

// Then it is the others' turn: QTcpServer goes on for as long as somebody waits and there is room, and one who connects
// fast enough makes room by displacing his own.
constexpr int most_accepts_in_a_row = 64;

/// On its way to another thread, where the server may be gone before it comes.
struct owned_descriptor {
  explicit owned_descriptor(qintptr its_descriptor) : descriptor(its_descriptor) {}
  ~owned_descriptor() {
    if (descriptor >= 0) ::close(static_cast<int>(descriptor));
  }
  owned_descriptor(const owned_descriptor&) = delete;
  owned_descriptor& operator=(const owned_descriptor&) = delete;

  qintptr descriptor;
};

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

bool SslServerPrivate::eventFilter(QObject* watched, QEvent* event) {
  if (watched == notifier_ && event->type() == QEvent::SockAct) return on_activated();
  if (watched == &q && event->type() == QEvent::ChildRemoved)
    on_child_removed(static_cast<QChildEvent*>(event)->child());
  return false;
}

void SslServerPrivate::accept(qintptr descriptor) {
  if (!is_here()) {
    // A slot of newConnection() has moved the server. QTcpServer goes on all the same.
    const auto owned = std::make_shared<owned_descriptor>(descriptor);
    const auto there = [this, owned] { accept(std::exchange(owned->descriptor, -1)); };
    return void(QMetaObject::invokeMethod(this, there, Qt::QueuedConnection));
  }
  back_off_ = milliseconds(0);
  idle_activations_ = 0;
  watch_notifier();
  tidy();
  note_accept();
  update_limit();
  auto* const socket = new SslSocket(configuration, &q);
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
  is_stopped_ = true;  // maybe at a limit that QTcpServer's setter was told
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

}  // namespace sallyport::qt
