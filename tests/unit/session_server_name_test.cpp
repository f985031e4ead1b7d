// What a client gets by the name that it asks for (SNI): identities, settings, or a refusal.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/session_steps.hpp"
#include "support/test_servers.hpp"

#include <sallyport/certificate.hpp>
#include <sallyport/interrupted_handshake.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

identity make_identity(const std::string& common_name, const std::vector<std::string>& names,
                       key_type key = key_type::ec_p256) {
  const credentials made = make_self_signed({.common_name = common_name, .names = names, .key = key});
  return identity::from_pem(made.certificate, made.key).value();
}

const identity& ec() {
  static const identity made = make_identity("ec", {"ec.example", "both.example"});
  return made;
}
const identity& rsa() {
  static const identity made =
      make_identity("rsa", {"rsa.example", "both.example", "*.wild.example"}, key_type::rsa_2048);
  return made;
}
const identity& ed25519() {
  static const identity made = make_identity("ed25519", {"ed25519.example", "a.wild.example"}, key_type::ed25519);
  return made;
}

ssl_configuration three_identities() {
  ssl_configuration configuration;
  configuration.identities = {ec(), rsa(), ed25519()};
  return configuration;
}

class session_server_name : public testing::TestWithParam<int> {
 protected:
  memory_client_options asking_for(const std::string& name) const {
    return {.version = GetParam(), .server_name = name};
  }

  /// The handshake as far as it goes; the session may stop in a question, which isn't answered.
  void shake_hands(session_steps& steps) const {
    for (int flights = 0; flights < 6 && steps.server().phase() != handshake_phase::complete; ++flights) {
      steps.client_handshake();
      if (steps.run([&](io_window& window) { return steps.server().handshake(window); }).what == progress::failed)
        break;
    }
    steps.client_handshake();
  }

  /// The common name of the certificate that a client is shown; "" if it isn't let in.
  std::string shown(const context& server, const memory_client_options& options) const {
    session_steps steps(server, options);
    shake_hands(steps);
    if (steps.server().phase() != handshake_phase::complete || !steps.client().connected()) return {};
    return steps.server().local_certificate()->common_name();
  }
};
INSTANTIATE_TEST_SUITE_P(versions, session_server_name, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

// ---- identities ----

TEST_P(session_server_name, chooses_the_identity) {
  const context server = make_context(three_identities());
  const std::pair<const char*, const char*> expected[] = {
      {"ec.example", "ec"},       {"rsa.example", "rsa"},
      {"RSA.Example", "rsa"},     {"ed25519.example", "ed25519"},
      {"b.wild.example", "rsa"},  {"rsa.example.", "rsa"},
      {"a.b.wild.example", "ec"}, {"unknown.example", "ec"},
      {"wild.example", "ec"},     {"", "ec"},
  };
  for (const auto& [name, identity] : expected) EXPECT_EQ(shown(server, asking_for(name)), identity) << name;
}

TEST_P(session_server_name, prefers_a_whole_name_to_a_wildcard) {
  const context server = make_context(three_identities());
  EXPECT_EQ(shown(server, asking_for("a.wild.example")), "ed25519");
  memory_client_options only_rsa = asking_for("a.wild.example");
  only_rsa.signature_algorithms = "RSA+SHA256:rsa_pss_rsae_sha256";
  EXPECT_EQ(shown(server, only_rsa), "") << "the wildcard's identity isn't this name's";
}

TEST_P(session_server_name, shows_what_the_client_can_verify) {
  const context server = make_context(three_identities());
  EXPECT_EQ(shown(server, asking_for("both.example")), "ec");
  memory_client_options only_rsa = asking_for("both.example");
  only_rsa.signature_algorithms = "RSA+SHA256:rsa_pss_rsae_sha256";
  EXPECT_EQ(shown(server, only_rsa), "rsa");
  only_rsa.server_name = "ec.example";
  EXPECT_EQ(shown(server, only_rsa), "") << "no other name's certificate instead";
}

TEST_P(session_server_name, has_a_default_of_each_type_of_key) {
  ssl_configuration configuration;
  configuration.identities = {make_identity("first", {"one.example"}),
                              make_identity("other", {"one.example", "two.example"}, key_type::rsa_2048)};
  const context server = make_context(configuration);
  memory_client_options only_rsa = asking_for("");
  EXPECT_EQ(shown(server, only_rsa), "first");
  only_rsa.signature_algorithms = "RSA+SHA256:rsa_pss_rsae_sha256";
  EXPECT_EQ(shown(server, only_rsa), "other");
}

TEST_P(session_server_name, takes_the_first_of_two_alike) {
  ssl_configuration configuration = three_identities();
  configuration.identities.push_back(make_identity("second", {"rsa.example"}, key_type::rsa_2048));
  EXPECT_EQ(shown(make_context(configuration), asking_for("rsa.example")), "rsa");
}

TEST_P(session_server_name, sends_the_chain_of_the_chosen_one) {
  const credentials ca = make_ca();
  const credentials own = issue(ca, {.common_name = "chain", .names = {"chain.example"}});
  ssl_configuration configuration = three_identities();
  configuration.identities.push_back(identity::from_pem(own.certificate + ca.certificate, own.key).value());
  const context server = make_context(configuration);
  const auto chain_length = [&](const std::string& name) {
    session_steps steps(server, asking_for(name));
    shake_hands(steps);
    return sk_X509_num(SSL_get_peer_cert_chain(steps.client().native()));
  };
  EXPECT_EQ(chain_length("chain.example"), 2);
  EXPECT_EQ(chain_length("rsa.example"), 1);
}

TEST(server_names_of_a_context, tell_of_identities_that_nobody_will_see) {
  ssl_configuration configuration = three_identities();
  configuration.identities.push_back(make_identity("second", {"ec.example"}));
  configuration.identities.push_back(make_identity("nameless", {"192.0.2.1"}));
  EXPECT_THAT(make_context(configuration).warnings(),
              ElementsAre(HasSubstr("certificates before it have all its names"), HasSubstr("has no DNS name")));
}

// ---- unknown names ----

TEST_P(session_server_name, refuses_an_unknown_name_if_told_to) {
  ssl_configuration configuration = three_identities();
  configuration.unknown_names = unknown_name_policy::refuse;
  const context server = make_context(configuration);
  EXPECT_EQ(shown(server, asking_for("rsa.example")), "rsa");
  EXPECT_EQ(shown(server, asking_for("")), "ec") << "who asks for none gets the default";
  for (const char* name : {"unknown.example", "192.0.2.1", "sub.ec.example"}) {
    session_steps steps(server, asking_for(name));
    steps.client_handshake()
        .handshake_fails(handshake_error::unknown_server_name,
                         {"started", "client_hello", "alert_sent fatal unrecognized_name"})
        .client_was_alerted({"fatal unrecognized name"})
        .server_name(name);
    EXPECT_THAT(steps.server().error_detail(), HasSubstr("\"" + std::string(name) + "\""));
  }
}

TEST_P(session_server_name, asks_about_an_unknown_name) {
  ssl_configuration configuration = three_identities();
  configuration.ask_about_unknown_names = true;
  configuration.unknown_names = unknown_name_policy::refuse;
  const context server = make_context(configuration);
  EXPECT_EQ(shown(server, asking_for("rsa.example")), "rsa") << "without a question";
  EXPECT_EQ(shown(server, asking_for("")), "ec");

  session_steps answered(server, asking_for("new.example"));
  answered.client_handshake().asks(handshake_question::unknown_server_name, {"started", "client_hello"});
  EXPECT_EQ(answered.server().server_name(), "new.example");
  answered.server().use_identity(make_identity("new", {"new.example"}, key_type::rsa_2048));
  shake_hands(answered);
  EXPECT_EQ(answered.server().local_certificate()->common_name(), "new");
  EXPECT_EQ(shown(server, asking_for("new.example")), "") << "it isn't kept";

  session_steps refused(server, asking_for("new.example"));
  refused.client_handshake().asks(handshake_question::unknown_server_name, {"started", "client_hello"});
  refused.server().refuse();
  refused.handshake_fails(handshake_error::unknown_server_name, {"alert_sent fatal unrecognized_name"});
}

TEST_P(session_server_name, applies_the_policy_where_nobody_answers) {
  ssl_configuration configuration = three_identities();
  configuration.ask_about_unknown_names = true;
  session_steps steps(make_context(configuration), asking_for("new.example"));
  steps.client_handshake().asks(handshake_question::unknown_server_name, {"started", "client_hello"});
  shake_hands(steps);
  EXPECT_EQ(steps.server().local_certificate()->common_name(), "ec");
}

TEST(server_name, may_not_change_after_a_hello_retry_request) {
  ssl_configuration configuration = three_identities();
  configuration.groups = "P-384";
  const memory_client_options retrying{
      .version = TLS1_3_VERSION, .server_name = "rsa.example", .groups = "X25519:P-384"};
  session_steps same(make_context(configuration), retrying);
  same.client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
  same.handshake(progress::want_input, {}).client_handshake().handshake(progress::done, {});

  session_steps changed(make_context(configuration), retrying);
  changed.client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
  changed.change_input([](std::string& bytes) { bytes[bytes.find("rsa.example")] = 'x'; });
  changed.handshake_fails(handshake_error::protocol_violation, {"alert_sent fatal illegal_parameter"});
}

// ---- settings for names ----

const std::string named = "rsa.example";

memory_client_options with_certificate(memory_client_options options) {
  static const credentials good = issue(test_ca(), {.common_name = "good", .extended_key_usage = "clientAuth"});
  options.certificate = good;
  return options;
}

TEST_P(session_server_name, has_verification_of_its_own) {
  ssl_configuration configuration = three_identities();
  configuration.for_names = {{.names = {named},
                              .verify_mode = peer_verify_mode::verify,
                              .ca_certificates = trust_store::from_pem(test_ca().certificate).value()}};
  const context server = make_context(configuration);
  EXPECT_EQ(shown(server, asking_for("ec.example")), "ec");
  EXPECT_EQ(shown(server, asking_for("")), "ec");
  EXPECT_EQ(shown(server, with_certificate(asking_for(named))), "rsa");
  session_steps without(server, asking_for(named));
  without.client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
  without.asks(handshake_question::ssl_errors).errors({"no_peer_certificate at 0"});
  without.handshake_fails(
      handshake_error::no_client_certificate,
      {GetParam() == TLS1_3_VERSION ? "alert_sent fatal certificate_required" : "alert_sent fatal handshake_failure"});
}

TEST_P(session_server_name, may_be_free_of_verification) {
  ssl_configuration configuration = client_certificate_configuration();
  configuration.identities = three_identities().identities;
  configuration.for_names = {{.names = {named}, .verify_mode = peer_verify_mode::none}};
  const context server = make_context(configuration);
  EXPECT_EQ(shown(server, asking_for(named)), "rsa");
  EXPECT_EQ(shown(server, asking_for("ec.example")), "");
  EXPECT_EQ(shown(server, with_certificate(asking_for("ec.example"))), "ec");
}

TEST_P(session_server_name, has_a_trust_store_of_its_own) {
  const credentials other_ca = make_ca("Other CA");
  ssl_configuration configuration = client_certificate_configuration();
  configuration.identities = three_identities().identities;
  configuration.for_names = {
      {.names = {named}, .ca_certificates = trust_store::from_pem(other_ca.certificate).value()}};
  const context server = make_context(configuration);
  memory_client_options others = asking_for(named);
  others.certificate = issue(other_ca, {.common_name = "other"});
  EXPECT_EQ(shown(server, others), "rsa");
  EXPECT_EQ(shown(server, with_certificate(asking_for(named))), "");
  others.server_name = "ec.example";
  EXPECT_EQ(shown(server, others), "");
  EXPECT_EQ(shown(server, with_certificate(asking_for("ec.example"))), "ec");
}

TEST_P(session_server_name, asks_for_the_certificates_of_its_own_authorities) {
  const credentials other_ca = make_ca("Other CA");
  ssl_configuration configuration = client_certificate_configuration();
  configuration.for_names = {
      {.names = {named}, .ca_certificates = trust_store::from_pem(other_ca.certificate).value()}};
  const context server = make_context(configuration);
  const auto asked_for = [&](const std::string& name) {
    session_steps steps(server, asking_for(name));
    steps.client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
    const STACK_OF(X509_NAME)* names = SSL_get0_peer_CA_list(steps.client().native());
    char text[128] = "";
    if (sk_X509_NAME_num(names) == 1) X509_NAME_oneline(sk_X509_NAME_value(names, 0), text, sizeof text);
    return std::string(text);
  };
  EXPECT_EQ(asked_for(named), "/CN=Other CA");
  EXPECT_EQ(asked_for("localhost"), asked_for(""));
  EXPECT_NE(asked_for("localhost"), "/CN=Other CA");
}

TEST_P(session_server_name, has_application_protocols_of_its_own) {
  ssl_configuration configuration = three_identities();
  configuration.alpn_protocols = {"all"};
  configuration.for_names = {{.names = {named}, .alpn_protocols = {{"first", "second"}}}};
  const context server = make_context(configuration);
  memory_client_options options = asking_for(named);
  options.alpn_protocols = {"second", "first", "all"};
  session_steps of_named(server, options);
  shake_hands(of_named);
  EXPECT_EQ(of_named.server().application_protocol(), "first");
  options.server_name = "ec.example";
  session_steps of_all(server, options);
  shake_hands(of_all);
  EXPECT_EQ(of_all.server().application_protocol(), "all");
  options.server_name = named;
  options.alpn_protocols = {"all"};
  session_steps refused(server, options);
  refused.client_handshake().handshake_fails(handshake_error::no_common_application_protocol,
                                             {"started", "client_hello", "alert_sent fatal no_application_protocol"});
}

TEST(settings_of_a_name, have_a_profile_and_its_versions) {
  ssl_configuration configuration = three_identities();
  configuration.for_names = {{.names = {named, "*.wild.example"}, .profile = security_profile::modern}};
  const context server = make_context(configuration);
  const auto outcome = [&](const std::string& name, int version) {
    session_steps steps(server, {.version = version, .server_name = name});
    steps.client_handshake();
    steps.run([&](io_window& window) { return steps.server().handshake(window); });
    return steps.server().error();
  };
  EXPECT_EQ(outcome(named, TLS1_2_VERSION), handshake_error::no_common_version);
  EXPECT_EQ(outcome("b.wild.example", TLS1_2_VERSION), handshake_error::no_common_version);
  EXPECT_FALSE(outcome(named, TLS1_3_VERSION));
  EXPECT_FALSE(outcome("ec.example", TLS1_2_VERSION));

  configuration.profile = security_profile::modern;
  configuration.for_names.front().profile = security_profile::intermediate;
  const context reversed = make_context(configuration);
  session_steps older(reversed, {.version = TLS1_2_VERSION, .server_name = named});
  older.client_handshake().handshake(progress::want_input, {"started", "client_hello"});
}

TEST(settings_of_a_name, are_validated) {
  const auto refusal = [](std::vector<name_settings> settings) {
    ssl_configuration configuration = three_identities();
    configuration.for_names = std::move(settings);
    const auto made = context::make(configuration);
    return made ? std::string("accepted") : made.error().detail;
  };
  EXPECT_EQ(refusal({{.names = {"a.example"}}, {.names = {"b.example", "*.a.example"}}}), "accepted");
  EXPECT_THAT(refusal({{}}), HasSubstr("without the name"));
  EXPECT_THAT(refusal({{.names = {"a..example"}}}), HasSubstr("for_names (a..example): is neither a DNS name nor"));
  EXPECT_THAT(refusal({{.names = {"192.0.2.1"}}}), HasSubstr("for_names (192.0.2.1)"));
  EXPECT_THAT(refusal({{.names = {"a.example"}}, {.names = {"A.example"}}}), HasSubstr("is named twice"));
  EXPECT_THAT(refusal({{.names = {"a.example"}, .verify_mode = peer_verify_mode::verify}}),
              HasSubstr("for_names (a.example): ca_certificates"));
  EXPECT_THAT(
      refusal({{.names = {"a.example"}, .ca_certificates = trust_store::from_pem(test_ca().certificate).value()}}),
      HasSubstr("for_names (a.example): ca_certificates: with verify_mode none nobody is asked"));
}

TEST(settings_of_a_name, that_no_certificate_has_are_warned_of) {
  ssl_configuration configuration = three_identities();
  configuration.for_names = {{.names = {"rsa.example", "*.wild.example", "rsa.exmaple", "*.rsa.example"}}};
  EXPECT_THAT(make_context(configuration).warnings(),
              ElementsAre("for_names (rsa.exmaple): no certificate has such a name",
                          "for_names (*.rsa.example): no certificate has such a name"));
  configuration.ask_about_unknown_names = true;
  EXPECT_THAT(make_context(configuration).warnings(), IsEmpty());
}

TEST(settings_of_a_name, may_verify_or_not_where_all_others_are_interrupted) {
  ssl_configuration strict = client_certificate_configuration();
  strict.handshake_must_interrupt_on_error = true;
  strict.allow = {access_rule::parse("cn=good").value()};
  strict.for_names = {
      {.names = {"localhost"}, .verify_mode = peer_verify_mode::none, .allow = std::vector<access_rule>()}};
  EXPECT_TRUE(context::make(strict));
  ssl_configuration lax = three_identities();
  lax.handshake_must_interrupt_on_error = true;
  EXPECT_FALSE(context::make(lax));
  lax.for_names = {{.names = {named},
                    .verify_mode = peer_verify_mode::verify,
                    .ca_certificates = trust_store::from_pem(test_ca().certificate).value()}};
  EXPECT_TRUE(context::make(lax));
}

TEST(unknown_names, need_known_ones) {
  ssl_configuration configuration;
  configuration.pre_shared_keys = true;
  EXPECT_TRUE(context::make(configuration));
  configuration.unknown_names = unknown_name_policy::refuse;
  EXPECT_FALSE(context::make(configuration));
  configuration.unknown_names = unknown_name_policy::use_default;
  configuration.ask_about_unknown_names = true;
  EXPECT_FALSE(context::make(configuration));
}

}  // namespace
}  // namespace sallyport::test
