// session: the key exchange group that it tells.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/openssl_groups.hpp"
#include "support/session_steps.hpp"
#include "support/test_servers.hpp"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <span>
#include <string>
#include <string_view>

namespace sallyport::test {
namespace {

class session_group : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(versions, session_group, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& tested) { return tested.param == TLS1_3_VERSION ? "tls_1_3" : "tls_1_2"; });

// The first client flight, then the second.
void complete(session_steps& steps) {
  EXPECT_EQ(steps.server().key_exchange_group(), "");
  steps.client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
  EXPECT_EQ(steps.server().key_exchange_group(), "") << "nobody has proved anything yet";
  steps.handshake(progress::done, {}).client_is_connected();
}

std::string group_of(const context& server, const memory_client_options& client) {
  session_steps steps(server, client);
  complete(steps);
  return steps.server().key_exchange_group();
}

context server_with(const std::string& groups) {
  ssl_configuration configuration = basic_configuration();
  configuration.groups = groups;
  return make_context(configuration);
}

// In TLS 1.2 the curve of the server's ECDSA key must be among them, too (RFC 8422 section 5.1).
TEST_P(session_group, has_the_name_of_ianas_registry) {
  const struct {
    std::string list, name;
  } groups[]{{"X25519:P-256", "x25519"},   {"P-256:X25519", "secp256r1"}, {"prime256v1:X25519", "secp256r1"},
             {"P-384:P-256", "secp384r1"}, {"P-521:P-256", "secp521r1"},  {"X448:P-256", "x448"}};
  for (const auto& group : groups) {
    EXPECT_EQ(group_of(server_with(group.list), {.version = GetParam(), .groups = group.list}), group.name);
  }
}

TEST_P(session_group, is_the_one_that_both_have) {
  const context server = server_with("P-384:X25519:P-256");
  EXPECT_EQ(group_of(server, {.version = GetParam(), .groups = "X25519:P-256"}), "x25519");
}

TEST(session_group_of, finite_fields_in_tls_1_3) {
  EXPECT_EQ(group_of(server_with("ffdhe2048"), {.version = TLS1_3_VERSION, .groups = "ffdhe2048"}), "ffdhe2048");
}

TEST(session_group_of, those_who_can_is_post_quantum) {
  const bool can = openssl_has_group("X25519MLKEM768");  // OpenSSL 3.5 does
  const std::string all = can ? "X25519MLKEM768:X25519:P-256" : "X25519:P-256";
  EXPECT_EQ(group_of(basic_server(), {.version = TLS1_3_VERSION, .groups = all}), can ? "X25519MLKEM768" : "x25519");
  EXPECT_EQ(group_of(basic_server(), {.version = TLS1_3_VERSION, .groups = "X25519"}), "x25519");
  EXPECT_EQ(group_of(basic_server(), {.version = TLS1_2_VERSION, .groups = all}), "x25519");
}

TEST(session_group_of, a_resumed_session_is_none_in_tls_1_2) {
  const ssl_session_ptr ticket = ticket_of(basic_server(), TLS1_2_VERSION);
  ASSERT_NE(ticket, nullptr);
  session_steps steps(basic_server(), {.version = TLS1_2_VERSION, .resumed = ticket});
  complete(steps);
  ASSERT_TRUE(steps.server().resumed());
  EXPECT_EQ(steps.server().key_exchange_group(), "");
}

// psk_dhe_ke (RFC 8446 section 4.2.9): another exchange, and it may be with another group.
TEST(session_group_of, a_resumed_session_is_its_own_in_tls_1_3) {
  const ssl_session_ptr ticket = ticket_of(basic_server(), TLS1_3_VERSION);
  ASSERT_NE(ticket, nullptr);
  session_steps steps(basic_server(), {.version = TLS1_3_VERSION, .groups = "P-384", .resumed = ticket});
  complete(steps);
  ASSERT_TRUE(steps.server().resumed());
  EXPECT_EQ(steps.server().key_exchange_group(), "secp384r1");
}

// The client's key share doesn't fit.
TEST(session_group_of, a_handshake_after_a_hello_retry_request) {
  session_steps steps(server_with("P-384"), {.version = TLS1_3_VERSION, .groups = "X25519:P-384"});
  steps.client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
  steps.handshake(progress::want_input, {}).client_handshake().handshake(progress::done, {}).client_is_connected();
  EXPECT_EQ(steps.server().key_exchange_group(), "secp384r1");
}

// DHE in TLS 1.2 has numbers of the server's own.
TEST(session_group_of, finite_fields_in_tls_1_2_has_no_name) {
  ssl_configuration configuration = basic_configuration();
  configuration.pre_shared_keys = true;
  configuration.ciphers = "DHE-PSK-AES128-GCM-SHA256:ECDHE-PSK-CHACHA20-POLY1305";
  const context server = make_context(configuration);
  const std::string key = "alice and the server know these";
  const auto group_with = [&](const std::string& cipher) {
    session_steps steps(server, {.version = TLS1_2_VERSION, .ciphers = cipher, .identity = "alice", .key = key});
    steps.client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .client_handshake()
        .asks(handshake_question::pre_shared_key);
    steps.server().set_pre_shared_key(pre_shared_key(std::as_bytes(std::span(key)), pre_shared_key_hash::sha256));
    steps.handshake(progress::done, {}).client_is_connected();
    return steps.server().key_exchange_group();
  };
  EXPECT_EQ(group_with("DHE-PSK-AES128-GCM-SHA256"), "");
  EXPECT_EQ(group_with("ECDHE-PSK-CHACHA20-POLY1305"), "x25519");
}

}  // namespace
}  // namespace sallyport::test
