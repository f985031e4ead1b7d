// server_state: what an ssl_server is on the inside; it lives on while connections or waits need it.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_SERVER_STATE_HPP
#define SALLYPORT_NET_SERVER_STATE_HPP

#include "connection.hpp"
#include "deadlines.hpp"
#include "listener.hpp"
#include "loop.hpp"
#include "neighbours.hpp"
#include "pending_operation.hpp"
#include "places.hpp"

#include <sallyport/context.hpp>
#include <sallyport/ssl_server.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace sallyport::detail {

class server_state : public std::enable_shared_from_this<server_state>, private watched {
 public:
  explicit server_state(boost::asio::any_io_executor executor);
  ~server_state();

  // --- settings, as ssl_server has them ---
  std::optional<context> configuration;
  std::optional<ticket_keys> own_tickets;  // once they were needed
  std::chrono::milliseconds handshake_timeout{5000};
  std::chrono::milliseconds shutdown_timeout{5000};
  std::size_t max_pending_connections = 128;
  std::optional<worker_threads> handshake_workers;
  detail::neighbours* neighbours = nullptr;  // in a server_group

  // --- signals ---
  signal<void()> pending_connection_available;
  signal<void(ssl_socket&)> started_encryption_handshake;
  signal<void(ssl_socket&, alert_level, alert_type, std::string_view)> alert_sent;
  signal<void(ssl_socket&, alert_level, alert_type, std::string_view)> alert_received;
  signal<void(ssl_socket&, const ssl_error&)> peer_verify_error;
  signal<void(ssl_socket&, std::span<const ssl_error>)> ssl_errors;
  signal<void(ssl_socket&, const ssl_error&)> handshake_interrupted_on_error;
  signal<void(ssl_socket&, ssl_pre_shared_key_authenticator&)> pre_shared_key_authentication_required;
  signal<void(ssl_socket&, std::string_view)> unknown_server_name;
  signal<void(ssl_socket&, error_code)> error_occurred;
  signal<void(error_code)> accept_error;

  // --- for ssl_server ---
  error_code listen(const listener::endpoint& endpoint, const listen_options& options);
  error_code set_socket_descriptor(int descriptor);
  void pause_accepting();
  void resume_accepting();
  /// Goes on accepting if nothing speaks against it any more.
  void wait_for_clients();
  void adopt(boost::asio::generic::stream_protocol::socket socket, std::span<const std::byte> already_read);
  void close();
  void destroy();
  void start_accept(accept_handler handler);
  void start_drain(std::chrono::milliseconds deadline, shutdown_handler handler);
  /// Without `timeout`: for ever.
  bool wait_for_new_connection(std::optional<std::chrono::milliseconds> timeout, bool* timed_out);
  std::shared_ptr<connection> take_pending();
  std::size_t pending() const noexcept { return queue_.size(); }
  std::size_t open_connections() const noexcept { return connections_.size(); }
  const listener& listening() const noexcept { return listener_; }
  error_code server_error() const noexcept { return server_error_; }
  const std::string& error_string() const noexcept { return error_string_; }
  sallyport::detail::places& places() noexcept { return places_; }

  /// Without keys of its own a configuration gets the server's, so that sessions of the former one can be resumed.
  result<context> make_context(ssl_configuration from);

  // --- for server_group ---
  void use(context made) noexcept { configuration = std::move(made); }
  /// Admits what a neighbour has accepted, or closes it if this server isn't listening.
  void take_over(const accepted_descriptor& accepted);
  /// As close(), but whoever waits for connections goes on waiting.
  void stop_listening();

  // --- for connections ---
  sallyport::detail::loop& loop() noexcept { return *loop_; }
  void add(connection& opened) noexcept;
  void remove(connection& closed);
  void note_lingering(connection& lingering);
  /// A session is lent to a worker thread, and no longer.
  void note_loan() noexcept { ++loans_; }
  void note_end_of_loan();
  /// The handshake is complete: into the queue, or to whoever waits.
  void enqueue(std::shared_ptr<connection> complete);
  /// Calls the slots; if one throws, the connection is aborted and the exception goes on.
  template <class Signal, class... Arguments>
  void emit(connection& about, Signal& signal, Arguments&&... arguments) {
    if (signal.empty()) return;
    try {
      about.lend([&](ssl_socket& socket) { signal(socket, arguments...); });
      about.tell_failure();
    } catch (...) {
      try {
        about.abort();
        about.tell_failure();
      } catch (...) {
        // The slots of error_occurred throw too; the first exception is the one to tell.
      }
      throw;
    }
  }

  /// The execution context is being destroyed.
  void drop_everything();

  boost::intrusive::list_member_hook<> among_servers;

 private:
  error_code start_listening();
  void on_readable(bool) override { on_clients(); }
  void on_writable() override {}
  bool may_accept() const noexcept;
  bool has_enough_handshakes() const noexcept;
  void on_clients();
  void admit(int descriptor, const listener::endpoint& peer, const std::optional<listener::endpoint>& local,
             std::span<const std::byte> already_read = {});
  enum class room {
    none,
    soon,  ///< when others have had their turn
    made,
  };
  room make_room_for_descriptor();
  void back_off();
  error_code note_error(error_code ec, const std::string& what, const std::string& reason) noexcept;
  /// Tells by note_error() and by the signal. Slots are called, so it comes last.
  void report_accept_error(error_code ec, const std::string& what, const std::string& reason);
  void cancel_accept(std::uint64_t number);
  void stop_waiting_accepts();
  void abort_connections();
  void force_drain();
  void end_drain(error_code ec);

  struct waiting_accept {
    std::uint64_t number;
    pending_operation<error_code, ssl_socket> operation;
  };
  template <boost::intrusive::list_member_hook<> connection::*Hook>
  using list_of =
      boost::intrusive::list<connection,
                             boost::intrusive::member_hook<connection, boost::intrusive::list_member_hook<>, Hook>>;

  boost::asio::any_io_executor executor_;
  std::shared_ptr<sallyport::detail::loop> loop_;
  listener listener_;
  boost::asio::steady_timer back_off_timer_;
  std::chrono::milliseconds back_off_time_{0};
  bool paused_ = false;
  bool is_closed_ = false;  // close() or a drain has ended it, and listen() hasn't begun it again
  bool backs_off_ = false;
  bool context_is_gone_ = false;
  error_code server_error_;  // the last one, with its sentence
  std::string error_string_;
  std::uint64_t stops_ = 0;  // how often listening was ended
  std::size_t loans_ = 0;

  sallyport::detail::places places_;
  list_of<&connection::among_connections> connections_;
  list_of<&connection::among_lingering> lingering_;  // oldest first
  std::deque<std::shared_ptr<connection>> queue_;
  std::deque<waiting_accept> waiting_;
  std::uint64_t next_waiting_number_ = 0;
  pending_operation<error_code> drain_;
  boost::asio::steady_timer drain_timer_;
};

}  // namespace sallyport::detail

#endif
