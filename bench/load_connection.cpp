// load_connection: see load_connection.hpp. Edge-triggered: each connection is registered once, with all events, and
// remembers whether its socket was readable and writable when it last looked.
//
// SPDX-License-Identifier: Apache-2.0
#include "load_connection.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace load {
namespace {

constexpr std::size_t longest_record = 16384;
// Header, explicit nonce or content type, padding and tag: no cipher adds more.
constexpr std::size_t record_overhead = 256;

// A closed connection keeps its port for a minute in the kernel (TIME_WAIT), so that one address would be out of ports
// after some 28,000. All of 127.0.0.0/8 is ours.
bool use_source(int socket, const surroundings& around) {
  sockaddr_in source{};
  source.sin_family = AF_INET;
  source.sin_addr.s_addr = htonl(0x7f000002U + static_cast<std::uint32_t>(around.next_source));
  // The port is chosen by connect(), which knows the other end: it only has to be free towards that.
  const int yes = 1;
  return setsockopt(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes) == 0 &&
         bind(socket, reinterpret_cast<const sockaddr*>(&source), sizeof source) == 0;
}

bool is_loopback(const sockaddr_in& address) { return ntohl(address.sin_addr.s_addr) >> 24 == 127; }

}  // namespace

// ---- beginning and end ----

outcome connection::open(load::purpose purpose) {
  abandon();
  failure_.clear();
  purpose_ = purpose;
  exchanges_ = 0;
  if (!connect()) return outcome::failed;
  if (around_.client == nullptr) {
    state_ = state::connecting;
  } else {
    ssl_ = purpose == purpose::resumption ? around_.client->make_resuming_ssl() : around_.client->make_ssl();
    state_ = state::handshaking;
    // Most connections on the loopback interface are there by now, so that the ClientHello needs no event.
    writable_ = true;
    if (const outcome begun = shake_hands(); begun != outcome::nothing) return begun;
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = this;
  if (epoll_ctl(around_.epoll, EPOLL_CTL_ADD, socket_, &event) != 0) return fail("epoll_ctl", errno);
  return outcome::nothing;
}

bool connection::connect() {
  const load_options& options = around_.options;
  socket_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return fail("socket", errno), false;
  if (options.sources > 1 && is_loopback(options.server)) {
    if (!use_source(socket_, around_)) return fail("bind", errno), false;
    around_.next_source = (around_.next_source + 1) % options.sources;
  }
  const int yes = 1;
  if (purpose_ == purpose::exchange && setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0) {
    return fail("TCP_NODELAY", errno), false;
  }
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&options.server), sizeof options.server) != 0 &&
      errno != EINPROGRESS) {
    return fail("connect", errno), false;
  }
  return true;
}

void connection::abandon() noexcept {
  if (socket_ >= 0) {
    // Without this, an end in the middle would look like one in order to the server.
    const linger reset{1, 0};
    if (state_ != state::closed) setsockopt(socket_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    ::close(socket_);
    socket_ = -1;
  }
  ssl_.reset();
  unsent_.clear();
  around_.buffers.input_begin = around_.buffers.input_end = around_.buffers.output_size = 0;
  state_ = state::closed;
  readable_ = writable_ = peer_ended_ = has_error_ = at_end_ = false;
}

std::string connection::activity() const {
  switch (state_) {
    case state::closed:
      return "closed";
    case state::connecting:
      return "connecting";
    case state::handshaking:
      return "in the handshake";
    case state::awaiting_session:
      return "waiting for a session to resume";
    case state::open:
      return "open";
    case state::exchanging:
      return "exchanging data (" + std::to_string(sent_) + " bytes sent, " + std::to_string(received_) + " back)";
    case state::closing:
      return "waiting for the server to close";
  }
  return "?";
}

outcome connection::fail(std::string reason) {
  failure_ = std::move(reason);
  ERR_clear_error();
  abandon();
  return outcome::failed;
}

outcome connection::fail(const char* what, int error_number) {
  return fail(activity() + ": " + what + ": " + std::strerror(error_number));
}

outcome connection::fail_tls(int result, const char* when) {
  if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_ZERO_RETURN) {
    return fail(std::string(when) + ": the server sent close_notify");
  }
  return fail(std::string(when) + ": " + take_openssl_error());
}

// ---- events ----

outcome connection::on_events(std::uint32_t events) {
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable_ = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) writable_ = true;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) peer_ended_ = true;
  if (events & EPOLLERR) has_error_ = true;
  return advance();
}

outcome connection::advance() {
  if (!unsent_.empty() && !send_unsent()) return outcome::failed;
  switch (state_) {
    case state::closed:
      return outcome::nothing;
    case state::connecting: {
      if (!writable_) return outcome::nothing;
      int error = 0;
      socklen_t size = sizeof error;
      if (getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
      if (error != 0) return fail("connect", error);
      return handshake_done();
    }
    case state::handshaking:
      if (!readable_) return outcome::nothing;
      if (!receive()) return outcome::failed;
      return shake_hands();
    case state::awaiting_session:
      if (!readable_) return outcome::nothing;
      if (!receive()) return outcome::failed;
      return await_session();
    case state::open:
      return readable_ ? listen_while_open() : outcome::nothing;
    case state::exchanging:
      return ssl_ ? go_on_exchanging() : go_on_exchanging_plain();
    case state::closing:
      return go_on_closing();
  }
  return outcome::nothing;
}

// ---- the handshake ----

outcome connection::shake_hands() {
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return handshake_done();
  const bool wants_more = SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ;
  if (!wants_more) return fail_tls(result, "handshake");
  if (!send_output()) return outcome::failed;
  if (at_end_) return fail("handshake: the server closed the connection");
  return readable_ ? outcome::unready : outcome::nothing;
}

outcome connection::handshake_done() {
  switch (purpose_) {
    case purpose::exchange:
      state_ = state::open;
      // What the server has already sent, a ticket, is read with the first exchange.
      if (ssl_ && !send_output()) return outcome::failed;
      return outcome::opened;
    case purpose::resumption:
      if (SSL_session_reused(ssl_.get()) != 1) return fail("resume: the server made a full handshake instead");
      return begin_closing();
    case purpose::handshake:
      if (ssl_ && !has_asked_name(ssl_.get())) return fail("handshake: the certificate isn't for the name asked for");
      return begin_closing();
    case purpose::session_taking:
      state_ = state::awaiting_session;
      if (!send_output()) return outcome::failed;
      return await_session();
  }
  return outcome::nothing;
}

outcome connection::await_session() {
  std::size_t bytes = 0;
  const int result = SSL_read_ex(ssl_.get(), around_.buffers.plaintext.data(), longest_record, &bytes);
  if (result == 1) return fail("resume: the server sent data that nobody asked for");
  const bool wants_more = SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ;
  if (around_.client->take_session(ssl_.get())) return begin_closing();
  if (!wants_more) return fail_tls(result, "waiting for a session to resume");
  if (SSL_version(ssl_.get()) < TLS1_3_VERSION) return fail("resume: the server gave no session that can be resumed");
  if (at_end_) return fail("waiting for a session to resume: the server closed the connection");
  return readable_ ? outcome::unready : outcome::nothing;
}

// ---- there and back ----

const unsigned char* connection::expected(std::size_t offset) const {
  // 61 and 127 are odd, so that neighbours in number and in time differ.
  return around_.pattern.data() + (number_ * 61 + exchanges_ * 127) % pattern_offsets + offset;
}

outcome connection::exchange() {
  ++exchanges_;
  sent_ = 0;
  received_ = 0;
  state_ = state::exchanging;
  return advance();
}

bool connection::check_echo(const unsigned char* data, std::size_t size) {
  if (size > around_.options.size - received_) return fail("echo: more came back than was sent"), false;
  if (std::memcmp(data, expected(received_), size) != 0) {
    return fail("echo: what came back isn't what was sent, within " + std::to_string(size) + " bytes after the first " +
                std::to_string(received_)),
           false;
  }
  received_ += size;
  return true;
}

// One window of records, and only if all before has gone.
bool connection::encrypt() {
  const std::size_t size = around_.options.size;
  window& buffers = around_.buffers;
  while (sent_ < size && buffers.room() >= longest_record + record_overhead) {
    std::size_t bytes = 0;
    const int result = SSL_write_ex(ssl_.get(), expected(sent_), std::min(size - sent_, longest_record), &bytes);
    if (result != 1) return fail_tls(result, "write"), false;
    sent_ += bytes;
  }
  return send_output();
}

// One window each way, so that neither waits for the other, and the other connections get their turn.
outcome connection::go_on_exchanging() {
  const std::size_t size = around_.options.size;
  if (sent_ < size && unsent_.empty() && !encrypt()) return outcome::failed;
  if (readable_) {
    if (!receive()) return outcome::failed;
    auto& plaintext = around_.buffers.plaintext;
    std::size_t bytes = 0;
    int result = 0;
    while ((result = SSL_read_ex(ssl_.get(), plaintext.data(), plaintext.size(), &bytes)) == 1) {
      if (!check_echo(plaintext.data(), bytes)) return outcome::failed;
    }
    if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) return fail_tls(result, "read");
    // An answer to a KeyUpdate.
    if (around_.buffers.output_size > 0 && !send_output()) return outcome::failed;
    if (at_end_) return fail("read: the server closed the connection");
  }
  if (received_ == size) {
    state_ = state::open;
    return outcome::exchanged;
  }
  return readable_ || (sent_ < size && unsent_.empty()) ? outcome::unready : outcome::nothing;
}

outcome connection::go_on_exchanging_plain() {
  const std::size_t size = around_.options.size;
  if (sent_ < size && writable_) {
    const ssize_t taken = send(socket_, expected(sent_), size - sent_, MSG_NOSIGNAL);
    if (taken < 0 && errno != EAGAIN) return fail("send", errno);
    sent_ += static_cast<std::size_t>(std::max(taken, ssize_t{0}));
    writable_ = sent_ == size;
  }
  if (readable_) {
    if (!receive()) return outcome::failed;
    window& buffers = around_.buffers;
    if (!check_echo(buffers.input.data(), buffers.input_end)) return outcome::failed;
    buffers.input_begin = buffers.input_end;
    if (at_end_) return fail("read: the server closed the connection");
  }
  if (received_ == size) {
    state_ = state::open;
    return outcome::exchanged;
  }
  return readable_ || (sent_ < size && writable_) ? outcome::unready : outcome::nothing;
}

outcome connection::listen_while_open() {
  if (!receive()) return outcome::failed;
  window& buffers = around_.buffers;
  if (ssl_) {
    std::size_t bytes = 0;
    const int result = SSL_read_ex(ssl_.get(), buffers.plaintext.data(), buffers.plaintext.size(), &bytes);
    if (result == 1) return fail("while open: the server sent data that nobody asked for");
    if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) return fail_tls(result, "while open");
    if (buffers.output_size > 0 && !send_output()) return outcome::failed;
  } else if (buffers.input_end > 0) {
    return fail("while open: the server sent data that nobody asked for");
  }
  if (at_end_) return fail("while open: the server closed the connection");
  return readable_ ? outcome::unready : outcome::nothing;
}

// ---- closing ----

outcome connection::close() { return begin_closing(); }

// In TLS 1.3 the client's Finished and its close_notify go out together.
outcome connection::begin_closing() {
  state_ = state::closing;
  if (ssl_) {
    const int result = SSL_shutdown(ssl_.get());
    if (result < 0) return fail_tls(result, "close_notify");
    if (!send_output()) return outcome::failed;
  }
  if (unsent_.empty() && shutdown(socket_, SHUT_WR) != 0) return fail("shutdown", errno);
  return peer_ended_ ? go_on_closing() : outcome::nothing;
}

// Only the end is waited for. When it has come, so has all before it: a read that isn't full was the last, except that
// a reset would only be told by another.
outcome connection::go_on_closing() {
  if (!peer_ended_ || !unsent_.empty()) return outcome::nothing;
  bool all_read = false;
  while (!all_read) {
    if (!receive()) return outcome::failed;
    if (purpose_ != purpose::exchange && ssl_ && !check_end()) return outcome::failed;
    all_read = at_end_ || (around_.buffers.input_end < window::size && !has_error_);
  }
  state_ = state::closed;
  abandon();
  return outcome::closed;
}

// The client's side of the handshake was complete before the server's: it may have ended with an alert.
bool connection::check_end() {
  std::size_t bytes = 0;
  const int result = SSL_read_ex(ssl_.get(), around_.buffers.plaintext.data(), longest_record, &bytes);
  if (result == 1) return fail("close: the server sent data that nobody asked for"), false;
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_ZERO_RETURN) return true;
  return fail_tls(result, "close"), false;
}

// ---- the socket ----

// Appends nothing to what is there: the window is empty between steps.
bool connection::receive() {
  window& buffers = around_.buffers;
  buffers.input_begin = buffers.input_end = 0;
  const ssize_t received = recv(socket_, buffers.input.data(), buffers.input.size(), 0);
  if (received > 0) {
    buffers.input_end = static_cast<std::size_t>(received);
    // Less than there was room for: the kernel has no more, and will tell when it has. But it has told about the end.
    if (buffers.input_end < buffers.input.size() && !peer_ended_) readable_ = false;
    return true;
  }
  if (received < 0 && errno == EAGAIN) {
    readable_ = false;
    return true;
  }
  if (received < 0) return fail("recv", errno), false;
  readable_ = false;
  at_end_ = true;
  return true;
}

bool connection::send_output() {
  window& buffers = around_.buffers;
  if (buffers.output_size == 0) return true;
  std::size_t done = 0;
  if (unsent_.empty() && writable_) {
    const ssize_t taken = send(socket_, buffers.output.data(), buffers.output_size, MSG_NOSIGNAL);
    if (taken < 0 && errno != EAGAIN) return fail("send", errno), false;
    done = static_cast<std::size_t>(std::max(taken, ssize_t{0}));
    if (done < buffers.output_size) writable_ = false;
  }
  if (done < buffers.output_size) keep_unsent(done);
  buffers.output_size = 0;
  return true;
}

void connection::keep_unsent(std::size_t from) {
  const window& buffers = around_.buffers;
  unsent_.insert(unsent_.end(), buffers.output.data() + from, buffers.output.data() + buffers.output_size);
}

bool connection::send_unsent() {
  if (!writable_) return true;
  const ssize_t taken = send(socket_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
  if (taken < 0 && errno != EAGAIN) return fail("send", errno), false;
  const auto done = static_cast<std::size_t>(std::max(taken, ssize_t{0}));
  unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(done));
  writable_ = unsent_.empty();
  if (unsent_.empty() && state_ == state::closing && shutdown(socket_, SHUT_WR) != 0) {
    return fail("shutdown", errno), false;
  }
  return true;
}

}  // namespace load
