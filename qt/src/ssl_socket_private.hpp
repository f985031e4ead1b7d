// ssl_socket_private: the inside of SslSocket, in both roles.
//
// How it works. The socket reads and writes its descriptor itself. What the kernel has goes through the thread's
// loop_window into the session; no slot ever runs meanwhile, so steps of the session are never on the stack of a slot.
// A function that calls slots says so; after each slot tell() tells whether it may go on.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_SSL_SOCKET_PRIVATE_HPP
#define SALLYPORT_QT_SSL_SOCKET_PRIVATE_HPP

#include <sallyport/qt/ssl_socket.hpp>

#include "byte_queue.hpp"
#include "emission.hpp"
#include "event_queue.hpp"
#include "handshake_listener.hpp"
#include "loop_window.hpp"
#include "socket_notifier.hpp"

#include <sallyport/certificate.hpp>
#include <sallyport/context.hpp>
#include <sallyport/session.hpp>

#include <QtCore/QDeadlineTimer>
#include <QtNetwork/QHostAddress>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace sallyport::qt {

struct connected_descriptor;
/// What a client does before it is connected (ssl_socket_connect.cpp). Its destructor gives that up, without a signal.
struct connection_attempt;

/// How far a connection is.
enum class socket_stage {
  idle,        ///< none
  connecting,  ///< `attempt` looks up a name or connects; there is no descriptor here yet
  plain,       ///< connected, not encrypted
  handshake,   ///< connected; there is a session
  encrypted,   ///< the session's handshake is done
};

/// Plaintext that is told as written when the kernel has taken its ciphertext.
struct plaintext_in_ciphertext {
  std::int64_t end;   ///< of its ciphertext, counted as sent() does
  std::int64_t size;  ///< of the plaintext
};

/// Why there is nothing more to read.
enum class input_end {
  none,
  clean,      ///< the peer's close_notify; in plain text, its FIN
  truncated,  ///< FIN without close_notify
  reset,      ///< an error of the kernel
  broken,     ///< the session failed
};

// What belongs to one connection. SslSocketPrivate::let_go() makes all of it new at once, where a connection begins and
// where it ends: so nothing of it can be left over for the next one.

/// What the kernel has said of the descriptor.
struct kernel_state {
  bool is_blocked = false;   ///< it has taken nothing more; the write notifier waits
  bool cannot_send = false;  ///< it has refused to
  bool has_ended = false;    ///< FIN or an error was received
  int error = 0;             ///< which; 0 is FIN
};

/// What has come and isn't plaintext yet, and how it has ended.
struct received_input {
  std::vector<std::byte> leftover{};  ///< ciphertext, to be presented again
  bool has_more = false;              ///< received, and not decrypted for want of room
  input_end end = input_end::none;
  QAbstractSocket::SocketError error = QAbstractSocket::UnknownSocketError;  ///< of the end
  QString sentence{};
};

/// What was written, and what else has to go.
struct unsent_output {
  byte_queue plaintext{};   ///< not encrypted; with no TLS not sent
  byte_queue ciphertext{};  ///< not taken by the kernel
  /// What is told when `ciphertext` has gone so far, the oldest first. Few: `ciphertext` is little.
  std::vector<plaintext_in_ciphertext> in_ciphertext{};

  bool empty() const noexcept { return plaintext.empty() && ciphertext.empty(); }
  std::size_t size() const noexcept { return plaintext.size() + ciphertext.size(); }
};

/// What has happened, and the slots are still to hear.
struct untold_news {
  event_queue events{};
  std::int64_t written = 0;  ///< for bytesWritten()
  std::int64_t sent = 0;     ///< for encryptedBytesWritten()
  bool encrypted = false;
  bool ready_read = false;
  bool end = false;  ///< the peer's
};

/// Of the one before encrypted().
struct handshake_state {
  bool is_awaited = false;  ///< connectToHostEncrypted(): nothing is sent or received before it
  bool interrupt_is_continued = false;
  bool is_paused = false;  ///< PauseOnSslErrors: until resume()
  bool errors_were_refused = false;
};

/// Of our own end of it.
struct closing_state {
  bool has_begun = false;
  bool close_notify_done = false;
  bool tells_once = false;  ///< ClosingState
};

// What has other lives.

/// Which slots are running right now; new in abandon_telling(), after which whoever calls them must not go on.
struct running_slots {
  bool is_corked = false;       ///< transmit() comes after them
  bool handshake_turn = false;  ///< its slots, or those of an end that lets it do no further step
  bool ready_read = false;
  bool written = false;
  handshake_question question = handshake_question::none;  ///< whose slot is running
};

/// What is known of the latest connection, also after its end; new where the next one begins.
struct connection_facts {
  std::int64_t received = 0;  ///< decrypted bytes
  bool stream_is_complete = false;
  std::vector<certificate> peer_chain{};
  QList<QSslError> handshake_errors{};
  std::optional<handshake_error> failure{};
  QString failure_sentence{};
  QString server_name{};  ///< SNI
  QString group{};
  QByteArray ephemeral_server_key{};  ///< as SslConfigurationData has it
  QString matched_rule{};
  QByteArray key_identity{};  ///< of a pre-shared key
  bool is_resumed = false;
};

struct SslSocketPrivate {
  SslSocketPrivate(SslSocket& socket, const SslConfiguration& settings) : q(socket), configuration(settings) {}
  ~SslSocketPrivate();

  static SslSocketPrivate& of(const SslSocket& socket) { return *socket.d_; }

  // --- beginning; ssl_socket.cpp ---

  /// A connected TCP socket, not yet the descriptor of another: what was before it is forgotten, state and addresses
  /// are set, and it is read from now on. Calls no slots. The stage is plain.
  void adopt(int taken, const connected_descriptor& names, QIODevice::OpenMode mode);
  /// Forgets everything about the latest connection, as reusing the object does. Calls no slots.
  void forget_connection();

  // --- connecting; ssl_socket_connect.cpp ---

  struct connected_peer {
    QHostAddress local_address;
    quint16 local_port;
    QHostAddress address;
    quint16 port;
    QString name;
    QByteArray early_bytes;  // that were read already
  };

  /// From nothing, or from what bind() has made. A name to verify that is given here is this connection's. Calls slots.
  void begin_connecting(const QString& host, quint16 port, QIODevice::OpenMode open_mode,
                        QAbstractSocket::NetworkLayerProtocol protocol, bool encrypts,
                        const std::optional<QString>& verify_name = std::nullopt);
  /// The attempt has come to an end; it doesn't exist any more after go_on(). Call slots.
  void on_connected(int connected_descriptor, const connected_peer& peer);
  void on_connecting_failed(QAbstractSocket::SocketError error, const QString& sentence, bool tells);
  /// While there is no descriptor: who has one.
  QTcpSocket* connecting_socket() const;
  void forget_attempt();
  /// startClientEncryption(). Stage plain before. Calls slots.
  void start_client_tls();
  /// What the server has sent for resumption, if the configuration says so; false: nothing, or nobody wants it.
  bool note_session_ticket();

  // --- waiting without an event loop; ssl_socket_wait.cpp; calls slots ---

  template <class Condition>
  bool wait_until(const QDeadlineTimer& deadline, Condition is_done);
  bool wait_for_descriptor(const QDeadlineTimer& deadline);
  bool wait_until_connected(const QDeadlineTimer& deadline);
  bool wait_until_encrypted(const QDeadlineTimer& deadline);

  // --- handshake; ssl_socket_handshake.cpp. Stage plain before. ---

  /// For a server that has accepted a connection, right after setSocketDescriptor(): the client's first bytes decide
  /// whether it is TLS. They aren't looked at before the event loop's next turn. The listener stays valid until it has
  /// heard handshake_done or handshake_failed, or `listener` was set to null.
  void accept_tls(const context& with, handshake_listener* hears);
  /// Begins a handshake now, in the given role, with the plain bytes that nobody has read: sets the mode, tells
  /// modeChanged(), and makes the first step. Calls slots.
  void start_tls(session&& with, SslSocket::SslMode role);
  /// Ends a connection in handshake for a reason that isn't the peer's: state Unconnected and disconnected() first,
  /// then the listener's handshake_failed(), in which the addresses are still there. No effect in other stages. Calls
  /// slots.
  void end_handshake(handshake_error reason, QAbstractSocket::SocketError error, const QString& sentence);
  /// before_client_hello, too, where there is no session yet.
  handshake_phase phase() const;
  /// There is no context for the configuration: tells it, and ends the connection. Calls slots.
  void fail_configuration(const QString& reason);

  // --- what happens; ssl_socket_progress.cpp; calls slots ---

  void on_readable();
  void on_writable();
  /// Goes on with everything that can go on: what was written, what was received and not looked at, what hasn't been
  /// told. Harmless at any time.
  void go_on();
  /// The same in the event loop's next turn; calls no slots.
  void go_on_soon();

  // --- bytes; ssl_socket_io.cpp. These call no slots: what they bring about is told by tell_progress(). ---

  /// Encrypts what was written and sends what the kernel takes.
  void transmit();
  /// Takes from the kernel what there is, if there is room, and decrypts it.
  void receive();
  /// The same with what was received before, only.
  void decrypt_leftover();
  /// What the kernel has taken so far, told or not.
  std::int64_t sent() const { return sent_told + untold.sent; }
  bool has_unsent() const { return !unsent.empty(); }
  /// What is unsent was written by nobody, such as a ticket: it goes out with close_notify, if that follows at once.
  bool can_wait_for_close_notify() const;
  std::size_t unread() const;
  /// False while reading waits: for the user to read, for the peer to take what was written, or for events to be told.
  bool has_room_to_read() const;
  /// It may still be plain text, which nobody must take for the encrypted peer's.
  bool holds_back_plain_text() const { return handshake.is_awaited && stage == socket_stage::plain; }
  bool wants_input() const;
  bool wants_output() const { return kernel.is_blocked && descriptor >= 0; }
  /// What was received can be decrypted now. (While the kernel takes nothing, that goes on when it does.)
  bool can_decrypt_leftover() const;
  /// As wants_input() and wants_output() say.
  void update_notifier();
  void note_input_end(input_end why, QAbstractSocket::SocketError error, const QString& sentence);

  // --- telling; calls slots. False: the caller must return and touch nothing ---

  template <class Signal>
  bool tell(Signal&& signal) {
    const emission emitting(emissions);
    try {
      signal();
    } catch (...) {
      // It goes its way, to whoever has called; the rest is told later. A question that it leaves is refused.
      if (emitting.may_go_on()) {
        abandon_telling();
        go_on_soon();
      }
      throw;
    }
    return emitting.may_go_on();
  }
  bool tell_state(QAbstractSocket::SocketState state);
  bool tell_error(QAbstractSocket::SocketError error, const QString& sentence);
  /// Of the handshake, and alerts. That an alert was sent is told when it really was.
  bool tell_events();
  /// encrypted(), readyRead(), bytesWritten(), encryptedBytesWritten() and the peer's end: whatever is due.
  bool tell_progress();
  bool tell_written();
  void send_corked();

  // --- the end; ssl_socket_close.cpp; calls slots ---

  enum class ending {
    orderly,  ///< FIN, and what was sent arrives
    abrupt,   ///< as close() of the kernel does it
  };

  enum class addresses {
    forgotten,
    kept,  ///< whoever ends the connection forgets them later
  };

  /// disconnectFromHost().
  void close_gracefully();
  /// Goes on with it; ends the connection when all is sent.
  bool finish_closing();
  /// Lets go of the descriptor, then Unconnected, readChannelFinished(), disconnected(). `close_device`: and
  /// QIODevice::close(). Buffers to be read stay, unless that is done. What was to be sent is dropped.
  bool end_connection(ending how, bool close_device = false, addresses after = addresses::forgotten);
  /// The same for abort(), also from a handshake.
  void abort();

  SslSocket& q;
  SslConfiguration configuration;
  SslSocket::SslMode mode = SslSocket::UnencryptedMode;
  socket_stage stage = socket_stage::idle;

  int descriptor = -1;
  socket_notifier* notifier = nullptr;  // a child of the socket
  std::optional<session> tls{};
  handshake_listener* listener = nullptr;
  std::shared_ptr<connection_attempt> attempt{};
  std::shared_ptr<std::atomic<int>> deaths{};  // counted for the server that has this one: its own is added

  // --- of the connection ---
  kernel_state kernel{};
  received_input input{};
  unsent_output unsent{};
  untold_news untold{};
  handshake_state handshake{};
  closing_state closing{};

  // --- of the latest connection, and may be read after its end ---
  byte_queue incoming{};  // plaintext
  connection_facts known{};

  // --- of the socket ---
  running_slots telling{};
  emission::chain emissions{};
  bool is_in_cork_list = false;  // loop_window knows of it
  bool go_on_is_posted = false;
  std::int64_t written_told = 0;  // for those who wait: only ever more
  std::int64_t sent_told = 0;
  qint64 read_buffer_size = 0;
  qint64 write_buffer_limit = qint64{16} * 1024 * 1024;
  bool ignores_all_errors = false;  // until the connection ends
  QList<QSslError> ignored_errors{};
  QString peer_verify_name{};
  std::optional<QString> usual_verify_name{};  // where that is one connection's

  void on_thread_change();
  /// Whoever calls slots now must not go on.
  void abandon_telling();

 private:
  friend class SslSocket;

  // ssl_socket_progress.cpp
  /// What the slots of `signal` write goes out when they have returned: the caller calls transmit().
  template <class Signal>
  bool tell_corked(Signal&& signal) {
    telling.is_corked = true;
    if (!tell(signal)) return false;
    telling.is_corked = false;
    return true;
  }
  bool tell_ready_read();
  // ssl_socket_device.cpp
  void after_reading();
  // ssl_socket_io.cpp
  std::span<const std::byte> take_input(bool from_kernel);
  void keep_input(std::span<const std::byte> rest);
  std::size_t receive_limit() const;
  std::span<std::byte> room_for_plaintext();
  std::size_t receive_into(std::span<std::byte> room);
  void receive_plain();
  void decrypt(bool from_kernel);
  void note_plaintext(std::size_t count);
  void note_events();
  void note_kernel_end();
  void note_taken();
  void note_in_ciphertext(std::int64_t plaintext);
  void send_or_keep(std::span<const std::byte> bytes);
  std::size_t send(std::span<const std::byte> bytes);
  bool transmit_plain();
  bool transmit_encrypted();
  // ssl_socket_handshake.cpp
  void handshake_turn(bool from_kernel);
  step handshake_step(bool from_kernel);
  bool tell_event(const session_event& event);
  void take_plain_bytes();
  bool ask();
  bool ask_interrupted();
  bool ask_errors();
  bool ask_pre_shared_key();
  bool accepts_errors() const;
  bool must_verify_peer() const;
  void finish_handshake();
  void fail_handshake(handshake_error reason, const QString& sentence);
  void note_failure(handshake_error reason, QAbstractSocket::SocketError error, const QString& sentence);
  // ssl_socket_close.cpp
  void let_go(ending how);
  void release_descriptor(ending how);
  bool end_by_peer();
  void end_handshake_by_application(ending how, bool closes_device);
  bool close_device();
  void forget_addresses();
};

}  // namespace sallyport::qt

#endif
