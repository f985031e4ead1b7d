// Contract section 4: the settings that matter on a server, and pre-shared keys.
//
// SPDX-License-Identifier: Apache-2.0
#include "contract_fixture.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

constexpr int tls_1_1 = 0x0302;

class ssl_configuration_contract : public contract_fixture {
 protected:
  /// The sentence with which a configuration is refused.
  std::string refusal_of(const ssl_configuration& configuration, configuration_error expected) {
    const auto set = server.set_configuration(configuration);
    if (!set.has_error()) return "";
    EXPECT_EQ(set.error().code, expected) << set.error().detail;
    return set.error().detail;
  }
};
class ssl_configuration_contract_of_both : public contract_in_both_versions {};
INSTANTIATE_TEST_SUITE_P(both, ssl_configuration_contract_of_both, both_versions(), name_of_version);

// --- localCertificateChain and privateKey: identities ---

// Qt's first client finds out what is wrong; here it is refused when it is set.
TEST_F(ssl_configuration_contract, certificate_without_a_key_is_refused) {
  const auto made = identity::from_pem(server_credentials().certificate, server_credentials().certificate);
  ASSERT_TRUE(made.has_error());
  EXPECT_EQ(made.error().code, configuration_error::no_private_key);
  EXPECT_NE(made.error().detail, "");
}

TEST_F(ssl_configuration_contract, key_of_another_certificate_is_refused) {
  const auto made = identity::from_pem(server_credentials().certificate, make_key(key_type::ec_p256));
  ASSERT_TRUE(made.has_error());
  EXPECT_EQ(made.error().code, configuration_error::key_mismatch);
}

TEST_F(ssl_configuration_contract, neither_certificate_nor_key_is_refused) {
  EXPECT_NE(refusal_of({}, configuration_error::no_identity), "");
}

TEST_P(ssl_configuration_contract_of_both, certificate_and_key_are_shown_to_the_client) {
  listen();
  auto options = only(version());
  options.trusted_certificate = server_credentials().certificate;
  EXPECT_TRUE(run(options).let_in);
}

// --- protocol: profile ---

TEST_F(ssl_configuration_contract, default_protocol_is_tls_1_2_or_later) {
  listen();
  EXPECT_TRUE(run(only(tls_version::tls_1_2)).let_in);
  EXPECT_TRUE(run(only(tls_version::tls_1_3)).let_in);
  trace.clear();
  const auto view = run({.min_version = tls_1_1, .max_version = tls_1_1});
  EXPECT_EQ(view.alert, "protocol_version");
  EXPECT_EQ(trace, (events{"started", "alert_sent fatal protocol_version", "error no_common_version"}));
}

TEST_F(ssl_configuration_contract, modern_profile_is_tls_1_3_alone) {
  auto configuration = make_configuration();
  configuration.profile = security_profile::modern;
  use(configuration);
  EXPECT_TRUE(run(only(tls_version::tls_1_3)).let_in);
  trace.clear();
  EXPECT_EQ(run(only(tls_version::tls_1_2)).alert, "protocol_version");
  EXPECT_EQ(trace, (events{"started", "alert_sent fatal protocol_version", "error no_common_version"}));
}

// --- ciphers: ciphers and ciphersuites ---

class ssl_configuration_ciphers : public contract_fixture {
 protected:
  std::string cipher_with(tls_version version) {
    EXPECT_TRUE(run(only(version)).let_in);
    return accepted ? std::string(accepted->session_cipher()) : "";
  }
};

TEST_F(ssl_configuration_ciphers, empty_lists_are_the_default) {
  listen();
  EXPECT_EQ(cipher_with(tls_version::tls_1_2), "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
  EXPECT_EQ(cipher_with(tls_version::tls_1_3), "TLS_AES_128_GCM_SHA256");
}

TEST_F(ssl_configuration_ciphers, those_of_tls_1_2_leave_those_of_tls_1_3_at_their_default) {
  auto configuration = make_configuration();
  configuration.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
  use(configuration);
  EXPECT_EQ(cipher_with(tls_version::tls_1_2), "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
  EXPECT_EQ(cipher_with(tls_version::tls_1_3), "TLS_AES_128_GCM_SHA256");
}

TEST_F(ssl_configuration_ciphers, those_of_tls_1_3_leave_those_of_tls_1_2_at_their_default) {
  auto configuration = make_configuration();
  configuration.ciphersuites = "TLS_AES_256_GCM_SHA384";
  use(configuration);
  EXPECT_EQ(cipher_with(tls_version::tls_1_2), "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
  EXPECT_EQ(cipher_with(tls_version::tls_1_3), "TLS_AES_256_GCM_SHA384");
}

// ServerCipherPreference is on in Qt unless disabled; here there is no switch.
TEST_F(ssl_configuration_ciphers, the_servers_order_counts) {
  auto configuration = make_configuration();
  configuration.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256";
  configuration.ciphersuites = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256";
  use(configuration);
  auto options = only(tls_version::tls_1_2);
  options.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384";
  EXPECT_TRUE(run(options).let_in);
  EXPECT_EQ(accepted->session_cipher(), "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
  options = only(tls_version::tls_1_3);
  options.ciphersuites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";
  EXPECT_TRUE(run(options).let_in);
  EXPECT_EQ(accepted->session_cipher(), "TLS_AES_256_GCM_SHA384");
}

TEST_F(ssl_configuration_ciphers, none_in_common_is_told) {
  auto configuration = make_configuration();
  configuration.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
  configuration.ciphersuites = "TLS_AES_256_GCM_SHA384";
  use(configuration);
  for (auto options : {only(tls_version::tls_1_2), only(tls_version::tls_1_3)}) {
    options.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
    options.ciphersuites = "TLS_AES_128_GCM_SHA256";
    trace.clear();
    EXPECT_EQ(run(options).alert, "handshake_failure");
    EXPECT_EQ(trace, (events{"started", "alert_sent fatal handshake_failure", "error no_common_cipher"}));
  }
}

TEST_F(ssl_configuration_contract, wrong_cipher_list_is_refused_and_named) {
  auto configuration = make_configuration();
  configuration.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:NO-SUCH-CIPHER";
  EXPECT_THAT(refusal_of(configuration, configuration_error::bad_ciphers), testing::HasSubstr("NO-SUCH-CIPHER"));
  configuration = make_configuration();
  configuration.ciphersuites = "TLS_NO_SUCH_SUITE";
  EXPECT_THAT(refusal_of(configuration, configuration_error::bad_ciphers), testing::HasSubstr("TLS_NO_SUCH_SUITE"));
}

// --- ellipticCurves: groups; diffieHellmanParameters ---

TEST_P(ssl_configuration_contract_of_both, groups_are_those_that_are_set) {
  auto configuration = make_configuration();
  configuration.groups = "P-384";
  use(configuration);
  auto options = only(version());
  options.groups = "P-256:P-384";
  EXPECT_TRUE(run(options).let_in);
  trace.clear();
  // In TLS 1.2 a client without a common group still might share a cipher that needs none.
  options.groups = "X25519:P-256";
  const auto view = run(options);
  EXPECT_EQ(view.alert, "handshake_failure");
  EXPECT_FALSE(view.let_in);
  ASSERT_EQ(trace.size(), 3U);
  EXPECT_EQ(trace[1], "alert_sent fatal handshake_failure");
  EXPECT_EQ(trace[2], "error no_common_group");
}

TEST_F(ssl_configuration_contract, wrong_group_is_refused_and_named) {
  auto configuration = make_configuration();
  configuration.groups = "P-256:no-such-group";
  EXPECT_THAT(refusal_of(configuration, configuration_error::bad_groups), testing::HasSubstr("no-such-group"));
}

// Qt has parameters of 2048 bits built in, and DHE ciphers with them.
TEST_F(ssl_configuration_contract, finite_field_diffie_hellman_is_not_offered_to_clients_with_certificates) {
  const auto rsa = make_self_signed({.common_name = "localhost", .names = {"localhost"}, .key = key_type::rsa_2048});
  auto configuration = make_configuration();
  configuration.identities = {identity::from_pem(rsa.certificate, rsa.key).value()};
  use(configuration);
  auto options = only(tls_version::tls_1_2);
  options.ciphers = "DHE-RSA-AES128-GCM-SHA256";
  EXPECT_EQ(run(options).alert, "handshake_failure");
  EXPECT_EQ(trace, (events{"started", "alert_sent fatal handshake_failure", "error no_common_cipher"}));
  options.ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
  EXPECT_TRUE(run(options).let_in);
}

// --- peerVerifyMode (more in peer_verify_mode_test.cpp), peerVerifyDepth, caCertificates ---

// QSslConfiguration has 0, which means as many as OpenSSL takes, and takes a negative one with a warning.
TEST_F(ssl_configuration_contract, verify_depth_is_10_unless_set_and_never_negative) {
  EXPECT_EQ(ssl_configuration().verify_depth, 10);
  auto configuration = make_verifying_configuration(peer_verify_mode::verify);
  configuration.verify_depth = -1;
  EXPECT_THAT(refusal_of(configuration, configuration_error::invalid_value), testing::HasSubstr("verify_depth"));
}

TEST_P(ssl_configuration_contract_of_both, verify_depth_is_the_number_of_intermediate_cas) {
  const auto intermediate = issue(clients().ca, {.common_name = "Intermediate CA", .is_ca = true});
  auto options = with_certificate(version(), issue(intermediate, {.common_name = "bob"}));
  options.chain = intermediate.certificate;
  auto configuration = make_verifying_configuration(peer_verify_mode::verify);
  configuration.verify_depth = 1;
  use(configuration);
  EXPECT_TRUE(run(options).let_in);

  // QSslSocket takes 0 for no limit.
  configuration.verify_depth = 0;
  use(configuration);
  EXPECT_FALSE(run(options).let_in);
  EXPECT_THAT(trace.back(), testing::StartsWith("error client_certificate_"));
  EXPECT_TRUE(run(with_certificate(version(), clients().alice)).let_in);
}

// QSslServer's default trusts every public CA for clients.
TEST_F(ssl_configuration_contract, ca_certificates_are_empty_unless_set_and_verify_needs_them) {
  EXPECT_FALSE(ssl_configuration().ca_certificates.has_value());
  auto configuration = make_configuration();
  configuration.verify_mode = peer_verify_mode::verify;
  EXPECT_THAT(refusal_of(configuration, configuration_error::no_trust_anchor), testing::HasSubstr("ca_certificates"));
}

TEST_P(ssl_configuration_contract_of_both, without_ca_certificates_query_trusts_nobody) {
  auto configuration = make_configuration();
  configuration.verify_mode = peer_verify_mode::query;
  use(configuration);
  EXPECT_TRUE(run(with_certificate(version(), clients().alice)).let_in);
  ASSERT_FALSE(accepted->ssl_handshake_errors().empty());
  EXPECT_EQ(accepted->ssl_handshake_errors()[0].code, ssl_error_code::unable_to_get_local_issuer_certificate);
}

TEST_P(ssl_configuration_contract_of_both, ca_certificates_are_the_trust_anchors_of_clients) {
  auto configuration = make_verifying_configuration(peer_verify_mode::verify);
  use(configuration);
  EXPECT_TRUE(run(with_certificate(version(), clients().alice)).let_in);
  EXPECT_FALSE(run(with_certificate(version(), clients().stranger)).let_in);
  configuration.ca_certificates = trust_store::from_pem(clients().other_ca.certificate).value();
  use(configuration);
  EXPECT_FALSE(run(with_certificate(version(), clients().alice)).let_in);
  EXPECT_TRUE(run(with_certificate(version(), clients().stranger)).let_in);
}

// QSslServer names none (section 9, number 12).
TEST_P(ssl_configuration_contract_of_both, ca_certificates_are_named_to_the_client) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  const auto view = run(with_certificate(version(), clients().alice));
  ASSERT_TRUE(view.requested_cas.has_value());
  EXPECT_THAT(*view.requested_cas, testing::ElementsAre(testing::HasSubstr("Client CA")));
}

TEST_F(ssl_configuration_contract, missing_certificate_is_fatal_and_must_interrupt_are_off_unless_set) {
  EXPECT_FALSE(ssl_configuration().missing_certificate_is_fatal);
  EXPECT_FALSE(ssl_configuration().handshake_must_interrupt_on_error);
}

TEST_P(ssl_configuration_contract_of_both, handshake_must_interrupt_on_error_does_so_at_once_in_query_too) {
  for (const auto mode : {peer_verify_mode::query, peer_verify_mode::verify}) {
    auto configuration = make_verifying_configuration(mode);
    configuration.handshake_must_interrupt_on_error = true;
    use(configuration);
    trace.clear();
    EXPECT_FALSE(run(with_certificate(version(), clients().expired)).let_in);
    EXPECT_EQ(trace, (events{"started", "handshake_interrupted_on_error certificate_expired",
                             "alert_sent fatal certificate_expired", "error client_certificate_expired"}));
  }
}

TEST_F(ssl_configuration_contract, handshake_must_interrupt_on_error_without_any_verification_is_refused) {
  auto configuration = make_configuration();
  configuration.handshake_must_interrupt_on_error = true;
  EXPECT_THAT(refusal_of(configuration, configuration_error::invalid_value),
              testing::HasSubstr("handshake_must_interrupt_on_error"));
}

// --- allowedNextProtocols, nextNegotiatedProtocol: alpn_protocols ---

// In Qt the client's order wins.
TEST_P(ssl_configuration_contract_of_both, alpn_protocols_are_chosen_in_the_servers_order) {
  auto configuration = make_configuration();
  configuration.alpn_protocols = {"h2", "http/1.1"};
  use(configuration);
  auto options = only(version());
  options.application_protocols = {"http/1.1", "h2"};
  EXPECT_EQ(run(options).application_protocol, "h2");
  EXPECT_EQ(accepted->next_negotiated_protocol(), "h2");
}

TEST_P(ssl_configuration_contract_of_both, next_negotiated_protocol_is_empty_unless_both_sides_name_one) {
  auto configuration = make_configuration();
  auto options = only(version());
  options.application_protocols = {"h2"};
  use(configuration);
  EXPECT_EQ(run(options).application_protocol, "");
  EXPECT_EQ(accepted->next_negotiated_protocol(), "");
  configuration.alpn_protocols = {"h2"};
  use(configuration);
  EXPECT_TRUE(run(only(version())).let_in);
  EXPECT_EQ(accepted->next_negotiated_protocol(), "");
}

// QSslServer answers with a protocol that the client didn't offer (section 9, number 6).
TEST_P(ssl_configuration_contract_of_both, alpn_protocols_without_overlap_end_the_handshake) {
  auto configuration = make_configuration();
  configuration.alpn_protocols = {"h2"};
  use(configuration);
  auto options = only(version());
  options.application_protocols = {"http/1.1"};
  EXPECT_EQ(run(options).alert, "no_application_protocol");
  EXPECT_EQ(trace,
            (events{"started", "alert_sent fatal no_application_protocol", "error no_common_application_protocol"}));
}

// --- sslOptions ---

// In Qt DisableSessionTickets is off, but no ticket is ever good for anything (section 9, number 8).
TEST_P(ssl_configuration_contract_of_both, session_tickets_are_issued_and_good) {
  listen();
  const auto first = run(only(version()));
  ASSERT_FALSE(first.tickets.empty());
  auto options = only(version());
  options.resumed = first.tickets.back();
  const auto second = run(options);
  EXPECT_TRUE(second.let_in);
  EXPECT_TRUE(second.resumed);
  EXPECT_TRUE(accepted->session_resumed());
}

TEST_P(ssl_configuration_contract_of_both, session_tickets_are_good_for_clients_that_are_authenticated) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  auto options = with_certificate(version(), clients().alice);
  const auto first = run(options);
  ASSERT_FALSE(first.tickets.empty());
  options.resumed = first.tickets.back();
  const auto second = run(options);
  EXPECT_TRUE(second.let_in);
  EXPECT_TRUE(second.resumed);
  ASSERT_TRUE(accepted->peer_certificate().has_value());
  EXPECT_EQ(accepted->peer_certificate(), certificate::from_pem(clients().alice.certificate).value());
}

// --- the pre-shared key authenticator ---

class pre_shared_key_contract : public contract_in_both_versions {
 protected:
  pre_shared_key_contract() {
    configuration.pre_shared_keys = true;
    configuration.pre_shared_key_identity_hint = "who are you";
    use(configuration);
  }
  wire_client_options alice(const std::string& key = alices_key) const { return with_key(version(), "alice", key); }
  void on_asked(std::function<void(ssl_pre_shared_key_authenticator&)> slot) {
    server.pre_shared_key_authentication_required.connect(
        [slot](ssl_socket&, ssl_pre_shared_key_authenticator& authenticator) { slot(authenticator); });
  }
  /// Where the key is unknown or wrong. In TLS 1.2 OpenSSL finds that Finished doesn't decrypt.
  events refused() const {
    return {
        "started", "pre_shared_key_authentication_required alice",
        "alert_sent fatal " + std::string(version() == tls_version::tls_1_3 ? "illegal_parameter" : "bad_record_mac"),
        "error bad_pre_shared_key"};
  }
  events let_in() const { return {"started", "pre_shared_key_authentication_required alice", "available"}; }

  ssl_configuration configuration = make_configuration();
};
INSTANTIATE_TEST_SUITE_P(both, pre_shared_key_contract, both_versions(), name_of_version);

TEST_P(pre_shared_key_contract, are_off_unless_set) {
  EXPECT_FALSE(ssl_configuration().pre_shared_keys);
  EXPECT_EQ(ssl_configuration().pre_shared_key_identity_hint, "");
  use(make_configuration());
  answer_with_key("alice", alices_key);
  EXPECT_THAT(run(alice()).let_in, version() == tls_version::tls_1_3) << "by our certificate";
  EXPECT_THAT(trace, testing::Not(testing::Contains("pre_shared_key_authentication_required alice")));
  if (accepted) {
    EXPECT_EQ(accepted->pre_shared_key_identity(), "");
  }
}

TEST_P(pre_shared_key_contract, identity_is_what_the_client_says) {
  answer_with_key("alice", alices_key);
  EXPECT_TRUE(run(alice()).let_in);
  EXPECT_EQ(trace, let_in());
  EXPECT_EQ(accepted->pre_shared_key_identity(), "alice");
  EXPECT_FALSE(accepted->local_certificate().has_value());
}

// TLS 1.3 has no hint.
TEST_P(pre_shared_key_contract, identity_hint_is_sent_in_tls_1_2_and_known_in_the_slot) {
  answer_with_key("alice", alices_key);
  std::string hint;
  on_asked([&](ssl_pre_shared_key_authenticator& authenticator) { hint = authenticator.identity_hint(); });
  const auto view = run(alice());
  EXPECT_EQ(hint, "who are you");
  EXPECT_EQ(view.identity_hint,
            version() == tls_version::tls_1_2 ? std::optional<std::string>("who are you") : std::nullopt);
}

TEST_P(pre_shared_key_contract, identity_hint_is_empty_unless_set) {
  configuration.pre_shared_key_identity_hint.clear();
  use(configuration);
  answer_with_key("alice", alices_key);
  std::optional<std::string> hint;
  on_asked([&](ssl_pre_shared_key_authenticator& authenticator) { hint = authenticator.identity_hint(); });
  EXPECT_TRUE(run(alice()).let_in);
  EXPECT_EQ(hint, "");
}

TEST_P(pre_shared_key_contract, maximum_length_is_512_and_a_key_of_that_length_works) {
  const std::string longest(512, 'l');
  on_asked([&](ssl_pre_shared_key_authenticator& authenticator) {
    EXPECT_EQ(authenticator.maximum_pre_shared_key_length(), 512U);
    EXPECT_TRUE(authenticator.set_pre_shared_key(std::as_bytes(std::span(longest))));
  });
  // OpenSSL's client of TLS 1.2 takes no more than 256.
  const auto view = run(alice(version() == tls_version::tls_1_3 ? longest : alices_key));
  EXPECT_EQ(view.let_in, version() == tls_version::tls_1_3);
}

// Qt cuts it, and the handshake fails later with another key than was meant.
TEST_P(pre_shared_key_contract, key_that_is_too_long_is_refused_rather_than_cut) {
  const std::string too_long(513, 'k');
  on_asked([&](ssl_pre_shared_key_authenticator& authenticator) {
    EXPECT_TRUE(authenticator.set_pre_shared_key(std::as_bytes(std::span(alices_key))));
    EXPECT_FALSE(authenticator.set_pre_shared_key(std::as_bytes(std::span(too_long))));
    EXPECT_FALSE(authenticator.has_pre_shared_key());
  });
  EXPECT_FALSE(run(alice()).let_in);
  EXPECT_EQ(trace, refused());
}

// Qt's alert is unknown_psk_identity, by which anybody finds out which identities exist.
TEST_P(pre_shared_key_contract, empty_key_fails_as_a_wrong_one_does) {
  on_asked([](ssl_pre_shared_key_authenticator& authenticator) {
    EXPECT_FALSE(authenticator.set_pre_shared_key(std::span<const std::byte>()));
  });
  EXPECT_FALSE(run(alice()).let_in);
  EXPECT_EQ(trace, refused());
}

TEST_P(pre_shared_key_contract, no_key_fails_as_a_wrong_one_does) {
  const auto unknown = run(alice());
  EXPECT_EQ(trace, refused());
  trace.clear();
  answer_with_key("alice", "something else");
  const auto wrong = run(alice());
  EXPECT_EQ(trace, refused());
  EXPECT_FALSE(unknown.let_in);
  EXPECT_FALSE(wrong.let_in);
  EXPECT_EQ(unknown.alert, wrong.alert);
  EXPECT_EQ(unknown.failure, wrong.failure);
}

TEST_P(pre_shared_key_contract, clients_without_a_key_are_served_by_the_certificate) {
  EXPECT_TRUE(run(only(version())).let_in);
  EXPECT_EQ(trace, (events{"started", "available"}));
  EXPECT_EQ(accepted->pre_shared_key_identity(), "");
}

TEST_P(pre_shared_key_contract, alone_needs_no_identity) {
  configuration.identities.clear();
  use(configuration);
  answer_with_key("alice", alices_key);
  EXPECT_TRUE(run(alice()).let_in);
  EXPECT_EQ(trace, let_in());
}

TEST_P(pre_shared_key_contract, in_verify_shows_no_certificate_which_has_to_be_ignored) {
  configuration.verify_mode = peer_verify_mode::verify;
  configuration.ca_certificates = trust_store::from_pem(clients().ca.certificate).value();
  use(configuration);
  answer_with_key("alice", alices_key);
  ignore_all_ssl_errors();
  EXPECT_TRUE(run(alice()).let_in);
  EXPECT_EQ(trace, (events{"started", "pre_shared_key_authentication_required alice",
                           "peer_verify_error no_peer_certificate", "ssl_errors no_peer_certificate", "available"}));
}

TEST_P(pre_shared_key_contract, deferred_and_answered_lets_in) {
  std::optional<deferred_pre_shared_key> deferred;
  server.pre_shared_key_authentication_required.connect(
      [&](ssl_socket& socket, ssl_pre_shared_key_authenticator&) { deferred = socket.defer_pre_shared_key(); });
  auto client = in_background([this, port = port()] { return run_client(raw_client::to_port(port), alice()); });
  run_until([&] { return deferred.has_value(); });
  EXPECT_EQ(deferred->identity(), "alice");
  EXPECT_EQ(server.handshakes_in_progress(), 1U);
  deferred->answer(pre_shared_key(std::as_bytes(std::span(alices_key))));
  EXPECT_TRUE(serve(client).let_in);
  EXPECT_EQ(trace, let_in());
}

TEST_P(pre_shared_key_contract, deferred_and_refused_or_dropped_or_answered_with_nothing_is_unknown) {
  std::optional<deferred_pre_shared_key> deferred;
  server.pre_shared_key_authentication_required.connect(
      [&](ssl_socket& socket, ssl_pre_shared_key_authenticator&) { deferred = socket.defer_pre_shared_key(); });
  const std::vector<std::function<void()>> refusals{[&] { deferred->refuse(); }, [&] { deferred.reset(); },
                                                    [&] { deferred->answer({}); }};
  for (const auto& refuse : refusals) {
    trace.clear();
    deferred.reset();
    auto client = in_background([this, port = port()] { return run_client(raw_client::to_port(port), alice()); });
    run_until([&] { return deferred.has_value(); });
    refuse();
    EXPECT_FALSE(serve(client).let_in);
    EXPECT_EQ(trace, refused());
  }
}

TEST_F(ssl_configuration_contract, identity_hint_without_pre_shared_keys_is_refused) {
  auto configuration = make_configuration();
  configuration.pre_shared_key_identity_hint = "who are you";
  EXPECT_THAT(refusal_of(configuration, configuration_error::invalid_value),
              testing::HasSubstr("pre_shared_key_identity_hint"));
}

// --- as other people's clients see it ---

class pre_shared_key_programs : public contract_fixture {
 protected:
  pre_shared_key_programs() {
    ssl_configuration configuration;
    configuration.pre_shared_keys = true;
    use(configuration);
  }
  /// 'k' is 0x6b.
  static std::string in_hexadecimal(const std::string& key) {
    std::string digits;
    for (std::size_t i = 0; i < key.size(); ++i) digits += "6b";
    return digits;
  }
  const std::string key = in_hexadecimal(alices_key);
};

TEST_F(pre_shared_key_programs, openssl_s_client_is_let_in) {
  answer_with_key("alice", alices_key);
  for (const std::vector<std::string>& options :
       {std::vector<std::string>{"-tls1_2", "-cipher", "ECDHE-PSK-CHACHA20-POLY1305"}, {"-tls1_3"}}) {
    auto arguments = options;
    arguments.insert(arguments.end(), {"-ign_eof", "-psk_identity", "alice", "-psk", key});
    EXPECT_THAT(run_s_client(arguments).output, testing::HasSubstr("welcome"));
    ASSERT_TRUE(accepted.has_value());
    EXPECT_EQ(accepted->pre_shared_key_identity(), "alice");
  }
}

TEST_F(pre_shared_key_programs, openssl_s_client_with_a_wrong_key_is_refused) {
  answer_with_key("alice", "something else");
  for (const std::vector<std::string>& options :
       {std::vector<std::string>{"-tls1_2", "-cipher", "ECDHE-PSK-CHACHA20-POLY1305"}, {"-tls1_3"}}) {
    auto arguments = options;
    arguments.insert(arguments.end(), {"-ign_eof", "-psk_identity", "alice", "-psk", key});
    const auto client = run_s_client(arguments);
    EXPECT_THAT(client.output, testing::HasSubstr("SSL alert number"));
    EXPECT_NE(client.exit_code, 0);
    EXPECT_EQ(trace.back(), "error bad_pre_shared_key");
  }
  EXPECT_FALSE(accepted.has_value());
}

TEST_F(pre_shared_key_programs, gnutls_cli_is_let_in) {
  answer_with_key("alice", alices_key);
  for (const std::string version : {"TLS1.2", "TLS1.3"}) {
    const auto client =
        run_gnutls_cli({"--priority", "NORMAL:-VERS-ALL:+VERS-" + version + ":-KX-ALL:+DHE-PSK:+ECDHE-PSK",
                        "--pskusername", "alice", "--pskkey", key});
    // It crashes, with any server, when it comes to describe a connection with a pre-shared key in TLS 1.2. By then its
    // handshake is complete, and that is what the server has to say.
    if (version != "TLS1.2") {
      EXPECT_THAT(client.output, testing::HasSubstr("welcome"));
    }
    ASSERT_TRUE(accepted.has_value()) << client.output;
    EXPECT_EQ(accepted->pre_shared_key_identity(), "alice");
    run_until([&] { return !accepted->is_open(); });
  }
}

TEST_F(pre_shared_key_programs, gnutls_cli_with_a_wrong_key_is_refused) {
  answer_with_key("alice", "something else");
  for (const std::string priority : {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-PSK:+ECDHE-PSK",
                                     "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+DHE-PSK:+ECDHE-PSK"}) {
    const auto client = run_gnutls_cli({"--priority", priority, "--pskusername", "alice", "--pskkey", key});
    EXPECT_THAT(client.output, testing::HasSubstr("alert")) << priority;
    EXPECT_EQ(trace.back(), "error bad_pre_shared_key");
    EXPECT_FALSE(accepted.has_value());
  }
}

}  // namespace
}  // namespace sallyport::test
