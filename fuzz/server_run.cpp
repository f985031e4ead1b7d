// server_run: a session as a server, driven as settings say over what a client has sent, with every promise checked.
//
// SPDX-License-Identifier: Apache-2.0
#include "server_run.hpp"

#include "certificate_promises.hpp"
#include "fixed_world.hpp"
#include "fixtures.hpp"
#include "require.hpp"

#include <sallyport/interrupted_handshake.hpp>
#include <sallyport/session.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

namespace sallyport::fuzz {
namespace {

constexpr std::size_t longest_sentence = 1024;
constexpr std::size_t longest_offer = 512;
constexpr std::size_t most_steps = 1'000'000;

constexpr std::array alerts = {certificate_alert::handshake_failure,
                               certificate_alert::bad_certificate,
                               certificate_alert::unsupported_certificate,
                               certificate_alert::certificate_revoked,
                               certificate_alert::certificate_expired,
                               certificate_alert::certificate_unknown,
                               certificate_alert::unknown_ca,
                               certificate_alert::access_denied,
                               certificate_alert::decrypt_error,
                               certificate_alert::internal_error};

const certificate& certificate_of(const fixture& one) {
  static const certificate of_alice = certificate::from_pem(alice.chain).value();
  static const certificate of_bob = certificate::from_pem(bob.chain).value();
  return &one == &alice ? of_alice : of_bob;
}

class driver {
 public:
  driver(const server_settings& settings, std::span<const std::uint8_t> from_client)
      : settings_(settings), wire_(std::as_bytes(from_client)), session_(std::in_place, settings.server_context()) {
    if (settings_.has(server_settings::ignore_unasked)) {
      session_->ignore_ssl_errors();
      ignored_all_ = true;
    }
    receive();
  }

  server_outcome run() {
    if (handshake()) use_connection();
    if (outcome_.sent.empty()) outcome_.sent = sent_;
    return std::move(outcome_);
  }

 private:
  // ---- the wire ----

  /// Lets the next piece arrive; false if there is none.
  bool receive() {
    if (arrived_ == wire_.size()) {
      if (!used_up_) outcome_.sent = sent_;
      used_up_ = true;
      return false;
    }
    const std::size_t left = wire_.size() - arrived_;
    arrived_ += settings_.piece == 0 ? left : std::min<std::size_t>(left, settings_.piece);
    return true;
  }

  /// One step with its own buffers, which are gone afterwards: nobody may have kept them.
  template <class Step>
  step take_step(Step&& function, std::size_t room) {
    require(++steps_ < most_steps, "a connection comes to an end");
    const auto available = wire_.subspan(consumed_, arrived_ - consumed_);
    const std::vector<std::byte> input(available.begin(), available.end());
    std::vector<std::byte> output(room);
    io_window window{.input = input, .output = output};
    const bool had_failed = session_->error().failed();

    const step result = function(window);

    require(window.input.size() <= input.size() &&
                (window.input.empty() || window.input.data() == input.data() + input.size() - window.input.size()),
            "the input only shrinks from its front");
    require(window.output.data() == output.data() && window.output.size() == output.size(), "the output stays");
    require(window.produced <= output.size(), "no more is produced than there is room");
    consumed_ += input.size() - window.input.size();
    sent_.append(reinterpret_cast<const char*>(output.data()), window.produced);
    produced_ = window.produced;
    check_state(result, window, had_failed);
    return result;
  }

  // ---- promises ----

  void check_state(const step& result, const io_window& window, bool had_failed) {
    require_empty_error_queue();
    require(!had_failed || result.what == progress::failed, "what has failed stays failed");
    // A read that meets the end after some data returns the data; the next step tells of the failure.
    const bool data_before_failure = result.what == progress::done && result.bytes > 0;
    require(result.what != progress::failed || session_->error().failed(), "after failed there is an error");
    require(!session_->error().failed() || result.what == progress::failed || data_before_failure,
            "there is no error before failed");
    require((session_->question() != handshake_question::none) == (result.what == progress::want_answer),
            "there is a question exactly after want_answer");
    if (result.what == progress::failed) {
      require_sentence(session_->error_detail(), longest_sentence);
      require(session_->error().category() ==
                  (session_->phase() == handshake_phase::complete ? stream_category() : handshake_category()),
              "an error is of its phase's category");
    }
    if (result.what == progress::want_input) {
      require(window.input.empty() || session_->native_handle() == nullptr, "input is asked for when all is used");
    }
    require_loggable(session_->client_offers(), longest_offer);
    require_loggable(session_->server_offers(), longest_offer);

    if (had_failed) return;
    for (const session_event& event : session_->events()) {
      switch (event.what) {
        case session_event::kind::started:
          require(!std::exchange(started_, true), "a connection starts once");
          break;
        case session_event::kind::client_hello:
          require(started_ && !std::exchange(had_client_hello_, true), "a ClientHello comes once, after the start");
          break;
        case session_event::kind::alert_sent:
        case session_event::kind::alert_received:
          require(started_, "alerts come after the start");
          break;
        case session_event::kind::new_session_ticket:
          require(false, "tickets come to clients");
          break;
      }
    }
    require(had_client_hello_ == (session_->phase() != handshake_phase::before_client_hello),
            "the phase tells whether the ClientHello is there");
  }

  void check_question() {
    const handshake_question question = session_->question();
    ++outcome_.questions;
    require(session_->phase() == handshake_phase::in_handshake, "questions come within the handshake");
    switch (question) {
      case handshake_question::interrupted_on_error:
        require(settings_.interrupts(), "only who wants to is interrupted");
        [[fallthrough]];
      case handshake_question::ssl_errors:
        require(settings_.verify_mode() != peer_verify_mode::none, "who isn't asked has no certificate errors");
        require(!session_->ssl_handshake_errors().empty(), "a question about errors has one");
        break;
      case handshake_question::pre_shared_key:
        require(settings_.has(server_settings::pre_shared_keys), "keys are asked for only where there are any");
        require(!session_->pre_shared_key_identity().empty(), "a key is asked for by an identity");
        break;
      case handshake_question::unknown_server_name:
        require(false, "names are asked about only where that is wanted");
        break;
      case handshake_question::none:
        break;
    }
    for (const ssl_error& error : session_->ssl_handshake_errors()) {
      require_sentence(error.error_string(), longest_sentence);
      require(error.code != ssl_error_code::no_error, "an error isn't the absence of one");
      require(error.certificate.has_value() == (error.code != ssl_error_code::no_peer_certificate),
              "an error has its certificate");
    }
    for (const certificate& each : session_->peer_certificate_chain()) check_promises(each);
  }

  bool application_ignores(std::span<const ssl_error> errors) const {
    if (expected_.empty()) return ignored_all_;
    return std::ranges::all_of(
        errors, [&](const ssl_error& error) { return std::ranges::find(expected_, error) != expected_.end(); });
  }

  void check_admission() {
    const auto errors = session_->ssl_handshake_errors();
    const auto& chain = session_->peer_certificate_chain();
    require(!refused_, "who was refused, or about whom nothing was answered, doesn't get in");
    require(settings_.verify_mode() != peer_verify_mode::none || (errors.empty() && chain.empty()),
            "who isn't asked for a certificate has none");
    if (settings_.verify_mode() == peer_verify_mode::verify) {
      if (!errors.empty()) {
        require(application_ignores(errors) && session_->ignores_ssl_errors(), "a bad certificate must be ignored");
      } else {
        // Not what the session says, but what it is: the CA has signed no other clients.
        require(!chain.empty() && (chain.front() == certificate_of(alice) || chain.front() == certificate_of(bob)),
                "a good certificate is one that the CA has signed");
      }
    }
    if (settings_.has_rule() && session_->pre_shared_key_identity().empty()) {
      require(!chain.empty() && server_settings::rule().matches(chain.front()), "nobody gets in whom no rule matches");
      require(session_->matched_rule() == server_settings::rule().text(), "the rule that has let somebody in is known");
    } else {
      require(session_->matched_rule().empty(), "who isn't judged by rules matches none");
    }
    if (settings_.interrupts()) {
      require(interruptions_ == errors.size() || session_->resumed(), "each error has interrupted the handshake");
    }
    if (!session_->pre_shared_key_identity().empty()) {
      require(right_key_given_, "nobody gets in with a key that wasn't given");
      require(!session_->local_certificate().has_value(), "who has a key needs no certificate of ours");
    } else {
      require(settings_.has_identity() || session_->resumed(), "without an identity of ours there must be a key");
    }
    require(session_->version() != tls_version::unknown && !session_->cipher().empty(), "a connection has a cipher");
    require(!settings_.has(server_settings::modern) || session_->version() == tls_version::tls_1_3,
            "modern is TLS 1.3");
    const std::string_view protocol = session_->application_protocol();
    require(protocol.empty() || (settings_.has(server_settings::alpn) && (protocol == "h2" || protocol == "http/1.1")),
            "the application protocol is one of ours");
  }

  // ---- the handshake ----

  bool handshake() {
    while (true) {
      const step result =
          take_step([&](io_window& window) { return session_->handshake(window); }, settings_.room_in_bytes());
      switch (result.what) {
        case progress::done:
          require(session_->phase() == handshake_phase::complete, "a handshake that is done is complete");
          check_admission();
          note_completion();
          return true;
        case progress::want_input:
          if (!receive()) return false;
          break;
        case progress::want_output:
          require(produced_ == settings_.room_in_bytes(), "room is asked for when all is used");
          break;
        case progress::want_answer:
          check_question();
          if (!give_answer()) return false;
          break;
        case progress::want_worker:
          require(false, "a handshake that wasn't told to stop before the private key doesn't");
          return false;
        case progress::failed:
          outcome_.error = session_->error();
          require(settings_.has_rule() || outcome_.error != handshake_error::denied_by_policy, "only rules deny");
          check_failure_lasts();
          return false;
        case progress::peer_closed:
          require(false, "a handshake doesn't end with peer_closed");
      }
    }
  }

  void note_completion() {
    outcome_.complete = true;
    outcome_.resumed = session_->resumed();
    outcome_.by_key = !session_->pre_shared_key_identity().empty();
    outcome_.certificates = session_->peer_certificate_chain().size();
  }

  pre_shared_key right_key(pre_shared_key_hash hash) {
    right_key_given_ = session_->pre_shared_key_identity() == psk_identity;
    // Somebody else's key is nobody's.
    const std::string_view key = right_key_given_ ? psk_key : "not the key";
    return pre_shared_key(std::as_bytes(std::span(key)), hash);
  }

  void answer_yes(handshake_question question) {
    switch (question) {
      case handshake_question::interrupted_on_error:
        ++interruptions_;
        session_->continue_interrupted_handshake();
        break;
      case handshake_question::ssl_errors:
        ignored_all_ = true;
        session_->ignore_ssl_errors();
        break;
      case handshake_question::pre_shared_key:
        session_->set_pre_shared_key(right_key(pre_shared_key_hash::sha256));
        break;
      case handshake_question::unknown_server_name:
      case handshake_question::none:
        break;
    }
  }

  void expect(std::size_t how_many) {
    const auto errors = session_->ssl_handshake_errors();
    expected_.assign(errors.begin(), errors.begin() + static_cast<std::ptrdiff_t>(how_many));
    session_->ignore_ssl_errors(expected_);
  }

  /// False if the session is gone.
  bool give_answer() {
    const handshake_question question = session_->question();
    const bool about_errors = question != handshake_question::pre_shared_key;
    const answer given = settings_.answer_to(outcome_.questions - 1);
    if (!about_errors) right_key_given_ = false;
    switch (given) {
      case answer::yes:
      case answer::count:
        answer_yes(question);
        break;
      case answer::nothing:
        note_no(question);
        break;
      case answer::refuse:
        session_->refuse();
        refused_ = true;
        break;
      case answer::refuse_with_alert:
        session_->refuse(alerts[settings_.answers[0] % alerts.size()]);
        refused_ = true;
        break;
      case answer::expect_all:
      case answer::expect_first:
        if (!about_errors) {
          note_no(question);
          break;
        }
        expect(given == answer::expect_first ? 1 : session_->ssl_handshake_errors().size());
        if (question == handshake_question::interrupted_on_error) answer_yes(question);
        break;
      case answer::wrong_key:
        session_->set_pre_shared_key(pre_shared_key(std::as_bytes(std::span(std::string_view("wrong")))));
        note_no(question);
        break;
      case answer::other_hash:
        session_->set_pre_shared_key(right_key(pre_shared_key_hash::sha384));
        if (about_errors) note_no(question);
        break;
      case answer::empty_key:
        session_->set_pre_shared_key({});
        note_no(question);
        break;
      case answer::longest_key:
        session_->set_pre_shared_key(pre_shared_key(std::vector<std::byte>(pre_shared_key::max_size)));
        note_no(question);
        break;
      case answer::abandon:
        session_.reset();
        return false;
      case answer::move: {
        session moved = std::move(*session_);
        session_.emplace(std::move(moved));
        answer_yes(question);
        break;
      }
      case answer::other_question:
        if (about_errors) session_->set_pre_shared_key(right_key(pre_shared_key_hash::sha256));
        if (question != handshake_question::interrupted_on_error) session_->continue_interrupted_handshake();
        note_no(question);
        break;
    }
    return true;
  }

  /// What no answer, or one to another question, means.
  void note_no(handshake_question question) {
    if (question == handshake_question::pre_shared_key) right_key_given_ = false;
    if (question == handshake_question::interrupted_on_error) refused_ = true;
    // About a key it only means that this identity has none: if it was a ticket, a full handshake follows.
    if (question == handshake_question::ssl_errors && settings_.verify_mode() == peer_verify_mode::verify &&
        !application_ignores(session_->ssl_handshake_errors())) {
      refused_ = true;
    }
  }

  void check_failure_lasts() {
    std::vector<std::byte> plaintext(1);
    take_step([&](io_window& window) { return session_->handshake(window); }, 64);
    take_step([&](io_window& window) { return session_->read(window, plaintext); }, 64);
    take_step([&](io_window& window) { return session_->write(window, plaintext); }, 64);
    take_step([&](io_window& window) { return session_->shutdown(window); }, 64);
  }

  // ---- the connection ----

  void use_connection() {
    open_ = true;
    if (settings_.does(server_settings::greets)) write("hello");
    if (settings_.does(server_settings::writes_much)) write(std::string(40'000, 'x'));
    if (settings_.does(server_settings::shuts_down_first)) shut_down();
    if (!settings_.does(server_settings::reads_nothing)) read_all();
    shut_down();
  }

  void fail() {
    outcome_.error = session_->error();
    if (std::exchange(open_, false)) check_failure_lasts();
  }

  void read_all() {
    const std::size_t size = settings_.read_size == 0 ? 16384 : settings_.read_size;
    while (open_) {
      std::vector<std::byte> plaintext(size);
      const step result =
          take_step([&](io_window& window) { return session_->read(window, plaintext); }, settings_.room_in_bytes());
      switch (result.what) {
        case progress::done: {
          require(result.bytes > 0 && result.bytes <= size, "a read brings at least a byte, and not too many");
          const std::string text(reinterpret_cast<const char*>(plaintext.data()), result.bytes);
          outcome_.received += text;
          if (settings_.does(server_settings::echoes)) write(text);
          break;
        }
        case progress::want_input:
          require(!session_->has_buffered_plaintext(), "what is decrypted is handed out first");
          if (!receive()) return;
          break;
        case progress::want_output:
          require(produced_ == settings_.room_in_bytes(), "room is asked for when all is used");
          break;
        case progress::peer_closed:
          return;
        case progress::failed:
          return fail();
        case progress::want_worker:
        case progress::want_answer:
          require(false, "a connection has no questions");
      }
    }
  }

  void write(std::string_view text) {
    std::size_t room = settings_.room_in_bytes();
    while (open_ && !shut_down_ && !text.empty()) {
      const std::vector<std::byte> plaintext(std::as_bytes(std::span(text)).begin(),
                                             std::as_bytes(std::span(text)).end());
      const step result = take_step([&](io_window& window) { return session_->write(window, plaintext); }, room);
      switch (result.what) {
        case progress::done:
          require(result.bytes > 0 && result.bytes <= text.size(), "a write takes at least a byte, and not too many");
          text.remove_prefix(result.bytes);
          break;
        case progress::want_output:
          require(room < session::max_record_size, "there is always room for a record in max_record_size");
          room = session::max_record_size;
          break;
        case progress::failed:
          return fail();
        default:
          require(false, "a write is done, wants room, or fails");
      }
    }
  }

  void shut_down() {
    for (std::size_t room = settings_.room_in_bytes(); open_ && !shut_down_;) {
      const step result = take_step([&](io_window& window) { return session_->shutdown(window); }, room);
      if (result.what == progress::failed) return fail();
      shut_down_ = result.what == progress::done;
      require(shut_down_ || result.what == progress::want_output, "a shutdown is done, wants room, or fails");
    }
    if (!open_) return;
    take_step([&](io_window& window) { return session_->shutdown(window); }, 64);
    require(produced_ == 0, "close_notify is sent once");
  }

  const server_settings settings_;
  const std::span<const std::byte> wire_;
  std::size_t arrived_ = 0;
  std::size_t consumed_ = 0;
  bool used_up_ = false;

  std::optional<session> session_;
  std::size_t steps_ = 0;
  std::size_t produced_ = 0;  // by the latest step
  std::string sent_;
  bool started_ = false;
  bool had_client_hello_ = false;
  bool open_ = false;
  bool shut_down_ = false;

  // What the application has answered.
  bool ignored_all_ = false;
  std::vector<ssl_error> expected_;
  bool refused_ = false;
  std::size_t interruptions_ = 0;
  bool right_key_given_ = false;

  server_outcome outcome_;
};

}  // namespace

server_outcome run_server(const server_settings& settings, std::span<const std::uint8_t> from_client) {
  settings.server_context();
  const fixed_randomness randomness(1);
  return driver(settings, from_client).run();
}

}  // namespace sallyport::fuzz
