// How a session applies ssl_configuration::allow: whom no rule lets in never gets in, and is told so by access_denied.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/refused.hpp"
#include "support/session_steps.hpp"
#include "support/test_servers.hpp"

#include <sallyport/interrupted_handshake.hpp>

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

const credentials& alice() {
  static const credentials made =
      issue(test_ca(), {.common_name = "alice",
                        .subject = {{.type = "OU", .value = "web"}},
                        .names = {"alice.example.org"},
                        .other_names = {{.kind = name_kind::uri, .bytes = "spiffe://example.org/alice"}},
                        .extended_key_usage = "clientAuth"});
  return made;
}
const credentials& stranger() {
  static const credentials made = issue(make_ca("Other CA"), {.common_name = "alice"});
  return made;
}

ssl_configuration configuration_with(std::initializer_list<std::string_view> rules) {
  ssl_configuration configuration = client_certificate_configuration();
  for (const std::string_view rule : rules) configuration.allow.push_back(access_rule::parse(rule).value());
  return configuration;
}
context server_with(std::initializer_list<std::string_view> rules) { return make_context(configuration_with(rules)); }

/// A client up to where its certificate is judged.
struct client_at_the_gate : session_steps {
  client_at_the_gate(const context& server, int version, std::optional<credentials> certificate,
                     const delivery& how = {}, const std::string& name = {})
      : session_steps(server, {.version = version, .server_name = name, .certificate = std::move(certificate)}, how) {
    client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
  }
  session_steps& is_denied(where row = where::current()) {
    handshake_fails(handshake_error::denied_by_policy, {"alert_sent fatal access_denied"}, row)
        .client_was_alerted({"fatal access denied"}, row);
    EXPECT_EQ(server().matched_rule(), "");
    return *this;
  }
};

class session_authorization : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(versions, session_authorization, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

TEST_P(session_authorization, the_first_rule_that_matches_is_remembered) {
  const context server = server_with({"cn=bob", "dns=*.example.org", "cn=alice"});
  for (const delivery& how : {delivery{}, single_bytes}) {
    client_at_the_gate steps(server, GetParam(), alice(), how);
    EXPECT_EQ(steps.server().matched_rule(), "");
    steps.handshake(progress::done, {}).errors({}).client_is_connected().client_sends("hello").reads("hello");
    EXPECT_EQ(steps.server().matched_rule(), "dns=*.example.org");
  }
}

TEST_P(session_authorization, a_resumed_session_is_let_in_by_the_rule_of_its_certificate) {
  const context server = server_with({"cn=bob", "cn=alice"});
  client_at_the_gate first(server, GetParam(), alice());
  first.handshake(progress::done, {}).client_is_connected().client_receives("");
  ASSERT_EQ(first.client().tickets().size(), 1U);

  session_steps again(server, {.version = GetParam(), .resumed = first.client().tickets().front()});
  again.client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
  again.handshake(progress::done, {}).client_is_connected();
  EXPECT_TRUE(again.server().resumed());
  EXPECT_EQ(again.server().matched_rule(), "cn=alice");
}

TEST_P(session_authorization, without_rules_all_that_are_verified_get_in) {
  const context server = server_with({});
  client_at_the_gate steps(server, GetParam(), alice());
  steps.handshake(progress::done, {}).client_is_connected();
  EXPECT_EQ(steps.server().matched_rule(), "");
}

TEST_P(session_authorization, whom_no_rule_matches_is_denied) {
  const context server = server_with({"cn=bob", "dns=*.example.com"});
  for (const delivery& how : {delivery{}, single_bytes}) {
    client_at_the_gate steps(server, GetParam(), alice(), how);
    steps.is_denied();
    EXPECT_EQ(steps.server().error_detail(),
              "no rule matches the client's certificate (OU=web,CN=alice, dns=alice.example.org, "
              "uri=spiffe://example.org/alice)");
    EXPECT_EQ(steps.client().tickets().size(), 0U);
    EXPECT_EQ(steps.server().peer_certificate_chain().at(0).common_name(), "alice");
  }
}

// In TLS 1.3 OpenSSL takes such a client for accepted: it must hear nothing but the alert.
TEST_P(session_authorization, one_who_is_denied_is_sent_the_alert_alone) {
  const context server = server_with({"cn=bob"});
  client_at_the_gate steps(server, GetParam(), alice());
  steps.handshake_fails(handshake_error::denied_by_policy, {"alert_sent fatal access_denied"});
  constexpr std::size_t header = 5, alert = 2, type_and_tag = 17;
  EXPECT_EQ(steps.unsent_output().size(), header + alert + (GetParam() == TLS1_3_VERSION ? type_and_tag : 0));
}

TEST_P(session_authorization, an_alert_without_room_is_lost_and_nothing_else_changes) {
  const context server = server_with({"cn=bob"});
  for (const std::size_t room : {1U, 6U}) {
    client_at_the_gate steps(server, GetParam(), alice(), {.output_room = room});
    const step last = steps.run([&](io_window& window) { return steps.server().handshake(window); });
    EXPECT_EQ(words(last.what), "failed");
    EXPECT_EQ(steps.server().error(), handshake_error::denied_by_policy);
    EXPECT_LT(steps.unsent_output().size(), 7U);
    steps.stays_failed();
  }
}

TEST_P(session_authorization, the_sentence_is_short_and_safe_to_log) {
  const context server = server_with({"cn=bob"});
  certificate_options options{.common_name = "line\nbreak"};
  for (int i = 0; i < 20; ++i) options.names.push_back(std::string(60, 'a') + std::to_string(i) + ".example.org");
  options.other_names = {{.kind = name_kind::email, .bytes = "evil\r\n@example.org"}};
  client_at_the_gate many(server, GetParam(), issue(test_ca(), options));
  many.is_denied();
  EXPECT_LT(many.server().error_detail().size(), 600U);
  EXPECT_EQ(many.server().error_detail().find_first_of("\r\n"), std::string::npos) << many.server().error_detail();
  EXPECT_TRUE(many.server().error_detail().ends_with(", ...)")) << many.server().error_detail();

  options.names.clear();
  client_at_the_gate strange(server, GetParam(), issue(test_ca(), options));
  strange.is_denied();
  EXPECT_EQ(strange.server().error_detail(),
            "no rule matches the client's certificate (CN=line\\0Abreak, email=evil\\0D\\0A@example.org)");
}

TEST_P(session_authorization, a_rule_vouches_for_nobody) {
  const context server = server_with({"cn=alice"});
  client_at_the_gate(server, GetParam(), stranger())
      .asks(handshake_question::ssl_errors)
      .handshake_fails(handshake_error::client_certificate_unknown_ca, {"alert_sent fatal unknown_ca"});
}

TEST_P(session_authorization, who_is_forgiven_is_judged_all_the_same) {
  for (const bool matches : {true, false}) {
    ssl_configuration configuration = configuration_with({matches ? "cn=alice" : "cn=bob"});
    configuration.handshake_must_interrupt_on_error = true;
    const context server = make_context(configuration);
    client_at_the_gate steps(server, GetParam(), stranger());
    steps.server().ignore_ssl_errors();
    for (int errors = 0; errors < 2; ++errors) {
      steps.asks(handshake_question::interrupted_on_error);
      steps.server().continue_interrupted_handshake();
    }
    steps.asks(handshake_question::ssl_errors);
    if (!matches) {
      steps.is_denied();
      EXPECT_EQ(steps.server().error_detail(), "no rule matches the client's certificate (CN=alice)");
      continue;
    }
    steps.handshake(progress::done, {}).client_is_connected();
    EXPECT_EQ(steps.server().matched_rule(), "cn=alice");
  }
}

TEST_P(session_authorization, no_certificate_matches_no_rule) {
  const context server = server_with({"cn=alice"});
  for (const delivery& how : {delivery{}, single_bytes}) {
    client_at_the_gate ignored(server, GetParam(), std::nullopt, how);
    ignored.asks(handshake_question::ssl_errors);
    ignored.server().ignore_ssl_errors();
    ignored.is_denied();
    EXPECT_EQ(ignored.server().error_detail(), "no rule lets in a client without a certificate");
  }
  client_at_the_gate(server, GetParam(), std::nullopt)
      .asks(handshake_question::ssl_errors)
      .handshake_fails(handshake_error::no_client_certificate,
                       {GetParam() == TLS1_3_VERSION ? "alert_sent fatal certificate_required"
                                                     : "alert_sent fatal handshake_failure"});
}

TEST_P(session_authorization, a_pre_shared_key_is_judged_by_no_rule) {
  const std::string alices_key = "alice and the server know these";
  ssl_configuration configuration = configuration_with({"cn=bob"});
  configuration.pre_shared_keys = true;
  const context server = make_context(configuration);
  for (const bool knows_the_key : {true, false}) {
    session_steps steps(server, {.version = GetParam(),
                                 .certificate = alice(),
                                 .identity = "alice",
                                 .key = knows_the_key ? alices_key : "not the key"});
    steps.client_handshake();
    if (GetParam() == TLS1_2_VERSION)
      steps.handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
    steps.run([&](io_window& window) { return steps.server().handshake(window); });
    ASSERT_EQ(steps.server().question(), handshake_question::pre_shared_key);
    steps.server().set_pre_shared_key(pre_shared_key(std::as_bytes(std::span(alices_key))));
    steps.asks(handshake_question::ssl_errors).errors({"no_peer_certificate at 0"});
    steps.server().ignore_ssl_errors();
    if (!knows_the_key) {
      steps.handshake_fails(
          handshake_error::bad_pre_shared_key,
          {GetParam() == TLS1_3_VERSION ? "alert_sent fatal illegal_parameter" : "alert_sent fatal bad_record_mac"});
      continue;
    }
    if (GetParam() == TLS1_3_VERSION) steps.handshake(progress::want_input, {}).client_handshake();
    steps.handshake(progress::done, {}).client_is_connected();
    EXPECT_EQ(steps.server().pre_shared_key_identity(), "alice");
    EXPECT_EQ(steps.server().matched_rule(), "");
  }

  // One who has a key for another server, or none, is judged by the certificate.
  client_at_the_gate(server, GetParam(), alice()).is_denied();
}

TEST_P(session_authorization, each_name_has_its_rules) {
  ssl_configuration configuration = configuration_with({"cn=bob"});
  configuration.for_names.push_back(
      {.names = {"open.example"}, .allow = std::vector{access_rule::parse("cn=alice").value()}});
  configuration.for_names.push_back({.names = {"all.example"}, .allow = std::vector<access_rule>{}});
  const context server = make_context(configuration);
  client_at_the_gate(server, GetParam(), alice()).is_denied();
  client_at_the_gate(server, GetParam(), alice(), {}, "other.example").is_denied();
  client_at_the_gate open(server, GetParam(), alice(), {}, "open.example");
  open.handshake(progress::done, {});
  EXPECT_EQ(open.server().matched_rule(), "cn=alice");
  client_at_the_gate all(server, GetParam(), alice(), {}, "all.example");
  all.handshake(progress::done, {});
  EXPECT_EQ(all.server().matched_rule(), "");
}

TEST_P(session_authorization, names_without_rules_of_their_own_have_everybodys) {
  ssl_configuration configuration = configuration_with({});
  configuration.for_names.push_back(
      {.names = {"closed.example"}, .allow = std::vector{access_rule::parse("cn=bob").value()}});
  const context server = make_context(configuration);
  client_at_the_gate(server, GetParam(), alice()).handshake(progress::done, {});
  client_at_the_gate(server, GetParam(), alice(), {}, "closed.example").is_denied();
}

TEST_P(session_authorization, an_application_may_refuse_by_the_same_alert) {
  for (const auto mode : {peer_verify_mode::verify, peer_verify_mode::query}) {
    for (const bool interrupts : {false, true}) {
      ssl_configuration configuration = configuration_with({});
      configuration.verify_mode = mode;
      configuration.handshake_must_interrupt_on_error = interrupts;
      const context server = make_context(configuration);
      client_at_the_gate steps(server, GetParam(), stranger());
      steps.asks(interrupts ? handshake_question::interrupted_on_error : handshake_question::ssl_errors);
      steps.server().refuse(certificate_alert::access_denied);
      steps.handshake_fails(handshake_error::client_certificate_unknown_ca, {"alert_sent fatal access_denied"})
          .client_was_alerted({"fatal access denied"});
      EXPECT_NE(steps.server().error_detail().find("alice"), std::string::npos) << steps.server().error_detail();
    }
  }
  const context server = server_with({"cn=alice"});
  client_at_the_gate good(server, GetParam(), alice());
  good.server().refuse(certificate_alert::access_denied);
  good.handshake_fails(handshake_error::client_certificate_rejected, {"alert_sent fatal access_denied"});
  EXPECT_EQ(good.server().matched_rule(), "");
}

// The alert of TLS 1.3 comes by way of an extension that OpenSSL knows of because of it, and by its number alone.
TEST_P(session_authorization, a_client_may_send_the_extension_that_the_alert_comes_by) {
  const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> ctx(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  const auto send = [](SSL*, unsigned, unsigned, const unsigned char** bytes, std::size_t* size, X509*, std::size_t,
                       int*, void*) {
    *bytes = nullptr;
    *size = 0;
    return 1;
  };
  ASSERT_EQ(SSL_CTX_add_custom_ext(ctx.get(), 0xff53, SSL_EXT_CLIENT_HELLO, send, nullptr, nullptr, nullptr, nullptr),
            1);
  ssl_configuration configuration = configuration_with({});
  configuration.verify_mode = peer_verify_mode::query;
  session_steps steps(make_context(configuration), {.version = GetParam()});
  ASSERT_EQ(SSL_set_SSL_CTX(steps.client().native(), ctx.get()), ctx.get());
  steps.client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
  steps.handshake(progress::done, {}).client_is_connected();
}

TEST_P(session_authorization, one_who_does_not_prove_to_be_whom_a_rule_lets_in_stays_out) {
  const context server = server_with({"cn=alice"});
  // The certificate is alice's, and the key that signs is not.
  client_at_the_gate steps(server, GetParam(), credentials{alice().certificate, alice().key});
  steps.change_input([](std::string& input) { input.back() = static_cast<char>(input.back() ^ 1); });
  steps.run([&](io_window& window) { return steps.server().handshake(window); });
  EXPECT_TRUE(steps.server().error().failed());
  EXPECT_EQ(steps.server().matched_rule(), "");
}

TEST(session_authorization_settings, rules_are_only_for_clients_that_are_verified) {
  const std::string sentence =
      "allow: there are access rules, and verify_mode isn't verify, so that nobody proves to be whom they let in";
  for (const auto mode : {peer_verify_mode::none, peer_verify_mode::query}) {
    ssl_configuration configuration = configuration_with({"cn=alice"});
    configuration.verify_mode = mode;
    EXPECT_TRUE(refused(context::make(configuration), configuration_error::invalid_value, sentence));
  }
  // What a name changes must not leave rules behind that nobody applies.
  ssl_configuration configuration = configuration_with({"cn=alice"});
  configuration.for_names.push_back({.names = {"open.example"}, .verify_mode = peer_verify_mode::none});
  EXPECT_TRUE(refused(context::make(configuration), configuration_error::invalid_value,
                      "for_names (open.example): " + sentence));
  configuration.for_names.front().allow.emplace();
  EXPECT_TRUE(accepted(context::make(configuration)));
}

}  // namespace
}  // namespace sallyport::test
