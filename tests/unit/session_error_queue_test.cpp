// session: OpenSSL's error queue is one per thread, and never leads from one connection to another.
//
// All tables of session_steps put a foreign error onto the queue before each call of a session, and expect nothing else
// there afterwards. What is here shows that this means something, and lets real failures of one session come between
// the steps of another.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/session.hpp>

#include "support/record_sealer.hpp"
#include "support/session_steps.hpp"
#include "support/test_servers.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::test {
namespace {

// Otherwise the tables would prove nothing: this is the mistake that a server makes which doesn't care.
TEST(session_error_queue, a_foreign_error_does_mislead_openssl) {
  memory_client client({});
  EXPECT_FALSE(client.handshake());
  EXPECT_EQ(SSL_get_error(client.native(), -1), SSL_ERROR_WANT_READ);
  raise_foreign_error();
  EXPECT_EQ(SSL_get_error(client.native(), -1), SSL_ERROR_SSL);
  ERR_clear_error();
}

// ---- a session that is about to fail ----

struct doomed_session {
  std::string name;
  std::unique_ptr<session_steps> steps;
  std::function<step(session&, io_window&)> last_step;

  /// Takes the last step without tidying up anything.
  void fail() {
    const std::string input = steps->unread_input();
    std::vector<std::byte> out(64 * 1024);
    io_window window{.input = std::as_bytes(std::span(input)), .output = out};
    EXPECT_EQ(words(last_step(steps->server(), window).what), "failed") << name;
    EXPECT_TRUE(steps->server().error()) << name;
  }
};

// No answer to what it asks.
step handshake_step(session& server, io_window& window) {
  step last = server.handshake(window);
  while (last.what == progress::want_answer) last = server.handshake(window);
  return last;
}

step read_step(session& server, io_window& window) {
  std::vector<std::byte> buffer(1000);
  return server.read(window, buffer);
}

step write_step(session& server, io_window& window) {
  return server.write(window, std::as_bytes(std::span("late", 4)));
}

std::unique_ptr<session_steps> before_client_hello(const context& server, const memory_client_options& client) {
  auto steps = std::make_unique<session_steps>(server, client);
  steps->client_handshake();
  return steps;
}

std::unique_ptr<session_steps> before_finished(const context& server, const memory_client_options& client) {
  auto steps = before_client_hello(server, client);
  steps->handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
  return steps;
}

std::unique_ptr<session_steps> complete(int version) {
  auto steps = before_finished(
      basic_server(),
      {.version = version, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256", .ciphersuites = "TLS_AES_128_GCM_SHA256"});
  steps->handshake(progress::done, {}).client_is_connected();
  return steps;
}

void spoil_last_byte(std::string& input) { input.back() = static_cast<char>(input.back() ^ 1); }

// One for each point at which a session can fail, and each part of OpenSSL that has something to say about it.
std::vector<doomed_session> all_doomed_sessions() {
  static const context verifying_server = make_context(client_certificate_configuration());
  static const credentials other_ca = make_ca("Other CA");
  static const credentials stranger = issue(other_ca, {.common_name = "stranger"});

  std::vector<doomed_session> all;
  const auto add = [&](const std::string& name, std::unique_ptr<session_steps> steps, const auto& last_step) {
    all.push_back({name, std::move(steps), last_step});
    return all.back().steps.get();
  };
  add("plain HTTP", std::make_unique<session_steps>(basic_server()), handshake_step)->input("GET / HTTP/1.1\r\n");
  add("TLS 1.1", before_client_hello(basic_server(), {.version = TLS1_1_VERSION}), handshake_step);
  add("garbage behind the ClientHello", before_client_hello(basic_server(), {}), handshake_step)->input("garbage!");
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const std::string which = version == TLS1_3_VERSION ? ", TLS 1.3" : ", TLS 1.2";
    add("no common group" + which, before_client_hello(basic_server(), {.version = version, .groups = "P-521"}),
        handshake_step);
    add("alert" + which, before_finished(basic_server(), {.version = version, .trusted = other_ca.certificate}),
        handshake_step);
    add("no client certificate" + which, before_finished(verifying_server, {.version = version}), handshake_step);
    add("unknown CA" + which, before_finished(verifying_server, {.version = version, .certificate = stranger}),
        handshake_step);
    add("bad Finished" + which, before_finished(basic_server(), {.version = version}), handshake_step)
        ->change_input(spoil_last_byte);
    add("bad record" + which, complete(version), read_step)->client_sends("x").change_input(spoil_last_byte);
    session_steps* alerted = add("fatal alert" + which, complete(version), read_step);
    alerted->input(record_sealer(alerted->client()).seal(record_type::alert, "\x02\x50"));
    add("write after shutdown" + which, complete(version), write_step)
        ->shutdown(progress::done, {"alert_sent warning close_notify"});
  }
  add("flood", complete(TLS1_3_VERSION), read_step)->client_updates_keys(40);
  return all;
}

TEST(session_error_queue, a_failure_leaves_nothing_behind) {
  for (doomed_session& doomed : all_doomed_sessions()) {
    doomed.fail();
    EXPECT_EQ(ERR_peek_error(), 0U) << doomed.name << ": " << ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    doomed.steps.reset();
    EXPECT_EQ(ERR_peek_error(), 0U) << doomed.name << ", destroyed";
    ERR_clear_error();
  }
}

TEST(session_error_queue, a_failure_is_the_sessions_own) {
  for (doomed_session& doomed : all_doomed_sessions()) {
    doomed.fail();
    const error_code alone = doomed.steps->server().error();
    const std::string detail_alone = doomed.steps->server().error_detail();

    for (doomed_session& again : all_doomed_sessions()) {
      if (again.name != doomed.name) continue;
      for (int i = 0; i < 3; ++i) raise_foreign_error();
      again.fail();
      EXPECT_EQ(again.steps->server().error(), alone) << doomed.name;
      EXPECT_EQ(again.steps->server().error_detail(), detail_alone) << doomed.name;
    }
  }
}

// ---- and one that lives on ----

using row = std::function<void(session_steps&)>;

const std::vector<row>& rows_of_a_whole_life() {
  static const std::vector<row> rows = {
      [](session_steps& steps) { steps.handshake(progress::want_input, {}); },
      [](session_steps& steps) {
        steps.client_handshake().handshake(progress::want_input, {"started", "client_hello"});
      },
      [](session_steps& steps) { steps.handshake(progress::want_input, {}); },
      [](session_steps& steps) { steps.client_handshake().handshake(progress::done, {}).client_is_connected(); },
      [](session_steps& steps) { steps.read(progress::want_input); },
      [](session_steps& steps) { steps.client_sends("hello").reads("hello"); },
      [](session_steps& steps) { steps.writes("welcome").client_receives("welcome"); },
      [](session_steps& steps) {
        io_window no_room;
        EXPECT_EQ(words(write_step(steps.server(), no_room).what), "want_output");
      },
      [](session_steps& steps) {
        steps.shutdown(progress::done, {"alert_sent warning close_notify"}).client_saw_the_end();
      },
      [](session_steps& steps) { steps.client_sends("bye").client_closes().reads_to_the_end("bye"); },
      [](session_steps& steps) { steps.read(progress::peer_closed); },
  };
  return rows;
}

TEST(session_error_queue, one_session_never_notices_the_failure_of_another) {
  const std::vector<row>& rows = rows_of_a_whole_life();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (std::size_t failure = 0; failure < rows.size(); ++failure) {
      for (doomed_session& doomed : all_doomed_sessions()) {
        SCOPED_TRACE(doomed.name + " before row " + std::to_string(failure));
        session_steps healthy(basic_server(), {.version = version});
        for (std::size_t i = 0; i < rows.size(); ++i) {
          if (i == failure) doomed.fail();
          rows[i](healthy);
        }
        EXPECT_FALSE(healthy.server().error()) << healthy.server().error_detail();
        if (HasFailure()) return;
      }
    }
  }
}

}  // namespace
}  // namespace sallyport::test
