// How a session authenticates clients by pre-shared keys, beside certificates and without.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/session_steps.hpp"
#include "support/test_servers.hpp"

#include <openssl/ssl.h>

#include <gtest/gtest.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::test {
namespace {

const std::string alices_key = "alice and the server know these";

pre_shared_key key_of(std::string_view bytes, pre_shared_key_hash hash = pre_shared_key_hash::sha256) {
  return pre_shared_key(std::as_bytes(std::span(bytes)), hash);
}

ssl_configuration key_configuration() {
  ssl_configuration configuration = basic_configuration();
  configuration.pre_shared_keys = true;
  configuration.pre_shared_key_identity_hint = "ask for alice";
  return configuration;
}

const context& key_server() {
  static const context server = make_context(key_configuration());
  return server;
}

memory_client_options alice(int version) { return {.version = version, .identity = "alice", .key = alices_key}; }

/// A client up to where its identity is known. TLS 1.3 names it in the first flight.
struct client_at_the_gate : session_steps {
  client_at_the_gate(const context& server, const memory_client_options& options, const delivery& how = {})
      : session_steps(server, options, how) {
    client_handshake();
    if (options.version == TLS1_3_VERSION) {
      asks(handshake_question::pre_shared_key, {"started", "client_hello"});
    } else {
      handshake(progress::want_input, {"started", "client_hello"})
          .client_handshake()
          .asks(handshake_question::pre_shared_key);
    }
  }
  /// The rest of a handshake that succeeds.
  session_steps& complete(int version) {
    if (version == TLS1_3_VERSION) handshake(progress::want_input, {}).client_handshake();
    return handshake(progress::done, {}).client_is_connected();
  }
};

class session_pre_shared_key : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(versions, session_pre_shared_key, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

TEST_P(session_pre_shared_key, lets_in_who_knows_it) {
  for (const delivery& how : {delivery{}, single_bytes}) {
    client_at_the_gate steps(key_server(), alice(GetParam()), how);
    EXPECT_EQ(steps.server().pre_shared_key_identity(), "alice");
    EXPECT_EQ(steps.server().pre_shared_key_identity_hint(), "ask for alice");
    steps.server().set_pre_shared_key(key_of(alices_key));
    steps.complete(GetParam())
        .client_sends("hello")
        .reads("hello")
        .writes("hello alice")
        .client_receives("hello alice");
    EXPECT_EQ(steps.server().pre_shared_key_identity(), "alice");
    EXPECT_FALSE(steps.server().resumed());
    EXPECT_FALSE(steps.server().local_certificate().has_value());
    EXPECT_EQ(steps.client().tickets().size(), 0U) << "would let her in without asking again";
    if (GetParam() == TLS1_2_VERSION) {
      EXPECT_EQ(steps.client().identity_hint(), "ask for alice");
    }
  }
}

// Nothing that goes over the wire tells an unknown identity from a wrong key.
TEST_P(session_pre_shared_key, unknown_identity_and_wrong_key_look_alike) {
  struct result {
    std::vector<std::string> alerts;
    std::vector<std::size_t> sizes;
    bool operator==(const result&) const = default;
  };
  const auto fail = [&](const std::optional<std::string>& answer) {
    client_at_the_gate steps(key_server(), alice(GetParam()));
    result seen;
    if (answer) steps.server().set_pre_shared_key(key_of(*answer));
    seen.sizes.push_back(steps.unsent_output().size());
    const char* const alert =
        GetParam() == TLS1_3_VERSION ? "alert_sent fatal illegal_parameter" : "alert_sent fatal bad_record_mac";
    steps.handshake_fails(handshake_error::bad_pre_shared_key, {alert});
    seen.sizes.push_back(steps.unsent_output().size());
    EXPECT_NE(steps.server().error_detail().find(answer ? "wrong pre-shared key" : "unknown identity"),
              std::string::npos)
        << steps.server().error_detail();
    steps.client_handshake();
    seen.alerts = steps.client().alerts();
    return seen;
  };
  const result wrong = fail("something else that is a key");
  EXPECT_EQ(wrong.alerts.size(), 1U);
  EXPECT_EQ(fail(std::nullopt), wrong);
}

TEST_P(session_pre_shared_key, refused_looks_like_unknown) {
  client_at_the_gate steps(key_server(), alice(GetParam()));
  steps.server().set_pre_shared_key(key_of(alices_key));
  steps.server().refuse();
  steps.handshake_fails(
      handshake_error::bad_pre_shared_key,
      {GetParam() == TLS1_3_VERSION ? "alert_sent fatal illegal_parameter" : "alert_sent fatal bad_record_mac"});
}

TEST_P(session_pre_shared_key, stands_beside_certificates) {
  session_steps(key_server(), {.version = GetParam(), .trusted = test_ca().certificate})
      .client_handshake()
      .handshake(progress::want_input, {"started", "client_hello"})
      .client_handshake()
      .handshake(progress::done, {})
      .client_is_connected();
}

TEST_P(session_pre_shared_key, works_without_any_certificate) {
  ssl_configuration configuration = key_configuration();
  configuration.identities.clear();
  const context server = make_context(configuration);
  client_at_the_gate steps(server, alice(GetParam()));
  steps.server().set_pre_shared_key(key_of(alices_key));
  steps.complete(GetParam());

  session_steps stranger(server, {.version = GetParam()});
  stranger.client_handshake();
  stranger.handshake_fails(handshake_error::bad_pre_shared_key,
                           {"started", "client_hello", "alert_sent fatal handshake_failure"});
  EXPECT_EQ(stranger.server().error_detail(),
            "the client offers no pre-shared key, and this server has no certificate");
}

// OpenSSL's errors about it would tell a known identity from an unknown one.
TEST_P(session_pre_shared_key, that_is_too_long_is_none) {
  client_at_the_gate steps(key_server(), alice(GetParam()));
  steps.server().set_pre_shared_key(key_of(std::string(pre_shared_key::max_size + 1, 'k')));
  steps.handshake_fails(
      handshake_error::bad_pre_shared_key,
      {GetParam() == TLS1_3_VERSION ? "alert_sent fatal illegal_parameter" : "alert_sent fatal bad_record_mac"});
}

TEST_P(session_pre_shared_key, shows_no_certificate_where_one_is_required) {
  ssl_configuration configuration = client_certificate_configuration();
  configuration.pre_shared_keys = true;
  const context server = make_context(configuration);
  client_at_the_gate ignored(server, alice(GetParam()));
  ignored.server().set_pre_shared_key(key_of(alices_key));
  ignored.asks(handshake_question::ssl_errors).errors({"no_peer_certificate at 0"});
  ignored.server().ignore_ssl_errors();
  ignored.complete(GetParam());

  // As if her key were wrong: she might be somebody who only knows her name.
  const char* const alert =
      GetParam() == TLS1_3_VERSION ? "alert_sent fatal illegal_parameter" : "alert_sent fatal bad_record_mac";
  client_at_the_gate refused(server, alice(GetParam()));
  refused.server().set_pre_shared_key(key_of(alices_key));
  refused.asks(handshake_question::ssl_errors).handshake_fails(handshake_error::no_client_certificate, {alert});

  configuration.missing_certificate_is_fatal = true;
  const context strict = make_context(configuration);
  client_at_the_gate not_asked(strict, alice(GetParam()));
  not_asked.server().set_pre_shared_key(key_of(alices_key));
  not_asked.handshake_fails(handshake_error::no_client_certificate, {alert});
}

TEST_P(session_pre_shared_key, abandoned_leaks_nothing) {
  client_at_the_gate steps(key_server(), alice(GetParam()));
  steps.server().set_pre_shared_key(key_of(alices_key));
}

TEST_P(session_pre_shared_key, of_every_length) {
  for (const std::size_t size : {1U, 16U, 256U, 512U}) {
    const std::string key(size, 'k');
    client_at_the_gate steps(key_server(), {.version = GetParam(), .identity = "alice", .key = key});
    steps.server().set_pre_shared_key(key_of(key));
    steps.complete(GetParam());
  }
}

TEST(session_pre_shared_key_1_3, is_bound_to_a_hash) {
  const memory_client_options options{
      .version = TLS1_3_VERSION, .identity = "alice", .key = alices_key, .key_is_sha384 = true};
  client_at_the_gate steps(key_server(), options);
  steps.server().set_pre_shared_key(key_of(alices_key, pre_shared_key_hash::sha384));
  steps.complete(TLS1_3_VERSION);
  EXPECT_EQ(steps.server().cipher(), "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(steps.server().pre_shared_key_identity(), "alice");

  client_at_the_gate other(key_server(), options);
  other.server().set_pre_shared_key(key_of(alices_key));
  other.handshake_fails(handshake_error::bad_pre_shared_key, {"alert_sent fatal illegal_parameter"});
  EXPECT_EQ(other.server().error_detail(), "key bound to another hash than the client's, for the identity \"alice\"");
}

// The client's key share doesn't fit, so its ClientHello comes twice: it is asked about once.
TEST(session_pre_shared_key_1_3, survives_a_hello_retry_request) {
  memory_client_options options = alice(TLS1_3_VERSION);
  options.groups = "P-521:P-256";
  client_at_the_gate steps(key_server(), options);
  steps.server().set_pre_shared_key(key_of(alices_key));
  steps.handshake(progress::want_input, {}).client_handshake();
  steps.handshake(progress::want_input, {}).client_handshake();
  steps.handshake(progress::done, {}).client_is_connected();
  EXPECT_EQ(steps.server().pre_shared_key_identity(), "alice");
}

// A ticket is a pre-shared key to TLS 1.3, too. One that somebody else has issued is no reason to refuse a client.
TEST(session_pre_shared_key_1_3, is_not_confused_by_foreign_tickets) {
  session_steps first(basic_server(), {.version = TLS1_3_VERSION});
  first.client_handshake()
      .handshake(progress::want_input, {"started", "client_hello"})
      .client_handshake()
      .handshake(progress::done, {})
      .client_is_connected()
      .client_receives("");
  ASSERT_EQ(first.client().tickets().size(), 1U);

  session_steps steps(key_server(), {.version = TLS1_3_VERSION, .resumed = first.client().tickets()[0]});
  steps.client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
  steps.handshake(progress::done, {}).client_is_connected();
  EXPECT_EQ(steps.server().pre_shared_key_identity(), "");
  EXPECT_FALSE(steps.server().resumed());
}

// OpenSSL hands the identity on as a C string, so that one of NUL bytes is an empty one.
TEST(session_pre_shared_key_1_2, is_nobodys_without_a_name) {
  memory_client_options options = alice(TLS1_2_VERSION);
  options.identity = std::string(1, '\0') + "alice";
  session_steps steps(key_server(), options);
  steps.client_handshake()
      .handshake(progress::want_input, {"started", "client_hello"})
      .client_handshake()
      .handshake_fails(handshake_error::bad_pre_shared_key, {"alert_sent fatal bad_record_mac"});
  EXPECT_EQ(steps.server().pre_shared_key_identity(), "");
}

TEST(session_pre_shared_key_1_2, needs_forward_secrecy_unless_told_otherwise) {
  memory_client_options options = alice(TLS1_2_VERSION);
  options.ciphers = "PSK-AES128-GCM-SHA256";
  session_steps(key_server(), options)
      .client_handshake()
      .handshake_fails(handshake_error::no_common_cipher,
                       {"started", "client_hello", "alert_sent fatal handshake_failure"});
  ssl_configuration configuration = key_configuration();
  configuration.ciphers = "PSK-AES128-GCM-SHA256";
  const context server = make_context(configuration);
  client_at_the_gate steps(server, options);
  steps.server().set_pre_shared_key(key_of(alices_key));
  steps.complete(TLS1_2_VERSION);
  EXPECT_EQ(steps.server().cipher(), "TLS_PSK_WITH_AES_128_GCM_SHA256");
}

TEST(session_pre_shared_key_1_2, with_each_default_cipher) {
  for (const char* cipher : {"ECDHE-PSK-CHACHA20-POLY1305", "DHE-PSK-AES128-GCM-SHA256", "DHE-PSK-AES256-GCM-SHA384",
                             "DHE-PSK-CHACHA20-POLY1305"}) {
    memory_client_options options = alice(TLS1_2_VERSION);
    options.ciphers = cipher;
    client_at_the_gate steps(key_server(), options);
    steps.server().set_pre_shared_key(key_of(alices_key));
    steps.complete(TLS1_2_VERSION);
  }
}

}  // namespace
}  // namespace sallyport::test
