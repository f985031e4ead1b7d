// How a session judges the client's certificate: what it asks, and that no answer lets nobody in.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/session_steps.hpp"
#include "support/test_servers.hpp"
#include "tls/stack_switch.hpp"

#include <sallyport/interrupted_handshake.hpp>

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

const credentials& good() {
  static const credentials made = issue(test_ca(), {.common_name = "good", .extended_key_usage = "clientAuth"});
  return made;
}
const credentials& expired() {
  static const credentials made =
      issue(test_ca(),
            {.common_name = "expired", .valid_from = -std::chrono::hours(48), .valid_until = -std::chrono::hours(24)});
  return made;
}
const credentials& stranger() {
  static const credentials made = issue(make_ca("Other CA"), {.common_name = "stranger"});
  return made;
}

context server_with(peer_verify_mode mode, bool interrupts = false, bool missing_is_fatal = false) {
  ssl_configuration configuration = client_certificate_configuration();
  configuration.verify_mode = mode;
  configuration.handshake_must_interrupt_on_error = interrupts;
  configuration.missing_certificate_is_fatal = missing_is_fatal;
  return make_context(configuration);
}

/// A client up to where its certificate is judged.
struct client_at_the_gate : session_steps {
  client_at_the_gate(const context& server, int version, std::optional<credentials> certificate,
                     const delivery& how = {})
      : session_steps(server, {.version = version, .certificate = std::move(certificate)}, how) {
    client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
  }
};

class session_verification : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(versions, session_verification, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

TEST_P(session_verification, a_good_certificate_asks_nothing) {
  const context server = server_with(peer_verify_mode::verify, true);
  client_at_the_gate steps(server, GetParam(), good());
  steps.handshake(progress::done, {}).errors({}).client_is_connected();
  ASSERT_EQ(steps.server().peer_certificate_chain().size(), 1U);
  EXPECT_EQ(steps.server().peer_certificate_chain()[0].common_name(), "good");
}

TEST_P(session_verification, an_untrusted_certificate_is_refused_without_an_answer) {
  const context server = server_with(peer_verify_mode::verify);
  for (const delivery& how : {delivery{}, single_bytes}) {
    client_at_the_gate steps(server, GetParam(), stranger(), how);
    steps.asks(handshake_question::ssl_errors)
        .errors({"unable_to_get_local_issuer_certificate at 0", "unable_to_verify_first_certificate at 0"});
    EXPECT_EQ(steps.server().peer_certificate_chain().at(0).common_name(), "stranger");
    steps.handshake_fails(handshake_error::client_certificate_unknown_ca, {"alert_sent fatal unknown_ca"})
        .client_was_alerted({"fatal unknown CA"});
    EXPECT_NE(steps.server().error_detail().find("stranger"), std::string::npos) << steps.server().error_detail();
  }
}

TEST_P(session_verification, each_error_has_its_alert) {
  const context server = server_with(peer_verify_mode::verify);
  client_at_the_gate(server, GetParam(), expired())
      .asks(handshake_question::ssl_errors)
      .errors({"certificate_expired at 0"})
      .handshake_fails(handshake_error::client_certificate_expired, {"alert_sent fatal certificate_expired"})
      .client_was_alerted({"fatal certificate expired"});
  client_at_the_gate(server, GetParam(),
                     issue(test_ca(), {.common_name = "server", .extended_key_usage = "serverAuth"}))
      .asks(handshake_question::ssl_errors)
      .errors({"invalid_purpose at 0"})
      .handshake_fails(handshake_error::client_certificate_rejected, {"alert_sent fatal unsupported_certificate"})
      .client_was_alerted({"fatal unsupported certificate"});
  client_at_the_gate(server, GetParam(), make_self_signed({.common_name = "self"}))
      .asks(handshake_question::ssl_errors)
      .errors({"self_signed_certificate at 0"})
      .handshake_fails(handshake_error::client_certificate_unknown_ca, {"alert_sent fatal unknown_ca"});
}

TEST_P(session_verification, ignored_errors_let_in_and_stay_readable) {
  const context server = server_with(peer_verify_mode::verify);
  for (const delivery& how : {delivery{}, single_bytes}) {
    client_at_the_gate steps(server, GetParam(), stranger(), how);
    steps.asks(handshake_question::ssl_errors);
    steps.server().ignore_ssl_errors();
    steps.handshake(progress::done, {})
        .errors({"unable_to_get_local_issuer_certificate at 0", "unable_to_verify_first_certificate at 0"})
        .client_is_connected()
        .client_sends("hello")
        .reads("hello");
    EXPECT_EQ(steps.client().tickets().size(), 0U);
  }
}

TEST_P(session_verification, a_list_of_expected_errors_decides_alone) {
  const context server = server_with(peer_verify_mode::verify);
  client_at_the_gate all(server, GetParam(), stranger());
  all.asks(handshake_question::ssl_errors);
  const auto found = all.server().ssl_handshake_errors();
  const std::vector<ssl_error> both(found.begin(), found.end());
  all.server().ignore_ssl_errors(both);
  all.handshake(progress::done, {});

  client_at_the_gate too_few(server, GetParam(), stranger());
  too_few.server().ignore_ssl_errors();
  too_few.server().ignore_ssl_errors({both.data(), 1});
  too_few.asks(handshake_question::ssl_errors)
      .handshake_fails(handshake_error::client_certificate_unknown_ca, {"alert_sent fatal unknown_ca"});

  // The same error about another certificate is another error.
  client_at_the_gate other(server, GetParam(), issue(make_ca("Third CA"), {.common_name = "other"}));
  other.server().ignore_ssl_errors(both);
  other.asks(handshake_question::ssl_errors)
      .handshake_fails(handshake_error::client_certificate_unknown_ca, {"alert_sent fatal unknown_ca"});

  client_at_the_gate emptied(server, GetParam(), stranger());
  emptied.server().ignore_ssl_errors(both);
  emptied.server().ignore_ssl_errors({});
  emptied.asks(handshake_question::ssl_errors)
      .handshake_fails(handshake_error::client_certificate_unknown_ca, {"alert_sent fatal unknown_ca"});
}

TEST_P(session_verification, query_tells_and_accepts_unless_refused) {
  const context server = server_with(peer_verify_mode::query);
  client_at_the_gate(server, GetParam(), expired())
      .asks(handshake_question::ssl_errors)
      .errors({"certificate_expired at 0"})
      .handshake(progress::done, {})
      .client_is_connected();
  client_at_the_gate(server, GetParam(), std::nullopt).handshake(progress::done, {}).errors({});

  client_at_the_gate refused(server, GetParam(), expired());
  refused.asks(handshake_question::ssl_errors);
  refused.server().refuse();
  refused.handshake_fails(handshake_error::client_certificate_expired, {"alert_sent fatal certificate_expired"});

  client_at_the_gate by_choice(server, GetParam(), expired());
  by_choice.asks(handshake_question::ssl_errors);
  by_choice.server().refuse(certificate_alert::bad_certificate);
  by_choice.handshake_fails(handshake_error::client_certificate_expired, {"alert_sent fatal bad_certificate"});
}

TEST_P(session_verification, a_missing_certificate_is_an_error_that_can_be_ignored) {
  const char* const alert =
      GetParam() == TLS1_3_VERSION ? "alert_sent fatal certificate_required" : "alert_sent fatal handshake_failure";
  const context server = server_with(peer_verify_mode::verify);
  for (const delivery& how : {delivery{}, single_bytes}) {
    client_at_the_gate(server, GetParam(), std::nullopt, how)
        .asks(handshake_question::ssl_errors)
        .errors({"no_peer_certificate at 0"})
        .handshake_fails(handshake_error::no_client_certificate, {alert});
    client_at_the_gate ignored(server, GetParam(), std::nullopt, how);
    ignored.asks(handshake_question::ssl_errors);
    ignored.server().ignore_ssl_errors();
    ignored.handshake(progress::done, {}).errors({"no_peer_certificate at 0"}).client_is_connected();
    EXPECT_TRUE(ignored.server().peer_certificate_chain().empty());
  }
}

TEST_P(session_verification, a_missing_certificate_may_be_fatal_at_once) {
  const context server = server_with(peer_verify_mode::verify, false, true);
  client_at_the_gate steps(server, GetParam(), std::nullopt);
  steps.server().ignore_ssl_errors();
  steps.handshake_fails(
      handshake_error::no_client_certificate,
      {GetParam() == TLS1_3_VERSION ? "alert_sent fatal certificate_required" : "alert_sent fatal handshake_failure"});
}

TEST_P(session_verification, interrupted_and_not_continued_is_refused) {
  for (const auto mode : {peer_verify_mode::verify, peer_verify_mode::query}) {
    const context server = server_with(mode, true);
    client_at_the_gate steps(server, GetParam(), stranger());
    steps.server().ignore_ssl_errors();  // is another question
    steps.asks(handshake_question::interrupted_on_error)
        .errors({"unable_to_get_local_issuer_certificate at 0"})
        .handshake_fails(handshake_error::client_certificate_unknown_ca, {"alert_sent fatal unknown_ca"});
  }
}

TEST_P(session_verification, interrupted_and_continued_still_asks_about_all_errors) {
  const context server = server_with(peer_verify_mode::verify, true);
  for (const bool ignored : {true, false}) {
    client_at_the_gate steps(server, GetParam(), stranger());
    steps.asks(handshake_question::interrupted_on_error);
    steps.server().continue_interrupted_handshake();
    steps.asks(handshake_question::interrupted_on_error)
        .errors({"unable_to_get_local_issuer_certificate at 0", "unable_to_verify_first_certificate at 0"});
    steps.server().continue_interrupted_handshake();
    steps.asks(handshake_question::ssl_errors);
    if (ignored) steps.server().ignore_ssl_errors();
    if (ignored)
      steps.handshake(progress::done, {}).client_is_connected();
    else
      steps.handshake_fails(handshake_error::client_certificate_unknown_ca, {"alert_sent fatal unknown_ca"});
  }
}

TEST_P(session_verification, one_continuation_is_for_one_error) {
  const context server = server_with(peer_verify_mode::verify, true);
  client_at_the_gate steps(server, GetParam(), stranger());
  steps.asks(handshake_question::interrupted_on_error);
  steps.server().continue_interrupted_handshake();
  steps.asks(handshake_question::interrupted_on_error)
      .handshake_fails(handshake_error::client_certificate_unknown_ca, {"alert_sent fatal unknown_ca"});
}

TEST_P(session_verification, refused_with_every_alert_of_choice) {
  const context server = server_with(peer_verify_mode::verify, true);
  for (const auto alert :
       {certificate_alert::handshake_failure, certificate_alert::bad_certificate,
        certificate_alert::unsupported_certificate, certificate_alert::certificate_revoked,
        certificate_alert::certificate_expired, certificate_alert::certificate_unknown, certificate_alert::unknown_ca,
        certificate_alert::decrypt_error, certificate_alert::internal_error}) {
    client_at_the_gate steps(server, GetParam(), stranger());
    steps.asks(handshake_question::interrupted_on_error);
    steps.server().refuse(alert);
    steps.handshake_fails(handshake_error::client_certificate_unknown_ca,
                          {"alert_sent fatal " + std::string(to_string(static_cast<alert_type>(alert)))});
  }
}

TEST_P(session_verification, abandoned_at_each_question_leaks_nothing) {
  const context server = server_with(peer_verify_mode::verify, true);
  { client_at_the_gate(server, GetParam(), stranger()).asks(handshake_question::interrupted_on_error); }
  {
    client_at_the_gate steps(server, GetParam(), stranger());
    steps.asks(handshake_question::interrupted_on_error);
    steps.server().continue_interrupted_handshake();
    steps.asks(handshake_question::interrupted_on_error);
    steps.server().continue_interrupted_handshake();  // an answer that nobody comes for
  }
  { client_at_the_gate(server, GetParam(), std::nullopt).asks(handshake_question::interrupted_on_error); }
  {
    client_at_the_gate steps(server, GetParam(), stranger());
    steps.asks(handshake_question::interrupted_on_error);
    session moved = std::move(steps.server());
    moved = session(server);
  }
}

TEST_P(session_verification, two_hundred_wait_at_once_and_go_on_on_another_thread) {
  const context server = server_with(peer_verify_mode::verify, true);
  std::vector<std::unique_ptr<session_steps>> waiting;
  for (int i = 0; i < 200; ++i) {
    waiting.push_back(std::make_unique<client_at_the_gate>(server, GetParam(), stranger()));
    waiting.back()->asks(handshake_question::interrupted_on_error);
  }
  std::thread([&waiting] {
    for (std::size_t i = 0; i < waiting.size(); i += 2) {
      session_steps& steps = *waiting[i];
      steps.server().continue_interrupted_handshake();
      steps.asks(handshake_question::interrupted_on_error);
      steps.server().continue_interrupted_handshake();
      steps.asks(handshake_question::ssl_errors);
      steps.server().ignore_ssl_errors();
      steps.handshake(progress::done, {}).client_is_connected();
    }
  }).join();
  // The other half is given up on yet another thread.
  std::thread([&waiting] { waiting.clear(); }).join();
}

// Nobody is asked about it: it isn't even kept.
TEST_P(session_verification, more_than_32_kib_of_certificates_are_refused) {
  const context server = server_with(peer_verify_mode::query);
  const std::vector<std::string> names(
      180, std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c') + ".example");
  client_at_the_gate(server, GetParam(), issue(test_ca(), {.common_name = "large", .names = names}))
      .handshake_fails(handshake_error::protocol_violation, {"alert_sent fatal illegal_parameter"});
}

TEST_P(session_verification, the_chain_that_the_client_sent_is_known) {
  ssl_configuration configuration = client_certificate_configuration();
  const context server = make_context(configuration);
  client_at_the_gate steps(server, GetParam(), stranger());
  steps.asks(handshake_question::ssl_errors);
  const auto& errors = steps.server().ssl_handshake_errors();
  ASSERT_FALSE(errors.empty());
  EXPECT_EQ(errors[0].certificate, steps.server().peer_certificate_chain().at(0));
}

#if !defined(SALLYPORT_ASAN) && !defined(SALLYPORT_TSAN)  // whose own memory would run out as well

/// One handshake without memory for the stack on which it could wait.
progress without_a_stack() {
  const context server = server_with(peer_verify_mode::verify, true);
  session_steps steps(server, {.version = TLS1_3_VERSION, .certificate = stranger()});
  steps.client_handshake();
  const rlimit none{1, 1};
  ::setrlimit(RLIMIT_AS, &none);
  io_window window{.input = std::as_bytes(std::span(steps.unread_input()))};
  const progress result = steps.server().handshake(window).what;
  return steps.server().error() == handshake_error::internal ? result : progress::done;
}

// It must not go on without being able to ask.
TEST(session_verification_without_a_stack, fails) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // in a process that has no stack from other tests
  EXPECT_EXIT(::_exit(without_a_stack() == progress::failed ? 0 : 1), testing::ExitedWithCode(0), "");
}

#endif

}  // namespace
}  // namespace sallyport::test
