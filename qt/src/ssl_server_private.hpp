// ssl_server_private: the inside of SslServer.
//
// QTcpServer accepts as long as its queue is shorter than its own maxPendingConnections(), and can't be told to count
// handshakes. So its limit is set to what is left for the queue, after every change: that holds within a burst, too.
// When it has stopped at the limit it listens again only if it is told to.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_SSL_SERVER_PRIVATE_HPP
#define SALLYPORT_QT_SSL_SERVER_PRIVATE_HPP

#include <sallyport/qt/ssl_server.hpp>

#include "handshake_listener.hpp"
#include "ssl_server_places.hpp"

#include <sallyport/context.hpp>

#include <QtCore/QList>
#include <QtCore/QObject>
#include <QtCore/QPointer>
#include <QtCore/QSocketNotifier>
#include <QtCore/QTimer>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <unordered_map>

namespace sallyport::qt {

/// A child of the server, so its timers go along to another thread. Functions that call slots say so; the server may be
/// gone when they return.
struct SslServerPrivate final : QObject, handshake_listener {
  explicit SslServerPrivate(SslServer& server);

  // --- configuration ---

  bool set_configuration(const SslConfiguration& wanted);
  /// For the next connection.
  context context_for_now();

  // --- accepting; calls no slots ---

  void connect_to_server();
  /// Takes the descriptor.
  void accept(qintptr descriptor);
  void pause();
  void resume();
  void set_limit(int count);
  int limit() const;
  /// Tells QTcpServer its limit, and to listen again if there is room after there was none. After every change.
  void update_limit();
  /// After a listener has gone, or was closed.
  void forget_pauses();

  // --- the queue; calls no slots ---

  /// Forgets what somebody has deleted, in the queue and among the handshakes. First thing everywhere, so it costs
  /// nothing while nobody does.
  void tidy();
  QTcpSocket* next_in_queue();

  // --- ends; calls slots ---

  /// All handshakes. No signals: for the server's destructor.
  void drop_all();
  void end_all();

  // --- handshake_listener; all of these call slots ---

  void handshake_started(SslSocket& socket) override;
  void alert_sent(SslSocket& socket, QSsl::AlertLevel level, QSsl::AlertType type, const QString& text) override;
  void alert_received(SslSocket& socket, QSsl::AlertLevel level, QSsl::AlertType type, const QString& text) override;
  void handshake_interrupted_on_error(SslSocket& socket, const QSslError& error) override;
  void peer_verify_error(SslSocket& socket, const QSslError& error) override;
  void ssl_errors(SslSocket& socket, const QList<QSslError>& errors) override;
  void pre_shared_key_authentication_required(SslSocket& socket, SslPreSharedKeyAuthenticator& asked) override;
  /// With its parent, or taken away from it: that is the user's then, and nothing is told of it.
  bool goes_along_with(SslSocket& socket) override;
  void handshake_done(SslSocket& socket) override;
  void handshake_failed(SslSocket& socket, QAbstractSocket::SocketError error, handshake_error reason,
                        const QString& sentence) override;

  /// The server's. QTcpServer::close() isn't virtual, but the server loses a child by it, as it does when somebody
  /// deletes a socket.
  bool eventFilter(QObject* watched, QEvent* event) override;

  SslServer& q;
  SslConfiguration configuration{::QSslConfiguration::defaultConfiguration()};
  QString configuration_error{};
  ssl_server_places places;
  std::chrono::milliseconds handshake_timeout{5000};
  int per_peer = 0;

 private:
  using clock = handshake_place::clock;

  /// In its own thread. A slot may have moved it, and then nothing more may be done in the old one.
  bool is_here() const;
  bool is_full() const;
  /// Whether anybody would answer pre_shared_key_authentication_required().
  bool answers_pre_shared_keys() const;
  void note_accept();
  void tidy_queue();
  /// It is in nobody's place or queue any more.
  static void forget_death(SslSocket& socket);
  void on_added();
  void on_accept_error();
  void on_backed_off();
  void watch_notifier();
  bool on_activated();
  bool renew_listener();
  void silence_notifier();
  void arm_deadline(clock::time_point deadline);
  void on_deadline();
  void on_pulse();
  void on_child_removed(const QObject* child);
  void end_displaced();
  void end_closed();
  void end_lost();
  void end(const QList<QPointer<SslSocket>>& sockets, handshake_error reason);
  void tell_failure(SslSocket& socket, QAbstractSocket::SocketError error, handshake_error reason,
                    const QString& sentence);

  std::optional<ticket_keys> own_ticket_keys_{};
  std::optional<context> plain_context_{};           // made when first needed
  std::optional<context> pre_shared_key_context_{};  // likewise

  int wanted_limit_ = 30;
  int told_limit_ = 30;      // what QTcpServer was told last
  bool is_paused_ = false;   // by the user, with our function; QTcpServer's notifier is off
  bool is_stopped_ = false;  // by the limit, or it may be
  bool has_had_its_turn_ = false;
  int accepts_in_a_row_ = 0;  // at most: turns in between aren't noticed
  bool is_adding_ = false;
  bool is_tidying_posted_ = false;
  std::size_t queued_ = 0;
  std::unordered_map<const QObject*, QPointer<QObject>> watched_{};  // encrypted here, and in the queue
  // Of those in `watched_` or with a place: how many have begun to die. They tell it themselves.
  std::shared_ptr<std::atomic<int>> deaths_ = std::make_shared<std::atomic<int>>(0);

  QTimer deadline_timer_{this};
  clock::time_point armed_for_{};
  QTimer pulse_timer_{this};
  QTimer back_off_timer_{this};
  std::chrono::milliseconds back_off_{0};
  QPointer<QSocketNotifier> notifier_{};  // of QTcpServer's listener
  const QObject* listener_ = nullptr;     // the server's child that the notifier belongs to
  int idle_activations_ = 0;              // of it, since somebody was accepted
};

}  // namespace sallyport::qt

#endif
