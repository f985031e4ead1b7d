// A client that shows no trusted certificate, or knows no key, never gets in: whatever the slots do or omit, and
// however the server ends.
//
// SPDX-License-Identifier: Apache-2.0
#include "gate_fixture.hpp"

#include <openssl/ssl.h>

#include <functional>
#include <ostream>

namespace sallyport::test {
namespace {

class gate;

/// A way of trying to get in.
struct attempt {
  const char* name;
  void (*arrange)(gate&);
  /// What the server's error_occurred gives as the reason; "" if the server is gone by then.
  const char* reason;
  /// The alerts that the client reads, or what else it finds.
  std::vector<std::string> alerts;
};

void PrintTo(const attempt& what, std::ostream* out) { *out << what.name; }

class gate : public gate_fixture, public testing::WithParamInterface<std::tuple<attempt, int>> {
 public:
  const attempt& the_attempt() const { return std::get<0>(GetParam()); }
  int version() const { return std::get<1>(GetParam()); }

  // --- for arrange() ---
  using gate_fixture::destroy_io_context;
  using gate_fixture::keeper;
  using gate_fixture::open;
  using gate_fixture::port;
  using gate_fixture::run_until_done;
  using gate_fixture::server;

  /// Defers each interrupted handshake, and then does this, outside of the slot.
  void defer_and_then(std::function<void()> act) {
    server->handshake_interrupted_on_error.connect([this](ssl_socket& socket, const ssl_error&) {
      held.push_back(socket.defer_interrupted_handshake());
      socket.ignore_ssl_errors();  // the other question, which must not answer this one
    });
    after_deferral = std::move(act);
  }
  template <class Signal>
  void throw_from(Signal& signal) {
    signal.connect([](auto&&...) { throw slot_threw(); });
    throws = true;
  }
  /// The former session of a client with this certificate, which is let in.
  ssl_session_ptr session_of(const credentials& certificate) {
    auto visit = in_background([this, certificate] {
      gate_client client(port, {.version = version(), .certificate = certificate});
      EXPECT_EQ(client.try_to_get_in().echoed, "hello");
      const auto& tickets = client.tls().tickets();
      had_ticket = !tickets.empty();
      return had_ticket ? tickets.back() : ssl_session_ptr(SSL_get1_session(client.tls().native()), SSL_SESSION_free);
    });
    run_until([&] { return visit.wait_for(0s) == std::future_status::ready; });
    return visit.get();
  }

  memory_client_options client{.version = version(), .certificate = stranger()};
  std::vector<interrupted_handshake> held;
  std::vector<deferred_pre_shared_key> held_keys;
  std::function<void()> after_deferral;
  bool throws = false;
  bool had_ticket = false;
  int expected_guests = 0;
};

const std::vector<std::string> unknown_ca{"fatal unknown CA"};

const attempt attempts[] = {
    {"verified", [](gate& g) { g.open(gate_configuration()); }, "client_certificate_unknown_ca", unknown_ca},
    {"verified_with_slots_that_do_nothing",
     [](gate& g) {
       g.server->peer_verify_error.connect([](auto&&...) {});
       g.server->ssl_errors.connect([](auto&&...) {});
       g.open(gate_configuration());
     },
     "client_certificate_unknown_ca", unknown_ca},
    {"other_errors_ignored",
     [](gate& g) {
       g.server->ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error> errors) {
         socket.ignore_ssl_errors();
         socket.ignore_ssl_errors(errors.first(1));  // a list decides alone
       });
       g.open(gate_configuration());
     },
     "client_certificate_unknown_ca", unknown_ca},
    {"ignored_too_late",
     [](gate& g) {
       g.server->alert_sent.connect([](ssl_socket& socket, auto&&...) { socket.ignore_ssl_errors(); });
       g.server->error_occurred.connect([](ssl_socket& socket, error_code) {
         socket.ignore_ssl_errors();
         socket.continue_interrupted_handshake();
         socket.defer_interrupted_handshake().resume();
       });
       g.open(gate_configuration());
     },
     "client_certificate_unknown_ca", unknown_ca},
    {"resumed_after_a_good_certificate_that_is_trusted_no_more",
     [](gate& g) {
       g.open(gate_configuration());
       g.client = {.version = g.version(), .resumed = g.session_of(friend_of_the_house())};
       EXPECT_TRUE(g.had_ticket);
       g.expected_guests = 1;
       ssl_configuration others = gate_configuration();
       others.ca_certificates = trust_store::from_pem(make_ca("Another CA").certificate).value();
       g.server->set_configuration(others).value();
     },
     "no_client_certificate",
     {}},
    {"resumed_after_ignored_errors",
     [](gate& g) {
       g.server->ssl_errors.connect([&g](ssl_socket& socket, std::span<const ssl_error>) {
         if (g.expected_guests == 0) socket.ignore_ssl_errors();
       });
       g.open(gate_configuration());
       g.client.resumed = g.session_of(stranger());
       EXPECT_FALSE(g.had_ticket);
       g.expected_guests = 1;
     },
     "client_certificate_unknown_ca", unknown_ca},
    {"resumed_from_another_configuration",
     [](gate& g) {
       g.open(make_configuration());
       g.client.resumed = g.session_of(stranger());
       EXPECT_TRUE(g.had_ticket);
       g.expected_guests = 1;
       g.server->set_configuration(gate_configuration()).value();
     },
     "client_certificate_unknown_ca", unknown_ca},
    {"resumed_from_a_lax_configuration",
     [](gate& g) {
       ssl_configuration lax = gate_configuration();
       lax.verify_mode = peer_verify_mode::query;
       g.open(lax);
       g.client.resumed = g.session_of(stranger());
       EXPECT_FALSE(g.had_ticket);
       g.expected_guests = 1;
       g.server->set_configuration(gate_configuration()).value();
     },
     "client_certificate_unknown_ca", unknown_ca},
    {"interrupted_without_a_slot", [](gate& g) { g.open(gate_configuration(true)); }, "client_certificate_unknown_ca",
     unknown_ca},
    {"interrupted_and_not_continued",
     [](gate& g) {
       g.server->handshake_interrupted_on_error.connect(
           [](ssl_socket& socket, const ssl_error&) { socket.ignore_ssl_errors(); });
       g.open(gate_configuration(true));
     },
     "client_certificate_unknown_ca", unknown_ca},
    {"continued_and_not_ignored",
     [](gate& g) {
       g.server->handshake_interrupted_on_error.connect(
           [](ssl_socket& socket, const ssl_error&) { socket.continue_interrupted_handshake(); });
       g.open(gate_configuration(true));
     },
     "client_certificate_unknown_ca", unknown_ca},
    {"continued_once_and_then_not",
     [](gate& g) {
       g.server->handshake_interrupted_on_error.connect([n = 0](ssl_socket& socket, const ssl_error&) mutable {
         socket.ignore_ssl_errors();
         if (n++ == 0) socket.continue_interrupted_handshake();
       });
       g.open(gate_configuration(true));
     },
     "client_certificate_unknown_ca", unknown_ca},
    {"deferred_and_dropped",
     [](gate& g) {
       g.defer_and_then([&g] { g.held.clear(); });
       g.open(gate_configuration(true));
     },
     "client_certificate_unknown_ca", unknown_ca},
    {"deferred_and_dropped_in_the_slot",
     [](gate& g) {
       g.server->handshake_interrupted_on_error.connect([](ssl_socket& socket, const ssl_error&) {
         socket.ignore_ssl_errors();
         socket.defer_interrupted_handshake().abort();
         socket.continue_interrupted_handshake();
         socket.defer_interrupted_handshake().resume();
       });
       g.open(gate_configuration(true));
     },
     "client_certificate_unknown_ca", unknown_ca},
    {"deferred_and_overwritten",
     [](gate& g) {
       g.defer_and_then([&g] {
         auto other = std::move(g.held[0]);
         interrupted_handshake last(std::move(other));
         g.held.clear();
         other.resume();  // NOLINT(bugprone-use-after-move): it has nothing to decide any more
         last.abort(certificate_alert::certificate_revoked);
         last.resume();
       });
       g.open(gate_configuration(true));
     },
     "client_certificate_unknown_ca",
     {"fatal certificate revoked"}},
    {"deferred_and_resumed_and_not_ignored",
     [](gate& g) {
       g.server->handshake_interrupted_on_error.connect([&g](ssl_socket& socket, const ssl_error&) {
         if (g.held.empty())
           g.held.push_back(socket.defer_interrupted_handshake());
         else
           socket.continue_interrupted_handshake();
       });
       g.after_deferral = [&g] { g.held[0].resume(); };
       g.open(gate_configuration(true));
     },
     "client_certificate_unknown_ca", unknown_ca},
    {"deferred_and_timed_out",
     [](gate& g) {
       g.server->set_handshake_timeout(1s);
       g.defer_and_then([] {});
       g.open(gate_configuration(true));
     },
     "timeout_in_handshake", unknown_ca},
    {"deferred_and_the_server_closed",
     [](gate& g) {
       g.defer_and_then([&g] { g.server->close(); });
       g.open(gate_configuration(true));
     },
     "aborted",
     {}},
    {"deferred_and_the_server_closed_in_the_slot",
     [](gate& g) {
       g.defer_and_then([] {});
       g.server->handshake_interrupted_on_error.connect([&g](auto&&...) { g.server->close(); });
       g.open(gate_configuration(true));
     },
     "aborted",
     {}},
    {"deferred_and_drained",
     [](gate& g) {
       g.defer_and_then([&g] { g.server->async_drain(10ms, [](error_code) {}); });
       g.open(gate_configuration(true));
     },
     "aborted",
     {}},
    {"deferred_and_evicted",
     [](gate& g) {
       g.server->set_max_handshakes(1);
       g.defer_and_then([&g] {
         auto other = knock(g.port, {.version = g.version(), .certificate = friend_of_the_house()});
         EXPECT_EQ(g.run_until_done(other).echoed, "hello");
         g.expected_guests = 1;
       });
       g.open(gate_configuration(true));
     },
     "evicted",
     {}},
    {"deferred_and_the_server_destroyed",
     [](gate& g) {
       g.defer_and_then([&g] { g.server.reset(); });
       g.open(gate_configuration(true));
     },
     "",
     {}},
    {"deferred_and_the_server_destroyed_in_the_slot",
     [](gate& g) {
       g.defer_and_then([] {});
       g.server->handshake_interrupted_on_error.connect([&g](auto&&...) { g.server.reset(); });
       g.open(gate_configuration(true));
     },
     "",
     {}},
    {"deferred_and_the_io_context_destroyed",
     [](gate& g) {
       g.defer_and_then([&g] {
         g.destroy_io_context();
         g.held[0].resume();
       });
       g.open(gate_configuration(true));
     },
     "",
     {}},
    {"resumed_and_the_io_context_destroyed_before_it_hears",
     [](gate& g) {
       g.defer_and_then([&g] {
         g.held[0].resume();
         g.destroy_io_context();
       });
       g.open(gate_configuration(true));
     },
     "",
     {}},
    {"closed_by_the_slot_and_ignored",
     [](gate& g) {
       g.server->ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) {
         socket.ignore_ssl_errors();
         socket.close();
         socket.ignore_ssl_errors();
       });
       g.open(gate_configuration());
     },
     "aborted",
     {}},
    {"moved_away_by_the_slot",
     [](gate& g) {
       g.server->ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) {
         socket.ignore_ssl_errors();
         const ssl_socket mine(std::move(socket));
       });
       g.open(gate_configuration());
     },
     "aborted",
     {}},
    {"deferred_and_moved_away_by_the_slot",
     [](gate& g) {
       g.defer_and_then([] {});
       g.server->handshake_interrupted_on_error.connect(
           [](ssl_socket& socket, const ssl_error&) { const ssl_socket mine(std::move(socket)); });
       g.open(gate_configuration(true));
     },
     "aborted",
     {}},
    {"peer_verify_error_throws",
     [](gate& g) {
       g.server->peer_verify_error.connect([](ssl_socket& socket, const ssl_error&) { socket.ignore_ssl_errors(); });
       g.throw_from(g.server->peer_verify_error);
       g.open(gate_configuration());
     },
     "aborted",
     {}},
    {"ssl_errors_throws",
     [](gate& g) {
       g.server->ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) { socket.ignore_ssl_errors(); });
       g.throw_from(g.server->ssl_errors);
       g.open(gate_configuration());
     },
     "aborted",
     {}},
    {"handshake_interrupted_on_error_throws",
     [](gate& g) {
       g.server->handshake_interrupted_on_error.connect([](ssl_socket& socket, const ssl_error&) {
         socket.ignore_ssl_errors();
         socket.continue_interrupted_handshake();
       });
       g.throw_from(g.server->handshake_interrupted_on_error);
       g.open(gate_configuration(true));
     },
     "aborted",
     {}},
    {"handshake_interrupted_on_error_defers_and_throws",
     [](gate& g) {
       g.defer_and_then([] {});
       g.throw_from(g.server->handshake_interrupted_on_error);
       g.open(gate_configuration(true));
     },
     "aborted",
     {}},
    {"pre_shared_key_authentication_required_throws",
     [](gate& g) {
       g.client = alice(g.version());
       g.server->pre_shared_key_authentication_required.connect(
           [](ssl_socket&, ssl_pre_shared_key_authenticator& asked) { asked.set_pre_shared_key(key_of(alices_key)); });
       g.throw_from(g.server->pre_shared_key_authentication_required);
       g.open(key_configuration());
     },
     "aborted",
     {}},
    {"key_deferred_and_the_server_destroyed",
     [](gate& g) {
       g.client = alice(g.version());
       g.server->pre_shared_key_authentication_required.connect(
           [&g](ssl_socket& socket, ssl_pre_shared_key_authenticator& asked) {
             g.held_keys.push_back(socket.defer_pre_shared_key());
             asked.set_pre_shared_key(key_of(alices_key));  // no longer the slot's to answer
           });
       g.after_deferral = [&g] {
         g.server.reset();
         g.held_keys[0].answer(key_of(alices_key));
       };
       g.open(key_configuration());
     },
     "",
     {}},
    {"key_deferred_and_the_io_context_destroyed",
     [](gate& g) {
       g.client = alice(g.version());
       g.server->pre_shared_key_authentication_required.connect(
           [&g](ssl_socket& socket, auto&&) { g.held_keys.push_back(socket.defer_pre_shared_key()); });
       g.after_deferral = [&g] {
         g.destroy_io_context();
         g.held_keys[0].answer(key_of(alices_key));
       };
       g.open(key_configuration());
     },
     "",
     {}},
    {"a_known_key_where_a_certificate_is_required",
     [](gate& g) {
       g.client = alice(g.version());
       g.server->pre_shared_key_authentication_required.connect(
           [](ssl_socket&, ssl_pre_shared_key_authenticator& asked) { asked.set_pre_shared_key(key_of(alices_key)); });
       ssl_configuration both = gate_configuration();
       both.pre_shared_keys = true;
       g.open(both);
     },
     "no_client_certificate",
     {}},
    {"a_known_identity_and_a_certificate_nobody_trusts",
     [](gate& g) {
       g.client = alice(g.version(), "not her key");
       g.client.certificate = stranger();
       g.server->pre_shared_key_authentication_required.connect(
           [](ssl_socket&, ssl_pre_shared_key_authenticator& asked) { asked.set_pre_shared_key(key_of(alices_key)); });
       g.server->ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) {
         if (!socket.pre_shared_key_identity().empty()) socket.ignore_ssl_errors();
       });
       ssl_configuration both = gate_configuration();
       both.pre_shared_keys = true;
       g.open(both);
     },
     "bad_pre_shared_key",
     {}},
};

// Clients whose certificate is good, or forgiven, and whom no rule lets in.

const std::vector<std::string> denied{"fatal access denied"};

const attempt attempts_against_rules[] = {
    {"denied",
     [](gate& g) {
       g.client.certificate = friend_of_the_house();
       g.open(gate_with_rule("cn=somebody else"));
     },
     "denied_by_policy", denied},
    {"denied_whatever_slots_say_at_the_end",
     [](gate& g) {
       g.client.certificate = friend_of_the_house();
       const auto plead = [](ssl_socket& socket) {
         socket.ignore_ssl_errors();
         socket.continue_interrupted_handshake();
       };
       g.server->started_encryption_handshake.connect(plead);
       g.server->alert_sent.connect([plead](ssl_socket& socket, auto&&...) { plead(socket); });
       g.server->error_occurred.connect([plead](ssl_socket& socket, error_code) { plead(socket); });
       g.open(gate_with_rule("cn=somebody else"));
     },
     "denied_by_policy", denied},
    {"denied_and_forgiven",
     [](gate& g) {
       g.server->ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) { socket.ignore_ssl_errors(); });
       g.open(gate_with_rule("cn=somebody else"));
     },
     "denied_by_policy", denied},
    {"denied_and_forgiven_by_a_list",
     [](gate& g) {
       g.server->ssl_errors.connect(
           [](ssl_socket& socket, std::span<const ssl_error> errors) { socket.ignore_ssl_errors(errors); });
       g.open(gate_with_rule("cn=somebody else"));
     },
     "denied_by_policy", denied},
    {"a_rule_matches_a_certificate_nobody_trusts", [](gate& g) { g.open(gate_with_rule("cn=stranger")); },
     "client_certificate_unknown_ca", unknown_ca},
    {"denied_after_a_deferred_decision",
     [](gate& g) {
       g.client.certificate = issue(
           gate_ca(),
           {.common_name = "late", .valid_from = -std::chrono::hours(48), .valid_until = -std::chrono::hours(24)});
       g.server->ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) { socket.ignore_ssl_errors(); });
       g.defer_and_then([&g] { g.held[0].resume(); });
       g.open(gate_with_rule("cn=somebody else", true));
     },
     "denied_by_policy", denied},
    {"refused_later_as_if_denied",
     [](gate& g) {
       g.defer_and_then([&g] { g.held[0].abort(certificate_alert::access_denied); });
       g.open(gate_configuration(true));
     },
     "client_certificate_unknown_ca", denied},
    {"no_certificate_for_the_rules_and_forgiven",
     [](gate& g) {
       g.client.certificate.reset();
       g.server->ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) { socket.ignore_ssl_errors(); });
       g.open(gate_with_rule("cn=friend"));
     },
     "denied_by_policy", denied},
    {"resumed_after_the_rule_was_removed",
     [](gate& g) {
       g.open(gate_with_rule("cn=friend"));
       g.client = {.version = g.version(),
                   .certificate = friend_of_the_house(),
                   .resumed = g.session_of(friend_of_the_house())};
       EXPECT_TRUE(g.had_ticket);
       g.expected_guests = 1;
       g.server->set_configuration(gate_with_rule("cn=somebody else")).value();
     },
     "denied_by_policy", denied},
    {"resumed_from_a_configuration_without_rules",
     [](gate& g) {
       g.open(gate_configuration());
       g.client = {.version = g.version(),
                   .certificate = friend_of_the_house(),
                   .resumed = g.session_of(friend_of_the_house())};
       EXPECT_TRUE(g.had_ticket);
       g.expected_guests = 1;
       g.server->set_configuration(gate_with_rule("cn=somebody else")).value();
     },
     "denied_by_policy", denied},
    {"resumed_after_the_rule_was_removed_with_nothing_to_show",
     [](gate& g) {
       g.open(gate_with_rule("cn=friend"));
       g.client = {.version = g.version(), .resumed = g.session_of(friend_of_the_house())};
       EXPECT_TRUE(g.had_ticket);
       g.expected_guests = 1;
       g.server->set_configuration(gate_with_rule("cn=somebody else")).value();
       g.server->ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) { socket.ignore_ssl_errors(); });
     },
     "denied_by_policy", denied},
    {"denied_where_others_have_keys",
     [](gate& g) {
       g.client.certificate = friend_of_the_house();
       g.server->ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) {
         if (!socket.pre_shared_key_identity().empty()) socket.ignore_ssl_errors();
       });
       ssl_configuration both = gate_with_rule("cn=somebody else");
       both.pre_shared_keys = true;
       g.open(both);
     },
     "denied_by_policy", denied},
    {"a_rule_matches_and_the_key_is_wrong",
     [](gate& g) {
       g.client = alice(g.version(), "not her key");
       g.client.certificate = friend_of_the_house();
       g.server->pre_shared_key_authentication_required.connect(
           [](ssl_socket&, ssl_pre_shared_key_authenticator& asked) { asked.set_pre_shared_key(key_of(alices_key)); });
       g.server->ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) { socket.ignore_ssl_errors(); });
       ssl_configuration both = gate_with_rule("cn=friend");
       both.pre_shared_keys = true;
       g.open(both);
     },
     "bad_pre_shared_key",
     {}},
    {"denied_for_the_name_that_it_asks_for",
     [](gate& g) {
       g.client.certificate = friend_of_the_house();
       g.client.server_name = "inner.example";
       ssl_configuration names = gate_with_rule("cn=friend");
       names.for_names.push_back({.names = {"inner.example"}, .allow = gate_with_rule("cn=somebody else").allow});
       g.open(names);
     },
     "denied_by_policy", denied},
    {"denied_still_after_a_configuration_that_would_apply_no_rules",
     [](gate& g) {
       g.client.certificate = friend_of_the_house();
       g.open(gate_with_rule("cn=somebody else"));
       ssl_configuration only_asks = gate_with_rule("cn=somebody else");
       only_asks.verify_mode = peer_verify_mode::query;
       EXPECT_EQ(g.server->set_configuration(only_asks).error().code, configuration_error::invalid_value);
     },
     "denied_by_policy", denied},
};

std::string name_of(const testing::TestParamInfo<std::tuple<attempt, int>>& instance) {
  return std::string(std::get<0>(instance.param).name) +
         (std::get<1>(instance.param) == TLS1_2_VERSION ? "_tls_1_2" : "_tls_1_3");
}
INSTANTIATE_TEST_SUITE_P(untrusted, gate,
                         testing::Combine(testing::ValuesIn(attempts), testing::Values(TLS1_2_VERSION, TLS1_3_VERSION)),
                         name_of);
INSTANTIATE_TEST_SUITE_P(denied, gate,
                         testing::Combine(testing::ValuesIn(attempts_against_rules),
                                          testing::Values(TLS1_2_VERSION, TLS1_3_VERSION)),
                         name_of);

TEST_P(gate, never_gets_in) {
  the_attempt().arrange(*this);
  ASSERT_FALSE(HasFatalFailure());
  const auto former = keeper.began.size();
  auto client_side = knock(port, client);
  if (after_deferral) {
    run_until([&] { return !held.empty() || !held_keys.empty(); });
    after_deferral();
  }
  const fate seen = run_until_done(client_side);

  EXPECT_EQ(seen.echoed, "");
  EXPECT_EQ(keeper.let_in, expected_guests);
  EXPECT_EQ(thrown, throws ? 1 : 0);
  if (!the_attempt().alerts.empty()) {
    EXPECT_EQ(seen.alerts, the_attempt().alerts);
    EXPECT_EQ(seen.end, stream_end::fin) << "a reset may destroy the alert";
  }
  if (version() == TLS1_2_VERSION && client.identity.empty()) {
    EXPECT_FALSE(seen.thinks_it_is_in);
  }
  if (server) {
    EXPECT_EQ(keeper.reasons[the_attempt().reason], 1) << testing::PrintToString(keeper.reasons);
    expect_the_books_to_balance();
  } else {
    EXPECT_STREQ(the_attempt().reason, "");
    EXPECT_EQ(keeper.began.size(), former + 1);
  }
  for (auto& late : held) late.resume();  // has no effect and does no harm
  for (auto& late : held_keys) late.answer(key_of(alices_key));
  if (!io) return;
  run_ready();
  EXPECT_EQ(keeper.let_in, expected_guests);
  if (server) keeper.expect_one_end_each();
}

// Shows that the attempts fail for their own reason.
class gate_open : public gate_fixture, public testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(versions, gate_open, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

TEST_P(gate_open, lets_in_who_is_trusted_or_forgiven) {
  std::vector<interrupted_handshake> held;
  server->handshake_interrupted_on_error.connect(
      [&](ssl_socket& socket, const ssl_error&) { held.push_back(socket.defer_interrupted_handshake()); });
  server->ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error> errors) {
    EXPECT_EQ(errors.size(), 2U);
    socket.ignore_ssl_errors();
  });
  open(gate_configuration(true));
  auto trusted = knock(port, {.version = GetParam(), .certificate = friend_of_the_house()});
  EXPECT_EQ(run_until_done(trusted).echoed, "hello");
  EXPECT_TRUE(held.empty());
  auto forgiven = knock(port, {.version = GetParam(), .certificate = stranger()});
  for (std::size_t errors = 0; errors < 2; ++errors) {
    run_until([&] { return held.size() > errors; });
    held[errors].resume();
  }
  EXPECT_EQ(run_until_done(forgiven).echoed, "hello");
  EXPECT_EQ(keeper.let_in, 2);
  expect_the_books_to_balance();
}

TEST_P(gate_open, lets_in_whom_a_rule_matches) {
  open(gate_with_rule("cn=friend"));
  auto client = knock(port, {.version = GetParam(), .certificate = friend_of_the_house()});
  EXPECT_EQ(run_until_done(client).echoed, "hello");
  EXPECT_EQ(keeper.rules, std::vector<std::string>{"cn=friend"});
  expect_the_books_to_balance();
}

TEST_P(gate_open, lets_in_who_knows_the_key) {
  server->pre_shared_key_authentication_required.connect(
      [](ssl_socket&, ssl_pre_shared_key_authenticator& asked) { asked.set_pre_shared_key(key_of(alices_key)); });
  open(key_configuration());
  auto client = knock(port, alice(GetParam()));
  EXPECT_EQ(run_until_done(client).echoed, "hello");
  expect_the_books_to_balance();
}

}  // namespace
}  // namespace sallyport::test
