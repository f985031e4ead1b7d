// Resumption, in all combinations: {TLS 1.2, 1.3} x {same name, other name} x what has become of the policy x where the
// client comes back to. It is resumed only where name and policy are the same; elsewhere a full handshake follows,
// which lets in or refuses as it would without a ticket.
//
// Over memory: a context that is made anew from the same secret is what another process or host has.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/revisit.hpp"
#include "support/test_clock.hpp"
#include "support/test_revocation.hpp"
#include "support/test_servers.hpp"

#include <sallyport/access_rule.hpp>
#include <sallyport/revocation_lists.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

namespace sallyport::test {
namespace {

using namespace std::chrono_literals;

enum class name { same, other };
enum class policy { same, stricter, changed_ca, revoked, expired, rule_removed };
enum class place { same_process, other_shard, other_process, after_rotation, after_reload };

constexpr const char* words_of(name what) { return what == name::same ? "same_name" : "other_name"; }
constexpr const char* words_of(policy what) {
  switch (what) {
    case policy::same:
      return "policy_same";
    case policy::stricter:
      return "policy_stricter";
    case policy::changed_ca:
      return "changed_ca";
    case policy::revoked:
      return "revoked";
    case policy::expired:
      return "expired";
    case policy::rule_removed:
      break;
  }
  return "rule_removed";
}
constexpr const char* words_of(place where) {
  switch (where) {
    case place::same_process:
      return "same_process";
    case place::other_shard:
      return "other_shard";
    case place::other_process:
      return "other_process";
    case place::after_rotation:
      return "after_rotation";
    case place::after_reload:
      break;
  }
  return "after_reload";
}

using combination = std::tuple<int, name, policy, place>;

constexpr auto lifetime_of_an_expiring_certificate = 1h;

class resumption_matrix : public testing::TestWithParam<combination> {
 protected:
  static int version() { return std::get<0>(GetParam()); }
  static name the_name() { return std::get<1>(GetParam()); }
  static policy the_policy() { return std::get<2>(GetParam()); }
  static place the_place() { return std::get<3>(GetParam()); }

  /// All of it read anew, as from files: the certificate has been renewed, too.
  ssl_configuration settings(const ticket_keys& keys) const {
    ssl_configuration configuration;
    const credentials server = issue(test_ca(), {.common_name = "server", .names = {"one.example", "two.example"}});
    configuration.identities = {identity::from_pem(server.certificate, server.key).value()};
    configuration.verify_mode = peer_verify_mode::verify;
    configuration.ca_certificates = trust_store::from_pem(test_ca().certificate).value();
    configuration.revocation = revocation_lists::from_bytes(list).value();
    configuration.allow = {access_rule::parse("cn=alice").value(), access_rule::parse("cn=bob").value()};
    configuration.tickets = keys;
    return configuration;
  }
  void change(ssl_configuration& configuration) const {
    switch (the_policy()) {
      case policy::same:
      case policy::expired:  // nobody has changed a setting
        return;
      case policy::stricter:
        configuration.verify_depth = 1;
        return;
      case policy::changed_ca:
        configuration.ca_certificates = trust_store::from_pem(make_ca("Another CA").certificate).value();
        return;
      case policy::revoked:
        configuration.revocation =
            revocation_lists::from_bytes(make_list(test_ca(), {.revoked = {alice.certificate}, .next_update = 48h}))
                .value();
        return;
      case policy::rule_removed:
        configuration.allow.erase(configuration.allow.begin());
    }
  }
  /// Why the full handshake under the changed policy fails. As OpenSSL judges certificates by the real time, an expired
  /// one is let in here: what counts is that it was verified.
  static error_code refusal() {
    switch (the_policy()) {
      case policy::changed_ca:
        return handshake_error::client_certificate_unknown_ca;
      case policy::revoked:
        return handshake_error::client_certificate_revoked;
      case policy::rule_removed:
        return handshake_error::denied_by_policy;
      default:
        return {};
    }
  }

  test_clock clock;
  const std::string secret = "what all of our hosts have in a file";
  const std::string list = make_list(test_ca(), {.next_update = 48h});
  const credentials alice =
      issue(test_ca(),
            {.common_name = "alice",
             .valid_until = the_policy() == policy::expired ? std::chrono::seconds(lifetime_of_an_expiring_certificate)
                                                            : std::chrono::seconds(48h)});
};

TEST_P(resumption_matrix, resumes_only_where_it_is_safe) {
  const ticket_keys keys = keys_from(secret, clock);
  ssl_configuration before = settings(keys);
  const context first_server = make_context(before);
  memory_client_options client{.version = version(), .server_name = "one.example", .certificate = alice};
  const visit_outcome first = visit(first_server, client);
  ASSERT_TRUE(first.let_in) << first.why;
  ASSERT_FALSE(first.resumed);
  ASSERT_EQ(first.tickets.size(), 1U);

  ssl_configuration after = before;
  switch (the_place()) {
    case place::same_process:
    case place::other_shard:
      break;
    case place::other_process:
    case place::after_reload:
      after = settings(keys_from(secret, clock));
      if (the_place() == place::after_reload) after.tickets = keys;
      break;
    case place::after_rotation:
      clock.forward(13h);
  }
  if (the_policy() == policy::expired) clock.forward(lifetime_of_an_expiring_certificate + 1s);
  change(after);
  const bool is_same_context =
      the_place() == place::same_process && (the_policy() == policy::same || the_policy() == policy::expired);
  const context second_server = is_same_context ? first_server : make_context(after);

  client.resumed = first.tickets.front();
  if (the_name() == name::other) client.server_name = "two.example";
  const visit_outcome second = visit(second_server, client);
  EXPECT_EQ(second.error, refusal()) << second.why;
  EXPECT_EQ(second.let_in, !refusal());
  EXPECT_EQ(second.resumed, the_name() == name::same && the_policy() == policy::same);
  if (!second.let_in) return;
  EXPECT_EQ(second.rule, "cn=alice");
  ASSERT_FALSE(second.chain.empty());
  EXPECT_EQ(second.chain.front(), certificate::from_pem(alice.certificate).value());
}

INSTANTIATE_TEST_SUITE_P(all, resumption_matrix,
                         testing::Combine(testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                                          testing::Values(name::same, name::other),
                                          testing::Values(policy::same, policy::stricter, policy::changed_ca,
                                                          policy::revoked, policy::expired, policy::rule_removed),
                                          testing::Values(place::same_process, place::other_shard, place::other_process,
                                                          place::after_rotation, place::after_reload)),
                         [](const auto& tested) {
                           return std::string(std::get<0>(tested.param) == TLS1_3_VERSION ? "tls_1_3_" : "tls_1_2_") +
                                  words_of(std::get<1>(tested.param)) + '_' + words_of(std::get<2>(tested.param)) +
                                  '_' + words_of(std::get<3>(tested.param));
                         });

}  // namespace
}  // namespace sallyport::test
