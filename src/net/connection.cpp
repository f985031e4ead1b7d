// connection: a socket and its TLS session, from accept to the last byte.
//
// SPDX-License-Identifier: Apache-2.0
#include "connection.hpp"

#include "address.hpp"
#include "loop.hpp"
#include "scope_exit.hpp"
#include "server_state.hpp"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace sallyport::detail {
namespace {

namespace asio = boost::asio;

// No more is received than the user's buffer can take, or one record, so that nothing piles up in here.
constexpr std::size_t record_size = 16 * 1024;
constexpr std::size_t record_on_the_wire = record_size + 29;  // of AES-GCM: 29 in TLS 1.2, 22 in 1.3
constexpr std::size_t max_receive_size = 8 * record_on_the_wire;

// A peer that makes us answer (KeyUpdates) and doesn't take the answers isn't read any more. More than the largest
// write of the user's leaves, as that must not stop reading: peers may send everything before they read.
constexpr std::size_t max_unsent_while_reading = 192 * 1024;

// Handlers that start what is complete at once, and whose completion calls the next, before it is the others' turn.
constexpr int deliveries_per_turn = 16;

// Of small writes that go out together; more is sent at once.
constexpr std::size_t max_corked = 16 * 1024;

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
                       const asio::generic::stream_protocol::endpoint& remote,
                       const std::optional<asio::generic::stream_protocol::endpoint>& local)
    : server_(std::move(server)),
      descriptor_(descriptor),
      remote_(to_tcp(remote)),
      local_(to_tcp(local ? *local : name_of(descriptor))),
      is_unix_(remote.protocol().family() == AF_UNIX),
      id_(next_id()),
      accepted_at_(deadline::clock::now()),
      session_(*server_->configuration) {
  server_->loop().watch(*this, descriptor);
  if (server_->handshake_workers) session_.stop_before_private_key();
}

connection::~connection() {
  if (state_ == state::closed) return;
  server_->remove(*this);
  server_->loop().uncork(*this);
  server_->loop().stop_watching(*this);
  ::close(descriptor_);
}

void connection::start(deadline::clock::time_point give_up, std::span<const std::byte> already_read) {
  self_ = shared_from_this();
  server_->loop().deadlines().set(*this, give_up);
  if (already_read.empty()) return wait_readable();
  unread_.assign(already_read.begin(), already_read.end());
  go_on();
}

// --- the socket ---

io_window connection::open_window() {
  auto& input = server_->loop().input();
  const std::size_t size = unread_.size();
  if (size > 0) {
    std::memcpy(input.data(), unread_.data(), size);
    unread_ = {};
  }
  return {{input.data(), size}, server_->loop().output(), server_->loop().lend_output_to(*this)};
}

bool connection::is_unheard() const noexcept {
  int waiting = 0;
  return !was_heard_ && ::ioctl(descriptor_, FIONREAD, &waiting) == 0 && waiting > 0;
}

error_code connection::receive(io_window& window, std::size_t limit) {
  auto& input = server_->loop().input();
  const std::size_t size = window.input.size();
  const std::size_t room = std::min(limit, input.size() - size);
  if (room == 0) return {};
  ssize_t received = 0;
  do received = ::recv(descriptor_, input.data() + size, room, MSG_DONTWAIT);
  while (received < 0 && errno == EINTR);
  if (received < 0) return last_error();
  if (peer_has_ended_ && static_cast<std::size_t>(received) < room) input_has_ended_ = true;
  if (received == 0) return asio::error::eof;
  window.input = {input.data(), size + static_cast<std::size_t>(received)};
  return {};
}

void connection::empty_window(const io_window& window, sending when) {
  if (!window.input.empty()) unread_.assign(window.input.begin(), window.input.end());
  if (window.produced == 0) return;
  is_corked_ = when == sending::with_more && server_->loop().in_turn() && window.produced < max_corked;
  if (is_corked_) return server_->loop().cork(*this, window.produced);
  server_->loop().uncork(*this);
  send_or_keep(window.output.first(window.produced), when);
}

void connection::send_corked(sending when) {
  const std::size_t size = server_->loop().uncork(*this);
  is_corked_ = false;
  if (size > 0) send_or_keep(std::span(server_->loop().output()).first(size), when);
  if (send_error_ && state_ == state::open) [[unlikely]]
    note_end(send_error_, send_error_.message());
}

void connection::send_or_keep(std::span<const std::byte> bytes, sending when) {
  if (send_error_) return;
  if (unsent_.empty()) {
    // One segment, and one wake-up of the peer, instead of two.
    const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (when == sending::with_fin ? MSG_MORE : 0);
    ssize_t sent = 0;
    do sent = ::send(descriptor_, bytes.data(), bytes.size(), flags);
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
  try {
    unsent_.insert(unsent_.end(), bytes.begin(), bytes.end());
  } catch (const std::bad_alloc&) {
    send_error_ = asio::error::no_memory;  // a stream with a hole in it must not go on
    return;
  }
  wait_writable();
}

void connection::wait_readable() { server_->loop().want_input(*this); }
void connection::wait_writable() { server_->loop().want_output(*this); }

void connection::on_readable(bool peer_has_ended) {
  peer_has_ended_ |= peer_has_ended;
  const bool is_shutting_down = shutdown_ && shutting_both_;
  if (state_ == state::open && !is_shutting_down) {
    if (!read_ || read_.is_complete()) return;  // cancelled meanwhile
    if (read_buffer_.size() == 0) return complete(direction::read, false, {}, 0);
    return read_turn(false);
  }
  const auto self = shared_from_this();
  if (state_ == state::open)
    shutdown_turn(false);
  else
    go_on();
}

void connection::on_writable() {
  const auto self = shared_from_this();
  if (state_ == state::closed) return;
  const std::vector<std::byte> rest = std::exchange(unsent_, {});
  send_or_keep(rest);
  if (all_is_sent()) after_flush();
}

/// Before or after the time that it is open: there may be something to do.
void connection::go_on() {
  switch (state_) {
    case state::handshaking:
      if (std::exchange(in_turn_queue_, true)) return;
      return server_->loop().queue_handshake(shared_from_this());
    case state::lingering:
      return linger_turn();
    case state::open:
    case state::closed:
      return;
  }
}

void connection::after_flush() {
  switch (state_) {
    case state::handshaking:
    case state::lingering:
      return go_on();
    case state::closed:
      return;
    case state::open:
      break;
  }
  if (send_error_) note_end(send_error_, send_error_.message());
  if (write_ && !write_.is_complete()) {
    if (written_ > 0 || send_error_ || !write_buffers_)
      complete(direction::write, true, send_error_, written_);
    else
      write_turn(*write_buffers_);
  }
  if (shutdown_) {
    if (shutting_both_)
      shutdown_turn(true);
    else
      complete_shutdown(true, send_error_);
  }
  if (read_ && !read_.is_complete()) go_on_reading(true);
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
  const auto self = std::exchange(self_, nullptr);  // may be the last to keep this alive
  stop_waiting_for_decision();
  end_loan();
  state_ = state::closed;
  take_back();
  server_->loop().uncork(*this);
  is_corked_ = false;
  server_->loop().stop_watching(*this);
  ::close(descriptor_);
  unread_ = {};
  unsent_ = {};
  server_->remove(*this);
}

// --- the open connection ---

error_code connection::why_not_open() const noexcept {
  return state_ == state::handshaking ? asio::error::not_connected : asio::error::bad_descriptor;
}

/// What makes the function that a cancellation slot calls.
auto connection::on_cancel(direction which) noexcept {
  return [this, which] {
    return [weak = weak_from_this(), which] {
      if (const auto self = weak.lock()) self->cancel(which);
    };
  };
}

void connection::start_read(asio::mutable_buffer buffer, io_handler&& handler) {
  const auto refuse = [&](const error_code& ec) { pending_io::refuse(std::move(handler), executor(), ec); };
  if (state_ != state::open) return refuse(why_not_open());
  if (read_) return refuse(asio::error::in_progress);
  if (buffer.size() == 0) return refuse({});
  if (shutting_both_) return refuse(asio::error::shut_down);
  if (read_end_) return refuse(read_end_);

  read_.start(std::move(handler), executor(), on_cancel(direction::read));
  read_buffer_ = buffer;
  go_on_reading(true);
}

void connection::start_wait(asio::socket_base::wait_type what, io_handler&& handler) {
  const auto refuse = [&](const error_code& ec) { pending_io::refuse(std::move(handler), executor(), ec); };
  const bool is_read = what == asio::socket_base::wait_read;
  if (!is_read && what != asio::socket_base::wait_write) return refuse(asio::error::operation_not_supported);
  if (state_ != state::open) return refuse(why_not_open());
  const direction which = is_read ? direction::read : direction::write;
  if (operation(which)) return refuse(asio::error::in_progress);

  operation(which).start(std::move(handler), executor(), on_cancel(which));
  if (is_read) {
    read_buffer_ = {};
    return go_on_reading(true);
  }
  write_buffers_ = nullptr;
  written_ = 0;
  // What is sent at the end of the turn completes nothing.
  if (is_corked_) send_corked();
  if (all_is_sent() || send_error_) complete(which, true, {}, 0);  // else after_flush() does
}

void connection::go_on_reading(bool called_by_user) {
  if (unsent_.size() > max_unsent_while_reading) return;  // after_flush() goes on
  if (read_buffer_.size() > 0 && has_more_to_read_) return read_turn(called_by_user);
  const bool is_over = read_end_ || shutting_both_;
  if (read_buffer_.size() == 0 && (is_over || has_more_to_read_))
    return complete(direction::read, called_by_user, {}, 0);
  wait_readable();
}

void connection::read_turn(bool called_by_user) {
  const outcome read = try_read(read_buffer_);
  if (!read.is_nothing()) return complete(direction::read, called_by_user, read.ec, read.bytes);
  if (unsent_.size() <= max_unsent_while_reading) wait_readable();  // else after_flush() goes on
}

connection::outcome connection::try_read(asio::mutable_buffer buffer) {
  if (has_more_to_read_) {
    const outcome read = read_step(buffer, false);
    if (!read.is_nothing()) return read;  // otherwise it was a part of a record
  }
  return read_step(buffer, true);
}

connection::outcome connection::read_step(asio::mutable_buffer buffer, bool from_kernel) {
  if (unsent_.size() > max_unsent_while_reading) return {};
  io_window window = open_window();
  error_code received;
  if (from_kernel) {
    // OpenSSL may hold the beginning of a record, and all that comes now should fit into the buffer beside it: what is
    // left over has to be copied.
    const std::size_t records = std::max<std::size_t>(buffer.size() / record_size, 2) - 1;
    received = receive(window, std::min(records * record_on_the_wire, max_receive_size));
  }
  if (received && received != asio::error::eof && received != asio::error::would_block) {
    close_window(window, is_corked_ ? sending::with_more : sending::now);
    note_end(received, received.message());
    return {read_end_ = received};
  }

  const step result = session_.read(window, {static_cast<std::byte*>(buffer.data()), buffer.size()});
  close_window(window, is_corked_ ? sending::with_more : sending::now);
  switch (result.what) {
    case progress::done:
      // Behind the data the step may have met the end (an alert, or bytes that break the protocol). The next step tells
      // it, and no more input comes to make that step happen.
      has_more_to_read_ = !unread_.empty() || session_.error() || !session_.events().empty() ||
                          (result.bytes == buffer.size() && session_.has_buffered_plaintext());
      return {{}, result.bytes};
    case progress::want_input:
      has_more_to_read_ = false;
      if (received != asio::error::eof) return {};
      read_end_ = stream_error::truncated;
      note_end(read_end_, "the peer ended the TCP connection without close_notify");
      return {read_end_};
    case progress::want_output:
      return {};  // after_flush() goes on
    case progress::peer_closed:
      return {read_end_ = asio::error::eof};
    case progress::want_answer:  // only a handshake does
    case progress::want_worker:
    case progress::failed:
      break;
  }
  read_end_ = session_.error();
  note_end(read_end_, session_.error_detail());
  return {read_end_};
}

std::size_t connection::read_now(asio::mutable_buffer buffer, error_code& ec) {
  ec = {};
  if (state_ != state::open)
    ec = why_not_open();
  else if (read_)
    ec = asio::error::in_progress;
  else if (buffer.size() == 0)
    return 0;
  else if (shutting_both_)
    ec = asio::error::shut_down;
  else
    ec = read_end_;
  if (ec) return 0;

  const outcome read = try_read(buffer);
  ec = read.is_nothing() ? asio::error::would_block : read.ec;
  return read.bytes;
}

void connection::start_write(const gathered_buffers& buffers, io_handler&& handler) {
  const auto refuse = [&](const error_code& ec) { pending_io::refuse(std::move(handler), executor(), ec); };
  if (state_ != state::open) return refuse(why_not_open());
  if (write_) return refuse(asio::error::in_progress);
  if (buffers.count == 0) return refuse({});
  if (sent_close_notify_) return refuse(asio::error::shut_down);
  if (send_error_) return refuse(send_error_);

  write_.start(std::move(handler), executor(), on_cancel(direction::write));
  written_ = 0;
  // Otherwise after_flush() goes on.
  if (!unsent_.empty() || !write_turn(buffers)) write_buffers_ = std::make_unique<const gathered_buffers>(buffers);
}

/// At most scratch's size of them. Put together, several small buffers make one record instead of many.
std::span<const std::byte> connection::put_together(const gathered_buffers& buffers) {
  auto& scratch = server_->loop().scratch();
  if (buffers.count == 1) {
    const auto& only = buffers.buffers[0];
    return {static_cast<const std::byte*>(only.data()), std::min(only.size(), scratch.size())};
  }
  const std::span all(buffers.buffers.data(), buffers.count);
  return {scratch.data(), asio::buffer_copy(asio::buffer(scratch), all)};
}

/// With nothing unsent. What the kernel doesn't take is kept.
connection::outcome connection::try_write(const gathered_buffers& buffers, sending when) {
  const auto plaintext = put_together(buffers);
  io_window window{{}, server_->loop().output(), server_->loop().lend_output_to(*this)};
  const step result = session_.write(window, plaintext);
  close_window(window, when);
  if (result.what == progress::failed) return {session_.error()};
  if (send_error_) {
    note_end(send_error_, send_error_.message());
    return {send_error_};
  }
  return {{}, result.bytes};
}

/// False if the write isn't complete: after_flush() completes it, or begins anew.
bool connection::write_turn(const gathered_buffers& buffers) {
  const outcome write = try_write(buffers, sending::now);
  if (write.ec || (write.bytes > 0 && all_is_sent())) {
    complete(direction::write, true, write.ec, write.bytes);
    return true;
  }
  written_ = write.bytes;
  return false;
}

std::size_t connection::write_now(const gathered_buffers& buffers, error_code& ec) {
  ec = {};
  if (state_ != state::open)
    ec = why_not_open();
  else if (write_)
    ec = asio::error::in_progress;
  else if (buffers.count == 0)
    return 0;
  else if (sent_close_notify_)
    ec = asio::error::shut_down;
  else if (send_error_)
    ec = send_error_;
  else if (!unsent_.empty())
    ec = asio::error::would_block;
  if (ec) return 0;

  const outcome write = try_write(buffers, sending::with_more);
  ec = write.is_nothing() ? asio::error::would_block : write.ec;
  return write.bytes;
}

void connection::complete(direction which, bool called_by_user, const error_code& ec, std::size_t bytes) {
  operation(which).set_result(ec, bytes);
  if (which == direction::write) write_buffers_ = nullptr;
  if (is_delivering_) return;  // deliver(), which has called the user, comes to it next
  if (called_by_user)
    server_->loop().deliver_soon(shared_from_this());
  else
    deliver();
}

void connection::deliver() {
  if (is_delivering_) return;  // a handler runs the io_context
  is_delivering_ = true;
  // Also when a handler throws.
  const scope_exit end([this, self = shared_from_this()] {
    is_delivering_ = false;
    if (read_.is_complete() || write_.is_complete()) server_->loop().deliver_next_turn(self);
  });
  for (int calls = 0; calls < deliveries_per_turn; ++calls) {
    if (read_.is_complete())
      read_.deliver();
    else if (write_.is_complete())
      write_.deliver();
    else
      break;
  }
}

void connection::cancel(direction which) {
  pending_io& cancelled = operation(which);
  if (!cancelled || cancelled.is_complete()) return;
  cancelled.complete_later(executor(), asio::error::operation_aborted,
                           which == direction::write ? std::exchange(written_, 0) : 0);
  if (which == direction::read) server_->loop().stop_wanting_input(*this);
}

void connection::complete_shutdown(bool called_by_user, error_code ec) {
  take_back();
  if (shutting_both_) server_->loop().stop_wanting_input(*this);
  const auto operation = std::move(shutdown_);
  called_by_user ? operation->complete_later(ec) : operation->complete(ec);
}

void connection::note_end(error_code code, const std::string& sentence) {
  if (error_) return;  // the first is the cause
  error_ = code;
  error_string_ = sentence;
}

void connection::send_close_notify(sending when) {
  if (sent_close_notify_) return;
  sent_close_notify_ = true;
  io_window window{{}, server_->loop().output(), server_->loop().lend_output_to(*this)};
  session_.shutdown(window);  // a session that has failed has nothing to say any more
  close_window(window, when);
}

error_code connection::shutdown_send_now() {
  if (state_ != state::open) return why_not_open();
  if (write_ || shutdown_) return asio::error::in_progress;
  // After both have said goodbye there is nothing left for TCP to carry.
  const bool is_the_last = read_end_ == asio::error::eof;
  send_close_notify(is_the_last ? sending::with_fin : sending::now);
  if (is_the_last && all_is_sent()) ::shutdown(descriptor_, SHUT_WR);
  if (send_error_) return send_error_;
  return all_is_sent() ? error_code() : asio::error::would_block;
}

void connection::start_shutdown_send(shutdown_handler handler) {
  pending_operation<error_code> operation(std::move(handler), executor(), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->shutdown_) self->complete_shutdown(true, asio::error::operation_aborted);
  });
  if (const error_code ec = shutdown_send_now(); ec != asio::error::would_block) return operation.complete_later(ec);
  shutting_both_ = false;
  shutdown_ = std::make_unique<pending_shutdown>(std::move(operation));  // after_flush() completes it
}

void connection::start_shutdown(shutdown_handler handler) {
  pending_operation<error_code> operation(std::move(handler), executor(), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->shutdown_) self->complete_shutdown(true, asio::error::operation_aborted);
  });
  if (state_ != state::open) return operation.complete_later(why_not_open());
  if (write_ || shutdown_) return operation.complete_later(asio::error::in_progress);

  cancel(direction::read);
  send_close_notify(sending::with_fin);
  shutdown_ = std::make_unique<pending_shutdown>(std::move(operation));
  shutting_both_ = true;
  server_->loop().deadlines().set(*this, deadline::clock::now() + server_->shutdown_timeout);
  if (all_is_sent()) shutdown_turn(true);  // else after_flush() goes on
}

void connection::shutdown_turn(bool called_by_user) {
  if (send_error_) return complete_shutdown(called_by_user, send_error_);
  if (!all_is_sent()) return;        // after_flush() goes on
  ::shutdown(descriptor_, SHUT_WR);  // for the peer that waits for the FIN rather than for close_notify
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
    return asio::post(executor(), [self = shared_from_this()] {
      if (self->shutdown_ && self->state_ == state::open) self->shutdown_turn(false);
    });
  }
  complete_shutdown(called_by_user, read_end_ == asio::error::eof ? error_code() : read_end_);
}

void connection::abort_operations() {
  cancel(direction::read);
  cancel(direction::write);
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
      if (with_close_notify) send_close_notify(sending::with_fin);
      return linger();
    case state::lingering:
    case state::closed:
      return;
  }
}

void connection::abort() {
  if (state_ == state::closed) return;
  const ::linger reset{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
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
  self_ = shared_from_this();
  server_->note_lingering(*this);
  server_->loop().deadlines().set(*this, deadline::clock::now() + linger_time);
  linger_turn();
}

void connection::linger_turn() {
  if (send_error_) return close_descriptor();
  if (is_corked_) send_corked(sending::with_fin);
  if (!all_is_sent()) return wait_writable();
  if (input_has_ended_) return close_descriptor();
  ::shutdown(descriptor_, SHUT_WR);
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
  if (const auto dropped = std::move(shutdown_)) dropped->drop();
}

// --- what ssl_socket tells ---

const asio::any_io_executor& connection::executor() const noexcept { return server_->loop().executor(); }
std::string connection::peer_name() const { return is_unix_ ? "unix" : to_text(remote_); }

std::chrono::steady_clock::duration connection::handshake_duration() const noexcept {
  return handshake_ended_at_.value_or(deadline::clock::now()) - accepted_at_;
}

}  // namespace sallyport::detail
