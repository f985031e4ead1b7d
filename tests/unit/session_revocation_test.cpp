// What becomes of clients whose certificate, or whose CA's, is on a revocation list; and of those that can't be looked
// up.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/session_steps.hpp"
#include "support/test_revocation.hpp"
#include "support/test_servers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

using std::chrono::hours;
using enum revocation_policy;

const credentials& good() {
  static const credentials made = issue(test_ca(), {.common_name = "good", .extended_key_usage = "clientAuth"});
  return made;
}
const credentials& bad() {
  static const credentials made = issue(test_ca(), {.common_name = "bad", .extended_key_usage = "clientAuth"});
  return made;
}
/// Under an intermediate CA that the server knows.
const credentials& middle() {
  static const credentials made = issue(test_ca(), {.common_name = "Middle", .is_ca = true});
  return made;
}
const credentials& below_middle() {
  static const credentials made = issue(middle(), {.common_name = "below"});
  return made;
}

std::string list_of(const credentials& issuer, list_options options = {}) { return make_list(issuer, options); }

std::string with_bad_one() { return make_list(test_ca(), {.revoked = {bad().certificate}}); }
const list_options stale{.revoked = {bad().certificate}, .this_update = -hours{48}, .next_update = -hours{24}};
const list_options early{.revoked = {bad().certificate}, .this_update = hours{1}};

ssl_configuration configuration_with(const std::string& lists, revocation_policy missing) {
  ssl_configuration configuration = client_certificate_configuration();
  configuration.ca_certificates = trust_store::from_pem(test_ca().certificate + middle().certificate).value();
  configuration.revocation = revocation_lists::from_bytes(lists).value();
  configuration.missing_revocation_list = missing;
  return configuration;
}

context server_with(const std::string& lists, revocation_policy missing = hard_fail) {
  return make_context(configuration_with(lists, missing));
}

class session_revocation : public testing::TestWithParam<int> {
 protected:
  /// A client up to where its certificate is judged.
  struct client_at_the_gate : session_steps {
    client_at_the_gate(const context& server, const credentials& certificate)
        : session_steps(server, {.version = GetParam(), .certificate = certificate}) {
      client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
    }
  };

  static void gets_in(const context& server, const credentials& certificate) {
    client_at_the_gate steps(server, certificate);
    steps.handshake(progress::done, {}).errors({}).client_is_connected().client_sends("hello").reads("hello");
  }

  static void is_revoked(const context& server, const credentials& certificate,
                         const std::vector<std::string>& errors) {
    client_at_the_gate steps(server, certificate);
    steps.asks(handshake_question::ssl_errors)
        .errors(errors)
        .handshake_fails(handshake_error::client_certificate_revoked, {"alert_sent fatal certificate_revoked"})
        .client_was_alerted({"fatal certificate revoked"});
  }

  static void can_not_be_looked_up(const context& server, const credentials& certificate, const std::string& why) {
    client_at_the_gate steps(server, certificate);
    steps.asks(handshake_question::ssl_errors)
        .errors({"unspecified_error at 0"})
        .handshake_fails(handshake_error::client_certificate_rejected, {"alert_sent fatal certificate_unknown"})
        .client_was_alerted({"fatal certificate unknown"});
    EXPECT_THAT(steps.server().error_detail(), testing::HasSubstr(why));
  }
};
INSTANTIATE_TEST_SUITE_P(versions, session_revocation, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

TEST_P(session_revocation, who_is_on_the_list_is_refused) {
  for (const auto policy : {hard_fail, soft_fail}) {
    const context server = server_with(with_bad_one(), policy);
    is_revoked(server, bad(), {"certificate_revoked at 0"});
    gets_in(server, good());
  }
}

TEST_P(session_revocation, is_an_error_that_can_be_ignored) {
  client_at_the_gate steps(server_with(with_bad_one()), bad());
  steps.asks(handshake_question::ssl_errors);
  steps.server().ignore_ssl_errors();
  steps.handshake(progress::done, {}).errors({"certificate_revoked at 0"}).client_is_connected();

  ssl_configuration querying = configuration_with(with_bad_one(), hard_fail);
  querying.verify_mode = peer_verify_mode::query;
  client_at_the_gate(make_context(querying), bad())
      .asks(handshake_question::ssl_errors)
      .errors({"certificate_revoked at 0"})
      .handshake(progress::done, {})
      .client_is_connected();
}

TEST_P(session_revocation, a_missing_list_is_an_error_or_none) {
  const std::string of_another_ca = list_of(make_ca("Other CA"), {.revoked = {bad().certificate}});
  can_not_be_looked_up(server_with(of_another_ca), good(),
                       "certificate 0 (CN=good) can't be looked up: the revocation list of its issuer (CN=Test CA) is "
                       "missing");
  const context soft = server_with(of_another_ca, soft_fail);
  gets_in(soft, good());
  gets_in(soft, bad());

  client_at_the_gate ignored(server_with(of_another_ca), good());
  ignored.asks(handshake_question::ssl_errors);
  ignored.server().ignore_ssl_errors();
  ignored.handshake(progress::done, {}).client_is_connected();
}

TEST_P(session_revocation, a_list_of_another_day_is_an_error_or_none_but_still_revokes) {
  can_not_be_looked_up(server_with(list_of(test_ca(), stale)), good(), "is out of date");
  can_not_be_looked_up(server_with(list_of(test_ca(), early)), good(), "is not valid yet");
  for (const list_options& options : {stale, early}) {
    const context soft = server_with(list_of(test_ca(), options), soft_fail);
    gets_in(soft, good());
    is_revoked(soft, bad(), {"certificate_revoked at 0"});
    is_revoked(server_with(list_of(test_ca(), options)), bad(), {"unspecified_error at 0", "certificate_revoked at 0"});
  }
}

TEST_P(session_revocation, the_latest_list_of_today_counts) {
  const std::string older = list_of(test_ca(), {.revoked = {good().certificate}, .this_update = -hours{3}});
  gets_in(server_with(older + with_bad_one()), good());
  gets_in(server_with(list_of(test_ca(), {.this_update = -hours{48}, .next_update = -hours{24}}) + with_bad_one()),
          good());
  is_revoked(server_with(older + with_bad_one()), bad(), {"certificate_revoked at 0"});
}

// By itself OpenSSL would take the newest list and find out only then that the CA hasn't signed it.
TEST_P(session_revocation, a_list_that_the_ca_has_not_signed_is_not_there) {
  const credentials impostor = make_ca("Test CA");
  const std::string forged =
      list_of(impostor, {.revoked = {good().certificate}, .this_update = -hours{0}, .names_key = false});
  for (const auto policy : {hard_fail, soft_fail}) {
    const context server = server_with(forged + with_bad_one(), policy);
    gets_in(server, good());
    is_revoked(server, bad(), {"certificate_revoked at 0"});
  }
  const context alone = server_with(forged);
  can_not_be_looked_up(alone, good(), "is missing");
  gets_in(server_with(forged, soft_fail), good());
  ASSERT_EQ(alone.warnings().size(), 1U);
  EXPECT_EQ(alone.warnings()[0],
            "revocation lists: list 1 (CN = Test CA) isn't signed by the CA that it names, and counts for nothing");
}

// RFC 5280 section 6.3.3 (f).
TEST_P(session_revocation, nor_is_one_of_a_ca_that_must_not_sign_any) {
  const credentials ca =
      make_self_signed({.common_name = "No lists", .is_ca = true, .key_usage = "critical,keyCertSign"});
  const credentials client = issue(ca, {.common_name = "client"});
  ssl_configuration configuration = configuration_with(list_of(ca, {.revoked = {client.certificate}}), hard_fail);
  configuration.ca_certificates = trust_store::from_pem(ca.certificate).value();
  const context server = make_context(configuration);
  EXPECT_THAT(server.warnings(), testing::ElementsAre("revocation lists: list 1 (CN = No lists) counts for nothing, as "
                                                      "its CA's key usage has no cRLSign"));
  can_not_be_looked_up(server, client, "is missing");
  configuration.missing_revocation_list = soft_fail;
  gets_in(make_context(configuration), client);
}

TEST_P(session_revocation, intermediate_cas_are_looked_up_too) {
  const std::string of_middle = list_of(middle());
  gets_in(server_with(list_of(test_ca()) + of_middle), below_middle());
  is_revoked(server_with(list_of(test_ca(), {.revoked = {middle().certificate}}) + of_middle), below_middle(),
             {"certificate_revoked at 1"});
  is_revoked(server_with(list_of(test_ca()) + list_of(middle(), {.revoked = {below_middle().certificate}})),
             below_middle(), {"certificate_revoked at 0"});
  can_not_be_looked_up(server_with(list_of(test_ca())), below_middle(), "issuer (CN=Middle) is missing");

  // The root's list is missing.
  client_at_the_gate(server_with(of_middle), below_middle())
      .asks(handshake_question::ssl_errors)
      .errors({"unspecified_error at 1"})
      .handshake_fails(handshake_error::client_certificate_rejected, {"alert_sent fatal certificate_unknown"});
  gets_in(server_with(of_middle, soft_fail), below_middle());
}

// What such a CA has signed isn't known before a client shows it.
TEST_P(session_revocation, so_are_intermediate_cas_that_the_client_sends) {
  const auto outcome = [](const std::string& lists, revocation_policy missing) {
    ssl_configuration configuration = configuration_with(lists, missing);
    configuration.ca_certificates = trust_store::from_pem(test_ca().certificate).value();
    session_steps steps(make_context(configuration), {.version = GetParam(), .certificate = below_middle()});
    const std::unique_ptr<BIO, decltype(&BIO_free)> pem(BIO_new_mem_buf(middle().certificate.data(), -1), BIO_free);
    const std::unique_ptr<X509, decltype(&X509_free)> sent(PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr),
                                                           X509_free);
    EXPECT_EQ(SSL_add1_chain_cert(steps.client().native(), sent.get()), 1);
    steps.client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
    if (steps.run([&](io_window& window) { return steps.server().handshake(window); }).what == progress::done) {
      return std::string("welcome");
    }
    const auto errors = steps.server().ssl_handshake_errors();
    return errors.empty() ? steps.server().error_detail() : errors[0].error_string();
  };
  const std::string of_root = list_of(test_ca());
  const std::string revokes = list_of(middle(), {.revoked = {below_middle().certificate}});
  const std::string forged = list_of(issue(test_ca(), {.common_name = "Middle", .is_ca = true}),
                                     {.revoked = {below_middle().certificate}, .names_key = false});
  for (const auto policy : {hard_fail, soft_fail}) {
    EXPECT_EQ(outcome(of_root + list_of(middle()), policy), "welcome");
    EXPECT_EQ(outcome(of_root + revokes, policy), "certificate 0 (CN=below) is revoked");
    EXPECT_EQ(outcome(of_root + forged + list_of(middle(), {.this_update = -hours{2}}), policy), "welcome");
    EXPECT_EQ(outcome(list_of(test_ca(), {.revoked = {middle().certificate}}) + list_of(middle()), policy),
              "certificate 1 (CN=Middle) is revoked");
  }
  EXPECT_EQ(outcome(of_root + forged, hard_fail),
            "certificate 0 (CN=below) can't be looked up: the revocation list of its issuer (CN=Middle) is missing");
  EXPECT_EQ(outcome(of_root + forged, soft_fail), "welcome");
  EXPECT_EQ(
      outcome(of_root + list_of(middle(), {.this_update = -hours{4}, .next_update = -hours{2}}), hard_fail),
      "certificate 0 (CN=below) can't be looked up: the revocation list of its issuer (CN=Middle) is out of date");
}

TEST_P(session_revocation, a_list_may_be_for_some_of_the_certificates) {
  const auto scoped = [](const char* scope) {
    return list_of(test_ca(), {.extensions = {{"issuingDistributionPoint", scope}}});
  };
  // It isn't for the root, which needs none.
  gets_in(server_with(scoped("critical,onlyuser:TRUE")), good());
  gets_in(server_with(scoped("critical,onlyuser:TRUE") + scoped("critical,onlyCA:TRUE") + list_of(middle())),
          below_middle());
  const context for_others = server_with(scoped("critical,onlyCA:TRUE"));
  client_at_the_gate steps(for_others, good());
  steps.asks(handshake_question::ssl_errors)
      .handshake_fails(handshake_error::client_certificate_rejected, {"alert_sent fatal certificate_unknown"});
  EXPECT_THAT(steps.server().error_detail(), testing::HasSubstr("is for other certificates"));
  gets_in(server_with(scoped("critical,onlyCA:TRUE"), soft_fail), good());
}

// A root that is a client itself has nobody above it who would have been asked for a list.
TEST_P(session_revocation, a_client_that_is_its_own_root_needs_a_list) {
  const credentials loner = make_self_signed({.common_name = "loner"});
  ssl_configuration configuration = configuration_with(with_bad_one(), hard_fail);
  configuration.ca_certificates = trust_store::from_pem(loner.certificate).value();
  can_not_be_looked_up(make_context(configuration), loner, "is missing");
  configuration.missing_revocation_list = soft_fail;
  gets_in(make_context(configuration), loner);
}

TEST_P(session_revocation, interrupts_like_any_error) {
  ssl_configuration configuration = configuration_with(list_of(test_ca(), stale), hard_fail);
  configuration.handshake_must_interrupt_on_error = true;
  client_at_the_gate steps(make_context(configuration), bad());
  steps.asks(handshake_question::interrupted_on_error).errors({"unspecified_error at 0"});
  steps.server().continue_interrupted_handshake();
  steps.asks(handshake_question::interrupted_on_error)
      .errors({"unspecified_error at 0", "certificate_revoked at 0"})
      .handshake_fails(handshake_error::client_certificate_revoked, {"alert_sent fatal certificate_revoked"});

  configuration.missing_revocation_list = soft_fail;
  const context soft = make_context(configuration);
  gets_in(soft, good());
  client_at_the_gate(soft, bad()).asks(handshake_question::interrupted_on_error).errors({"certificate_revoked at 0"});
}

TEST_P(session_revocation, an_untrusted_certificate_stays_one) {
  const credentials stranger = issue(make_ca("Stranger CA"), {.common_name = "stranger"});
  client_at_the_gate(server_with(with_bad_one(), soft_fail), stranger)
      .asks(handshake_question::ssl_errors)
      .errors({"unable_to_get_local_issuer_certificate at 0", "unable_to_verify_first_certificate at 0"})
      .handshake_fails(handshake_error::client_certificate_unknown_ca, {"alert_sent fatal unknown_ca"});
}

// A server's lists are its own, though another one has the same trust store.
TEST_P(session_revocation, does_not_spread_to_other_contexts) {
  ssl_configuration configuration = configuration_with(with_bad_one(), hard_fail);
  const context with = make_context(configuration);
  configuration.revocation.reset();
  const context without = make_context(configuration);
  gets_in(without, bad());
  is_revoked(with, bad(), {"certificate_revoked at 0"});
  gets_in(without, bad());
}

TEST_P(session_revocation, may_be_different_for_a_name) {
  ssl_configuration configuration = configuration_with(with_bad_one(), hard_fail);
  configuration.for_names = {
      {.names = {"localhost"},
       .revocation = revocation_lists::from_bytes(list_of(test_ca(), {.revoked = {good().certificate}})).value()},
      {.names = {"open.example"}, .verify_mode = peer_verify_mode::none}};
  const context server = make_context(configuration);
  const auto ask_for = [&](const char* name, const credentials& certificate) {
    session_steps steps(server, {.version = GetParam(), .server_name = name, .certificate = certificate});
    steps.client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .client_handshake()
        .run([&](io_window& window) { return steps.server().handshake(window); });
    return steps.server().error();
  };
  const auto asks_about = [&](const char* name, const credentials& certificate) {
    session_steps steps(server, {.version = GetParam(), .server_name = name, .certificate = certificate});
    steps.client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
    return steps.run([&](io_window& window) { return steps.server().handshake(window); }).what;
  };
  EXPECT_EQ(asks_about("localhost", good()), progress::want_answer);
  EXPECT_EQ(asks_about("localhost", bad()), progress::done);
  EXPECT_EQ(asks_about("", good()), progress::done);
  EXPECT_EQ(asks_about("", bad()), progress::want_answer);
  EXPECT_FALSE(ask_for("open.example", bad()));
}

TEST(revocation_settings, need_certificates_and_somebody_who_vouches) {
  ssl_configuration configuration = configuration_with(with_bad_one(), hard_fail);
  configuration.verify_mode = peer_verify_mode::none;
  const auto not_asked = context::make(configuration);
  ASSERT_FALSE(not_asked);
  EXPECT_EQ(not_asked.error().code, configuration_error::invalid_value);
  EXPECT_EQ(not_asked.error().detail,
            "revocation: with verify_mode none there is no certificate that could be looked up");

  configuration.verify_mode = peer_verify_mode::query;
  configuration.ca_certificates.reset();
  const auto unvouched = context::make(configuration);
  ASSERT_FALSE(unvouched);
  EXPECT_EQ(unvouched.error().code, configuration_error::invalid_value);
  EXPECT_EQ(unvouched.error().detail, "revocation: without ca_certificates nobody vouches for the lists");
}

TEST(revocation_settings, pass_on_the_lists_warnings) {
  const auto made = server_with(make_list(test_ca(), stale));
  ASSERT_EQ(made.warnings().size(), 1U);
  EXPECT_THAT(made.warnings()[0], testing::HasSubstr("(CN = Test CA) has been out of date since "));
}

}  // namespace
}  // namespace sallyport::test
