// load_connection: one connection of the client: its socket, its TLS, and how far its operation has come.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_BENCH_LOAD_CONNECTION_HPP
#define SALLYPORT_BENCH_LOAD_CONNECTION_HPP

#include "load_options.hpp"
#include "load_tls.hpp"
#include "load_window.hpp"

#include <sys/epoll.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace load {

/// What the connections of a thread share.
struct surroundings {
  const load_options& options;
  const std::vector<unsigned char>& pattern;
  window& buffers;
  tls* client;  ///< null with --plain
  int epoll;
  std::size_t next_source;  ///< whose turn it is among the source addresses
};

/// Whose session a connection begins with, and what comes after its handshake.
enum class purpose {
  exchange,       ///< it stays open
  handshake,      ///< it closes
  resumption,     ///< the same, having resumed the session, or it has failed
  session_taking  ///< it waits until there is a session to resume, then closes
};

/// What has happened to a connection.
enum class outcome {
  nothing,    ///< it waits for events
  unready,    ///< there is more to do: call advance() when the others have had their turn
  opened,     ///< for exchanges
  exchanged,  ///< all came back as it was sent
  closed,     ///< in order
  failed      ///< see failure(); it can be opened again
};

class connection {
 public:
  connection(surroundings& surroundings, std::size_t number) : around_(surroundings), number_(number) {}
  ~connection() { abandon(); }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  outcome open(purpose purpose);
  /// Sends the options' size of bytes and wants them back. Only while it is open.
  outcome exchange();
  /// Only while it is open.
  outcome close();

  outcome on_events(std::uint32_t events);
  outcome advance();

  /// Gives up what it is at. The server sees a reset.
  void abandon() noexcept;
  outcome time_out(const std::string& limit) { return fail("no end after " + limit + ": " + activity()); }

  bool is_open() const noexcept { return state_ == state::open; }
  bool is_closed() const noexcept { return state_ == state::closed; }
  /// Whether it waits for the server.
  bool is_busy() const noexcept { return !is_open() && !is_closed(); }
  const std::string& failure() const noexcept { return failure_; }
  /// What it is at, for a sentence.
  std::string activity() const;

  // The operation, as whoever runs the connection sees it.
  time_point operation_start{};  ///< what its latency is counted from
  time_point busy_since{};       ///< what its timeout is counted from
  bool in_operation = false;
  bool operation_counts = false;
  bool is_opening = false;
  bool is_ready = false;   ///< for what is to come
  bool is_queued = false;  ///< among those that are unready

 private:
  enum class state { closed, connecting, handshaking, awaiting_session, open, exchanging, closing };

  bool connect();
  outcome shake_hands();
  outcome handshake_done();
  outcome await_session();
  outcome go_on_exchanging();
  outcome go_on_exchanging_plain();
  outcome begin_closing();
  outcome go_on_closing();
  bool check_end();
  outcome listen_while_open();

  bool encrypt();
  bool send_output();
  bool send_unsent();
  void keep_unsent(std::size_t from);
  bool receive();
  bool check_echo(const unsigned char* data, std::size_t size);
  const unsigned char* expected(std::size_t offset) const;

  outcome fail(std::string reason);
  outcome fail(const char* what, int error_number);
  outcome fail_tls(int result, const char* when);

  surroundings& around_;
  std::size_t number_;
  state state_ = state::closed;
  load::purpose purpose_ = purpose::exchange;
  int socket_ = -1;
  bool readable_ = false;
  bool writable_ = false;
  bool peer_ended_ = false;  // its FIN has come, maybe behind data
  bool has_error_ = false;   // a reset, most likely
  bool at_end_ = false;      // the peer's end has been read
  ssl_ptr ssl_{};
  std::vector<unsigned char> unsent_{};  // ciphertext that the kernel didn't take
  std::size_t exchanges_ = 0;
  std::size_t sent_ = 0;
  std::size_t received_ = 0;
  std::string failure_{};
};

}  // namespace load

#endif
