// A client's session, against our server and OpenSSL's: whom it trusts, what it asks, what it resumes.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/refused.hpp"
#include "support/session_pair.hpp"
#include "support/test_revocation.hpp"
#include "support/test_servers.hpp"

#include "tls/openssl.hpp"

#include <sallyport/interrupted_handshake.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

identity identity_of(const credentials& both) { return identity::from_pem(both.certificate, both.key).value(); }

client_configuration trusting() {
  client_configuration configuration;
  configuration.ca_certificates = trust_store::from_pem(test_ca().certificate).value();
  return configuration;
}

context make(const client_configuration& configuration) { return context::make_client(configuration).value(); }

ssl_configuration serving(const credentials& certificate) {
  ssl_configuration configuration;
  configuration.identities = {identity_of(certificate)};
  return configuration;
}

const credentials& alice() {
  static const credentials made = issue(test_ca(), {.common_name = "alice", .extended_key_usage = "clientAuth"});
  return made;
}

pre_shared_key key_of(std::string_view bytes, pre_shared_key_hash hash = pre_shared_key_hash::sha256) {
  return pre_shared_key(std::as_bytes(std::span(bytes)), hash);
}

class client_session : public testing::TestWithParam<tls_version> {
 protected:
  static bool is_tls_1_3() { return GetParam() == tls_version::tls_1_3; }
  static client_configuration of_version(client_configuration configuration = trusting()) {
    configuration.minimum_version = configuration.maximum_version = GetParam();
    return configuration;
  }
};
INSTANTIATE_TEST_SUITE_P(versions, client_session, testing::Values(tls_version::tls_1_2, tls_version::tls_1_3),
                         [](const auto& tested) {
                           return tested.param == tls_version::tls_1_3 ? "tls_1_3" : "tls_1_2";
                         });

TEST_P(client_session, connects_to_a_server_whose_certificate_is_good) {
  session_pair pair(make(of_version()), "localhost", basic_server());
  EXPECT_EQ(pair.client.tls.phase(), handshake_phase::before_client_hello);
  ASSERT_TRUE(pair.shake_hands()) << pair.client.tls.error_detail();
  EXPECT_EQ(pair.client.tls.phase(), handshake_phase::complete);
  EXPECT_EQ(pair.client.seen.at(0), "started");
  EXPECT_EQ(pair.client.seen.at(1), "client_hello");
  EXPECT_THAT(pair.client.asked(), IsEmpty());
  EXPECT_THAT(pair.client.errors(), IsEmpty());
  EXPECT_EQ(pair.client.tls.version(), GetParam());
  EXPECT_EQ(pair.server.tls.version(), GetParam());
  EXPECT_EQ(pair.client.tls.cipher(), pair.server.tls.cipher());
  EXPECT_EQ(pair.client.tls.key_exchange_group(), pair.server.tls.key_exchange_group());
  EXPECT_EQ(pair.client.tls.application_protocol(), "");
  EXPECT_EQ(pair.client.tls.server_name(), "localhost");
  EXPECT_EQ(pair.server.tls.server_name(), "localhost");
  ASSERT_EQ(pair.client.tls.peer_certificate_chain().size(), 1U);
  EXPECT_EQ(pair.client.tls.peer_certificate_chain()[0], pair.server.tls.local_certificate());
  EXPECT_EQ(pair.client.tls.local_certificate(), std::nullopt);
  EXPECT_FALSE(pair.client.tls.resumed());
  EXPECT_EQ(pair.client.tls.client_offers() + pair.client.tls.server_offers(), "");

  EXPECT_TRUE(pair.talk());
  EXPECT_EQ(pair.client.shutdown(), progress::done);
  pair.deliver();
  EXPECT_EQ(pair.server.read(), "");
  EXPECT_EQ(pair.server.last, progress::peer_closed);
  EXPECT_EQ(pair.server.shutdown(), progress::done);
  pair.deliver();
  EXPECT_EQ(pair.client.read(), "");
  EXPECT_EQ(pair.client.last, progress::peer_closed);
}

TEST_P(client_session, needs_no_more_than_a_byte_and_a_little_room_at_a_time) {
  client_configuration configuration = of_version();
  configuration.identity = identity_of(alice());
  for (const delivery& how : {single_bytes, delivery{.output_room = 100}}) {
    session_pair pair(make(configuration), "localhost", make_context(client_certificate_configuration()), {}, how);
    EXPECT_TRUE(pair.shake_hands()) << pair.client.tls.error_detail();
  }
}

TEST_P(client_session, can_be_moved_in_the_middle) {
  session_pair pair(make(of_version()), "localhost", basic_server());
  pair.client.handshake();
  session moved = std::move(pair.client.tls);
  pair.client.tls = std::move(moved);
  EXPECT_TRUE(pair.shake_hands());
}

// ---- the server's certificate ----

struct bad_server {
  const char* name;
  credentials certificate;
  std::string asked_for;
  std::vector<std::string> errors;
  handshake_error reason;
  const char* alert;
};

void add_badly_dated(std::vector<bad_server>& all) {
  using enum handshake_error;
  all.push_back({"expired",
                 issue(test_ca(), {.names = {"localhost"}, .valid_from = -48h, .valid_until = -24h}),
                 "localhost",
                 {"certificate_expired at 0"},
                 client_certificate_expired,
                 "certificate_expired"});
  all.push_back({"not yet valid",
                 issue(test_ca(), {.names = {"localhost"}, .valid_from = 24h, .valid_until = 48h}),
                 "localhost",
                 {"certificate_not_yet_valid at 0"},
                 client_certificate_expired,
                 "certificate_expired"});
}

void add_badly_signed(std::vector<bad_server>& all) {
  using enum handshake_error;
  all.push_back({"unknown CA",
                 issue(make_ca("Other CA"), {.names = {"localhost"}}),
                 "localhost",
                 {"unable_to_get_local_issuer_certificate at 0", "unable_to_verify_first_certificate at 0"},
                 client_certificate_unknown_ca,
                 "unknown_ca"});
  all.push_back({"self-signed",
                 make_self_signed({.names = {"localhost"}}),
                 "localhost",
                 {"self_signed_certificate at 0"},
                 client_certificate_unknown_ca,
                 "unknown_ca"});
  all.push_back({"forged",
                 forge(issue(test_ca(), {.names = {"localhost"}})),
                 "localhost",
                 {"certificate_signature_failed at 0"},
                 client_certificate_rejected,
                 "bad_certificate"});
  all.push_back({"a client's",
                 issue(test_ca(), {.names = {"localhost"}, .extended_key_usage = "clientAuth"}),
                 "localhost",
                 {"invalid_purpose at 0"},
                 client_certificate_rejected,
                 "unsupported_certificate"});
}

void add_badly_named(std::vector<bad_server>& all) {
  const auto add = [&all](const char* name, const certificate_options& options, const std::string& asked_for) {
    all.push_back({name,
                   issue(test_ca(), options),
                   asked_for,
                   {"host_name_mismatch at 0"},
                   handshake_error::client_certificate_rejected,
                   "bad_certificate"});
  };
  add("wrong name", {.names = {"other.example"}}, "localhost");
  add("name in the subject alone", {.common_name = "localhost"}, "localhost");
  add("IP address as a DNS name", {.other_names = {{name_kind::dns, "127.0.0.1"}}}, "127.0.0.1");
  add("other IP address", {.names = {"127.0.0.2", "localhost"}}, "127.0.0.1");
  add("two labels for a wildcard", {.names = {"*.example.com"}}, "a.b.example.com");
  add("subdomain", {.names = {"www.example.com"}}, ".example.com");
  add("no name", {.names = {"localhost"}}, "");
  add("NUL in the name", {.names = {"localhost"}}, std::string("localhost\0.example", 18));
}

const std::vector<bad_server>& bad_servers() {
  static const std::vector<bad_server> all = [] {
    std::vector<bad_server> made;
    add_badly_named(made);
    add_badly_dated(made);
    add_badly_signed(made);
    made.push_back({"two errors",
                    issue(test_ca(), {.names = {"other"}, .valid_from = -48h, .valid_until = -24h}),
                    "localhost",
                    {"host_name_mismatch at 0", "certificate_expired at 0"},
                    handshake_error::client_certificate_rejected,
                    "bad_certificate"});
    return made;
  }();
  return all;
}

TEST_P(client_session, refuses_bad_certificates_with_the_proper_alert) {
  const context client = make(of_version());
  for (const bad_server& bad : bad_servers()) {
    SCOPED_TRACE(bad.name);
    session_pair pair(client, bad.asked_for, make_context(serving(bad.certificate)));
    EXPECT_FALSE(pair.shake_hands());
    EXPECT_EQ(pair.client.last, progress::failed);
    EXPECT_THAT(pair.client.asked(), ElementsAre("ssl_errors"));
    EXPECT_EQ(pair.client.errors(), bad.errors);
    EXPECT_EQ(pair.client.tls.error(), error_code(bad.reason)) << pair.client.tls.error_detail();
    EXPECT_EQ(pair.client.tls.error_detail(), pair.client.tls.ssl_handshake_errors()[0].error_string());
    EXPECT_EQ(pair.client.tls.resumable_session(), "");
    const std::string alert = std::string("fatal ") + bad.alert;
    EXPECT_EQ(pair.client.seen.back(), "alert_sent " + alert);
    EXPECT_EQ(pair.server.last, progress::failed);
    EXPECT_EQ(pair.server.tls.error(), error_code(handshake_error::alert_from_client));
    EXPECT_EQ(pair.server.seen.back(), "alert_received " + alert);
  }
}

TEST_P(client_session, goes_on_if_the_errors_are_ignored) {
  for (const bad_server& bad : bad_servers()) {
    SCOPED_TRACE(bad.name);
    client_configuration configuration = of_version();
    session_pair pair(make(configuration), bad.asked_for, make_context(serving(bad.certificate)));
    pair.client.answer = [](session& asked) { asked.ignore_ssl_errors(); };
    EXPECT_TRUE(pair.shake_hands()) << pair.client.tls.error_detail();
    EXPECT_EQ(pair.client.errors(), bad.errors);
    EXPECT_TRUE(pair.talk());
    EXPECT_EQ(pair.client.tls.resumable_session(), "") << "nobody would be asked then";

    configuration.verify_mode = peer_verify_mode::query;
    session_pair queried(make(configuration), bad.asked_for, make_context(serving(bad.certificate)));
    EXPECT_TRUE(queried.shake_hands()) << queried.client.tls.error_detail();
    EXPECT_THAT(queried.client.asked(), ElementsAre("ssl_errors"));
    EXPECT_EQ(queried.client.errors(), bad.errors);
    EXPECT_TRUE(queried.talk());
    EXPECT_EQ(queried.client.tls.resumable_session(), "");

    configuration.verify_mode = peer_verify_mode::none;
    session_pair unverified(make(configuration), bad.asked_for, make_context(serving(bad.certificate)));
    EXPECT_TRUE(unverified.shake_hands()) << unverified.client.tls.error_detail();
    EXPECT_THAT(unverified.client.asked(), IsEmpty());
    EXPECT_THAT(unverified.client.errors(), IsEmpty());
    EXPECT_EQ(unverified.client.tls.peer_certificate_chain().size(), 1U);
  }
}

TEST_P(client_session, ignores_only_what_is_expected) {
  const credentials server = issue(test_ca(), {.names = {"other"}, .valid_from = -48h, .valid_until = -24h});
  const certificate shown = certificate::from_pem(server.certificate).value();
  const ssl_error expired{.code = ssl_error_code::certificate_expired, .certificate = shown};
  const ssl_error wrong_name{.code = ssl_error_code::host_name_mismatch, .certificate = shown};
  for (const bool both : {false, true}) {
    session_pair pair(make(of_version()), "localhost", make_context(serving(server)));
    const std::vector<ssl_error> expected = both ? std::vector{expired, wrong_name} : std::vector{expired};
    pair.client.answer = [&](session& asked) { asked.ignore_ssl_errors(expected); };
    EXPECT_EQ(pair.shake_hands(), both);
  }
}

TEST_P(client_session, accepts_names_and_addresses_that_a_certificate_has) {
  const context server =
      make_context(serving(issue(test_ca(), {.names = {"localhost", "*.example.com", "127.0.0.1", "::1", "fe80::1"}})));
  const context client = make(of_version());
  for (const std::string name : {"localhost", "LOCALHOST", "localhost.", "www.example.com", "127.0.0.1", "::1",
                                 "0:0:0:0:0:0:0:1", "fe80::1%eth0"}) {
    session_pair pair(client, name, server);
    EXPECT_TRUE(pair.shake_hands()) << name << ": " << pair.client.tls.error_detail();
    EXPECT_EQ(pair.client.tls.server_name(), name);
    // RFC 6066 section 3: no addresses, no dot at the end.
    const bool is_address = name.find_first_of(":1") != std::string::npos;
    EXPECT_EQ(pair.server.tls.server_name(), is_address ? "" : name == "www.example.com" ? name : "localhost");
  }
  client_configuration silent = of_version();
  silent.send_server_name = false;
  session_pair pair(make(silent), "localhost", server);
  EXPECT_TRUE(pair.shake_hands());
  EXPECT_EQ(pair.server.tls.server_name(), "");
}

TEST_P(client_session, trusts_nobody_without_being_told_whom) {
  client_configuration configuration = of_version(client_configuration{});
  session_pair pair(make(configuration), "localhost", basic_server());
  EXPECT_FALSE(pair.shake_hands());
  EXPECT_THAT(pair.client.errors(), Contains("unable_to_get_local_issuer_certificate at 0"));
}

TEST_P(client_session, stops_at_each_error_if_it_is_to_be_interrupted) {
  client_configuration configuration = of_version();
  configuration.handshake_must_interrupt_on_error = true;
  const context client = make(configuration);
  const context server =
      make_context(serving(issue(test_ca(), {.names = {"other"}, .valid_from = -48h, .valid_until = -24h})));
  EXPECT_TRUE(session(client, "localhost").interrupts_on_error());

  session_pair refused(client, "localhost", server);
  EXPECT_FALSE(refused.shake_hands());
  EXPECT_THAT(refused.client.asked(), ElementsAre("interrupted_on_error"));
  EXPECT_THAT(refused.client.errors(), ElementsAre("host_name_mismatch at 0"));
  EXPECT_EQ(refused.server.seen.back(), "alert_received fatal bad_certificate");

  session_pair with_alert(client, "localhost", server);
  with_alert.client.answer = [](session& asked) { asked.refuse(certificate_alert::certificate_revoked); };
  EXPECT_FALSE(with_alert.shake_hands());
  EXPECT_EQ(with_alert.server.seen.back(), "alert_received fatal certificate_revoked");

  session_pair denied(client, "localhost", server);
  denied.client.answer = [](session& asked) { asked.refuse(certificate_alert::access_denied); };
  EXPECT_FALSE(denied.shake_hands());
  EXPECT_EQ(denied.server.seen.back(), "alert_received fatal handshake_failure");

  session_pair continued(client, "localhost", server);
  continued.client.answer = [](session& asked) { asked.continue_interrupted_handshake(); };
  EXPECT_FALSE(continued.shake_hands()) << "to go on isn't to ignore";
  EXPECT_THAT(continued.client.asked(), ElementsAre("interrupted_on_error", "interrupted_on_error", "ssl_errors"));

  session_pair ignored(client, "localhost", server);
  ignored.client.answer = [](session& asked) {
    asked.continue_interrupted_handshake();
    if (asked.question() == handshake_question::ssl_errors) asked.ignore_ssl_errors();
  };
  EXPECT_TRUE(ignored.shake_hands());
  EXPECT_THAT(ignored.client.errors(), ElementsAre("host_name_mismatch at 0", "certificate_expired at 0"));

  session_pair nameless(client, "", basic_server());
  EXPECT_FALSE(nameless.shake_hands());
  EXPECT_THAT(nameless.client.asked(), ElementsAre("interrupted_on_error"));
  EXPECT_EQ(nameless.server.seen.back(), "alert_received fatal bad_certificate");
}

TEST_P(client_session, may_be_given_up_in_a_question) {
  session_pair pair(make(of_version()), "other", basic_server());
  pair.client.handshake();
  pair.deliver();
  pair.server.handshake();
  pair.deliver();
  std::string& input = pair.client.input;
  std::vector<std::byte> out(16 * 1024);
  io_window window{.input = std::as_bytes(std::span(input)), .output = out};
  EXPECT_EQ(pair.client.tls.handshake(window).what, progress::want_answer);
  EXPECT_EQ(pair.client.tls.question(), handshake_question::ssl_errors);
  pair.client.tls = session(make(of_version()), "localhost");
}

TEST_P(client_session, goes_by_revocation_lists) {
  const credentials server = issue(test_ca(), {.names = {"localhost"}});
  for (const bool is_revoked : {true, false}) {
    client_configuration configuration = of_version();
    configuration.revocation =
        revocation_lists::from_bytes(
            make_list(test_ca(), {.revoked = {is_revoked ? server.certificate : alice().certificate}}))
            .value();
    session_pair pair(make(configuration), "localhost", make_context(serving(server)));
    EXPECT_EQ(pair.shake_hands(), !is_revoked);
    if (is_revoked) {
      EXPECT_EQ(pair.client.tls.error(), error_code(handshake_error::client_certificate_revoked));
      EXPECT_EQ(pair.server.seen.back(), "alert_received fatal certificate_revoked");
    }
  }
}

// ---- what is agreed on ----

TEST_P(client_session, offers_application_protocols) {
  client_configuration configuration = of_version();
  configuration.alpn_protocols = {"h2", "http/1.1"};
  ssl_configuration server = basic_configuration();
  server.alpn_protocols = {"http/1.1", "h2"};
  session_pair pair(make(configuration), "localhost", make_context(server));
  EXPECT_TRUE(pair.shake_hands());
  EXPECT_EQ(pair.client.tls.application_protocol(), "http/1.1");
  EXPECT_EQ(pair.server.tls.application_protocol(), "http/1.1");

  server.alpn_protocols = {"imap"};
  session_pair without(make(configuration), "localhost", make_context(server));
  EXPECT_FALSE(without.shake_hands());
  EXPECT_EQ(without.client.tls.error(), error_code(handshake_error::alert_from_client));
  EXPECT_EQ(without.client.seen.back(), "alert_received fatal no_application_protocol");
}

/// Begins a handshake, as far as the server has made its key for the key exchange: that key. Later TLS 1.2 has
/// forgotten it.
std::string key_of_the_exchange(session_pair& pair) {
  pair.client.handshake();
  pair.deliver();
  pair.server.handshake();
  EVP_PKEY* made = nullptr;
  SSL_get_tmp_key(static_cast<SSL*>(pair.server.tls.native_handle()), &made);
  const detail::pkey_ptr owned(made);
  unsigned char* bytes = nullptr;
  const int size = made == nullptr ? 0 : i2d_PUBKEY(made, &bytes);
  std::string der(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(std::max(size, 0)));
  OPENSSL_free(bytes);
  return der;
}

TEST_P(client_session, knows_the_servers_key_for_the_key_exchange) {
  // In TLS 1.2 the certificate's curve must be among them.
  for (const char* groups : {"P-256", "P-384:P-256", "X25519:P-256"}) {
    SCOPED_TRACE(groups);
    client_configuration configuration = of_version();
    configuration.groups = groups;
    session_pair pair(make(configuration), "localhost", basic_server());
    const std::string key = key_of_the_exchange(pair);
    EXPECT_NE(key, "");
    EXPECT_EQ(pair.client.tls.ephemeral_server_key(), "");
    ASSERT_TRUE(pair.shake_hands());
    EXPECT_EQ(pair.client.tls.ephemeral_server_key(), key);
    EXPECT_EQ(pair.server.tls.ephemeral_server_key(), "");
    session_pair next(make(configuration), "localhost", basic_server());
    ASSERT_TRUE(next.shake_hands());
    EXPECT_NE(next.client.tls.ephemeral_server_key(), key);
  }
}

TEST_P(client_session, offers_the_profiles_lists_or_its_own) {
  client_configuration configuration = of_version();
  configuration.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305";
  configuration.ciphersuites = "TLS_CHACHA20_POLY1305_SHA256";
  configuration.groups = "P-384:P-256";  // in TLS 1.2 the certificate's curve must be among them
  ssl_configuration server = basic_configuration();
  server.groups = "P-384";
  session_pair pair(make(configuration), "localhost", make_context(server));
  EXPECT_TRUE(pair.shake_hands());
  EXPECT_EQ(pair.client.tls.cipher_openssl_name(),
            is_tls_1_3() ? "TLS_CHACHA20_POLY1305_SHA256" : "ECDHE-ECDSA-CHACHA20-POLY1305");
  EXPECT_EQ(pair.client.tls.key_exchange_group(), "secp384r1");
}

TEST(client_session_settings, no_common_version_is_told) {
  client_configuration modern = trusting();
  modern.profile = security_profile::modern;
  ssl_configuration old = basic_configuration();
  old.maximum_version = tls_version::tls_1_2;
  session_pair pair(make(modern), "localhost", make_context(old));
  EXPECT_FALSE(pair.shake_hands());
  EXPECT_EQ(pair.client.tls.error(), error_code(handshake_error::alert_from_client));
  EXPECT_EQ(pair.client.seen.back(), "alert_received fatal protocol_version");
  EXPECT_EQ(pair.server.tls.error(), error_code(handshake_error::no_common_version));
}

// ---- the client's certificate ----

TEST_P(client_session, shows_its_certificate_to_a_server_that_asks) {
  client_configuration configuration = of_version();
  configuration.identity = identity_of(alice());
  const context client = make(configuration);
  session_pair pair(client, "localhost", make_context(client_certificate_configuration()));
  ASSERT_TRUE(pair.shake_hands()) << pair.client.tls.error_detail();
  EXPECT_EQ(pair.server.tls.peer_certificate_chain().at(0).common_name(), "alice");
  EXPECT_EQ(pair.client.tls.local_certificate().value().common_name(), "alice");

  session_pair unasked(client, "localhost", basic_server());
  ASSERT_TRUE(unasked.shake_hands());
  EXPECT_EQ(unasked.client.tls.local_certificate(), std::nullopt);
}

TEST_P(client_session, is_told_if_its_certificate_is_refused) {
  for (const bool has_one : {true, false}) {
    client_configuration configuration = of_version();
    if (has_one) configuration.identity = identity_of(issue(make_ca("Other CA"), {.common_name = "mallory"}));
    session_pair pair(make(configuration), "localhost", make_context(client_certificate_configuration()));
    EXPECT_FALSE(pair.shake_hands());
    const std::string alert = std::string("alert_received fatal ") + (has_one        ? "unknown_ca"
                                                                      : is_tls_1_3() ? "certificate_required"
                                                                                     : "handshake_failure");
    // In TLS 1.3 the client's handshake is complete before the server has seen its certificate.
    EXPECT_EQ(pair.client.is_connected(), is_tls_1_3());
    if (is_tls_1_3()) {
      EXPECT_EQ(pair.client.read(), "");
      EXPECT_EQ(pair.client.tls.error(), error_code(stream_error::alert_from_peer));
    } else {
      EXPECT_EQ(pair.client.tls.error(), error_code(handshake_error::alert_from_client));
    }
    EXPECT_EQ(pair.client.seen.back(), alert);
    EXPECT_EQ(pair.client.tls.resumable_session(), "");
  }
}

TEST_P(client_session, stops_before_its_private_key_is_used) {
  client_configuration configuration = of_version();
  configuration.identity = identity_of(alice());
  session_pair pair(make(configuration), "localhost", make_context(client_certificate_configuration()));
  pair.client.tls.stop_before_private_key();
  bool stopped = false;
  for (int i = 0; i < 6 && !pair.server.is_connected(); ++i) {
    if (pair.client.handshake() == progress::want_worker) {
      stopped = true;
      session lent = pair.client.tls.lend();
      EXPECT_EQ(pair.client.tls.server_name(), "localhost");
      pair.client.tls = std::move(lent);
      pair.client.handshake();
    }
    pair.deliver();
    pair.server.handshake();
    pair.deliver();
  }
  EXPECT_TRUE(stopped);
  EXPECT_TRUE(pair.shake_hands());
}

// ---- pre-shared keys ----

class client_keys : public client_session {
 protected:
  static context client(bool pre_shared_keys = true) {
    client_configuration configuration = of_version(client_configuration{});
    configuration.pre_shared_keys = pre_shared_keys;
    return make(configuration);
  }
  static context server(bool has_certificate = true) {
    ssl_configuration configuration;
    if (has_certificate) configuration = basic_configuration();
    configuration.pre_shared_keys = true;
    configuration.pre_shared_key_identity_hint = "say alice";
    return make_context(configuration);
  }
  static void let_alice_in(session& asked) {
    if (asked.pre_shared_key_identity() == "alice") asked.set_pre_shared_key(key_of("the key of alice"));
  }
};
INSTANTIATE_TEST_SUITE_P(versions, client_keys, testing::Values(tls_version::tls_1_2, tls_version::tls_1_3),
                         [](const auto& tested) {
                           return tested.param == tls_version::tls_1_3 ? "tls_1_3" : "tls_1_2";
                         });

TEST_P(client_keys, authenticate_both_sides) {
  for (const auto hash : {pre_shared_key_hash::sha256, pre_shared_key_hash::sha384}) {
    for (const bool has_certificate : {true, false}) {
      session_pair pair(client(), "localhost", server(has_certificate));
      std::string hint;
      pair.client.answer = [&](session& asked) {
        hint = asked.pre_shared_key_identity_hint();
        asked.set_pre_shared_key("alice", key_of("the key of alice", hash));
      };
      pair.server.answer = [&](session& asked) {
        if (asked.pre_shared_key_identity() == "alice") asked.set_pre_shared_key(key_of("the key of alice", hash));
      };
      ASSERT_TRUE(pair.shake_hands()) << pair.client.tls.error_detail();
      EXPECT_THAT(pair.client.asked(), ElementsAre("pre_shared_key"));
      EXPECT_EQ(hint, is_tls_1_3() ? "" : "say alice");
      EXPECT_EQ(pair.client.tls.pre_shared_key_identity(), "alice");
      EXPECT_EQ(pair.server.tls.pre_shared_key_identity(), "alice");
      EXPECT_THAT(pair.client.tls.peer_certificate_chain(), IsEmpty());
      EXPECT_FALSE(pair.client.tls.resumed());
      EXPECT_TRUE(pair.talk());
      EXPECT_EQ(pair.client.tls.resumable_session(), "");
    }
  }
}

TEST_P(client_keys, survive_a_hello_retry_request) {
  client_configuration configuration = of_version(client_configuration{});
  configuration.pre_shared_keys = true;
  configuration.groups = "X25519:P-384";
  ssl_configuration server = basic_configuration();
  server.pre_shared_keys = true;
  server.groups = "P-384";
  session_pair pair(make(configuration), "localhost", make_context(server));
  pair.client.answer = [](session& asked) { asked.set_pre_shared_key("alice", key_of("the key of alice")); };
  pair.server.answer = let_alice_in;
  EXPECT_TRUE(pair.shake_hands()) << pair.client.tls.error_detail();
  EXPECT_EQ(pair.client.tls.pre_shared_key_identity(), "alice");
  EXPECT_THAT(pair.client.asked(), ElementsAre("pre_shared_key"));
}

TEST_P(client_keys, that_are_wrong_connect_nobody) {
  session_pair pair(client(), "localhost", server());
  pair.client.answer = [](session& asked) { asked.set_pre_shared_key("alice", key_of("another key")); };
  pair.server.answer = let_alice_in;
  EXPECT_FALSE(pair.shake_hands());
  EXPECT_EQ(pair.client.tls.error(), error_code(handshake_error::alert_from_client));
  EXPECT_EQ(pair.server.tls.error(), error_code(handshake_error::bad_pre_shared_key));
}

TEST_P(client_keys, that_nobody_gives_leave_the_certificate) {
  void (*const answers[])(session&) = {
      [](session&) {},
      [](session& asked) { asked.set_pre_shared_key("", key_of("a key")); },
      [](session& asked) { asked.set_pre_shared_key("alice", {}); },
      [](session& asked) { asked.set_pre_shared_key(std::string(257, 'x'), key_of("a key")); },
      [](session& asked) { asked.set_pre_shared_key("alice", key_of(std::string(513, 'x'))); },
      [](session& asked) { asked.set_pre_shared_key(key_of("a key")); },
  };
  for (std::size_t i = 0; i < std::size(answers); ++i) {
    SCOPED_TRACE(i);
    session_pair pair(client(), "localhost", server());
    pair.client.answer = answers[i];
    EXPECT_FALSE(pair.shake_hands());
    if (is_tls_1_3()) {
      EXPECT_THAT(pair.client.asked(), ElementsAre("pre_shared_key", "ssl_errors"));
      EXPECT_EQ(pair.client.tls.error(), error_code(handshake_error::client_certificate_unknown_ca));
    } else {
      EXPECT_THAT(pair.client.asked(), ElementsAre("pre_shared_key"));
      EXPECT_EQ(pair.client.tls.error(), error_code(handshake_error::bad_pre_shared_key));
      EXPECT_EQ(pair.client.tls.error_detail(), "the application gives no pre-shared key for the server's hint");
      EXPECT_EQ(pair.client.seen.back(), "alert_sent fatal handshake_failure");
    }
  }
}

TEST_P(client_keys, may_be_refused_for_good) {
  session_pair pair(client(), "localhost", server());
  pair.client.answer = [](session& asked) { asked.refuse(); };
  EXPECT_FALSE(pair.shake_hands());
  EXPECT_EQ(pair.client.tls.error(), error_code(handshake_error::bad_pre_shared_key));
}

TEST(client_keys_of_two_versions, are_asked_for_in_each) {
  client_configuration configuration = trusting();
  configuration.pre_shared_keys = true;
  ssl_configuration server = basic_configuration();
  server.pre_shared_keys = true;
  server.pre_shared_key_identity_hint = "hint";
  server.maximum_version = tls_version::tls_1_2;
  session_pair pair(make(configuration), "localhost", make_context(server));
  std::vector<std::string> hints;
  pair.client.answer = [&](session& asked) {
    hints.push_back(asked.pre_shared_key_identity_hint());
    asked.set_pre_shared_key("alice", key_of("the key of alice"));
  };
  pair.server.answer = [](session& asked) { asked.set_pre_shared_key(key_of("the key of alice")); };
  EXPECT_TRUE(pair.shake_hands()) << pair.client.tls.error_detail();
  EXPECT_THAT(hints, ElementsAre("", "hint"));
  EXPECT_EQ(pair.client.tls.pre_shared_key_identity(), "alice");

  // A key that the server doesn't take says nothing.
  session_pair with_certificate(make(configuration), "localhost", basic_server());
  with_certificate.client.answer = pair.client.answer;
  EXPECT_TRUE(with_certificate.shake_hands());
  EXPECT_EQ(with_certificate.client.tls.pre_shared_key_identity(), "");
  EXPECT_EQ(with_certificate.client.tls.peer_certificate_chain().size(), 1U);
}

// ---- resumption ----

class client_resumption : public client_session {
 protected:
  /// The bytes of a session with this server.
  static std::string begun(const context& client, const context& server, const std::string& name = "localhost") {
    session_pair pair(client, name, server);
    EXPECT_TRUE(pair.shake_hands()) << pair.client.tls.error_detail();
    if (is_tls_1_3()) {
      EXPECT_EQ(pair.client.tls.resumable_session(), "") << "before the ticket";
    }
    EXPECT_TRUE(pair.talk());
    EXPECT_EQ(std::ranges::count(pair.client.seen, "new_session_ticket"), 1);
    EXPECT_LE(pair.client.tls.ticket_lifetime_hint().value(), 24h);
    EXPECT_GT(pair.client.tls.ticket_lifetime_hint().value(), 23h);
    return pair.client.tls.resumable_session();
  }
  static bool resumes(const std::string& bytes, const context& client, const context& server,
                      const std::string& name = "localhost") {
    session_pair pair(client, name, server, bytes);
    EXPECT_TRUE(pair.shake_hands()) << pair.client.tls.error_detail();
    EXPECT_TRUE(pair.talk());
    EXPECT_EQ(pair.client.tls.resumed(), pair.server.tls.resumed());
    EXPECT_EQ(pair.client.tls.peer_certificate_chain().size(), 1U);
    return pair.client.tls.resumed();
  }
};
INSTANTIATE_TEST_SUITE_P(versions, client_resumption, testing::Values(tls_version::tls_1_2, tls_version::tls_1_3),
                         [](const auto& tested) {
                           return tested.param == tls_version::tls_1_3 ? "tls_1_3" : "tls_1_2";
                         });

TEST_P(client_resumption, goes_by_the_bytes_of_a_session) {
  const context client = make(of_version());
  const std::string bytes = begun(client, basic_server());
  ASSERT_NE(bytes, "");
  EXPECT_TRUE(resumes(bytes, client, basic_server()));
  EXPECT_TRUE(resumes(bytes, make(of_version()), basic_server())) << "by another context with the same settings";
  client_configuration with_session = of_version();
  with_session.session = bytes;
  EXPECT_TRUE(resumes("", make(with_session), basic_server()));
}

TEST_P(client_resumption, goes_on_from_one_to_the_next) {
  const context client = make(of_version());
  std::string bytes = begun(client, basic_server());
  for (int i = 0; i < 3; ++i) {
    session_pair pair(client, "localhost", basic_server(), bytes);
    EXPECT_TRUE(pair.shake_hands());
    EXPECT_TRUE(pair.talk());
    EXPECT_TRUE(pair.client.tls.resumed());
    bytes = pair.client.tls.resumable_session();
    ASSERT_NE(bytes, "");
  }
}

struct client_change {
  const char* what;
  void (*apply)(client_configuration&);
};

/// What makes another client of one: a session of the one isn't the other's.
const client_change client_changes[] = {
    {"verify_mode", [](client_configuration& c) { c.verify_mode = peer_verify_mode::query; }},
    {"depth", [](client_configuration& c) { c.verify_depth = 3; }},
    {"trust",
     [](client_configuration& c) {
       c.ca_certificates = trust_store::from_pem(test_ca().certificate + make_ca("More").certificate).value();
     }},
    {"revocation",
     [](client_configuration& c) { c.revocation = revocation_lists::from_bytes(make_list(test_ca())).value(); }},
    {"identity", [](client_configuration& c) { c.identity.reset(); }},
    {"other identity",
     [](client_configuration& c) { c.identity = identity_of(issue(test_ca(), {.extended_key_usage = "clientAuth"})); }},
    {"ciphers", [](client_configuration& c) { c.ciphers = "ECDHE+AESGCM"; }},
    {"ciphersuites", [](client_configuration& c) { c.ciphersuites = "TLS_AES_256_GCM_SHA384"; }},
    {"groups", [](client_configuration& c) { c.groups = "P-256"; }},
    {"pre_shared_keys", [](client_configuration& c) { c.pre_shared_keys = true; }},
};

TEST_P(client_resumption, works_only_for_the_same_name_and_settings) {
  ssl_configuration of_server = client_certificate_configuration();
  of_server.verify_mode = peer_verify_mode::query;
  of_server.identities = {identity_of(issue(test_ca(), {.names = {"localhost", "other.example", "127.0.0.1"}}))};
  const context server = make_context(of_server);
  client_configuration base = of_version();
  base.identity = identity_of(alice());
  const std::string bytes = begun(make(base), server);
  ASSERT_NE(bytes, "");
  EXPECT_TRUE(resumes(bytes, make(base), server));
  EXPECT_FALSE(resumes(bytes, make(base), server, "other.example"));
  EXPECT_FALSE(resumes(bytes, make(base), server, "127.0.0.1"));

  for (const auto& [what, apply] : client_changes) {
    client_configuration changed = base;
    apply(changed);
    EXPECT_FALSE(resumes(bytes, make(changed), server)) << what;
  }
  client_configuration unverified = base;
  unverified.verify_mode = peer_verify_mode::none;
  const std::string unverified_bytes = begun(make(unverified), server);
  EXPECT_TRUE(resumes(unverified_bytes, make(unverified), server));
  EXPECT_FALSE(resumes(unverified_bytes, make(base), server)) << "nobody has looked at the certificate";
}

TEST_P(client_resumption, survives_whatever_the_bytes_are) {
  const context client = make(of_version());
  const std::string bytes = begun(client, basic_server());
  EXPECT_FALSE(resumes("not a session", client, basic_server()));
  for (std::size_t size = 0; size < bytes.size(); size += 23)
    EXPECT_FALSE(resumes(bytes.substr(0, size), client, basic_server())) << size;
  EXPECT_FALSE(resumes(bytes + "x", client, basic_server()));
  for (std::size_t i = 0; i < 27 + 32; ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(resumes(changed, client, basic_server())) << i;
  }
  const context other_server = make_context(basic_configuration());
  EXPECT_FALSE(resumes(bytes, client, other_server)) << "which has other ticket keys";
}

TEST_P(client_resumption, ends_with_what_vouches_for_the_server) {
  const context client = make(of_version());
  const context server = make_context(serving(issue(test_ca(), {.names = {"localhost"}, .valid_until = 1h})));
  std::string bytes = begun(client, server);
  EXPECT_TRUE(resumes(bytes, client, server));
  // Where the end is in the bytes; now it is over.
  constexpr std::size_t end = 27 + 32;
  for (std::size_t i = 0; i < 8; ++i) bytes[end + i] = '\0';
  EXPECT_FALSE(resumes(bytes, client, server));
}

TEST_P(client_resumption, needs_a_ticket) {
  ssl_configuration configuration = basic_configuration();
  configuration.resumption_lifetime = 0s;
  session_pair pair(make(of_version()), "localhost", make_context(configuration));
  EXPECT_TRUE(pair.shake_hands());
  EXPECT_TRUE(pair.talk());
  EXPECT_EQ(pair.client.tls.ticket_lifetime_hint(), std::nullopt);
  EXPECT_EQ(pair.client.tls.resumable_session(), "");
  EXPECT_EQ(std::ranges::count(pair.client.seen, "new_session_ticket"), 0);
}

// ---- whatever else a server may be ----

TEST(client_session_answers, that_are_not_tls_fail_at_once) {
  for (const std::string answer : {"HTTP/1.1 400 Bad Request\r\n", "220 mail.example ESMTP\r\n", "x"}) {
    for (const delivery& how : {delivery{}, single_bytes}) {
      session_side client(session(make(trusting()), "localhost"), how);
      EXPECT_EQ(client.handshake(), progress::want_input);
      client.output.clear();
      client.input = answer;
      EXPECT_EQ(client.handshake(), progress::failed);
      EXPECT_EQ(client.tls.error(), error_code(handshake_error::not_tls));
      EXPECT_EQ(client.tls.error_detail(), "the server doesn't speak TLS: its first bytes are no TLS record");
      EXPECT_EQ(client.output, "");
    }
  }
}

TEST(client_session_answers, that_break_the_protocol_fail) {
  session_side client(session(make(trusting()), "localhost"));
  client.handshake();
  client.input = std::string("\x16\x03\x03\0\x04\x0e\0\0\0", 9);  // ServerHelloDone
  EXPECT_EQ(client.handshake(), progress::failed);
  EXPECT_EQ(client.tls.error(), error_code(handshake_error::protocol_violation));
  EXPECT_EQ(client.seen.back(), "alert_sent fatal unexpected_message");
}

TEST(client_session_answers, that_are_cut_short_are_waited_for) {
  session_pair pair(make(trusting()), "localhost", basic_server());
  pair.client.handshake();
  pair.deliver();
  pair.server.handshake();
  for (std::size_t size = 0; size < pair.server.output.size(); size += 97) {
    session_pair cut(make(trusting()), "localhost", basic_server());
    cut.client.handshake();
    cut.deliver();
    cut.server.handshake();
    cut.client.input = cut.server.output.substr(0, size);
    EXPECT_EQ(cut.client.handshake(), progress::want_input) << size;
  }
}

TEST(client_session_answers, with_an_alert_are_told) {
  session_side client(session(make(trusting()), "localhost"));
  client.handshake();
  client.input = std::string("\x15\x03\x03\0\x02\x02\x28", 7);
  EXPECT_EQ(client.handshake(), progress::failed);
  EXPECT_EQ(client.tls.error(), error_code(handshake_error::alert_from_client));
  EXPECT_EQ(client.tls.error_detail(), "the peer sent the alert 'handshake failure' (40)");
}

/// OpenSSL's own server, for what ours never does.
class openssl_server {
 public:
  openssl_server(const credentials& both, int version, const char* ciphers = nullptr)
      : ctx_(SSL_CTX_new(TLS_server_method())) {
    SSL_CTX_set_security_level(ctx_.get(), 0);
    SSL_CTX_set_min_proto_version(ctx_.get(), version);
    SSL_CTX_set_max_proto_version(ctx_.get(), version);
    if (ciphers != nullptr) SSL_CTX_set_cipher_list(ctx_.get(), ciphers);
    const auto use = [&](const std::string& pem, auto read, auto set) {
      BIO* const bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
      auto* const object = read(bio, nullptr, nullptr, nullptr);
      set(ctx_.get(), object);
      BIO_free(bio);
      return object;
    };
    X509_free(use(both.certificate, PEM_read_bio_X509, SSL_CTX_use_certificate));
    EVP_PKEY_free(use(both.key, PEM_read_bio_PrivateKey, SSL_CTX_use_PrivateKey));
    ssl_.reset(SSL_new(ctx_.get()));
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl_.get());
  }

  /// Until neither side goes on.
  void meet(session_side& client) {
    for (int i = 0; i < 6; ++i) {
      if (!client.is_connected() && client.last != progress::failed) client.handshake();
      exchange(client);
      SSL_do_handshake(ssl_.get());
      ERR_clear_error();
      exchange(client);
    }
  }
  void exchange(session_side& client) {
    BIO_write(SSL_get_rbio(ssl_.get()), client.output.data(), static_cast<int>(client.output.size()));
    client.output.clear();
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(SSL_get_wbio(ssl_.get()), &bytes);
    client.input.append(bytes, static_cast<std::size_t>(size));
    (void)BIO_reset(SSL_get_wbio(ssl_.get()));
  }
  SSL* native() { return ssl_.get(); }

 private:
  detail::ssl_ctx_ptr ctx_;
  detail::ssl_ptr ssl_;
};

const credentials& localhost() {
  static const credentials made = issue(test_ca(), {.names = {"localhost"}});
  return made;
}

TEST(client_session_with_openssl, connects) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    session_side client(session(make(trusting()), "localhost"));
    openssl_server server(localhost(), version);
    server.meet(client);
    EXPECT_TRUE(client.is_connected()) << client.tls.error_detail();
    EXPECT_EQ(static_cast<int>(client.tls.version()), version);
    SSL_write(server.native(), "hello", 5);
    server.exchange(client);
    EXPECT_EQ(client.read(), "hello");
  }
}

TEST(client_session_with_openssl, never_speaks_an_old_version) {
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    session_side client(session(make(trusting()), "localhost"));
    openssl_server server(localhost(), version, "ALL:@SECLEVEL=0");
    server.meet(client);
    EXPECT_FALSE(client.is_connected());
    EXPECT_EQ(client.last, progress::failed);
  }
}

TEST(client_session_with_openssl, refuses_a_server_that_chooses_an_old_version) {
  session_side client(session(make(trusting()), "localhost"));
  client.handshake();
  // A ServerHello of TLS 1.0, whatever was offered.
  std::string hello("\x16\x03\x01\0\x2a\x02\0\0\x26\x03\x01", 11);
  hello += std::string(32, 'r') + std::string("\0\xc0\x13\0", 4);
  client.input = hello;
  EXPECT_EQ(client.handshake(), progress::failed);
  EXPECT_EQ(client.tls.error(), error_code(handshake_error::no_common_version)) << client.tls.error_detail();
  EXPECT_EQ(client.seen.back(), "alert_sent fatal protocol_version");
}

TEST(client_session_with_openssl, does_not_read_tickets_for_ever) {
  session_side client(session(make(trusting()), "localhost"));
  openssl_server server(localhost(), TLS1_3_VERSION);
  server.meet(client);
  ASSERT_TRUE(client.is_connected());
  for (int i = 0; i < 40; ++i) {
    SSL_new_session_ticket(server.native());
    SSL_do_handshake(server.native());
  }
  server.exchange(client);
  EXPECT_EQ(client.read(), "");
  EXPECT_EQ(client.tls.error(), error_code(stream_error::message_flood));
}

TEST(client_session_with_openssl, counts_tickets_only_between_data) {
  session_side client(session(make(trusting()), "localhost"));
  openssl_server server(localhost(), TLS1_3_VERSION);
  server.meet(client);
  for (int i = 0; i < 40; ++i) {
    SSL_new_session_ticket(server.native());
    SSL_do_handshake(server.native());
    SSL_write(server.native(), "x", 1);
  }
  server.exchange(client);
  EXPECT_EQ(client.read(), std::string(40, 'x'));
  EXPECT_NE(client.tls.resumable_session(), "");
}

TEST(client_session_with_openssl, is_not_renegotiated_with) {
  session_side client(session(make(trusting()), "localhost"));
  openssl_server server(localhost(), TLS1_2_VERSION);
  server.meet(client);
  ASSERT_TRUE(client.is_connected());
  SSL_renegotiate(server.native());
  SSL_do_handshake(server.native());
  server.exchange(client);
  EXPECT_EQ(client.read(), "");
  EXPECT_EQ(client.seen.back(), "alert_sent warning no_renegotiation");
}

// ---- mistakes ----

TEST(client_session_mistakes, a_context_of_the_other_side_is_told) {
  session_side client(session(basic_server(), "localhost"));
  EXPECT_EQ(client.handshake(), progress::failed);
  EXPECT_EQ(client.tls.error(), error_code(handshake_error::internal));
  EXPECT_EQ(client.tls.error_detail(), "the context is for the other side of a connection");
  session_side server(session(make(trusting())));
  EXPECT_EQ(server.handshake(), progress::failed);
  EXPECT_EQ(server.tls.error_detail(), "the context is for the other side of a connection");
}

TEST(client_context, refuses_what_a_server_refuses) {
  const auto invalid = configuration_error::invalid_value;
  const auto refuses = [](void (*change)(client_configuration&), configuration_error code, const std::string& why) {
    client_configuration configuration = trusting();
    change(configuration);
    return refused(context::make_client(configuration), code, why);
  };
  EXPECT_TRUE(refuses([](client_configuration& c) { c.verify_depth = -1; }, invalid, "verify_depth: -1 is negative"));
  EXPECT_TRUE(refuses([](client_configuration& c) { c.ciphers = "NONE"; }, configuration_error::bad_ciphers,
                      "ciphers: \"NONE\" is unknown to OpenSSL, or stands for no cipher that it has"));
  EXPECT_TRUE(refuses([](client_configuration& c) { c.groups = "NONE"; }, configuration_error::bad_groups,
                      "groups: \"NONE\" is not a key exchange group that OpenSSL knows"));
  EXPECT_TRUE(refuses([](client_configuration& c) { c.alpn_protocols = {""}; },
                      configuration_error::bad_application_protocol, "alpn_protocols: name 1 is empty"));
  EXPECT_TRUE(refuses(
      [](client_configuration& c) {
        c.profile = security_profile::modern;
        c.maximum_version = tls_version::tls_1_2;
      },
      invalid, "maximum_version: TLSv1.2 isn't in the modern profile"));
  EXPECT_TRUE(refuses(
      [](client_configuration& c) {
        c.revocation = revocation_lists::from_bytes(make_list(test_ca())).value();
        c.ca_certificates.reset();
      },
      invalid, "revocation: without ca_certificates nobody vouches for the lists"));
  EXPECT_TRUE(refuses(
      [](client_configuration& c) {
        c.handshake_must_interrupt_on_error = true;
        c.verify_mode = peer_verify_mode::none;
      },
      invalid, "handshake_must_interrupt_on_error: with verify_mode none there is no certificate that could be wrong"));
  client_configuration odd = trusting();
  odd.verify_mode = static_cast<peer_verify_mode>(7);
  EXPECT_FALSE(context::make_client(odd));
  EXPECT_TRUE(accepted(context::make_client({})));
}

TEST(client_context, has_warnings) {
  client_configuration configuration = trusting();
  configuration.identity = identity_of(issue(test_ca(), {.valid_from = -48h, .valid_until = -24h}));
  const auto made = context::make_client(configuration);
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(made->warnings(), ElementsAre(HasSubstr("expired")));
  EXPECT_EQ(made->configuration().verify_mode, peer_verify_mode::verify);
}

}  // namespace
}  // namespace sallyport::test
