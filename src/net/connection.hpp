// connection: a socket and its TLS session, from accept to the last byte.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_CONNECTION_HPP
#define SALLYPORT_NET_CONNECTION_HPP

#include "deadlines.hpp"
#include "deferred_decision.hpp"
#include "loan.hpp"
#include "pending_io.hpp"
#include "pending_operation.hpp"
#include "places.hpp"
#include "poller.hpp"

#include <sallyport/session.hpp>
#include <sallyport/ssl_socket.hpp>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/intrusive/list.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::detail {

class server_state;

/// Who keeps it alive: while it is in handshake or lingering, it does itself; while it is pending, the server's queue;
/// afterwards, its ssl_socket. It keeps the server's state alive.
///
/// User code (signals, handlers) is called last in each function, when the window has been given back and the state
/// is whole: it may close this connection, use another one, or destroy the server.
class connection final : public std::enable_shared_from_this<connection>, private deadline, public watched {
 public:
  enum class state {
    handshaking,
    open,       ///< handshake complete: pending in the server's queue, or handed out
    lingering,  ///< over for the user: the last bytes go out, the peer's are dropped so that no reset costs it ours
    closed,     ///< no descriptor any more
  };

  /// A place among the handshakes; links among all connections of the server, and among those that linger.
  place handshake_place;
  boost::intrusive::list_member_hook<> among_connections;
  boost::intrusive::list_member_hook<> among_lingering;

  /// Takes `descriptor`, a connected stream socket; throws system_error, without having taken it, if the event loop
  /// can't watch it. Without `local` the kernel is asked for it.
  connection(std::shared_ptr<server_state> server, int descriptor,
             const boost::asio::generic::stream_protocol::endpoint& remote,
             const std::optional<boost::asio::generic::stream_protocol::endpoint>& local);
  ~connection();

  /// Waits for the ClientHello, until `give_up`. `already_read` are the first bytes of it.
  void start(deadline::clock::time_point give_up, std::span<const std::byte> already_read);

  /// One step of the handshake. Called by the loop when it is this connection's turn.
  void handshake_turn();

  /// Ends the handshake with an error; the server's last word about this connection. `alert_is_out`: the client is to
  /// read an alert, so it isn't cut off.
  void fail_handshake(error_code code, std::string sentence, bool alert_is_out = false);

  /// Calls the handlers of operations that are complete. Called by the loop when the user code that started them has
  /// returned.
  void deliver();

  /// When bytes go out: at once; with more, when the user code that is running has returned; or at once with the FIN,
  /// by the shutdown() or close() that must follow in the same call.
  enum class sending { now, with_more, with_fin };

  /// Sends what write_now() has taken. Called by the loop when it lends its output to others, or has to wait.
  void send_corked(sending when = sending::now);

  /// The decision that was deferred. Called by `from`, on the executor.
  void take_decision(const deferred_decision& from, decision made);

  /// The session that was lent for a step of the handshake. Called by `from`, on the executor.
  void take_back_session(const handshake_work& from, returned_session returned);

  /// What ssl_socket does, which see.
  void ignore_ssl_errors() { session_.ignore_ssl_errors(); }
  void ignore_ssl_errors(std::span<const ssl_error> expected) { session_.ignore_ssl_errors(expected); }
  void continue_interrupted_handshake();
  interrupted_handshake defer_interrupted_handshake();
  deferred_pre_shared_key defer_pre_shared_key();
  void use_identity(const identity& shown);
  deferred_identity defer_identity();
  /// What a socket without a connection has to defer.
  static interrupted_handshake nothing_interrupted() { return {nullptr, 0, {}}; }
  static deferred_pre_shared_key nothing_deferred() { return {nullptr, 0, {}}; }
  static deferred_identity no_identity_deferred() { return {nullptr, 0, {}}; }
  handshake_report report() const;
  void start_read(boost::asio::mutable_buffer buffer, io_handler&& handler);
  void start_write(const gathered_buffers& buffers, io_handler&& handler);
  void start_wait(boost::asio::socket_base::wait_type what, io_handler&& handler);
  std::size_t read_now(boost::asio::mutable_buffer buffer, error_code& ec);
  std::size_t write_now(const gathered_buffers& buffers, error_code& ec);
  error_code shutdown_send_now();
  void start_shutdown_send(shutdown_handler handler);
  void start_shutdown(shutdown_handler handler);
  void cancel();
  void close();
  void close_without_notify();
  void abort();

  /// Ends what is left, without a word to anybody.
  void close_descriptor();

  /// The execution context is being destroyed: handlers are dropped, nothing is waited for any more.
  void drop_everything();

  state current_state() const noexcept { return state_; }
  /// The client's first bytes are here, and its turn to be listened to hasn't come yet.
  bool is_unheard() const noexcept;
  std::uint64_t id() const noexcept { return id_; }
  const boost::asio::any_io_executor& executor() const noexcept;
  /// The unspecified endpoint for a unix socket.
  const boost::asio::ip::tcp::endpoint& remote_endpoint() const noexcept { return remote_; }
  const boost::asio::ip::tcp::endpoint& local_endpoint() const noexcept { return local_; }
  std::string peer_name() const;
  std::chrono::steady_clock::duration handshake_duration() const noexcept;
  session& tls() noexcept { return session_; }
  const session& tls() const noexcept { return session_; }
  error_code error() const noexcept { return error_; }
  const std::string& error_string() const noexcept { return error_string_; }

  /// Lends the connection to a slot as an ssl_socket.
  template <class Function>
  void lend(Function function) {
    ssl_socket lent(shared_from_this());
    struct taker {
      ssl_socket& socket;
      bool& in_slot;
      ~taker() {
        in_slot = false;
        socket.connection_.reset();  // a lent socket doesn't close what it doesn't own
      }
    } const take_back{lent, in_slot_};
    in_slot_ = true;
    function(lent);
    if (!lent.connection_) abort();  // the slot moved it away: it isn't the slot's to keep
  }
  /// Emits the error_occurred that a slot has caused: it comes when all slots of the other signal have had their turn.
  void tell_failure();
  static ssl_socket hand_out(std::shared_ptr<connection> owned) { return ssl_socket(std::move(owned)); }

 private:
  // --- the socket ---
  io_window open_window();
  /// Adds at most `limit` bytes to a window just opened. Error would_block, eof, or the kernel's.
  error_code receive(io_window& window, std::size_t limit);
  /// Sends what the step produced and keeps what it left. User code may follow, the window may not.
  void close_window(const io_window& window, sending when = sending::now) {
    if (!window.input.empty() || window.produced > 0) empty_window(window, when);
  }
  void empty_window(const io_window& window, sending when);
  void send_or_keep(std::span<const std::byte> bytes, sending when = sending::now);
  void wait_readable();
  void wait_writable();
  void on_readable(bool peer_has_ended) override;
  void on_writable() override;
  void go_on();

  // --- the handshake ---
  void on_deadline() override;
  void emit_events();
  bool sent_an_alert() const noexcept;
  sending when_to_send(const step& result) const noexcept;
  step handshake_step(io_window& window);
  void after_handshake_step(step made);
  void lend_session();
  void end_loan();
  void ask();
  void ask_about_interruption();
  void ask_about_errors();
  void ask_for_key();
  void ask_for_identity();
  std::shared_ptr<deferred_decision> defer();
  void stop_waiting_for_decision() noexcept;
  bool refuse_and_tell();
  void handshake_timed_out();
  void finish_handshake();

  // --- the open connection ---
  error_code why_not_open() const noexcept;
  /// What a try to read has brought; neither bytes nor an error: nothing yet.
  struct outcome {
    error_code ec;
    std::size_t bytes = 0;
    bool is_nothing() const noexcept { return !ec && bytes == 0; }
  };
  outcome try_read(boost::asio::mutable_buffer buffer);
  outcome read_step(boost::asio::mutable_buffer buffer, bool from_kernel);
  std::span<const std::byte> put_together(const gathered_buffers& buffers);
  outcome try_write(const gathered_buffers& buffers, sending when);
  void go_on_reading(bool called_by_user);
  void read_turn(bool called_by_user);
  bool write_turn(const gathered_buffers& buffers);
  void after_flush();
  enum class direction { read, write };
  /// `called_by_user`: the handler may not run before the function that the user has called returns.
  void complete(direction which, bool called_by_user, const error_code& ec, std::size_t bytes);
  void cancel(direction which);
  auto on_cancel(direction which) noexcept;
  pending_io& operation(direction which) noexcept { return which == direction::read ? read_ : write_; }
  void complete_shutdown(bool called_by_user, error_code ec);
  void note_end(error_code code, const std::string& sentence);
  void send_close_notify(sending when);
  void end(bool with_close_notify);
  bool all_is_sent() const noexcept { return unsent_.empty() && !is_corked_; }
  void shutdown_turn(bool called_by_user);
  void abort_operations();
  void linger();
  void linger_turn();

  std::shared_ptr<server_state> server_;
  int descriptor_;
  boost::asio::ip::tcp::endpoint remote_;
  boost::asio::ip::tcp::endpoint local_;
  bool is_unix_;
  std::shared_ptr<connection> self_;  // while nobody else keeps it alive
  std::uint64_t id_;
  deadline::clock::time_point accepted_at_;
  std::optional<deadline::clock::time_point> handshake_ended_at_;

  state state_ = state::handshaking;
  session session_;
  error_code error_;
  std::string error_string_;

  std::vector<std::byte> unread_;  // ciphertext that the last step left
  std::vector<std::byte> unsent_;  // ciphertext that the kernel didn't take

  pending_io read_;
  boost::asio::mutable_buffer read_buffer_;  // empty: a wait
  pending_io write_;
  std::unique_ptr<const gathered_buffers> write_buffers_;  // null: a wait, or nothing waits
  std::size_t written_ = 0;                                // bytes of write_ that are encrypted and partly unsent
  using pending_shutdown = pending_operation<error_code>;
  std::unique_ptr<pending_shutdown> shutdown_;  // null but for the last moments of a connection

  handshake_question asked_ = handshake_question::none;  // what a slot is just being asked
  bool continues_ = false;                               // and has answered
  std::shared_ptr<deferred_decision> deferred_;          // set while the handshake waits for it
  std::unique_ptr<loan> loan_;                           // likewise, for a worker thread that has the session
  std::optional<handshake_report::alert_on_the_wire> last_alert_;

  error_code read_end_;  // why nothing more can be read; every later read completes with it
  // Without the kernel: bytes that the last step left, or an end that it has met behind the data it brought.
  bool has_more_to_read_ = false;
  error_code send_error_;
  bool peer_has_ended_ = false;   // its FIN is here
  bool input_has_ended_ = false;  // and nothing is left before it
  bool is_corked_ = false;        // some of our bytes are still in the loop's output
  bool in_turn_queue_ = false;
  bool was_heard_ = false;  // something of it was received in its handshake
  bool is_delivering_ = false;
  bool in_slot_ = false;
  std::optional<error_code> untold_failure_;  // of a handshake that a slot has ended
  bool sent_close_notify_ = false;
  bool shutting_both_ = false;  // async_shutdown rather than async_shutdown_send
};

}  // namespace sallyport::detail

#endif
