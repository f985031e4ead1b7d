// session: the step that uses the private key, which another thread may make.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/session.hpp>

#include "support/gated_key.hpp"
#include "support/session_steps.hpp"
#include "support/test_servers.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

const events hello{"started", "client_hello"};

/// A session that stops before the private key, and the ClientHello that it is about to get.
class stopping : public session_steps {
 public:
  explicit stopping(const context& made, const memory_client_options& client, const delivery& how = {})
      : session_steps(made, client, how) {
    server().stop_before_private_key();
    client_handshake();
  }
};

/// The server of basic_configuration(), whose key tells who uses it and when.
class session_worker : public testing::TestWithParam<int> {
 protected:
  session_worker() {
    key.let_all_go();
    configuration.identities = {key.guard(server_credentials)};
  }

  const credentials server_credentials = issue(test_ca(), {.common_name = "server", .names = {"localhost"}});
  gated_key key;
  ssl_configuration configuration;
};
INSTANTIATE_TEST_SUITE_P(versions, session_worker, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

TEST_P(session_worker, stops_once_before_the_key_is_used) {
  stopping steps(make_context(configuration), {.version = GetParam(), .server_name = "localhost"});
  steps.handshake(progress::want_worker, hello);
  EXPECT_EQ(key.begun(), 0);
  EXPECT_EQ(steps.unsent_output(), "") << "the first flight is one";
  steps.phase(handshake_phase::in_handshake).server_name("localhost");
  steps.handshake(progress::want_input, {});
  EXPECT_EQ(key.done(), 1);
  steps.client_handshake().handshake(progress::done, {}).client_is_connected();
  steps.client_sends("ping").reads("ping").writes("pong").client_receives("pong");
  EXPECT_EQ(key.begun(), 1);
}

TEST_P(session_worker, does_not_stop_unless_told_to) {
  session_steps(make_context(configuration), {.version = GetParam()})
      .client_handshake()
      .handshake(progress::want_input, hello)
      .client_handshake()
      .handshake(progress::done, {})
      .client_is_connected();
  EXPECT_EQ(key.done(), 1);
}

TEST_P(session_worker, bytes_may_come_one_by_one_and_room_may_be_short) {
  for (const delivery& how : {single_bytes, delivery{.output_room = 100}}) {
    stopping steps(make_context(configuration), {.version = GetParam()}, how);
    steps.handshake(progress::want_worker, hello)
        .handshake(progress::want_input, {})
        .client_handshake()
        .handshake(progress::done, {})
        .client_is_connected();
  }
}

TEST_P(session_worker, the_step_may_be_made_on_another_thread_and_the_next_ones_on_the_first) {
  configuration.verify_mode = peer_verify_mode::verify;
  configuration.ca_certificates = trust_store::from_pem(test_ca().certificate).value();
  const context server = make_context(configuration);
  const credentials other = issue(make_ca("Other CA"), {.common_name = "stranger"});
  stopping steps(server, {.version = GetParam(), .certificate = other});
  steps.handshake(progress::want_worker, hello);
  std::thread([&] { steps.handshake(progress::want_input, {}); }).join();
  EXPECT_FALSE(key.threads().contains(std::this_thread::get_id()));
  steps.client_handshake()
      .asks(handshake_question::ssl_errors)
      .errors({"unable_to_get_local_issuer_certificate at 0", "unable_to_verify_first_certificate at 0"});
  steps.server().ignore_ssl_errors();
  steps.handshake(progress::done, {}).client_is_connected();
}

TEST_P(session_worker, a_resumed_session_does_not_stop) {
  const context server = make_context(configuration);
  const auto ticket = ticket_of(server, GetParam());
  ASSERT_TRUE(ticket);
  const int before = key.begun();
  stopping steps(server, {.version = GetParam(), .resumed = ticket});
  steps.handshake(progress::want_input, hello).client_handshake().handshake(progress::done, {}).client_is_connected();
  EXPECT_TRUE(steps.server().resumed());
  EXPECT_EQ(key.begun(), before);
}

TEST_P(session_worker, nor_one_with_a_pre_shared_key_where_there_is_no_other_key) {
  ssl_configuration keys_alone;
  keys_alone.pre_shared_keys = true;
  const std::string shared = "known to both of us";
  stopping steps(make_context(keys_alone), {.version = GetParam(), .identity = "alice", .key = shared});
  const auto answer = [&] {
    steps.server().set_pre_shared_key(pre_shared_key(std::as_bytes(std::span(shared)), pre_shared_key_hash::sha256));
  };
  if (GetParam() == TLS1_3_VERSION) {
    steps.asks(handshake_question::pre_shared_key, hello);
    answer();
    steps.handshake(progress::want_input, {}).client_handshake();
  } else {
    steps.handshake(progress::want_input, hello).client_handshake().asks(handshake_question::pre_shared_key);
    answer();
  }
  steps.handshake(progress::done, {}).client_is_connected();
}

TEST(session_worker_in_tls_1_3, a_pre_shared_key_needs_no_other_one) {
  ssl_configuration both = basic_configuration();
  both.pre_shared_keys = true;
  const std::string shared = "known to both of us";
  stopping steps(make_context(both), {.version = TLS1_3_VERSION, .identity = "alice", .key = shared});
  steps.asks(handshake_question::pre_shared_key, hello);
  steps.server().set_pre_shared_key(pre_shared_key(std::as_bytes(std::span(shared)), pre_shared_key_hash::sha256));
  steps.handshake(progress::want_input, {}).client_handshake().handshake(progress::done, {}).client_is_connected();
}

TEST(session_worker_in_tls_1_3, a_retry_request_is_sent_at_once) {
  ssl_configuration configuration = basic_configuration();
  configuration.groups = "P-384";
  stopping steps(make_context(configuration), {.version = TLS1_3_VERSION, .groups = "P-256:P-384"});
  steps.handshake(progress::want_input, hello);
  EXPECT_NE(steps.unsent_output(), "");
  steps.client_handshake()
      .handshake(progress::want_worker, {})
      .handshake(progress::want_input, {})
      .client_handshake()
      .handshake(progress::done, {})
      .client_is_connected();
}

TEST_P(session_worker, a_signature_that_fails_ends_the_handshake) {
  key.on_signature = [] { return false; };
  stopping steps(make_context(configuration), {.version = GetParam()});
  steps.handshake(progress::want_worker, hello);
  steps.handshake(progress::failed, {"alert_sent fatal internal_error"}).stays_failed();
}

// ---- lend() ----

TEST_P(session_worker, lent_it_leaves_what_is_known_of_the_client_and_no_more) {
  const context server = make_context(configuration);
  stopping steps(server, {.version = GetParam(), .server_name = "localhost", .alpn_protocols = {"h2", "ping"}});
  steps.handshake(progress::want_worker, hello);
  session lent = steps.server().lend();

  steps.phase(handshake_phase::in_handshake).server_name("localhost");
  EXPECT_EQ(steps.server().client_protocols(), (std::vector<std::string>{"h2", "ping"}));
  EXPECT_EQ(steps.server().client_offers(), "");
  EXPECT_EQ(steps.server().server_offers(), "");
  EXPECT_TRUE(steps.server().peer_certificate_chain().empty());
  EXPECT_FALSE(steps.server().local_certificate());
  EXPECT_EQ(steps.server().key_exchange_group(), "");
  EXPECT_EQ(steps.server().matched_rule(), "");
  EXPECT_EQ(steps.server().native_handle(), nullptr);
  EXPECT_TRUE(steps.server().events().empty());
  steps.handshake_fails(handshake_error::internal, {}).stays_failed();
  EXPECT_EQ(key.begun(), 0);

  steps.server() = std::move(lent);
  steps.handshake(progress::want_input, {})
      .client_handshake()
      .handshake(progress::done, {})
      .client_is_connected()
      .server_name("localhost");
}

// What a driver does whose client goes away meanwhile.
TEST_P(session_worker, the_lent_one_may_end_on_another_thread_and_later) {
  std::unique_ptr<session> lent;
  {
    stopping steps(make_context(configuration), {.version = GetParam()});
    steps.handshake(progress::want_worker, hello);
    lent = std::make_unique<session>(steps.server().lend());
  }
  std::thread([&] {
    std::array<std::byte, 8192> out;
    io_window window{.output = out};
    EXPECT_EQ(words(lent->handshake(window).what), "want_input");
    EXPECT_GT(window.produced, 0U);
    lent.reset();
  }).join();
}

}  // namespace
}  // namespace sallyport::test
