// ssl_socket_io: bytes between the kernel and the session. Nothing in here calls slots.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_socket_private.hpp"

#include "to_qt.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sallyport::qt {
namespace {

// A reader with a buffer size gets no more from the kernel than fits, and a record.
constexpr std::size_t record_on_the_wire = session::max_record_size;

// Windows that one turn sends, before it is the others' turn.
constexpr int windows_per_turn = 8;

// So many may wait for a peer that doesn't read; what makes more of them isn't read then.
constexpr std::size_t max_events_untold = 64;

}  // namespace

// --- what comes ---

std::size_t SslSocketPrivate::unread() const {
  return incoming.size() + static_cast<std::size_t>(q.QIODevice::bytesAvailable());
}

/// What QIODevice has taken, for peek() or a transaction, isn't counted: whoever reads it doesn't come by here.
bool SslSocketPrivate::has_room_to_read() const {
  if (read_buffer_size > 0 && incoming.size() >= static_cast<std::size_t>(read_buffer_size)) return false;
  if (untold.events.size() >= max_events_untold) return false;
  return write_buffer_limit <= 0 || unsent.size() <= static_cast<std::size_t>(write_buffer_limit);
}

bool SslSocketPrivate::wants_input() const {
  return descriptor >= 0 && !kernel.has_ended && input.end == input_end::none && !telling.handshake_turn &&
         !handshake.is_paused && !input.has_more && !holds_back_plain_text() && has_room_to_read();
}

bool SslSocketPrivate::can_decrypt_leftover() const {
  return input.has_more && stage == socket_stage::encrypted && input.end == input_end::none && !kernel.is_blocked &&
         has_room_to_read();
}

void SslSocketPrivate::update_notifier() {
  if (descriptor < 0) return;
  notifier->want(wants_input(), wants_output());
  if (can_decrypt_leftover()) go_on_soon();
}

void SslSocketPrivate::note_input_end(input_end why, QAbstractSocket::SocketError error, const QString& sentence) {
  if (input.end != input_end::none) return;  // the first is the cause
  input.end = why;
  input.error = error;
  input.sentence = sentence;
  untold.end = true;
}

/// After all that came before it was looked at.
void SslSocketPrivate::note_kernel_end() {
  if (kernel.error != 0)
    return note_input_end(input_end::reset, socket_error_of_errno(kernel.error), qt_error_string(kernel.error));
  if (stage == socket_stage::plain)
    return note_input_end(input_end::clean, QAbstractSocket::RemoteHostClosedError,
                          QStringLiteral("The remote host closed the connection"));
  note_input_end(input_end::truncated, QAbstractSocket::RemoteHostClosedError,
                 QStringLiteral("The remote host closed the connection without close_notify: data may be missing"));
}

/// How much; 0 also at the end, which is noted.
std::size_t SslSocketPrivate::receive_into(std::span<std::byte> room) {
  if (kernel.has_ended || room.empty()) return 0;
  ssize_t count = 0;
  do count = ::recv(descriptor, room.data(), room.size(), MSG_DONTWAIT);
  while (count < 0 && errno == EINTR);
  if (count > 0) return static_cast<std::size_t>(count);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
  kernel.error = count < 0 ? errno : 0;
  kernel.has_ended = true;
  return 0;
}

std::size_t SslSocketPrivate::receive_limit() const {
  if (read_buffer_size <= 0) return loop_window::size;
  const std::size_t limit = static_cast<std::size_t>(read_buffer_size);
  return limit - std::min(limit, incoming.size()) + record_on_the_wire;
}

/// What a step of the session gets; keep_input() takes what it leaves.
std::span<const std::byte> SslSocketPrivate::take_input(bool from_kernel) {
  const auto window = loop_window::of_this_thread().input();
  // Only bytes of plain text that nobody has read are that many.
  if (!from_kernel || input.leftover.size() > window.size() / 2) return input.leftover;
  std::ranges::copy(input.leftover, window.begin());
  const auto room = window.subspan(input.leftover.size());
  return window.first(input.leftover.size() + receive_into(room.first(std::min(room.size(), receive_limit()))));
}

void SslSocketPrivate::keep_input(std::span<const std::byte> rest) {
  if (rest.empty()) {
    if (input.leftover.capacity() > 0) input.leftover = std::vector<std::byte>();
    return;
  }
  if (rest.data() >= input.leftover.data() && rest.data() < input.leftover.data() + input.leftover.size()) {
    input.leftover.erase(input.leftover.begin(), input.leftover.end() - static_cast<std::ptrdiff_t>(rest.size()));
    return;
  }
  input.leftover.assign(rest.begin(), rest.end());
}

void SslSocketPrivate::note_plaintext(std::size_t count) {
  if (count == 0) return;
  known.received += static_cast<std::int64_t>(count);
  if (q.isReadable()) {
    untold.ready_read = true;
  } else {
    incoming.clear();  // close() was called, and what was written is still being sent
  }
}

void SslSocketPrivate::note_events() { untold.events.append(tls->events()); }

void SslSocketPrivate::receive() {
  if (descriptor < 0) return;
  if (holds_back_plain_text()) return;
  if (stage == socket_stage::plain) return receive_plain();
  if (stage == socket_stage::encrypted) decrypt(true);
}

void SslSocketPrivate::decrypt_leftover() {
  if (stage == socket_stage::encrypted) decrypt(false);
}

/// While has_room_to_read().
std::span<std::byte> SslSocketPrivate::room_for_plaintext() {
  const auto room = incoming.prepare();
  if (read_buffer_size <= 0) return room;
  return room.first(std::min(room.size(), static_cast<std::size_t>(read_buffer_size) - incoming.size()));
}

void SslSocketPrivate::receive_plain() {
  std::size_t budget = loop_window::size;
  while (budget > 0 && has_room_to_read()) {
    const auto room = room_for_plaintext();
    const std::size_t count = receive_into(room);
    incoming.commit(count);
    note_plaintext(count);
    if (count < room.size()) break;
    budget -= std::min(budget, count);
  }
  if (kernel.has_ended) note_kernel_end();
}

void SslSocketPrivate::decrypt(bool from_kernel) {
  if (input.end != input_end::none) return;
  io_window window{take_input(from_kernel), loop_window::of_this_thread().output(), 0};
  input.has_more = false;
  bool wants_more = false;
  while (input.end == input_end::none && !wants_more && !input.has_more) {
    if (!has_room_to_read()) {
      input.has_more = !window.input.empty() || tls->has_buffered_plaintext() || tls->error();
      break;
    }
    const step made = tls->read(window, room_for_plaintext());
    incoming.commit(made.what == progress::done ? made.bytes : 0);
    note_events();
    switch (made.what) {
      case progress::done:
        note_plaintext(made.bytes);
        // Behind the data the step may have met the end: the next one tells.
        wants_more = window.input.empty() && !tls->error() && !tls->has_buffered_plaintext() && tls->events().empty();
        break;
      case progress::want_output:
        send_or_keep(window.output.first(std::exchange(window.produced, 0)));
        input.has_more = kernel.is_blocked;
        break;
      case progress::peer_closed:
        known.stream_is_complete = true;
        note_input_end(input_end::clean, QAbstractSocket::RemoteHostClosedError,
                       QStringLiteral("The remote host closed the connection"));
        break;
      case progress::failed:
        note_input_end(input_end::broken, QAbstractSocket::SslInternalError,
                       QStringLiteral("Error while reading: ") + to_qt(tls->error_detail()));
        break;
      case progress::want_input:
      case progress::want_answer:  // only handshakes do
      case progress::want_worker:
        wants_more = true;
        break;
    }
  }
  if (window.produced > 0) send_or_keep(window.output.first(window.produced));
  keep_input(window.input);
  if (kernel.has_ended && !input.has_more) note_kernel_end();
}

// --- what goes ---

/// How much the kernel takes.
std::size_t SslSocketPrivate::send(std::span<const std::byte> bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size() && !kernel.is_blocked && !kernel.cannot_send) {
    const ssize_t count = ::send(descriptor, bytes.data() + sent, bytes.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count >= 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      kernel.is_blocked = true;
    } else if (errno != EINTR) {
      // Nothing can be sent any more. What the peer has sent before can still be read; the end is found behind it.
      kernel.cannot_send = true;
      unsent = {};
    }
  }
  untold.sent += static_cast<std::int64_t>(sent);
  note_taken();
  return sent;
}

void SslSocketPrivate::note_taken() {
  auto first = unsent.in_ciphertext.begin();
  for (; first != unsent.in_ciphertext.end() && first->end <= sent(); ++first) untold.written += first->size;
  unsent.in_ciphertext.erase(unsent.in_ciphertext.begin(), first);
}

/// It has just been encrypted: its ciphertext is what the kernel has taken, and the end of `ciphertext`.
void SslSocketPrivate::note_in_ciphertext(std::int64_t plaintext) {
  if (plaintext == 0) return;
  if (unsent.ciphertext.empty())
    untold.written += plaintext;
  else
    unsent.in_ciphertext.push_back({sent() + static_cast<std::int64_t>(unsent.ciphertext.size()), plaintext});
}

/// For what has no plaintext. If it has to wait, what was written before waits with it: bytesWritten() comes when
/// bytesToWrite() is 0, too, for those who write only then.
void SslSocketPrivate::send_or_keep(std::span<const std::byte> bytes) {
  if (unsent.ciphertext.empty()) bytes = bytes.subspan(send(bytes));
  if (!kernel.cannot_send && !bytes.empty()) {
    unsent.ciphertext.append(bytes);
    if (unsent.in_ciphertext.empty())
      note_in_ciphertext(std::exchange(untold.written, 0));
    else
      unsent.in_ciphertext.back().end += static_cast<std::int64_t>(bytes.size());
  }
  if (kernel.is_blocked) update_notifier();
}

void SslSocketPrivate::transmit() {
  if (is_in_cork_list) {
    is_in_cork_list = false;
    loop_window::of_this_thread().uncork(*this);
  }
  if (descriptor < 0 || holds_back_plain_text()) return;
  if (kernel.cannot_send) unsent.plaintext.clear();
  for (int windows = 0; has_unsent() && !kernel.is_blocked && windows < windows_per_turn; ++windows)
    if (!(tls ? transmit_encrypted() : transmit_plain())) break;
  if (kernel.is_blocked)
    update_notifier();
  else if (stage == socket_stage::handshake ? !unsent.ciphertext.empty() : has_unsent())  // plaintext waits for its end
    go_on_soon();
}

/// False if there is nothing to do.
bool SslSocketPrivate::transmit_plain() {
  const std::size_t sent = send(unsent.plaintext.front());
  if (kernel.cannot_send) return false;
  unsent.plaintext.consume(sent);
  untold.written += static_cast<std::int64_t>(sent);
  return sent > 0;
}

/// All that fits into the window, in one piece, so that it is few records and one call.
bool SslSocketPrivate::transmit_encrypted() {
  constexpr std::size_t little = 4 * 1024;
  if (unsent.ciphertext.size() > little) {
    const std::size_t sent = send(unsent.ciphertext.front());
    if (!kernel.cannot_send) unsent.ciphertext.consume(sent);
    return sent > 0;
  }
  io_window window{{}, loop_window::of_this_thread().output(), 0};
  window.produced = unsent.ciphertext.read(window.output);
  std::int64_t encrypted = 0;
  while (stage == socket_stage::encrypted && !unsent.plaintext.empty() && !closing.close_notify_done) {
    if (window.output.size() - window.produced < session::max_record_size) break;
    const step made = tls->write(window, unsent.plaintext.front());
    if (made.what != progress::done) {
      unsent.plaintext.clear();  // the session has failed: whoever reads hears why
      break;
    }
    unsent.plaintext.consume(made.bytes);
    encrypted += static_cast<std::int64_t>(made.bytes);
  }
  if (window.produced == 0) return false;
  const auto produced = window.output.first(window.produced);
  const std::size_t sent = send(produced);
  if (kernel.cannot_send) return false;
  unsent.ciphertext.append(produced.subspan(sent));
  note_in_ciphertext(encrypted);
  return true;
}

}  // namespace sallyport::qt
