// resumption: who may come back by a ticket, and how long. What may change meanwhile is in resumption_matrix_test.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/refused.hpp"
#include "support/revisit.hpp"
#include "support/test_clock.hpp"
#include "support/test_revocation.hpp"
#include "support/test_servers.hpp"

#include "tls/resumption_policy.hpp"

#include <sallyport/access_rule.hpp>
#include <sallyport/revocation_lists.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

using namespace std::chrono_literals;

const credentials& alices_certificate() {
  static const credentials alice =
      issue(test_ca(), {.common_name = "alice", .extended_key_usage = "clientAuth", .valid_until = 24h * 30});
  return alice;
}

credentials server_for(const std::vector<std::string>& names) {
  return issue(test_ca(), {.common_name = "server", .names = names});
}

identity identity_of(const credentials& both) { return identity::from_pem(both.certificate, both.key).value(); }

std::vector<access_rule> rules(const std::vector<std::string>& texts) {
  std::vector<access_rule> parsed;
  for (const std::string& each : texts) parsed.push_back(access_rule::parse(each).value());
  return parsed;
}

class ticket_resumption : public testing::TestWithParam<int> {
 protected:
  static int version() { return GetParam(); }
  static bool is_tls_1_3() { return version() == TLS1_3_VERSION; }

  ssl_configuration open() const {
    ssl_configuration configuration = basic_configuration();
    configuration.tickets = keys;
    return configuration;
  }
  ssl_configuration closed() const {
    ssl_configuration configuration = client_certificate_configuration();
    configuration.tickets = keys;
    return configuration;
  }
  static memory_client_options anybody() { return {.version = version()}; }
  static memory_client_options alice() { return {.version = version(), .certificate = alices_certificate()}; }

  /// Comes with a ticket of `first` to `second`.
  static visit_outcome comes_back(const context& first, const context& second, memory_client_options client) {
    client.resumed = ticket_from(first, client);
    EXPECT_NE(client.resumed, nullptr);
    return visit(second, client);
  }
  static ssl_session_ptr ticket_from(const context& server, const memory_client_options& client) {
    const visit_outcome first = visit(server, client);
    EXPECT_TRUE(first.let_in) << first.why;
    EXPECT_FALSE(first.resumed);
    EXPECT_LE(first.tickets.size(), 1U);
    return first.tickets.empty() ? nullptr : first.tickets.front();
  }

  test_clock clock;
  ticket_keys keys = random_keys(clock);
};

INSTANTIATE_TEST_SUITE_P(versions, ticket_resumption, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& tested) { return tested.param == TLS1_3_VERSION ? "tls_1_3" : "tls_1_2"; });

testing::AssertionResult is_resumed(const visit_outcome& outcome) {
  if (!outcome.let_in) return testing::AssertionFailure() << "was refused: " << outcome.why;
  if (!outcome.resumed) return testing::AssertionFailure() << "made a full handshake";
  return testing::AssertionSuccess();
}

testing::AssertionResult is_a_full_handshake(const visit_outcome& outcome) {
  if (!outcome.let_in) return testing::AssertionFailure() << "was refused: " << outcome.why;
  if (outcome.resumed) return testing::AssertionFailure() << "was resumed";
  if (outcome.tickets.size() != 1) return testing::AssertionFailure() << "got no ticket for the next time";
  return testing::AssertionSuccess();
}

testing::AssertionResult is_refused(const visit_outcome& outcome, handshake_error reason) {
  if (outcome.let_in) return testing::AssertionFailure() << "was let in";
  if (outcome.error != reason) return testing::AssertionFailure() << "was refused for another reason: " << outcome.why;
  return testing::AssertionSuccess();
}

// ---- what went wrong elsewhere ----

// A ticket of the default server was good for a virtual host that wants client certificates.
TEST_P(ticket_resumption, nginx_cve_2025_23419_does_not_pass_from_one_name_to_another) {
  ssl_configuration both = open();
  both.identities = {identity_of(server_for({"open.example", "closed.example", "members.example"}))};
  const credentials other_ca = make_ca("Other CA");
  name_settings closed_names{.names = {"closed.example"}};
  closed_names.verify_mode = peer_verify_mode::verify;
  closed_names.ca_certificates = trust_store::from_pem(test_ca().certificate).value();
  name_settings members{.names = {"members.example"}};
  members.verify_mode = peer_verify_mode::verify;
  members.ca_certificates = trust_store::from_pem(other_ca.certificate).value();
  both.for_names = {closed_names, members};
  const context server = make_context(both);

  memory_client_options client = anybody();
  for (const std::string from : {"", "open.example"}) {
    client.server_name = from;
    client.resumed = nullptr;
    client.resumed = ticket_from(server, client);
    ASSERT_NE(client.resumed, nullptr);
    client.server_name = "closed.example";
    EXPECT_TRUE(is_refused(visit(server, client), handshake_error::no_client_certificate));
  }

  client = alice();
  client.server_name = "closed.example";
  client.resumed = ticket_from(server, client);
  ASSERT_NE(client.resumed, nullptr);
  EXPECT_TRUE(is_resumed(visit(server, client)));
  client.resumed =
      ticket_from(server, {.version = version(), .server_name = "closed.example", .certificate = alices_certificate()});
  client.server_name = "members.example";
  EXPECT_TRUE(is_refused(visit(server, client), handshake_error::client_certificate_unknown_ca));
}

// The chain wasn't verified again: neither against a changed trust store, nor when a CA in it had expired.
TEST_P(ticket_resumption, golang_go_77217_verifies_again_where_the_chain_may_have_gone_bad) {
  const credentials other_ca = make_ca("Other CA");
  ssl_configuration other = closed();
  other.ca_certificates = trust_store::from_pem(other_ca.certificate).value();
  EXPECT_TRUE(is_refused(comes_back(make_context(closed()), make_context(other), alice()),
                         handshake_error::client_certificate_unknown_ca));

  const credentials short_lived =
      issue(test_ca(), {.common_name = "middle", .is_ca = true, .not_after = clock.date(1h)});
  ssl_configuration with_middle = closed();
  with_middle.ca_certificates = trust_store::from_pem(test_ca().certificate + short_lived.certificate).value();
  const context server = make_context(with_middle);
  memory_client_options client{.version = version(),
                               .certificate = issue(short_lived, {.common_name = "bob", .valid_until = 24h})};
  client.resumed = ticket_from(server, client);
  ASSERT_NE(client.resumed, nullptr);
  EXPECT_EQ(SSL_SESSION_get_ticket_lifetime_hint(client.resumed.get()), 3600U);
  clock.forward(59min);
  ssl_session_ptr next = client.resumed;
  const visit_outcome in_time = visit(server, client);
  EXPECT_TRUE(is_resumed(in_time));
  if (!in_time.tickets.empty()) next = in_time.tickets.front();
  clock.forward(1min);
  client.resumed = next;
  EXPECT_TRUE(is_a_full_handshake(visit(server, client)));
}

// A ticket from before client certificates were required was still good.
TEST_P(ticket_resumption, randombit_botan_5818_asks_for_a_certificate_that_has_become_mandatory) {
  ssl_configuration asks = closed();
  asks.verify_mode = peer_verify_mode::query;
  EXPECT_TRUE(is_refused(comes_back(make_context(open()), make_context(closed()), anybody()),
                         handshake_error::no_client_certificate));
  EXPECT_TRUE(is_refused(comes_back(make_context(asks), make_context(closed()), anybody()),
                         handshake_error::no_client_certificate));
  EXPECT_TRUE(is_a_full_handshake(comes_back(make_context(open()), make_context(closed()), alice())));
  EXPECT_TRUE(is_a_full_handshake(comes_back(make_context(asks), make_context(closed()), alice())));
}

// Clients with a certificate that came a second time failed, whether their ticket was good or not.
TEST_P(ticket_resumption, session_id_context_uninitialized_is_no_reason_to_fail) {
  const context server = make_context(closed());
  EXPECT_TRUE(is_resumed(comes_back(server, server, alice())));
  ssl_configuration elsewhere = closed();
  elsewhere.tickets = random_keys(clock);
  EXPECT_TRUE(is_a_full_handshake(comes_back(make_context(elsewhere), server, alice())));
  EXPECT_TRUE(is_a_full_handshake(comes_back(make_context(open()), server, alice())));
}

// ---- what a resumed client is ----

TEST_P(ticket_resumption, knows_the_clients_certificate_and_the_rule_again) {
  ssl_configuration configuration = closed();
  configuration.allow = rules({"cn=bob", "cn=alice"});
  const context server = make_context(configuration);
  const visit_outcome again = comes_back(server, server, alice());
  EXPECT_TRUE(is_resumed(again));
  ASSERT_EQ(again.chain.size(), 1U);
  EXPECT_EQ(again.chain[0], certificate::from_pem(alices_certificate().certificate).value());
  EXPECT_EQ(again.rule, "cn=alice");
}

TEST_P(ticket_resumption, without_a_certificate_is_possible_where_it_is_only_asked_for) {
  ssl_configuration asks = closed();
  asks.verify_mode = peer_verify_mode::query;
  const context server = make_context(asks);
  const visit_outcome again = comes_back(server, server, anybody());
  EXPECT_TRUE(is_resumed(again));
  EXPECT_TRUE(again.chain.empty());
  EXPECT_TRUE(is_resumed(comes_back(server, server, alice())));
}

// ---- who gets no ticket ----

// The ticket holds the certificate, and a ClientHello with such a ticket would be refused for its size.
TEST_P(ticket_resumption, needs_a_certificate_of_reasonable_size) {
  const auto with_names = [](int count) {
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i) names.push_back("one-of-many-names-" + std::to_string(1000 + i) + ".example");
    return issue(test_ca(), {.common_name = "many", .names = names});
  };
  const context server = make_context(closed());
  EXPECT_TRUE(is_resumed(comes_back(server, server, {.version = version(), .certificate = with_names(200)})));
  const visit_outcome large = visit(server, {.version = version(), .certificate = with_names(800)});
  EXPECT_TRUE(large.let_in) << large.why;
  EXPECT_TRUE(large.tickets.empty());
}

TEST_P(ticket_resumption, needs_a_certificate_without_errors) {
  const credentials stranger = make_self_signed({.common_name = "stranger"});
  const memory_client_options client{.version = version(), .certificate = stranger};
  ssl_configuration asks = closed();
  asks.verify_mode = peer_verify_mode::query;
  const visit_outcome queried = visit(make_context(asks), client);
  EXPECT_TRUE(queried.let_in) << queried.why;
  EXPECT_TRUE(queried.tickets.empty());

  const auto ignore = [](session& server) { server.ignore_ssl_errors(); };
  const context server = make_context(closed());
  for (const memory_client_options& each : {client, anybody()}) {
    const visit_outcome ignored = visit(server, each, ignore);
    EXPECT_TRUE(ignored.let_in) << ignored.why;
    EXPECT_TRUE(ignored.tickets.empty());
  }
}

TEST_P(ticket_resumption, works_beside_pre_shared_keys_and_not_by_them) {
  const std::string key = "alice and the server know these";
  const auto tell = [&](session& server) {
    if (server.pre_shared_key_identity() == "alice") {
      server.set_pre_shared_key(pre_shared_key(std::as_bytes(std::span(key)), pre_shared_key_hash::sha256));
    }
  };
  ssl_configuration configuration = open();
  configuration.pre_shared_keys = true;
  const context server = make_context(configuration);
  const visit_outcome by_key = visit(server, {.version = version(), .identity = "alice", .key = key}, tell);
  EXPECT_TRUE(by_key.let_in) << by_key.why;
  EXPECT_EQ(by_key.identity, "alice");
  EXPECT_TRUE(by_key.tickets.empty());

  const visit_outcome by_ticket = comes_back(server, server, anybody());
  EXPECT_TRUE(is_resumed(by_ticket));
  EXPECT_EQ(by_ticket.identity, "");
}

// A good ticket proves nothing about an identity that is named beside it: OpenSSL looks at one binder alone.
TEST(ticket_resumption_1_3, of_a_ticket_does_not_vouch_for_a_pre_shared_identity) {
  ssl_configuration configuration = basic_configuration();
  configuration.pre_shared_keys = true;
  const context server = make_context(configuration);
  const visit_outcome first = visit(server, {.version = TLS1_3_VERSION, .ciphersuites = "TLS_AES_128_GCM_SHA256"});
  ASSERT_EQ(first.tickets.size(), 1U);
  const std::string key = "alice and the server know these";
  for (const bool knows : {false, true}) {
    const visit_outcome again =
        visit(server,
              {.version = TLS1_3_VERSION,
               .ciphersuites = "TLS_AES_128_GCM_SHA256",
               .resumed = ssl_session_ptr(SSL_SESSION_dup(first.tickets.front().get()), SSL_SESSION_free),
               .identity = "alice",
               .key = knows ? key : "a guess"},
              [&](session& session) {
                session.set_pre_shared_key(pre_shared_key(std::as_bytes(std::span(key)), pre_shared_key_hash::sha256));
              });
    EXPECT_EQ(again.let_in, knows);
    EXPECT_FALSE(again.resumed);
    EXPECT_EQ(again.error, knows ? error_code() : handshake_error::bad_pre_shared_key) << again.why;
    if (knows) {
      EXPECT_EQ(again.identity, "alice");
    }
  }
}

// ---- how long ----

TEST_P(ticket_resumption, ends_a_day_after_the_full_handshake_however_often_the_client_comes) {
  clock.forward(1h);  // as at the end of a long run, when test_ca() is that old
  const context server = make_context(closed());
  memory_client_options client = alice();
  ssl_session_ptr ticket = ticket_from(server, client);
  ASSERT_NE(ticket, nullptr);
  for (int hours = 7; hours < 24; hours += 7) {
    clock.forward(7h);
    client.resumed = ssl_session_ptr(SSL_SESSION_dup(ticket.get()), SSL_SESSION_free);
    const visit_outcome again = visit(server, client);
    EXPECT_TRUE(is_resumed(again)) << " after " << hours << " hours";
    ASSERT_EQ(again.tickets.size(), is_tls_1_3() ? 1U : 0U);
    if (!again.tickets.empty()) ticket = again.tickets.front();
  }
  clock.forward(2h + 59min);
  client.resumed = ssl_session_ptr(SSL_SESSION_dup(ticket.get()), SSL_SESSION_free);
  EXPECT_TRUE(is_resumed(visit(server, client)));
  clock.forward(1min);
  client.resumed = ticket;
  EXPECT_TRUE(is_a_full_handshake(visit(server, client)));
}

TEST_P(ticket_resumption, ends_with_the_clients_certificate) {
  const context server = make_context(closed());
  memory_client_options client{.version = version(),
                               .certificate = issue(test_ca(), {.common_name = "bob", .not_after = clock.date(2h)})};
  const ssl_session_ptr ticket = ticket_from(server, client);
  ASSERT_NE(ticket, nullptr);
  EXPECT_EQ(SSL_SESSION_get_ticket_lifetime_hint(ticket.get()), 7200U);
  client.resumed = ssl_session_ptr(SSL_SESSION_dup(ticket.get()), SSL_SESSION_free);
  clock.forward(2h - 1min);
  EXPECT_TRUE(is_resumed(visit(server, client)));
  client.resumed = ticket;
  clock.forward(1min);
  EXPECT_TRUE(is_a_full_handshake(visit(server, client)));
}

// OpenSSL may look at each list of the issuer; one of somebody else doesn't matter.
TEST_P(ticket_resumption, ends_with_the_revocation_list_unless_that_is_no_reason_to_refuse) {
  const credentials other_ca = make_ca("Other CA");
  ssl_configuration checks = closed();
  checks.revocation =
      revocation_lists::from_bytes(make_list(test_ca(), {.next_update = 3h}) + make_list(other_ca, {.next_update = 1h}))
          .value();
  for (const auto policy : {revocation_policy::hard_fail, revocation_policy::soft_fail}) {
    checks.missing_revocation_list = policy;
    const context server = make_context(checks);
    memory_client_options client = alice();
    const ssl_session_ptr ticket = ticket_from(server, client);
    ASSERT_NE(ticket, nullptr);
    client.resumed = ssl_session_ptr(SSL_SESSION_dup(ticket.get()), SSL_SESSION_free);
    clock.forward(3h - 1min);
    EXPECT_TRUE(is_resumed(visit(server, client)));
    client.resumed = ticket;
    clock.forward(2min);
    const visit_outcome late = visit(server, client);
    EXPECT_TRUE(late.let_in) << late.why;
    EXPECT_EQ(late.resumed, policy == revocation_policy::soft_fail);
  }
}

TEST_P(ticket_resumption, lifetime_is_told_to_the_client_and_never_longer_than_the_keys) {
  ssl_configuration configuration = open();
  const auto hint_with = [&](std::chrono::seconds lifetime) {
    configuration.resumption_lifetime = lifetime;
    return SSL_SESSION_get_ticket_lifetime_hint(ticket_from(make_context(configuration), anybody()).get());
  };
  EXPECT_EQ(hint_with(1h), 3600U);
  EXPECT_EQ(hint_with(24h), 24U * 3600U);
  EXPECT_EQ(hint_with(24h * 7), 36U * 3600U);
  clock.forward(12h * 5 - 1h);
  EXPECT_EQ(hint_with(24h * 7), 25U * 3600U);
}

TEST_P(ticket_resumption, lifetime_of_seven_days_outlives_the_keys_that_it_began_with) {
  ssl_configuration configuration = open();
  configuration.resumption_lifetime = 24h * 7;
  const context server = make_context(configuration);
  memory_client_options client = anybody();
  ssl_session_ptr ticket = ticket_from(server, client);
  for (int days = 1; days < 7; ++days) {
    clock.forward(24h);
    client.resumed = ssl_session_ptr(SSL_SESSION_dup(ticket.get()), SSL_SESSION_free);
    const visit_outcome again = visit(server, client);
    EXPECT_TRUE(is_resumed(again)) << " after " << days << " days";
    ASSERT_NE(again.session, nullptr);
    ticket = again.session;
  }
  clock.forward(24h);
  client.resumed = ticket;
  EXPECT_TRUE(is_a_full_handshake(visit(server, client)));
}

TEST_P(ticket_resumption, lifetime_that_was_shortened_holds_for_older_tickets) {
  ssl_configuration shorter = open();
  shorter.resumption_lifetime = 1h;
  memory_client_options client = anybody();
  client.resumed = ticket_from(make_context(open()), client);
  clock.forward(59min);
  const context server = make_context(shorter);
  EXPECT_TRUE(
      is_resumed(visit(server, {.version = version(),
                                .resumed = ssl_session_ptr(SSL_SESSION_dup(client.resumed.get()), SSL_SESSION_free)})));
  clock.forward(1min);
  EXPECT_TRUE(is_a_full_handshake(visit(server, client)));
}

TEST_P(ticket_resumption, lifetime_of_nothing_means_no_tickets) {
  ssl_configuration never = open();
  never.resumption_lifetime = 0s;
  const context server = make_context(never);
  const visit_outcome first = visit(server, anybody());
  EXPECT_TRUE(first.let_in);
  EXPECT_TRUE(first.tickets.empty() || SSL_SESSION_has_ticket(first.tickets.front().get()) == 0);
  const visit_outcome with_old_one = comes_back(make_context(open()), server, anybody());
  EXPECT_TRUE(with_old_one.let_in) << with_old_one.why;
  EXPECT_FALSE(with_old_one.resumed);
}

TEST(resumption_lifetime, is_between_nothing_and_seven_days) {
  ssl_configuration configuration = basic_configuration();
  configuration.resumption_lifetime = 24h * 7;
  EXPECT_TRUE(accepted(context::make(configuration)));
  configuration.resumption_lifetime += 1s;
  EXPECT_TRUE(refused(context::make(configuration), configuration_error::invalid_value,
                      "resumption_lifetime: 604801 seconds are more than the 7 days that TLS allows"));
  configuration.resumption_lifetime = -1s;
  EXPECT_TRUE(refused(context::make(configuration), configuration_error::invalid_value,
                      "resumption_lifetime: -1 seconds are negative"));
}

// Otherwise a session that began while the clock was a year ahead would last for a year.
TEST_P(ticket_resumption, of_what_began_in_the_future_is_refused) {
  const context server = make_context(open());
  const auto real_time = std::chrono::seconds(std::time(nullptr));
  memory_client_options client = anybody();
  for (const auto& [ahead, resumes] : {std::pair(11h, true), std::pair(24h * 365, false)}) {
    clock.set_system(real_time + ahead);
    client.resumed = nullptr;
    client.resumed = ticket_from(server, client);
    clock.set_system(real_time);
    EXPECT_EQ(visit(server, client).resumed, resumes);
  }
}

// ---- rotation ----

TEST_P(ticket_resumption, survives_new_keys_and_then_gets_a_ticket_of_those) {
  const context server = make_context(closed());
  memory_client_options client = alice();
  const ssl_session_ptr ticket = ticket_from(server, client);
  clock.forward(23h);
  client.resumed = ticket;
  const visit_outcome again = visit(server, client);
  EXPECT_TRUE(is_resumed(again));
  ASSERT_NE(again.session, nullptr);
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  SSL_SESSION_get0_ticket(again.session.get(), &data, &size);
  ASSERT_GT(size, 16U);
  EXPECT_TRUE(std::equal(data, data + 16, keys.data().current()->name().begin()));
}

TEST_P(ticket_resumption, ends_with_the_keys) {
  ssl_configuration configuration = open();
  configuration.resumption_lifetime = 24h * 7;
  const context server = make_context(configuration);
  memory_client_options client = anybody();
  client.resumed = ticket_from(server, client);
  clock.forward(36h);
  EXPECT_TRUE(is_a_full_handshake(visit(server, client)));
}

// ---- the policy ----

TEST_P(ticket_resumption, goes_by_the_identitys_names_and_not_by_its_certificate) {
  const auto with_names = [this](const std::vector<std::string>& names) {
    ssl_configuration configuration = open();
    configuration.identities = {identity_of(server_for(names))};
    return make_context(configuration);
  };
  const context server = with_names({"one.example", "two.example"});
  EXPECT_TRUE(is_resumed(comes_back(server, with_names({"two.example", "ONE.example"}), anybody())))
      << " a renewed certificate";
  EXPECT_TRUE(is_a_full_handshake(comes_back(server, with_names({"one.example"}), anybody())));
  EXPECT_TRUE(
      is_a_full_handshake(comes_back(server, with_names({"one.example", "two.example", "192.0.2.1"}), anybody())));
}

TEST_P(ticket_resumption, goes_by_the_name_that_the_client_asks_for) {
  ssl_configuration configuration = open();
  configuration.identities = {identity_of(server_for({"one.example", "two.example"}))};
  const context server = make_context(configuration);
  const auto from_to = [&](const std::string& from, const std::string& to) {
    memory_client_options client{.version = version(), .server_name = from};
    client.resumed = ticket_from(server, client);
    client.server_name = to;
    return visit(server, client);
  };
  EXPECT_TRUE(is_resumed(from_to("one.example", "one.example")));
  EXPECT_TRUE(is_resumed(from_to("one.example", "One.Example")));
  EXPECT_TRUE(is_a_full_handshake(from_to("one.example", "two.example")));
  EXPECT_TRUE(is_a_full_handshake(from_to("", "two.example")));
  EXPECT_TRUE(is_a_full_handshake(from_to("one.example", "")));
  EXPECT_TRUE(is_resumed(from_to("", "")));
}

struct policy_change {
  const char* name;
  void (*apply)(ssl_configuration&);
};

/// What somebody who is let in by the one is asked differently by the other.
const policy_change policy_changes[] = {
    {"verify_mode", [](auto& c) { c.allow.clear(), c.verify_mode = peer_verify_mode::query; }},
    {"depth", [](auto& c) { c.verify_depth = 3; }},
    {"missing_certificate", [](auto& c) { c.missing_certificate_is_fatal = true; }},
    {"pre_shared_keys", [](auto& c) { c.pre_shared_keys = true; }},
    {"profile", [](auto& c) { c.profile = security_profile::modern; }},
    {"openssl_commands",
     [](auto& c) {
       c.openssl_commands = {{"Options", "Bugs"}};
     }},
    {"only_tls_1_2", [](auto& c) { c.maximum_version = tls_version::tls_1_2; }},
    {"only_tls_1_3", [](auto& c) { c.minimum_version = tls_version::tls_1_3; }},
    {"more_trusted",
     [](auto& c) {
       c.ca_certificates = trust_store::from_pem(test_ca().certificate + make_ca("More").certificate).value();
     }},
    {"no_revocation", [](auto& c) { c.revocation.reset(); }},
    {"other_revocation",
     [](auto& c) {
       c.revocation =
           revocation_lists::from_bytes(make_list(test_ca(), {.revoked = {issue(test_ca(), {}).certificate}})).value();
     }},
    {"missing_revocation_list", [](auto& c) { c.missing_revocation_list = revocation_policy::soft_fail; }},
    {"fewer_rules", [](auto& c) { c.allow.pop_back(); }},
    {"no_rules", [](auto& c) { c.allow.clear(); }},
    {"more_rules", [](auto& c) { c.allow.push_back(access_rule::parse("cn=carol").value()); }},
};

TEST(resumption_policy, is_a_hash_of_all_that_decides_who_is_let_in) {
  ssl_configuration base = client_certificate_configuration();
  base.allow = rules({"cn=alice", "cn=bob"});
  base.revocation = revocation_lists::from_bytes(make_list(test_ca())).value();
  const auto policy = detail::policy_of(base);
  ASSERT_TRUE(policy.has_value());
  EXPECT_EQ(policy, detail::policy_of(base));
  ssl_configuration says_the_same = base;
  says_the_same.minimum_version = tls_version::tls_1_2;
  says_the_same.maximum_version = tls_version::tls_1_3;
  EXPECT_EQ(policy, detail::policy_of(says_the_same));
  std::vector<detail::policy_digest> seen{*policy};
  for (const policy_change& change : policy_changes) {
    ssl_configuration changed = base;
    change.apply(changed);
    const auto other = detail::policy_of(changed).value();
    EXPECT_EQ(std::count(seen.begin(), seen.end(), other), 0) << change.name;
    seen.push_back(other);
  }
}

TEST(resumption_policy, does_not_depend_on_the_order_of_what_has_none) {
  const credentials other_ca = make_ca("Other CA");
  ssl_configuration one = client_certificate_configuration(), other = one;
  one.allow = rules({"cn=alice", "cn=bob"});
  other.allow = rules({"cn=bob", "cn=alice", "cn=bob"});
  one.ca_certificates = trust_store::from_pem(test_ca().certificate + other_ca.certificate).value();
  other.ca_certificates = trust_store::from_pem(other_ca.certificate + test_ca().certificate).value();
  const std::string lists[] = {make_list(test_ca()), make_list(other_ca)};
  one.revocation = revocation_lists::from_bytes(lists[0] + lists[1]).value();
  other.revocation = revocation_lists::from_bytes(lists[1] + lists[0]).value();
  EXPECT_EQ(detail::policy_of(one), detail::policy_of(other));
}

// What another program has computed: hosts of all kinds agree, and all releases until the version in it changes.
TEST(resumption_policy, is_always_the_same_bytes) {
  ssl_configuration configuration;
  configuration.allow = rules({"dns=bob.example", "cn=alice"});
  std::string hexadecimal;
  const auto digest = detail::policy_of(configuration).value();
  for (const unsigned char byte : digest) {
    constexpr std::string_view digits = "0123456789abcdef";
    hexadecimal += digits[byte >> 4];
    hexadecimal += digits[byte & 15];
  }
  EXPECT_EQ(hexadecimal, "5385647b6612f72b9d12ee5441085a362fa3787cc9000b49484a7b9153f0483c");
}

}  // namespace
}  // namespace sallyport::test
