// connection_handshake: a connection from accept to the end of its handshake, and what the application is asked
// meanwhile.
//
// SPDX-License-Identifier: Apache-2.0
#include "connection.hpp"
#include "loop.hpp"
#include "scope_exit.hpp"
#include "server_state.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <new>
#include <utility>

namespace sallyport::detail {
namespace {

namespace asio = boost::asio;

// One record and a bit: a client's flight of a handshake seldom needs more, and another turn fetches it.
constexpr std::size_t handshake_receive_size = 17 * 1024;

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

}  // namespace

void connection::handshake_turn() {
  in_turn_queue_ = false;
  server_->wait_for_clients();  // one handshake less is waiting for its turn
  if (state_ != state::handshaking || deferred_ || loan_) return;

  io_window window = open_window();
  // After a question the session goes on with what it has: the client's end may lie behind it.
  error_code received = asio::error::would_block;
  if (session_.question() == handshake_question::none) received = receive(window, handshake_receive_size);
  if (received && received != asio::error::would_block) {
    if (received == asio::error::eof)
      return fail_handshake(handshake_error::closed_by_client, "the client closed the connection during the handshake");
    return fail_handshake(handshake_error::reset_by_client, received.message());
  }
  if (!received) was_heard_ = true;
  after_handshake_step(handshake_step(window));
}

step connection::handshake_step(io_window& window) {
  const step made = session_.handshake(window);
  close_window(window, when_to_send(made));
  return made;
}

void connection::after_handshake_step(step made) {
  while (made.what == progress::want_answer) {
    emit_events();
    if (state_ == state::handshaking) ask();
    if (state_ != state::handshaking || deferred_) return;
    io_window window = open_window();
    made = handshake_step(window);
  }

  const bool alert_is_out = sent_an_alert();
  emit_events();
  if (state_ != state::handshaking) return;  // a slot has ended it

  switch (made.what) {
    case progress::done:
      return finish_handshake();
    case progress::failed:
      return fail_handshake(session_.error(), session_.error_detail(), alert_is_out);
    case progress::want_output:
      // Goes on in after_flush(). With nothing unsent the window was full for once: there is room now.
      if (all_is_sent()) go_on();
      return;
    case progress::want_worker:
      return lend_session();
    case progress::want_input:
    case progress::want_answer:
    case progress::peer_closed:
      if (send_error_) return fail_handshake(handshake_error::reset_by_client, send_error_.message());
      return wait_readable();
  }
}

/// In TLS 1.3 the client doesn't wait for what we send last, the ticket: it goes out with what the application has to
/// say first. In TLS 1.2 it does.
connection::sending connection::when_to_send(const step& result) const noexcept {
  const bool may_wait = result.what == progress::done && session_.version() == tls_version::tls_1_3;
  return may_wait ? sending::with_more : sending::now;
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
      case session_event::kind::new_session_ticket:  // a client's
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
    case handshake_question::unknown_server_name:
      return ask_for_identity();
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

void connection::ask_for_identity() {
  server_->emit(*this, server_->unknown_server_name, std::string_view(session_.server_name()));
}

void connection::use_identity(const identity& shown) {
  if (asked_ == handshake_question::unknown_server_name && !deferred_) session_.use_identity(shown);
}

void connection::continue_interrupted_handshake() {
  if (asked_ == handshake_question::interrupted_on_error) continues_ = true;
}

/// Null if there is nothing to defer.
std::shared_ptr<deferred_decision> connection::defer() {
  if (deferred_) return nullptr;
  deferred_ = std::make_shared<deferred_decision>(weak_from_this(), executor());
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

deferred_identity connection::defer_identity() {
  if (asked_ != handshake_question::unknown_server_name) return {nullptr, id_, {}};
  return {defer(), id_, session_.server_name()};
}

void connection::take_decision(const deferred_decision& from, decision made) {
  if (deferred_.get() != &from) return;
  stop_waiting_for_decision();
  const handshake_question question = session_.question();
  if (question == handshake_question::pre_shared_key) {
    session_.set_pre_shared_key(std::move(made.key));
  } else if (question == handshake_question::unknown_server_name) {
    made.shown ? session_.use_identity(*made.shown) : session_.refuse();
  } else if (made.goes_on) {
    session_.continue_interrupted_handshake();
  } else if (made.alert) {
    session_.refuse(*made.alert);
  }
  go_on();
}

void connection::stop_waiting_for_decision() noexcept {
  if (deferred_) deferred_->close();
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

// --- the private key ---
// Where it is slow a worker thread has the session for the step that uses it. Meanwhile nothing is read from the
// client, and the connection has a session that knows the client but makes no step.

void connection::lend_session() {
  if (!server_->handshake_workers) {  // any more
    io_window window = open_window();
    return after_handshake_step(handshake_step(window));
  }
  try {
    loan_ = std::make_unique<loan>(*server_->handshake_workers, session_.lend(), weak_from_this(), executor());
  } catch (const std::bad_alloc&) {
    return fail_handshake(handshake_error::internal, "out of memory for a worker thread's work");
  }
  server_->note_loan();
}

void connection::end_loan() {
  if (!std::exchange(loan_, nullptr)) return;
  server_->note_end_of_loan();
}

void connection::take_back_session(const handshake_work& from, returned_session returned) {
  if (!loan_ || !loan_->is_of(from)) return;
  end_loan();
  if (!returned.made) return fail_handshake(handshake_error::internal, "a worker thread has failed");
  session_ = std::move(returned.tls);
  if (!returned.output.empty()) send_or_keep(returned.output);
  // It was given none of the client's bytes.
  const bool has_input = returned.made->what == progress::want_input && !unread_.empty();
  if (!has_input) return after_handshake_step(*returned.made);
  emit_events();
  if (state_ != state::handshaking) return;  // a slot has ended it
  io_window window = open_window();
  after_handshake_step(handshake_step(window));
}

void connection::finish_handshake() {
  handshake_ended_at_ = deadline::clock::now();
  take_back();
  server_->places().give_back(handshake_place);
  state_ = state::open;
  has_more_to_read_ = !unread_.empty();
  server_->enqueue(std::exchange(self_, nullptr));
}

void connection::fail_handshake(error_code code, std::string sentence, bool alert_is_out) {
  if (state_ != state::handshaking) return;
  const auto self = shared_from_this();
  stop_waiting_for_decision();
  end_loan();
  handshake_ended_at_ = deadline::clock::now();
  take_back();
  server_->places().give_back(handshake_place);
  note_end(code, sentence + "; " + std::string(explain(static_cast<handshake_error>(code.value())).action));
  if (alert_is_out)
    linger();
  else
    close_descriptor();
  untold_failure_ = code;
  if (!in_slot_) tell_failure();
}

void connection::tell_failure() {
  if (const auto failure = std::exchange(untold_failure_, std::nullopt))
    server_->emit(*this, server_->error_occurred, *failure);
}

void connection::handshake_timed_out() {
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
}

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

}  // namespace sallyport::detail
