// failure_reason: each way in which a handshake fails, and the reason, events and alert that it brings.
//
// SPDX-License-Identifier: Apache-2.0
#include "tls/failure_reason.hpp"

#include "tls/context_data.hpp"

#include "support/gated_key.hpp"
#include "support/session_steps.hpp"
#include "support/test_servers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::test {
namespace {

constexpr delivery deliveries[] = {delivery{}, single_bytes, delivery{.output_room = 100}};

const char* version_name(const testing::TestParamInfo<int>& tested) {
  return tested.param == TLS1_3_VERSION ? "tls_1_3" : "tls_1_2";
}

class failure_reason : public testing::TestWithParam<int> {
 protected:
  static bool tls_1_3() { return GetParam() == TLS1_3_VERSION; }
};
INSTANTIATE_TEST_SUITE_P(versions, failure_reason, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), version_name);

// ---- nothing in common: the ClientHello is answered with an alert ----

void refuses_the_client_hello(const ssl_configuration& configuration, const memory_client_options& client,
                              handshake_error reason, const std::string& alert,
                              const std::vector<std::string>& client_was_told) {
  const context server = make_context(configuration);
  for (const delivery& how : deliveries) {
    session_steps(server, client, how)
        .client_handshake()
        .handshake_fails(reason, {"started", "client_hello", "alert_sent fatal " + alert})
        .phase(handshake_phase::in_handshake)
        .server_name(client.server_name)
        .client_was_alerted(client_was_told);
  }
}

TEST(failure_reason_nothing_in_common, version_of_a_tls_1_1_client) {
  refuses_the_client_hello(basic_configuration(), {.version = TLS1_1_VERSION, .server_name = "localhost"},
                           handshake_error::no_common_version, "protocol_version", {"fatal protocol version"});
}

TEST(failure_reason_nothing_in_common, version_of_a_tls_1_2_client_and_a_modern_server) {
  ssl_configuration configuration = basic_configuration();
  configuration.profile = security_profile::modern;
  refuses_the_client_hello(configuration, {.version = TLS1_2_VERSION, .server_name = "localhost"},
                           handshake_error::no_common_version, "protocol_version", {"fatal protocol version"});
}

TEST_P(failure_reason, no_common_cipher) {
  ssl_configuration configuration = basic_configuration();
  configuration.ciphersuites = "TLS_AES_256_GCM_SHA384";
  refuses_the_client_hello(
      configuration,
      {.version = GetParam(), .ciphers = "ECDHE-ECDSA-AES128-SHA256", .ciphersuites = "TLS_AES_128_GCM_SHA256"},
      handshake_error::no_common_cipher, "handshake_failure", {"fatal handshake failure"});
}

// The key of the server can't be used with any cipher of the client.
TEST(failure_reason_nothing_in_common, cipher_for_our_key) {
  refuses_the_client_hello(basic_configuration(), {.version = TLS1_2_VERSION, .ciphers = "ECDHE-RSA-AES128-GCM-SHA256"},
                           handshake_error::no_common_cipher, "handshake_failure", {"fatal handshake failure"});
}

TEST_P(failure_reason, no_common_group) {
  ssl_configuration configuration = basic_configuration();
  configuration.groups = "X25519:P-256";
  refuses_the_client_hello(configuration, {.version = GetParam(), .groups = "P-384:P-521"},
                           handshake_error::no_common_group, "handshake_failure", {"fatal handshake failure"});
}

TEST_P(failure_reason, no_common_signature_algorithm) {
  refuses_the_client_hello(
      basic_configuration(),
      {.version = GetParam(), .signature_algorithms = tls_1_3() ? "rsa_pss_rsae_sha256" : "ECDSA+SHA1"},
      handshake_error::no_common_signature_algorithm, "handshake_failure", {"fatal handshake failure"});
}

// A client other than OpenSSL's may offer ciphers for our key and signature algorithms for another.
TEST_P(failure_reason, no_signature_algorithm_for_our_key) {
  const std::string ecdsa("\x00\x0d\x00\x04\x00\x02\x04\x03", 8);  // the extension, its list, ecdsa_secp256r1_sha256
  for (const delivery& how : deliveries) {
    session_steps(basic_server(), {.version = GetParam(), .signature_algorithms = "ECDSA+SHA256"}, how)
        .client_handshake()
        .change_input([&](std::string& input) {
          input.replace(input.find(ecdsa) + 6, 2, "\x08\x04");  // rsa_pss_rsae_sha256
        })
        .handshake_fails(handshake_error::no_common_signature_algorithm,
                         {"started", "client_hello", "alert_sent fatal handshake_failure"})
        .client_was_alerted({"fatal handshake failure"});
  }
}

TEST_P(failure_reason, no_common_application_protocol) {
  ssl_configuration configuration = basic_configuration();
  configuration.alpn_protocols = {"h2", "http/1.1"};
  refuses_the_client_hello(configuration, {.version = GetParam(), .alpn_protocols = {"smtp", "imap"}},
                           handshake_error::no_common_application_protocol, "no_application_protocol",
                           {"fatal no application protocol"});
}

// ---- the client ends it ----

TEST_P(failure_reason, alert_of_a_client_that_does_not_trust_us) {
  const credentials other_ca = make_ca("Other CA");
  for (const delivery& how : deliveries) {
    session_steps steps(basic_server(), {.version = GetParam(), .trusted = other_ca.certificate}, how);
    steps.client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .client_handshake()
        .handshake_fails(handshake_error::alert_from_client, {"alert_received fatal unknown_ca"});
    EXPECT_EQ(steps.server().error_detail(), "the peer sent the alert 'unknown CA' (48)");
    EXPECT_EQ(steps.client().failure(), "certificate verify failed");
  }
}

std::string plain_alert(char level, char type) { return std::string("\x15\x03\x03\x00\x02", 5) + level + type; }

// Nothing is encrypted yet: anybody on the way can do this.
TEST_P(failure_reason, alert_in_plaintext_after_the_client_hello) {
  for (const delivery& how : deliveries) {
    session_steps(basic_server(), {.version = GetParam()}, how)
        .client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .input(plain_alert(2, 40))
        .handshake_fails(handshake_error::alert_from_client, {"alert_received fatal handshake_failure"});
  }
}

TEST_P(failure_reason, alert_without_a_name) {
  session_steps(basic_server(), {.version = GetParam()})
      .client_handshake()
      .handshake(progress::want_input, {"started", "client_hello"})
      .input(plain_alert(2, 99))
      .handshake_fails(handshake_error::alert_from_client, {"alert_received fatal unknown"});
}

TEST_P(failure_reason, close_notify_during_the_handshake) {
  for (const delivery& how : deliveries) {
    session_steps(basic_server(), {.version = GetParam()}, how)
        .client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .input(plain_alert(1, 0))
        .handshake_fails(handshake_error::closed_by_client, {"alert_received warning close_notify"});
  }
}

// RFC 8446 section 5.1: other records must not come between the fragments of a message.
TEST_P(failure_reason, an_alert_within_the_client_hello_is_out_of_place) {
  session_steps(basic_server(), {.version = GetParam()})
      .client_handshake()
      .change_input([](std::string& input) {
        // The ClientHello's first half as a record of its own, and no second one.
        const std::size_t half = input.size() / 2;
        input.resize(5 + half);
        input[3] = static_cast<char>(half >> 8);
        input[4] = static_cast<char>(half & 0xff);
        input += plain_alert(1, 0);
      })
      .handshake_fails(handshake_error::protocol_violation, {"started", "alert_sent fatal unexpected_message"})
      .phase(handshake_phase::before_client_hello);
}

// ---- the client's certificate ----

// Expects the failure that a client meets whose certificate is `certificate`.
void refuses_the_certificate(int version, const std::optional<credentials>& certificate, handshake_error reason,
                             const std::string& detail, const std::string& alert,
                             const std::vector<std::string>& client_was_told) {
  static const context server = make_context(client_certificate_configuration());
  for (const delivery& how : deliveries) {
    session_steps steps(server, {.version = version, .certificate = certificate}, how);
    steps.client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .client_handshake()
        .asks(handshake_question::ssl_errors)
        .handshake_fails(reason, {"alert_sent fatal " + alert})
        .phase(handshake_phase::in_handshake)
        .client_was_alerted(client_was_told);
    EXPECT_THAT(steps.server().error_detail(), testing::HasSubstr(detail));
  }
}

TEST_P(failure_reason, no_client_certificate) {
  // certificate_required is TLS 1.3's own, and a word that OpenSSL 3.0 doesn't know.
  refuses_the_certificate(GetParam(), std::nullopt, handshake_error::no_client_certificate,
                          "the client sent no certificate", tls_1_3() ? "certificate_required" : "handshake_failure",
                          {tls_1_3() ? "fatal unknown" : "fatal handshake failure"});
}

TEST_P(failure_reason, client_certificate_of_an_unknown_ca) {
  refuses_the_certificate(GetParam(), issue(make_ca("Other CA"), {.common_name = "client"}),
                          handshake_error::client_certificate_unknown_ca, "is not in the trust store", "unknown_ca",
                          {"fatal unknown CA"});
}

TEST_P(failure_reason, client_certificate_signed_by_itself) {
  refuses_the_certificate(GetParam(), make_self_signed({.common_name = "client"}),
                          handshake_error::client_certificate_unknown_ca, "is self-signed and not in the trust store",
                          "unknown_ca", {"fatal unknown CA"});
}

TEST_P(failure_reason, client_certificate_expired) {
  using std::chrono::hours;
  refuses_the_certificate(
      GetParam(), issue(test_ca(), {.common_name = "client", .valid_from = hours{-48}, .valid_until = hours{-24}}),
      handshake_error::client_certificate_expired, "expired on ", "certificate_expired", {"fatal certificate expired"});
}

TEST_P(failure_reason, client_certificate_not_yet_valid) {
  using std::chrono::hours;
  refuses_the_certificate(
      GetParam(), issue(test_ca(), {.common_name = "client", .valid_from = hours{24}, .valid_until = hours{48}}),
      handshake_error::client_certificate_expired, "is not valid before ", "certificate_expired",
      {"fatal certificate expired"});
}

TEST_P(failure_reason, client_certificate_for_another_purpose) {
  refuses_the_certificate(GetParam(), issue(test_ca(), {.common_name = "client", .extended_key_usage = "serverAuth"}),
                          handshake_error::client_certificate_rejected, "is not meant for this side of TLS",
                          "unsupported_certificate", {"fatal unsupported certificate"});
}

// It names the trusted CA and its key, and isn't signed by it. The error of the library that checks signatures comes
// first on OpenSSL's queue; the reason is the certificate nevertheless.
TEST_P(failure_reason, client_certificate_with_a_forged_signature) {
  refuses_the_certificate(GetParam(), forge(issue(test_ca(), {.common_name = "client"})),
                          handshake_error::client_certificate_rejected, "has a wrong signature", "bad_certificate",
                          {"fatal bad certificate"});
}

TEST_P(failure_reason, client_certificate_with_a_key_that_is_too_short) {
  refuses_the_certificate(GetParam(), issue(test_ca(), {.common_name = "client", .key = key_type::rsa_1024}),
                          handshake_error::client_certificate_rejected, "EE certificate key too weak",
                          "bad_certificate", {"fatal bad certificate"});
}

// ---- bytes that break the protocol ----

// Expects a violation in what follows the ClientHello. `change` makes it out of the client's second flight.
void second_flight_breaks_the_protocol(int version, const std::string& alert,
                                       const std::function<void(std::string&)>& change) {
  for (const delivery& how : deliveries) {
    session_steps(basic_server(), {.version = version}, how)
        .client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .client_handshake()
        .change_input(change)
        .handshake_fails(handshake_error::protocol_violation, {"alert_sent fatal " + alert})
        .phase(handshake_phase::in_handshake);
  }
}

TEST_P(failure_reason, garbage_after_the_client_hello) {
  second_flight_breaks_the_protocol(GetParam(), "protocol_version",
                                    [](std::string& flight) { flight = "complete and utter garbage"; });
}

TEST_P(failure_reason, garbage_in_the_same_input_as_the_client_hello) {
  for (const delivery& how : deliveries) {
    session_steps(basic_server(), {.version = GetParam()}, how)
        .client_handshake()
        .change_input([](std::string& input) { input += "complete and utter garbage"; })
        .handshake_fails(handshake_error::protocol_violation,
                         {"started", "client_hello", "alert_sent fatal protocol_version"});
  }
}

TEST_P(failure_reason, finished_that_does_not_decrypt) {
  second_flight_breaks_the_protocol(GetParam(), "bad_record_mac", [](std::string& flight) {
    flight.back() = static_cast<char>(flight.back() ^ 0x80);
  });
}

TEST_P(failure_reason, no_finished_and_data_instead) {
  second_flight_breaks_the_protocol(
      GetParam(), tls_1_3() ? "bad_record_mac" : "unexpected_message",
      [](std::string& flight) { flight = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'); });
}

TEST_P(failure_reason, record_longer_than_any_may_be) {
  second_flight_breaks_the_protocol(GetParam(), "record_overflow", [](std::string& flight) {
    flight = "\x17\x03\x03\xff\xff" + std::string(100, 'x');
  });
}

TEST_P(failure_reason, second_client_hello_in_the_middle) {
  session_steps steps(basic_server(), {.version = GetParam()});
  steps.client_handshake();
  std::string hello = steps.unread_input();
  hello[2] = 3;  // the record's version: in a first record it may be lower than in all others
  steps.handshake(progress::want_input, {"started", "client_hello"})
      .input(hello)
      .handshake_fails(handshake_error::protocol_violation, {"alert_sent fatal unexpected_message"});
}

// RFC 8446 section 5: harmless each, and a flood together.
TEST(failure_reason_flood, change_cipher_spec_records) {
  std::string flood;
  for (int i = 0; i < 1000; ++i) flood += std::string("\x14\x03\x03\x00\x01\x01", 6);
  session_steps steps(basic_server(), {.version = TLS1_3_VERSION});
  steps.client_handshake()
      .handshake(progress::want_input, {"started", "client_hello"})
      .input(flood)
      .handshake_fails(handshake_error::protocol_violation, {"alert_sent fatal unexpected_message"});
  EXPECT_GT(steps.unread_input().size(), flood.size() / 2);
}

TEST_P(failure_reason, warnings_without_end) {
  std::string flood;
  for (int i = 0; i < 100; ++i) flood += plain_alert(1, 90);  // user_canceled
  session_steps steps(basic_server(), {.version = GetParam()});
  steps.client_handshake().handshake(progress::want_input, {"started", "client_hello"}).input(flood);
  const step result = steps.run([&](io_window& window) { return steps.server().handshake(window); });
  EXPECT_EQ(words(result.what), "failed");
  EXPECT_EQ(steps.server().error(), handshake_error::protocol_violation) << steps.server().error_detail();
  EXPECT_LT(steps.seen().size(), 16U);
  EXPECT_GT(steps.unread_input().size(), flood.size() / 2);
}

// A ClientHello whose insides are wrong: OpenSSL has to say what, we have to say that it is the client's fault.
TEST_P(failure_reason, client_hello_with_each_byte_changed) {
  session_steps original(basic_server(), {.version = GetParam(), .server_name = "localhost"});
  original.client_handshake();
  const std::string hello = original.unread_input();
  int failures = 0;
  for (std::size_t at = 9; at < hello.size(); ++at) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      session_steps steps(basic_server());
      steps.input(hello).change_input([&](std::string& input) { input[at] = static_cast<char>(input[at] ^ mask); });
      const step result = steps.run([&](io_window& window) { return steps.server().handshake(window); });
      if (result.what == progress::failed) {
        ++failures;
        EXPECT_NE(steps.server().error(), handshake_error::internal) << "byte " << at << " ^ " << mask;
        EXPECT_NE(steps.server().error(), handshake_error::alert_from_client) << "byte " << at << " ^ " << mask;
        EXPECT_NE(steps.server().error_detail(), "") << "byte " << at << " ^ " << mask;
      } else {
        EXPECT_EQ(words(result.what), "want_input");
      }
    }
  }
  EXPECT_GT(failures, 20);
}

// Cut short, with all lengths made to fit: every one of these is complete as a record and a message.
TEST_P(failure_reason, client_hello_cut_at_every_position) {
  session_steps original(basic_server(), {.version = GetParam(), .server_name = "localhost"});
  original.client_handshake();
  const std::string hello = original.unread_input();
  for (std::size_t size = 9; size < hello.size(); ++size) {
    SCOPED_TRACE(size);
    std::string cut = hello.substr(0, size);
    const std::size_t record = size - 5, message = size - 9;
    cut[3] = static_cast<char>(record >> 8);
    cut[4] = static_cast<char>(record & 0xff);
    cut[7] = static_cast<char>(message >> 8);
    cut[8] = static_cast<char>(message & 0xff);
    session_steps steps(basic_server());
    steps.input(cut);
    const step result = steps.run([&](io_window& window) { return steps.server().handshake(window); });
    EXPECT_EQ(words(result.what), "failed");
    EXPECT_NE(steps.server().error(), handshake_error::internal) << steps.server().error_detail();
  }
}

// ---- our own key ----

// As of a token that was taken away. Some keys say why on OpenSSL's queue, others only fail.
TEST_P(failure_reason, key_that_does_not_sign) {
  const std::function<bool()> silent = [] { return false; };
  const std::function<bool()> with_an_error = [] {
    static const int library = ERR_get_next_error_library();
    ERR_raise(library, 1);
    return false;
  };
  for (const auto& sign : {silent, with_an_error}) {
    gated_key key;
    key.let_all_go();
    key.on_signature = sign;
    ssl_configuration configuration = basic_configuration();
    configuration.identities = {key.guard(issue(test_ca(), {.names = {"localhost"}}))};
    session_steps steps(make_context(configuration), {.version = GetParam()});
    steps.client_handshake().handshake_fails(handshake_error::internal,
                                             {"started", "client_hello", "alert_sent fatal internal_error"});
    EXPECT_THAT(steps.server().error_detail(), testing::StartsWith("our key didn't sign the handshake: "));
    EXPECT_EQ(key.done(), 1);
  }
}

// ---- without a client ----

TEST(failure_reason_queue, is_empty_afterwards) {
  const detail::ssl_ptr ssl(SSL_new(basic_server().data().ssl_ctx.get()));
  raise_foreign_error();
  raise_foreign_error();
  EXPECT_EQ(detail::handshake_failure(ssl.get()).code, handshake_error::no_common_cipher);
  EXPECT_EQ(ERR_peek_error(), 0U);
  raise_foreign_error();
  raise_foreign_error();
  EXPECT_EQ(detail::stream_failure().code, stream_error::protocol_violation);
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(failure_reason_queue, empty_means_our_fault_in_a_handshake_and_never_nothing) {
  const detail::ssl_ptr ssl(SSL_new(basic_server().data().ssl_ctx.get()));
  ERR_clear_error();
  EXPECT_EQ(detail::handshake_failure(ssl.get()).code, handshake_error::internal);
  EXPECT_NE(detail::handshake_failure(ssl.get()).detail, "");
  EXPECT_EQ(detail::stream_failure().code, stream_error::protocol_violation);
  EXPECT_NE(detail::stream_failure().detail, "");
}

TEST(failure_reason_queue, running_out_of_memory_is_our_fault) {
  const detail::ssl_ptr ssl(SSL_new(basic_server().data().ssl_ctx.get()));
  for (const int library : {ERR_LIB_SSL, ERR_LIB_EVP, ERR_LIB_X509, ERR_LIB_CRYPTO}) {
    ERR_raise(library, ERR_R_MALLOC_FAILURE);
    EXPECT_EQ(detail::handshake_failure(ssl.get()).code, handshake_error::internal) << library;
  }
}

TEST(failure_reason_queue, the_oldest_error_is_the_cause) {
  const detail::ssl_ptr ssl(SSL_new(basic_server().data().ssl_ctx.get()));
  ERR_raise(ERR_LIB_SSL, SSL_R_UNSUPPORTED_PROTOCOL);
  ERR_raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR);
  EXPECT_EQ(detail::handshake_failure(ssl.get()).code, handshake_error::no_common_version);
}

}  // namespace
}  // namespace sallyport::test
