// ticket_keys: who resumes whose sessions.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/ticket_keys.hpp>

#include "support/session_steps.hpp"
#include "support/test_servers.hpp"

#include "tls/ticket_keys_data.hpp"

#include <sallyport/session.hpp>

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <algorithm>
#include <optional>
#include <string>

namespace sallyport::test {
namespace {

ticket_keys fresh_keys() { return ticket_keys::random().value(); }

ssl_configuration with_keys(const std::optional<ticket_keys>& keys) {
  ssl_configuration configuration = basic_configuration();
  configuration.tickets = keys;
  return configuration;
}

class ticket_keys_in : public testing::TestWithParam<int> {
 protected:
  /// Whether `second` resumes what began at `first`. The handshake succeeds either way.
  static bool resumes(const context& first, const context& second) {
    const ssl_session_ptr ticket = ticket_of(first, GetParam());
    EXPECT_NE(ticket, nullptr);
    session_steps steps(second, {.version = GetParam(), .resumed = ticket});
    steps.client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .client_handshake()
        .handshake(progress::done, {})
        .client_is_connected()
        .client_sends("again")
        .reads("again");
    EXPECT_EQ(steps.server().resumed(), steps.client().resumed());
    return steps.server().resumed();
  }
};

INSTANTIATE_TEST_SUITE_P(versions, ticket_keys_in, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& tested) { return tested.param == TLS1_3_VERSION ? "tls_1_3" : "tls_1_2"; });

TEST_P(ticket_keys_in, contexts_with_the_same_keys_resume_each_others_sessions) {
  const ticket_keys keys = fresh_keys();
  const context first = make_context(with_keys(keys));
  const context second = make_context(with_keys(keys));
  EXPECT_TRUE(resumes(first, second));
  EXPECT_TRUE(resumes(second, first));
  EXPECT_TRUE(resumes(first, first));
}

TEST_P(ticket_keys_in, contexts_without_keys_have_keys_of_their_own) {
  const context first = make_context(with_keys(std::nullopt));
  const context second = make_context(with_keys(std::nullopt));
  EXPECT_FALSE(resumes(first, second));
  EXPECT_FALSE(resumes(second, first));
  EXPECT_TRUE(resumes(first, first));
}

TEST_P(ticket_keys_in, contexts_with_other_keys_do_not_resume_each_others_sessions) {
  const context first = make_context(with_keys(fresh_keys()));
  const context second = make_context(with_keys(fresh_keys()));
  EXPECT_FALSE(resumes(first, second));
  EXPECT_FALSE(resumes(second, first));
}

// All that decides who is let in is in the session id context.
TEST_P(ticket_keys_in, the_same_keys_under_another_policy_do_not_resume) {
  const ticket_keys keys = fresh_keys();
  const context strict = make_context(with_keys(keys));

  ssl_configuration other_depth = with_keys(keys);
  other_depth.verify_depth += 1;
  EXPECT_FALSE(resumes(strict, make_context(other_depth)));
  EXPECT_FALSE(resumes(make_context(other_depth), strict));

  ssl_configuration other_identity = with_keys(keys);
  const credentials other = issue(test_ca(), {.common_name = "other", .names = {"localhost"}});
  other_identity.identities = {identity::from_pem(other.certificate, other.key).value()};
  EXPECT_FALSE(resumes(strict, make_context(other_identity)));
  EXPECT_FALSE(resumes(make_context(other_identity), strict));
}

// What doesn't decide it may differ.
TEST_P(ticket_keys_in, the_same_keys_with_other_protocols_resume) {
  const ticket_keys keys = fresh_keys();
  ssl_configuration other_protocols = with_keys(keys);
  other_protocols.alpn_protocols = {"h2"};
  EXPECT_TRUE(resumes(make_context(with_keys(keys)), make_context(other_protocols)));
}

TEST_P(ticket_keys_in, a_context_that_asks_for_client_certificates_resumes_nothing) {
  const ticket_keys keys = fresh_keys();
  ssl_configuration asks = client_certificate_configuration();
  asks.verify_mode = peer_verify_mode::query;
  asks.tickets = keys;
  const ssl_session_ptr ticket = ticket_of(make_context(with_keys(keys)), GetParam());
  ASSERT_NE(ticket, nullptr);
  session_steps steps(make_context(asks), {.version = GetParam(), .resumed = ticket});
  steps.client_handshake()
      .handshake(progress::want_input, {"started", "client_hello"})
      .client_handshake()
      .handshake(progress::done, {})
      .client_is_connected()
      .client_receives("");
  EXPECT_FALSE(steps.server().resumed());
  EXPECT_EQ(steps.client().tickets().size(), 0U);
}

// RFC 5077 section 4: the name of the keys comes first in a ticket.
TEST_P(ticket_keys_in, the_tickets_name_the_keys_of_the_configuration) {
  const ticket_keys keys = fresh_keys();
  const ssl_session_ptr ticket = ticket_of(make_context(with_keys(keys)), GetParam());
  ASSERT_NE(ticket, nullptr);
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  SSL_SESSION_get0_ticket(ticket.get(), &data, &size);
  ASSERT_GT(size, 16U);
  EXPECT_TRUE(std::equal(data, data + 16, keys.data().bytes.begin()));
}

TEST(ticket_keys, are_random_and_as_long_as_openssl_wants_them) {
  raise_foreign_error();
  const ticket_keys keys = fresh_keys();
  EXPECT_EQ(ERR_peek_error(), 0U);
  EXPECT_NE(keys.data().bytes, fresh_keys().data().bytes);

  const context any = make_context(with_keys(std::nullopt));
  session_steps steps(any, {});
  steps.client_handshake().handshake(progress::want_input, {"started", "client_hello"});
  SSL_CTX* const ctx = SSL_get_SSL_CTX(static_cast<SSL*>(steps.server().native_handle()));
  EXPECT_EQ(SSL_CTX_get_tlsext_ticket_keys(ctx, nullptr, 0), static_cast<long>(keys.data().bytes.size()));
}

TEST(ticket_keys, copies_share_the_same_keys) {
  const ticket_keys keys = fresh_keys();
  const ticket_keys copy = keys;
  EXPECT_EQ(&copy.data(), &keys.data());
}

}  // namespace
}  // namespace sallyport::test
