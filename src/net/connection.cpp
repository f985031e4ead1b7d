// connection: a socket and its TLS session, from accept to the last byte.
//
// SPDX-License-Identifier: Apache-2.0
#include "connection.hpp"

#include "address.hpp"
#include "loop.hpp"
#include "server_state.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sallyport::detail {
namespace {

namespace asio = boost::asio;

// Beyond the user's own buffer, what a record adds to its plaintext. No more is read than the buffer can take, or one
// record, so that nothing piles up in here.
constexpr std::size_t min_receive_size = 17 * 1024;
constexpr std::size_t max_receive_size = 64 * 1024 + 4 * 1024;
constexpr std::size_t receive_overhead = 1024;

// A peer that makes us answer (KeyUpdates) and doesn't take the answers isn't read any more. More than the largest
// write of the user's leaves, as that must not stop reading: peers may send everything before they read.
constexpr std::size_t max_unsent_while_reading = 128 * 1024;

// After close(): long enough for a round trip round the world and a retransmission.
constexpr std::chrono::seconds linger_time{2};

// Receives of one turn whose data is dropped, before the loop serves others.
constexpr int drops_per_turn = 8;

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

error_code last_error() {
  if (errno == EAGAIN || errno == EWOULDBLOCK) return asio::error::would_block;
  return {errno, boost::system::system_category()};
}

asio::generic::stream_protocol::endpoint name_of(int descriptor) {
  asio::generic::stream_protocol::endpoint name;
  auto size = static_cast<socklen_t>(name.capacity());
  if (::getsockname(descriptor, name.data(), &size) == 0) name.resize(size);
  return name;
}

}  // namespace

connection::connection(std::shared_ptr<server_state> server, int descriptor,
                       asio::generic::stream_protocol::endpoint remote)
    : server_(std::move(server)),
      executor_(server_->loop().executor()),
      socket_(executor_),
      remote_(std::move(remote)),
      local_(name_of(descriptor)),
      id_(next_id()),
      accepted_at_(deadline::clock::now()),
      session_(*server_->configuration) {
  error_code ec;
  socket_.assign(asio::generic::stream_protocol(remote_.protocol().family(), 0), descriptor, ec);
  if (ec) throw boost::system::system_error(ec);
}

connection::~connection() {
  if (state_ != state::closed) server_->remove(*this);
}

void connection::start(deadline::clock::time_point give_up, std::span<const std::byte> already_read) {
  if (remote_.protocol().family() != AF_UNIX) {
    // A record is sent as a whole, so waiting for more to send only delays it.
    const int on = 1;
    ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  server_->loop().deadlines().set(*this, give_up);
  if (already_read.empty()) return wait_readable();
  unread_.assign(already_read.begin(), already_read.end());
  on_readable();
}

// --- the socket ---

io_window connection::open_window() {
  auto& input = server_->loop().input();
  const std::size_t size = unread_.size();
  if (size > 0) std::memcpy(input.data(), unread_.data(), size);
  unread_ = {};
  return {{input.data(), size}, server_->loop().output(), 0};
}

error_code connection::receive(io_window& window, std::size_t limit) {
  auto& input = server_->loop().input();
  const std::size_t size = window.input.size();
  const std::size_t room = std::min(limit, input.size() - size);
  if (room == 0) return {};
  ssize_t received = 0;
  do received = ::recv(socket_.native_handle(), input.data() + size, room, MSG_DONTWAIT);
  while (received < 0 && errno == EINTR);
  if (received < 0) return last_error();
  if (received == 0) return asio::error::eof;
  window.input = {input.data(), size + static_cast<std::size_t>(received)};
  return {};
}

void connection::close_window(const io_window& window) {
  if (window.produced > 0) send_or_keep(window.output.first(window.produced));
  if (!window.input.empty()) unread_.assign(window.input.begin(), window.input.end());
}

void connection::send_or_keep(std::span<const std::byte> bytes) {
  if (send_error_) return;
  if (unsent_.empty()) {
    ssize_t sent = 0;
    do sent = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) {
      const error_code ec = last_error();
      if (ec != asio::error::would_block) {
        send_error_ = ec;
        return;
      }
      sent = 0;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  if (bytes.empty()) return;
  unsent_.insert(unsent_.end(), bytes.begin(), bytes.end());
  wait_writable();
}

void connection::wait_readable() {
  if (waits_for_input_) return;
  waits_for_input_ = true;
  socket_.async_wait(asio::socket_base::wait_read, [self = shared_from_this()](const error_code& ec) {
    self->waits_for_input_ = false;
    if (ec != asio::error::operation_aborted) self->on_readable();
  });
}

void connection::wait_writable() {
  if (waits_for_output_) return;
  waits_for_output_ = true;
  socket_.async_wait(asio::socket_base::wait_write, [self = shared_from_this()](const error_code& ec) {
    self->waits_for_output_ = false;
    if (ec != asio::error::operation_aborted) self->on_writable();
  });
}

void connection::on_readable() {
  switch (state_) {
    case state::handshaking:
      if (std::exchange(in_turn_queue_, true)) return;
      return server_->loop().queue_handshake(shared_from_this());
    case state::open:
      return shutting_both_ && shutdown_ ? shutdown_turn(false) : read_turn(false);
    case state::lingering:
      return linger_turn();
    case state::closed:
      return;
  }
}

void connection::on_writable() {
  if (state_ == state::closed) return;
  const std::vector<std::byte> rest = std::exchange(unsent_, {});
  send_or_keep(rest);
  if (all_is_sent()) after_flush();
}

void connection::after_flush() {
  switch (state_) {
    case state::handshaking:
      return on_readable();
    case state::lingering:
      return linger_turn();
    case state::closed:
      return;
    case state::open:
      break;
  }
  if (send_error_) note_end(send_error_, send_error_.message());
  if (write_) {
    if (written_ > 0 || send_error_)
      complete_write(true, send_error_, written_);
    else
      write_turn(true);
  }
  if (shutdown_) {
    if (shutting_both_)
      shutdown_turn(true);
    else
      complete_shutdown(true, send_error_);
  }
  if (read_) go_on_reading();
}

void connection::on_deadline() {
  const auto self = shared_from_this();
  switch (state_) {
    case state::handshaking:
      return handshake_timed_out();
    case state::open:
      if (shutdown_) complete_shutdown(false, asio::error::timed_out);
      return;
    case state::lingering:
      return close_descriptor();
    case state::closed:
      return;
  }
}

void connection::close_descriptor() {
  if (state_ == state::closed) return;
  const auto self = stop_waiting_for_decision();  // may be the last to keep this alive
  state_ = state::closed;
  take_back();
  error_code ignored;
  socket_.close(ignored);
  unread_ = {};
  unsent_ = {};
  server_->remove(*this);
}

// --- the open connection ---

error_code connection::why_not_open() const noexcept {
  return state_ == state::handshaking ? asio::error::not_connected : asio::error::bad_descriptor;
}

void connection::start_read(asio::mutable_buffer buffer, io_handler handler) {
  pending_operation<error_code, std::size_t> operation(std::move(handler), executor_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->read_) self->read_.complete_later(asio::error::operation_aborted, 0);
  });
  if (state_ != state::open) return operation.complete_later(why_not_open(), 0);
  if (read_) return operation.complete_later(asio::error::in_progress, 0);
  if (buffer.size() == 0) return operation.complete_later({}, 0);
  if (shutting_both_) return operation.complete_later(asio::error::shut_down, 0);
  if (read_end_) return operation.complete_later(read_end_, 0);

  read_ = std::move(operation);
  read_buffer_ = buffer;
  go_on_reading();
}

void connection::go_on_reading() {
  if (!unread_.empty() || session_.has_buffered_plaintext() || end_is_waiting_)
    read_turn(true);
  else
    wait_readable();
}

void connection::read_turn(bool called_by_user) {
  if (!read_) return;                                     // cancelled meanwhile
  if (unsent_.size() > max_unsent_while_reading) return;  // after_flush() goes on

  io_window window = open_window();
  error_code received;
  if (!called_by_user) {
    const auto wanted = std::clamp(read_buffer_.size() + receive_overhead, min_receive_size, max_receive_size);
    received = receive(window, wanted);
  }
  if (received && received != asio::error::eof && received != asio::error::would_block) {
    close_window(window);
    read_end_ = received;
    note_end(received, received.message());
    return complete_read(called_by_user, received, 0);
  }

  const step result = session_.read(window, {static_cast<std::byte*>(read_buffer_.data()), read_buffer_.size()});
  close_window(window);
  switch (result.what) {
    case progress::done:
      // Behind the data the step may have met the end (an alert, or bytes that break the protocol). The next step tells
      // it, and no more input comes to make that step happen.
      end_is_waiting_ = session_.error() || !session_.events().empty();
      return complete_read(called_by_user, {}, result.bytes);
    case progress::want_input:
      end_is_waiting_ = false;
      if (received != asio::error::eof) return wait_readable();
      read_end_ = stream_error::truncated;
      note_end(read_end_, "the peer ended the TCP connection without close_notify");
      return complete_read(called_by_user, read_end_, 0);
    case progress::want_output:
      return;  // after_flush() goes on
    case progress::peer_closed:
      read_end_ = asio::error::eof;
      return complete_read(called_by_user, read_end_, 0);
    case progress::want_answer:  // only a handshake asks
    case progress::failed:
      read_end_ = session_.error();
      note_end(read_end_, session_.error_detail());
      return complete_read(called_by_user, read_end_, 0);
  }
}

void connection::start_write(const gathered_buffers& buffers, io_handler handler) {
  pending_operation<error_code, std::size_t> operation(std::move(handler), executor_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->write_) self->complete_write(true, asio::error::operation_aborted, self->written_);
  });
  if (state_ != state::open) return operation.complete_later(why_not_open(), 0);
  if (write_) return operation.complete_later(asio::error::in_progress, 0);
  if (buffers.count == 0) return operation.complete_later({}, 0);
  if (sent_close_notify_) return operation.complete_later(asio::error::shut_down, 0);
  if (send_error_) return operation.complete_later(send_error_, 0);

  write_ = std::move(operation);
  write_buffers_ = buffers;
  if (all_is_sent()) write_turn(true);  // else after_flush() goes on
}

void connection::write_turn(bool called_by_user) {
  auto& scratch = server_->loop().scratch();
  std::span<const std::byte> plaintext;
  if (write_buffers_.count == 1) {
    const auto& only = write_buffers_.buffers[0];
    plaintext = {static_cast<const std::byte*>(only.data()), std::min(only.size(), scratch.size())};
  } else {
    // Put together, several small buffers make one record instead of many.
    const std::span all(write_buffers_.buffers.data(), write_buffers_.count);
    plaintext = {scratch.data(), asio::buffer_copy(asio::buffer(scratch), all)};
  }

  io_window window{{}, server_->loop().output(), 0};
  const step result = session_.write(window, plaintext);
  close_window(window);
  if (result.what == progress::failed) return complete_write(called_by_user, session_.error(), 0);
  if (send_error_) {
    note_end(send_error_, send_error_.message());
    return complete_write(called_by_user, send_error_, 0);
  }
  if (all_is_sent()) return complete_write(called_by_user, {}, result.bytes);
  written_ = result.bytes;  // after_flush() completes it
}

void connection::complete_read(bool called_by_user, error_code ec, std::size_t bytes) {
  auto operation = std::exchange(read_, {});
  called_by_user ? operation.complete_later(ec, bytes) : operation.complete(ec, bytes);
}

void connection::complete_write(bool called_by_user, error_code ec, std::size_t bytes) {
  written_ = 0;
  auto operation = std::exchange(write_, {});
  called_by_user ? operation.complete_later(ec, bytes) : operation.complete(ec, bytes);
}

void connection::complete_shutdown(bool called_by_user, error_code ec) {
  take_back();
  auto operation = std::exchange(shutdown_, {});
  called_by_user ? operation.complete_later(ec) : operation.complete(ec);
}

void connection::note_end(error_code code, const std::string& sentence) {
  if (error_) return;  // the first is the cause
  error_ = code;
  error_string_ = sentence;
}

void connection::send_close_notify() {
  if (sent_close_notify_) return;
  sent_close_notify_ = true;
  io_window window{{}, server_->loop().output(), 0};
  session_.shutdown(window);  // a session that has failed has nothing to say any more
  close_window(window);
}

void connection::start_shutdown_send(shutdown_handler handler) {
  pending_operation<error_code> operation(std::move(handler), executor_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->shutdown_) self->complete_shutdown(true, asio::error::operation_aborted);
  });
  if (state_ != state::open) return operation.complete_later(why_not_open());
  if (write_ || shutdown_) return operation.complete_later(asio::error::in_progress);

  send_close_notify();
  if (all_is_sent() || send_error_) return operation.complete_later(send_error_);
  shutting_both_ = false;
  shutdown_ = std::move(operation);  // after_flush() completes it
}

void connection::start_shutdown(shutdown_handler handler) {
  pending_operation<error_code> operation(std::move(handler), executor_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->shutdown_) self->complete_shutdown(true, asio::error::operation_aborted);
  });
  if (state_ != state::open) return operation.complete_later(why_not_open());
  if (write_ || shutdown_) return operation.complete_later(asio::error::in_progress);

  if (read_) complete_read(true, asio::error::operation_aborted, 0);
  send_close_notify();
  shutdown_ = std::move(operation);
  shutting_both_ = true;
  server_->loop().deadlines().set(*this, deadline::clock::now() + server_->shutdown_timeout);
  if (all_is_sent()) shutdown_turn(true);  // else after_flush() goes on
}

void connection::shutdown_turn(bool called_by_user) {
  if (send_error_) return complete_shutdown(called_by_user, send_error_);
  ::shutdown(socket_.native_handle(), SHUT_WR);  // for the peer that waits for the FIN rather than for close_notify
  auto& scratch = server_->loop().scratch();
  for (int drops = 0; drops < drops_per_turn && !read_end_; ++drops) {
    io_window window = open_window();
    const error_code received = receive(window, max_receive_size);
    const step result = session_.read(window, scratch);
    // Our side has ended: what the peer's messages would make us answer isn't sent any more.
    window.produced = 0;
    close_window(window);
    if (result.what == progress::peer_closed) read_end_ = asio::error::eof;
    if (result.what == progress::failed) read_end_ = session_.error();
    if (result.what != progress::want_input) continue;
    if (received == asio::error::would_block) return wait_readable();
    if (received == asio::error::eof)
      read_end_ = stream_error::truncated;
    else if (received)
      read_end_ = received;
  }
  if (!read_end_) {
    // The end may be among what has been received already, so this isn't the time to wait for more.
    return asio::post(executor_, [self = shared_from_this()] { self->on_readable(); });
  }
  complete_shutdown(called_by_user, read_end_ == asio::error::eof ? error_code() : read_end_);
}

void connection::abort_operations() {
  if (read_) complete_read(true, asio::error::operation_aborted, 0);
  if (write_) complete_write(true, asio::error::operation_aborted, written_);
  if (shutdown_) complete_shutdown(true, asio::error::operation_aborted);
}

void connection::cancel() { abort_operations(); }

void connection::close() { end(true); }
void connection::close_without_notify() { end(false); }

void connection::end(bool with_close_notify) {
  switch (state_) {
    case state::handshaking:
      return fail_handshake(handshake_error::aborted, "the application closed the connection during the handshake");
    case state::open:
      abort_operations();
      if (with_close_notify) send_close_notify();
      return linger();
    case state::lingering:
    case state::closed:
      return;
  }
}

void connection::abort() {
  if (state_ == state::closed) return;
  const ::linger reset{1, 0};
  ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  if (state_ == state::handshaking)
    return fail_handshake(handshake_error::aborted, "the application aborted the handshake");
  abort_operations();
  note_end(asio::error::operation_aborted, "aborted by the application");
  close_descriptor();
}

// The kernel answers data that comes after close() with a reset, and a reset makes the peer's kernel throw away what
// the peer hasn't read yet: our last bytes, or the alert that explains. So the descriptor stays a little longer.
void connection::linger() {
  state_ = state::lingering;
  server_->note_lingering(*this);
  server_->loop().deadlines().set(*this, deadline::clock::now() + linger_time);
  linger_turn();
}

void connection::linger_turn() {
  if (send_error_) return close_descriptor();
  if (!all_is_sent()) return wait_writable();
  ::shutdown(socket_.native_handle(), SHUT_WR);
  for (int drops = 0; drops < drops_per_turn; ++drops) {
    io_window window{{}, {}, 0};
    const error_code received = receive(window, max_receive_size);
    if (received == asio::error::would_block) break;
    if (received) return close_descriptor();
  }
  wait_readable();
}

void connection::drop_everything() {
  close_descriptor();
  read_.drop();
  write_.drop();
  shutdown_.drop();
}

// --- what ssl_socket tells ---

asio::ip::tcp::endpoint connection::remote_endpoint() const { return to_tcp(remote_); }
asio::ip::tcp::endpoint connection::local_endpoint() const { return to_tcp(local_); }
std::string connection::peer_name() const { return to_text(remote_); }
std::optional<client_address> connection::address() const noexcept { return share_of(remote_); }

std::chrono::steady_clock::duration connection::handshake_duration() const noexcept {
  return handshake_ended_at_.value_or(deadline::clock::now()) - accepted_at_;
}

}  // namespace sallyport::detail
