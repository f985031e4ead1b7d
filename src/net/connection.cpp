// connection: a socket and its TLS session, from accept to the last byte.
//
// SPDX-License-Identifier: Apache-2.0
#include "connection.hpp"

#include "address.hpp"
#include "loop.hpp"
#include "scope_exit.hpp"
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

// One record and a bit: a client's flight of a handshake seldom needs more, and another turn fetches it.
constexpr std::size_t handshake_receive_size = 17 * 1024;

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

error_code last_error() { return {errno, boost::system::system_category()}; }

bool is_would_block(const error_code& ec) { return ec == asio::error::would_block || ec == asio::error::try_again; }

detected_by who_detects(handshake_error reason) noexcept {
  switch (reason) {
    case handshake_error::closed_by_client:
    case handshake_error::reset_by_client:
    case handshake_error::alert_from_client:
      return detected_by::client;
    default:
      return detected_by::server;
  }
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
      if (!is_would_block(ec)) {
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

void connection::close_descriptor() {
  if (state_ == state::closed) return;
  const auto self = std::exchange(self_while_deferred_, nullptr);  // may be the last
  stop_waiting_for_decision();
  state_ = state::closed;
  take_back();
  error_code ignored;
  socket_.close(ignored);
  unread_ = {};
  unsent_ = {};
  server_->remove(*this);
}

// --- the handshake ---

void connection::handshake_turn() {
  in_turn_queue_ = false;
  server_->wait_for_clients();  // one handshake less is waiting for its turn
  if (state_ != state::handshaking || deferred_) return;

  io_window window = open_window();
  // After a question the session goes on with what it has: the client's end may lie behind it.
  error_code received = asio::error::would_block;
  if (session_.question() == handshake_question::none) received = receive(window, handshake_receive_size);
  if (received && !is_would_block(received)) {
    if (received == asio::error::eof)
      return fail_handshake(handshake_error::closed_by_client, "the client closed the connection during the handshake");
    return fail_handshake(handshake_error::reset_by_client, received.message());
  }
  step result = session_.handshake(window);
  close_window(window);
  while (result.what == progress::want_answer) {
    emit_events();
    if (state_ == state::handshaking) ask();
    if (state_ != state::handshaking || deferred_) return;
    window = open_window();
    result = session_.handshake(window);
    close_window(window);
  }

  const bool alert_is_out = sent_an_alert();
  emit_events();
  if (state_ != state::handshaking) return;  // a slot has ended it

  switch (result.what) {
    case progress::done:
      return finish_handshake();
    case progress::failed:
      return fail_handshake(session_.error(), session_.error_detail(), alert_is_out);
    case progress::want_output:
      // Goes on in after_flush(). With nothing unsent the window was full for once: there is room now.
      if (all_is_sent()) on_readable();
      return;
    case progress::want_input:
    case progress::want_answer:
    case progress::peer_closed:
      if (send_error_) return fail_handshake(handshake_error::reset_by_client, send_error_.message());
      return wait_readable();
  }
}

/// True if the latest step has put an alert on the wire.
bool connection::sent_an_alert() const noexcept {
  const auto events = session_.events();
  return all_is_sent() && !send_error_ && std::any_of(events.begin(), events.end(), [](const session_event& event) {
           return event.what == session_event::kind::alert_sent;
         });
}

void connection::emit_events() {
  for (std::size_t i = 0; i < session_.events().size() && state_ == state::handshaking; ++i) {
    const session_event event = session_.events()[i];
    switch (event.what) {
      case session_event::kind::started:
        server_->emit(*this, server_->started_encryption_handshake);
        break;
      case session_event::kind::client_hello:
        server_->places().note_client_hello(handshake_place);
        break;
      case session_event::kind::alert_sent:
        // Reported only if it really went out.
        if (!all_is_sent() || send_error_) break;
        last_alert_ = {event.level, event.type, true};
        server_->emit(*this, server_->alert_sent, event.level, event.type, description(event.type));
        break;
      case session_event::kind::alert_received:
        last_alert_ = {event.level, event.type, false};
        server_->emit(*this, server_->alert_received, event.level, event.type, description(event.type));
        break;
    }
  }
}

// --- questions ---
// The session waits on a stack of its own; whoever doesn't answer has refused.

void connection::ask() {
  asked_ = session_.question();
  const scope_exit no_longer([this] { asked_ = handshake_question::none; });  // also when a slot throws
  switch (asked_) {
    case handshake_question::interrupted_on_error:
      return ask_about_interruption();
    case handshake_question::ssl_errors:
      return ask_about_errors();
    case handshake_question::pre_shared_key:
      return ask_for_key();
    case handshake_question::none:
      return;
  }
}

void connection::ask_about_interruption() {
  continues_ = false;
  const ssl_error error = session_.ssl_handshake_errors().back();
  server_->emit(*this, server_->handshake_interrupted_on_error, error);
  if (continues_ && !deferred_) session_.continue_interrupted_handshake();
}

void connection::ask_about_errors() {
  const auto errors = session_.ssl_handshake_errors();
  if (!session_.interrupts_on_error()) {
    for (const ssl_error& error : errors) {
      if (state_ != state::handshaking) return;
      server_->emit(*this, server_->peer_verify_error, error);
    }
  }
  if (state_ == state::handshaking) server_->emit(*this, server_->ssl_errors, errors);
}

void connection::ask_for_key() {
  ssl_pre_shared_key_authenticator authenticator(session_.pre_shared_key_identity(),
                                                 session_.pre_shared_key_identity_hint());
  server_->emit(*this, server_->pre_shared_key_authentication_required, authenticator);
  if (!deferred_) session_.set_pre_shared_key(authenticator.take_pre_shared_key());
}

void connection::continue_interrupted_handshake() {
  if (asked_ == handshake_question::interrupted_on_error) continues_ = true;
}

/// Null if there is nothing to defer.
std::shared_ptr<deferred_decision> connection::defer() {
  if (deferred_) return nullptr;
  deferred_ = std::make_shared<deferred_decision>(weak_from_this(), executor_);
  self_while_deferred_ = shared_from_this();
  return deferred_;
}

interrupted_handshake connection::defer_interrupted_handshake() {
  if (asked_ != handshake_question::interrupted_on_error) return {nullptr, id_, {}};
  return {defer(), id_, session_.ssl_handshake_errors().back()};
}

deferred_pre_shared_key connection::defer_pre_shared_key() {
  if (asked_ != handshake_question::pre_shared_key) return {nullptr, id_, {}};
  return {defer(), id_, session_.pre_shared_key_identity()};
}

void connection::take_decision(const deferred_decision& from, decision made) {
  if (deferred_.get() != &from) return;
  const auto self = std::exchange(self_while_deferred_, nullptr);
  const bool is_about_key = session_.question() == handshake_question::pre_shared_key;
  deferred_.reset();
  if (is_about_key) {
    session_.set_pre_shared_key(std::move(made.key));
  } else if (made.goes_on) {
    session_.continue_interrupted_handshake();
  } else if (made.alert) {
    session_.refuse(*made.alert);
  }
  on_readable();
}

void connection::stop_waiting_for_decision() noexcept {
  if (!deferred_) return;
  deferred_->close();
  deferred_.reset();
}

/// Nobody has decided in time: the client gets its alert. True if it is on the wire.
bool connection::refuse_and_tell() {
  session_.refuse();
  io_window window = open_window();
  session_.handshake(window);
  close_window(window);
  const bool alert_is_out = sent_an_alert();
  emit_events();
  return alert_is_out;
}

void connection::finish_handshake() {
  handshake_ended_at_ = deadline::clock::now();
  take_back();
  server_->places().give_back(handshake_place);
  state_ = state::open;
  server_->enqueue(shared_from_this());
}

void connection::fail_handshake(error_code code, std::string sentence, bool alert_is_out) {
  if (state_ != state::handshaking) return;
  const auto self = shared_from_this();
  self_while_deferred_.reset();
  stop_waiting_for_decision();
  handshake_ended_at_ = deadline::clock::now();
  take_back();
  server_->places().give_back(handshake_place);
  note_end(code, sentence + "; " + std::string(explain(static_cast<handshake_error>(code.value())).action));
  if (alert_is_out)
    linger();
  else
    close_descriptor();
  server_->emit(*this, server_->error_occurred, code);
}

void connection::on_deadline() {
  const auto self = shared_from_this();
  switch (state_) {
    case state::handshaking:
      if (session_.phase() == handshake_phase::before_client_hello)
        return fail_handshake(handshake_error::timeout_before_client_hello,
                              "no whole ClientHello came within the handshake timeout");
      if (deferred_) {
        const bool alert_is_out = refuse_and_tell();
        return fail_handshake(handshake_error::timeout_in_handshake, "nobody decided about the client in time",
                              alert_is_out);
      }
      return fail_handshake(handshake_error::timeout_in_handshake,
                            "the handshake wasn't complete within the handshake timeout");
    case state::open:
      if (shutdown_) complete_shutdown(false, asio::error::timed_out);
      return;
    case state::lingering:
      return close_descriptor();
    case state::closed:
      return;
  }
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
  if (received && received != asio::error::eof && !is_would_block(received)) {
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
    if (is_would_block(received)) return wait_readable();
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
    if (is_would_block(received)) break;
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

handshake_report connection::report() const {
  if (error_.category() != handshake_category()) return {};
  handshake_report report;
  report.reason = static_cast<handshake_error>(error_.value());
  report.sentence = error_string_;
  report.detected_by = who_detects(report.reason);
  report.alert = last_alert_;
  report.phase = session_.phase();
  report.elapsed = handshake_duration();
  report.peer = peer_name();
  report.server_name = session_.server_name();
  report.client_protocols = session_.client_protocols();
  report.client_offers = session_.client_offers();
  report.server_offers = session_.server_offers();
  return report;
}

std::chrono::steady_clock::duration connection::handshake_duration() const noexcept {
  return handshake_ended_at_.value_or(deadline::clock::now()) - accepted_at_;
}

}  // namespace sallyport::detail
