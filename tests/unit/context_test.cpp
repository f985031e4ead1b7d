// context: what is refused with which sentence, and what the SSL_CTX of an accepted configuration does with clients.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/context.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/conf.h>
#include <openssl/err.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/memory_handshake.hpp"
#include "support/openssl_groups.hpp"
#include "support/refused.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_pki.hpp"
#include "support/test_revocation.hpp"
#include "tls/context_data.hpp"

namespace sallyport {
namespace {

using std::chrono::hours;
using test::accepted;
using test::client_options;
using test::refused;
using test::shake_hands;
using testing::ElementsAre;
using testing::IsEmpty;
using enum configuration_error;

identity to_identity(const test::credentials& both) { return identity::from_pem(both.certificate, both.key).value(); }

// One of each type of key for the whole program: RSA keys take their time.
const identity& ec_identity() {
  static const identity one = to_identity(test::make_self_signed({.common_name = "ec", .names = {"ec.example"}}));
  return one;
}
const identity& rsa_identity() {
  static const identity one = to_identity(test::make_self_signed(
      {.common_name = "rsa", .names = {"rsa.example", "*.wild.example"}, .key = test::key_type::rsa_2048}));
  return one;
}
ssl_configuration with_identity() {
  ssl_configuration configuration;
  configuration.identities = {ec_identity()};
  return configuration;
}

SSL_CTX* ssl_ctx(const context& made) { return made.data().ssl_ctx.get(); }

test::handshake_outcome try_with(const ssl_configuration& configuration, const client_options& client = {}) {
  const context made = context::make(configuration).value();
  auto outcome = shake_hands(ssl_ctx(made), client);
  EXPECT_EQ(ERR_peek_error(), 0U);
  return outcome;
}

const client_options tls12{.min_version = TLS1_2_VERSION, .max_version = TLS1_2_VERSION};
const client_options tls13{.min_version = TLS1_3_VERSION};

client_options tls12_with(const std::string& ciphers) {
  client_options client = tls12;
  client.ciphers = ciphers;
  return client;
}

// ---- refusals ----

TEST(context, needs_an_identity) {
  EXPECT_TRUE(refused(context::make({}), no_identity,
                      "identities: there is none, and a TLS server needs a certificate and its private key"));
}

struct refusal {
  std::string ssl_configuration::*setting;
  std::string value;
  configuration_error code;
  std::string sentence;
};

TEST(context, names_the_cipher_or_group_that_it_refuses) {
  const auto ciphers = &ssl_configuration::ciphers;
  const auto ciphersuites = &ssl_configuration::ciphersuites;
  const auto groups = &ssl_configuration::groups;
  const std::vector<refusal> refusals{
      {ciphers, "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA265", bad_ciphers,
       "ciphers: \"ECDHE-RSA-AES128-GCM-SHA265\" is unknown to OpenSSL, or stands for no cipher that it has"},
      {ciphers, "ECDHE+AESGCM:!aNULLL", bad_ciphers,
       "ciphers: \"!aNULLL\" is unknown to OpenSSL, or stands for no cipher that it has"},
      {ciphers, "ECDHE+AESGCN", bad_ciphers,
       "ciphers: \"ECDHE+AESGCN\" is unknown to OpenSSL, or stands for no cipher that it has"},
      {ciphers, "HIGH:!", bad_ciphers, "ciphers: \"!\" is unknown to OpenSSL, or stands for no cipher that it has"},
      {ciphers, "HIGH:\n", bad_ciphers, "ciphers: \"?\" is unknown to OpenSSL, or stands for no cipher that it has"},
      {ciphers, "TLS_AES_128_GCM_SHA256", bad_ciphers,
       "ciphers: \"TLS_AES_128_GCM_SHA256\" is a cipher suite of TLS 1.3: it belongs in ciphersuites"},
      {ciphers, "HIGH:@SECLEVEL=0", bad_ciphers,
       "ciphers: \"@SECLEVEL=0\" is not allowed: the security level is fixed"},
      {ciphers, "HIGH@SECLEVEL=0", bad_ciphers,
       "ciphers: \"HIGH@SECLEVEL=0\" is not allowed: the security level is fixed"},
      {ciphers, "eNULL", bad_ciphers,
       "ciphers: \"eNULL\" leaves no cipher for TLS 1.2 that is strong enough (security level 2)"},
      {ciphers, "aNULL", bad_ciphers,
       "ciphers: \"aNULL\" leaves no cipher for TLS 1.2 that is strong enough (security level 2)"},
      {ciphers, "HIGH:!ALL", bad_ciphers,
       "ciphers: \"HIGH:!ALL\" leaves no cipher for TLS 1.2 that is strong enough (security level 2)"},
      {ciphers, ":", bad_ciphers,
       "ciphers: \":\" leaves no cipher for TLS 1.2 that is strong enough (security level 2)"},
      {ciphersuites, "TLS_AES_128_GCM_SHA256:TLS_FOO", bad_ciphers,
       "ciphersuites: \"TLS_FOO\" is not a cipher suite of TLS 1.3"},
      {ciphersuites, "ECDHE-RSA-AES128-GCM-SHA256", bad_ciphers,
       "ciphersuites: \"ECDHE-RSA-AES128-GCM-SHA256\" is not a cipher suite of TLS 1.3"},
      {ciphersuites, "TLS_AES_128_GCM_SHA256:", bad_ciphers, "ciphersuites: \"\" is not a cipher suite of TLS 1.3"},
      {groups, "X25519:P-257", bad_groups, "groups: \"P-257\" is not a key exchange group that OpenSSL knows"},
      {groups, "X25519:", bad_groups, "groups: \"\" is not a key exchange group that OpenSSL knows"},
      {groups, "X25519:P-256:X25519", bad_groups, "groups: \"X25519\" is named twice"},
      {groups, "X25519:MLKEM768:MLKEM768", bad_groups, "groups: \"MLKEM768\" is named twice"},
      {groups, "X25519:MLKEM2048", bad_groups, "groups: \"MLKEM2048\" is not a key exchange group that OpenSSL knows"},
      {groups, "X25519MLKEM768:P-257", bad_groups, "groups: \"P-257\" is not a key exchange group that OpenSSL knows"},
  };
  for (const refusal& each : refusals) {
    ssl_configuration configuration = with_identity();
    configuration.*each.setting = each.value;
    EXPECT_TRUE(refused(context::make(configuration), each.code, each.sentence)) << each.value;
  }
}

TEST(context, accepts_the_lists_that_people_use) {
  for (const std::string ciphers :
       {"HIGH:!aNULL:!MD5", "ECDHE+AESGCM:ECDHE+CHACHA20", "ECDHE-ECDSA-AES128-GCM-SHA256, ECDHE-RSA-AES128-GCM-SHA256",
        "EECDH+AESGCM:EDH+AESGCM:!RC4:!3DES:!EXPORT:!DES:!PSK:!SRP:!DSS:-SEED", "ALL:@STRENGTH", "DEFAULT",
        "ECDHE+AESGCM:+AES256"}) {
    ssl_configuration configuration = with_identity();
    configuration.ciphers = ciphers;
    EXPECT_TRUE(accepted(context::make(configuration))) << ciphers;
  }
  ssl_configuration configuration = with_identity();
  configuration.ciphersuites = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256";
  configuration.groups = "P-521:secp384r1:prime256v1:X25519:X448";
  EXPECT_TRUE(accepted(context::make(configuration)));
}

TEST(context, refuses_ciphers_of_tls_1_2_for_the_modern_profile) {
  ssl_configuration configuration = with_identity();
  configuration.profile = security_profile::modern;
  configuration.ciphers = "ECDHE+AESGCM";
  EXPECT_TRUE(refused(context::make(configuration), bad_ciphers,
                      "ciphers: the modern profile has no TLS 1.2, which these are for; use ciphersuites"));
}

TEST(context, refuses_bad_application_protocols) {
  const auto make = [](const std::vector<std::string>& protocols) {
    ssl_configuration configuration = with_identity();
    configuration.alpn_protocols = protocols;
    return context::make(configuration);
  };
  EXPECT_TRUE(refused(make({"h2", ""}), bad_application_protocol, "alpn_protocols: name 2 is empty"));
  EXPECT_TRUE(refused(make({std::string(256, 'x')}), bad_application_protocol,
                      "alpn_protocols: name 1 (" + std::string(64, 'x') + "...) is longer than 255 bytes"));
  EXPECT_TRUE(accepted(make({std::string(255, 'x')})));
  EXPECT_TRUE(refused(make(std::vector<std::string>(257, std::string(255, 'x'))), bad_application_protocol,
                      "alpn_protocols: all together are longer than 64 KiB"));
}

TEST(context, refuses_to_verify_against_nothing) {
  ssl_configuration configuration = with_identity();
  configuration.verify_mode = peer_verify_mode::verify;
  EXPECT_TRUE(refused(context::make(configuration), no_trust_anchor,
                      "ca_certificates: none are given, so that no client certificate could be verified"));
  configuration.verify_mode = peer_verify_mode::query;
  EXPECT_TRUE(accepted(context::make(configuration)));
}

TEST(context, refuses_a_negative_depth) {
  ssl_configuration configuration = with_identity();
  configuration.verify_depth = -1;
  EXPECT_TRUE(
      refused(context::make(configuration), configuration_error::invalid_value, "verify_depth: -1 is negative"));
}

TEST(context, refuses_a_verify_mode_that_does_not_exist) {
  ssl_configuration configuration = with_identity();
  configuration.verify_mode = static_cast<peer_verify_mode>(7);
  const auto made = context::make(configuration);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, configuration_error::internal);
}

TEST(context, collects_all_warnings) {
  const auto old =
      test::make_self_signed({.names = {"old.example"}, .valid_from = hours{-48}, .valid_until = hours{-24}});
  const auto leaf = test::make_self_signed({.common_name = "Leaf"});
  ssl_configuration configuration;
  configuration.identities = {ec_identity(), to_identity(old)};
  configuration.ca_certificates = trust_store::from_pem(leaf.certificate).value();
  const auto made = context::make(configuration);
  ASSERT_TRUE(accepted(made));
  ASSERT_EQ(made->warnings().size(), 2U);
  EXPECT_THAT(made->warnings()[0], testing::HasSubstr("expired on"));
  EXPECT_THAT(made->warnings()[1], testing::HasSubstr("is not a CA's"));
}

TEST(context, collects_the_warnings_of_names_and_ticket_keys) {
  const test::temporary_directory directory;
  const auto leaf = test::make_self_signed({.common_name = "Leaf"});
  const auto ca = test::make_ca("CA");
  ssl_configuration configuration = with_identity();
  configuration.tickets = ticket_keys::from_secret_file(directory.write("open", std::string(32, 'x'), 0640)).value();
  configuration.for_names = {
      {.names = {"ec.example"},
       .verify_mode = peer_verify_mode::verify,
       .ca_certificates = trust_store::from_pem(leaf.certificate + ca.certificate).value(),
       .revocation =
           revocation_lists::from_bytes(
               test::make_list(ca, {.this_update = -hours{48}, .next_update = -hours{24}}) +
               test::make_list(test::make_ca("CA"), {.extensions = {{"issuingDistributionPoint", "onlyuser:TRUE"}}}))
               .value()}};
  const auto made = context::make(configuration);
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(
      made->warnings(),
      ElementsAre(testing::HasSubstr("the secret of session tickets can be read by "),
                  testing::MatchesRegex(R"(for_names \(ec\.example\): CA certificates: .* is not a CA's.*)"),
                  testing::MatchesRegex(R"(for_names \(ec\.example\): revocation lists: .* out of date since .*)"),
                  testing::MatchesRegex(R"(for_names \(ec\.example\): revocation lists: .* isn't signed by .*)")));

  // What is as for all is told once.
  configuration.for_names = {{.names = {"ec.example"}, .alpn_protocols = {{"h2"}}}};
  EXPECT_EQ(context::make(configuration)->warnings().size(), 1U);
}

// ---- versions, ciphers, groups ----

TEST(context_protocol, intermediate_takes_tls_1_2_and_1_3) {
  const auto configuration = with_identity();
  EXPECT_EQ(try_with(configuration).version, "TLSv1.3");
  EXPECT_EQ(try_with(configuration, tls12).version, "TLSv1.2");
  for (const int old : {TLS1_VERSION, TLS1_1_VERSION}) {
    const auto refused_version = try_with(configuration, {.min_version = old, .max_version = old});
    EXPECT_FALSE(refused_version.ok);
    EXPECT_EQ(refused_version.server_error, "unsupported protocol");
    EXPECT_EQ(refused_version.client_error, "tlsv1 alert protocol version");
  }
}

TEST(context_protocol, modern_takes_tls_1_3_alone) {
  auto configuration = with_identity();
  configuration.profile = security_profile::modern;
  EXPECT_EQ(try_with(configuration).version, "TLSv1.3");
  const auto old = try_with(configuration, tls12);
  EXPECT_FALSE(old.ok);
  EXPECT_EQ(old.client_error, "tlsv1 alert protocol version");
}

TEST(context_protocol, tls_1_2_is_forward_secret_and_authenticated) {
  auto configuration = with_identity();
  for (const std::string cipher :
       {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"}) {
    EXPECT_EQ(try_with(configuration, tls12_with(cipher)).cipher, cipher);
  }
  for (const std::string cipher : {"ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA", "AECDH-AES128-SHA", "eNULL",
                                   "ECDHE-ECDSA-AES128-CCM8"}) {
    const auto outcome = try_with(configuration, tls12_with(cipher));
    EXPECT_FALSE(outcome.ok) << cipher;
    EXPECT_EQ(outcome.server_error, "no shared cipher") << cipher;
  }
  configuration.identities = {rsa_identity()};
  for (const std::string cipher :
       {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"}) {
    EXPECT_EQ(try_with(configuration, tls12_with(cipher)).cipher, cipher);
  }
  for (const std::string cipher : {"AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256",
                                   "ADH-AES128-GCM-SHA256", "AES256-SHA"}) {
    const auto outcome = try_with(configuration, tls12_with(cipher));
    EXPECT_FALSE(outcome.ok) << cipher;
    EXPECT_EQ(outcome.server_error, "no shared cipher") << cipher;
  }
}

TEST(context_protocol, the_servers_order_counts_except_for_chacha) {
  const auto configuration = with_identity();
  EXPECT_EQ(try_with(configuration, tls12_with("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256")).cipher,
            "ECDHE-ECDSA-AES128-GCM-SHA256");
  EXPECT_EQ(try_with(configuration, tls12_with("ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256")).cipher,
            "ECDHE-ECDSA-CHACHA20-POLY1305");
  client_options client = tls13;
  client.ciphersuites = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256";
  EXPECT_EQ(try_with(configuration, client).cipher, "TLS_AES_128_GCM_SHA256");
  client.ciphersuites = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
  EXPECT_EQ(try_with(configuration, client).cipher, "TLS_CHACHA20_POLY1305_SHA256");
}

TEST(context_protocol, settings_replace_the_profiles_lists) {
  auto configuration = with_identity();
  configuration.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
  configuration.ciphersuites = "TLS_AES_256_GCM_SHA384";
  configuration.groups = "P-384";
  const auto old = try_with(configuration, tls12);
  EXPECT_EQ(old.cipher, "ECDHE-ECDSA-AES256-GCM-SHA384");
  EXPECT_EQ(old.group, "secp384r1");
  const auto now = try_with(configuration, tls13);
  EXPECT_EQ(now.cipher, "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(now.group, "secp384r1");
  EXPECT_FALSE(try_with(configuration, tls12_with("ECDHE-ECDSA-AES128-GCM-SHA256")).ok);
}

TEST(context_protocol, groups_are_the_profiles) {
  const auto configuration = with_identity();
  client_options client = tls13;
  for (const std::string group : {"X25519", "prime256v1", "secp384r1"}) {
    client.groups = group;
    EXPECT_EQ(try_with(configuration, client).group, group);
  }
  for (const std::string group : {"P-521", "X448", "ffdhe2048"}) {
    client.groups = group;
    const auto outcome = try_with(configuration, client);
    EXPECT_FALSE(outcome.ok) << group;
    EXPECT_EQ(outcome.server_error, "no suitable key share") << group;
  }
}

constexpr const char* hybrid = "X25519MLKEM768";

TEST(context_protocol, groups_of_the_profiles_begin_with_the_hybrid_where_openssl_has_it) {
  const bool has_it = test::openssl_has_group(hybrid);
  for (const auto profile : {security_profile::modern, security_profile::intermediate}) {
    ssl_configuration configuration = with_identity();
    configuration.profile = profile;
    const context made = context::make(configuration).value();
    EXPECT_EQ(made.data().groups, has_it ? "X25519MLKEM768:X25519:P-256:P-384" : "X25519:P-256:P-384");
    EXPECT_THAT(made.warnings(), IsEmpty());
  }
}

TEST(context_protocol, post_quantum_groups_that_openssl_lacks_are_left_out_with_a_word) {
  const std::string version = OpenSSL_version(OPENSSL_VERSION_STRING);
  for (const std::string group : {"X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024", "MLKEM512", "MLKEM768",
                                  "MLKEM1024", "x25519mlkem768"}) {
    ssl_configuration configuration = with_identity();
    configuration.groups = "P-384:" + group + ":P-256";
    const auto made = context::make(configuration);
    ASSERT_TRUE(accepted(made)) << group;
    if (test::openssl_has_group(group.c_str())) {
      EXPECT_EQ(made->data().groups, configuration.groups);
      EXPECT_THAT(made->warnings(), IsEmpty());
    } else {
      EXPECT_EQ(made->data().groups, "P-384:P-256");
      EXPECT_THAT(made->warnings(),
                  ElementsAre("groups: " + group + " is left out, as this OpenSSL (" + version + ") doesn't have it"));
    }
    client_options client = tls13;
    client.groups = "P-256";
    EXPECT_EQ(try_with(configuration, client).group, "prime256v1") << group;
    client.groups = "X25519";
    EXPECT_FALSE(try_with(configuration, client).ok) << group;
  }
}

TEST(context_protocol, every_group_that_is_left_out_is_named_once) {
  if (test::openssl_has_group(hybrid)) GTEST_SKIP() << "this OpenSSL has them";
  ssl_configuration configuration = with_identity();
  configuration.groups = "X25519MLKEM768:MLKEM1024:X25519";
  configuration.for_names = {{.names = {"ec.example"}, .alpn_protocols = {{"h2"}}}};
  const auto made = context::make(configuration);
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(made->warnings(), ElementsAre(testing::StartsWith("groups: X25519MLKEM768 is left out"),
                                            testing::StartsWith("groups: MLKEM1024 is left out")));
  EXPECT_EQ(made->configuration().groups, configuration.groups);
}

TEST(context_protocol, some_group_must_be_left) {
  ssl_configuration configuration = with_identity();
  configuration.groups = "X25519MLKEM768:MLKEM768";
  if (test::openssl_has_group(hybrid)) {
    EXPECT_TRUE(accepted(context::make(configuration)));
  } else {
    EXPECT_TRUE(refused(context::make(configuration), bad_groups,
                        "groups: \"X25519MLKEM768:MLKEM768\" leaves no group: this OpenSSL has none of them"));
  }
}

TEST(context_protocol, weak_signatures_are_not_made) {
  client_options client = tls12;
  client.signature_algorithms = "ECDSA+SHA1";
  EXPECT_FALSE(try_with(with_identity(), client).ok);
  client.signature_algorithms = "ECDSA+SHA256";
  EXPECT_TRUE(try_with(with_identity(), client).ok);
}

TEST(context_protocol, has_no_compression_renegotiation_or_early_data) {
  const context made = context::make(with_identity()).value();
  EXPECT_NE(SSL_CTX_get_options(ssl_ctx(made)) & SSL_OP_NO_COMPRESSION, 0U);
  EXPECT_NE(SSL_CTX_get_options(ssl_ctx(made)) & SSL_OP_NO_RENEGOTIATION, 0U);
  EXPECT_EQ(SSL_CTX_get_options(ssl_ctx(made)) &
                (SSL_OP_ALLOW_CLIENT_RENEGOTIATION | SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION |
                 SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_ALLOW_NO_DHE_KEX),
            0U);
  EXPECT_EQ(SSL_CTX_get_max_early_data(ssl_ctx(made)), 0U);
  EXPECT_EQ(SSL_CTX_get_recv_max_early_data(ssl_ctx(made)), 0U);
  EXPECT_EQ(SSL_CTX_get_session_cache_mode(ssl_ctx(made)), static_cast<long>(SSL_SESS_CACHE_OFF));
  const long mode = SSL_CTX_get_mode(ssl_ctx(made));
  for (const long each : {SSL_MODE_RELEASE_BUFFERS, SSL_MODE_ENABLE_PARTIAL_WRITE, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
                          SSL_MODE_NO_AUTO_CHAIN}) {
    EXPECT_NE(mode & each, 0) << each;
  }
}

TEST(context_protocol, renegotiation_is_refused) {
  const context made = context::make(with_identity()).value();
  const auto outcome = shake_hands(ssl_ctx(made), tls12);
  ASSERT_TRUE(outcome.ok);
  ASSERT_EQ(SSL_renegotiate(outcome.client.get()), 1);
  SSL_do_handshake(outcome.client.get());
  char byte = 0;
  EXPECT_LE(SSL_read(outcome.server.get(), &byte, 1), 0);
  ERR_clear_error();
  EXPECT_LE(SSL_do_handshake(outcome.client.get()), 0);
  EXPECT_STREQ(ERR_reason_error_string(ERR_peek_error()), "no renegotiation");
  ERR_clear_error();
}

TEST(context_protocol, the_whole_chain_is_sent_and_nothing_else) {
  const auto root = test::make_ca("Root");
  const auto middle = test::issue(root, {.common_name = "Middle", .is_ca = true});
  const auto server = test::issue(middle, {.common_name = "server"});
  auto configuration = with_identity();
  configuration.ca_certificates = trust_store::from_pem(root.certificate + middle.certificate).value();
  configuration.verify_mode = peer_verify_mode::query;
  configuration.identities = {identity::from_pem(server.certificate + middle.certificate, server.key).value()};
  EXPECT_EQ(try_with(configuration).server_chain_length, 2);
  // The trust store is for clients: it doesn't fill up our own chain.
  configuration.identities = {to_identity(server)};
  EXPECT_EQ(try_with(configuration).server_chain_length, 1);
}

// A system's openssl.cnf may weaken or break each SSL_CTX that is made without explicit settings.
TEST(context_protocol, the_systems_configuration_file_has_no_say) {
  const test::temporary_directory directory;
  const std::string file =
      directory.write("openssl.cnf",
                      "openssl_conf = init\n"
                      "[init]\nssl_conf = ssl\n[ssl]\nsystem_default = defaults\n"
                      "[defaults]\n"
                      "MinProtocol = TLSv1\nMaxProtocol = TLSv1.2\n"
                      "CipherString = ALL:@SECLEVEL=0\n"
                      "Ciphersuites = TLS_AES_128_CCM_8_SHA256\n"
                      "Groups = P-521\nSignatureAlgorithms = RSA+SHA1\n"
                      "NumTickets = 5\nVerifyMode = Require\n"
                      "Options = UnsafeLegacyRenegotiation,ClientRenegotiation,-ServerPreference\n");
  ASSERT_EQ(CONF_modules_load_file(file.c_str(), nullptr, 0), 1);
  const std::unique_ptr<SSL_CTX, test::openssl_delete<SSL_CTX_free>> plain{SSL_CTX_new(TLS_server_method())};
  const auto made = context::make(with_identity());
  CONF_modules_finish();
  ASSERT_EQ(SSL_CTX_get_min_proto_version(plain.get()), TLS1_VERSION) << "the file wasn't used";
  ERR_clear_error();
  ASSERT_TRUE(accepted(made));

  EXPECT_EQ(SSL_CTX_get_security_level(ssl_ctx(*made)), 2);
  const auto usual = shake_hands(ssl_ctx(*made));
  ASSERT_TRUE(usual.ok) << usual.server_error;
  EXPECT_EQ(usual.version, "TLSv1.3");
  EXPECT_EQ(usual.cipher, "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(usual.group, "X25519");
  EXPECT_EQ(usual.tickets.size(), 1U);
  EXPECT_FALSE(usual.certificate_requested);
  EXPECT_FALSE(shake_hands(ssl_ctx(*made), {.max_version = TLS1_1_VERSION}).ok);
  EXPECT_FALSE(shake_hands(ssl_ctx(*made), tls12_with("ECDHE-ECDSA-AES256-SHA")).ok);
  EXPECT_EQ(SSL_CTX_get_options(ssl_ctx(*made)) &
                (SSL_OP_ALLOW_CLIENT_RENEGOTIATION | SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION),
            0U);
}

// ---- resumption ----

class resumption : public testing::TestWithParam<int> {
 protected:
  client_options client() const { return {.min_version = GetParam(), .max_version = GetParam()}; }
};

TEST_P(resumption, works_with_one_ticket) {
  const context made = context::make(with_identity()).value();
  client_options options = client();
  options.server_name = "ec.example";
  const auto first = shake_hands(ssl_ctx(made), options);
  ASSERT_TRUE(first.ok);
  EXPECT_FALSE(first.resumed);
  ASSERT_EQ(first.tickets.size(), 1U);
  EXPECT_EQ(SSL_SESSION_get_max_early_data(first.tickets[0].get()), 0U);

  options.resume = first.tickets[0].get();
  const auto second = shake_hands(ssl_ctx(made), options);
  ASSERT_TRUE(second.ok);
  EXPECT_TRUE(second.resumed);
  EXPECT_STREQ(SSL_get_servername(second.server.get(), TLSEXT_NAMETYPE_host_name), "ec.example");
}

TEST_P(resumption, works_where_clients_have_certificates) {
  const auto ca = test::make_ca();
  client_options options = client();
  options.certificate = test::issue(ca, {.common_name = "client"});
  for (const auto mode : {peer_verify_mode::query, peer_verify_mode::verify}) {
    auto configuration = with_identity();
    configuration.verify_mode = mode;
    configuration.ca_certificates = trust_store::from_pem(ca.certificate).value();
    const context made = context::make(configuration).value();
    const auto first = shake_hands(ssl_ctx(made), options);
    ASSERT_TRUE(first.ok) << first.server_error;
    ASSERT_EQ(first.tickets.size(), 1U);
    client_options again = options;
    again.resume = first.tickets[0].get();
    const auto second = shake_hands(ssl_ctx(made), again);
    EXPECT_TRUE(second.ok) << second.server_error;
    EXPECT_TRUE(second.resumed);
    EXPECT_EQ(second.verify_result, X509_V_OK);
  }
}

INSTANTIATE_TEST_SUITE_P(context, resumption, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

// What the client asks for comes on top, with its ClientHello: resumption_test.
TEST(context_session_id, is_a_hash_of_what_decides_who_is_let_in) {
  const auto ca = test::make_ca();
  const auto other_ca = test::make_ca();
  std::vector<ssl_configuration> configurations(6, with_identity());
  configurations[1].missing_certificate_is_fatal = true;
  configurations[2].pre_shared_keys = true;
  configurations[3].verify_depth = 3;
  configurations[4].ca_certificates = trust_store::from_pem(ca.certificate).value();
  configurations[5].ca_certificates = trust_store::from_pem(other_ca.certificate).value();
  configurations.push_back(configurations[5]);
  configurations[6].verify_mode = peer_verify_mode::query;
  std::vector<std::string> seen;
  for (const auto& configuration : configurations) {
    const std::string id = try_with(configuration).session_id_context;
    EXPECT_EQ(id.size(), 32U);
    EXPECT_EQ(id, try_with(configuration).session_id_context) << "the same configuration";
    EXPECT_EQ(std::ranges::count(seen, id), 0) << "another configuration";
    seen.push_back(id);
  }
}

// ---- ALPN ----

TEST(context_alpn, selects_by_the_servers_order) {
  auto configuration = with_identity();
  configuration.alpn_protocols = {"h2", "http/1.1"};
  EXPECT_EQ(try_with(configuration, {.alpn = {"http/1.1", "h2"}}).alpn, "h2");
  EXPECT_EQ(try_with(configuration, {.alpn = {"spdy/1", "http/1.1"}}).alpn, "http/1.1");
}

TEST(context_alpn, refuses_a_client_without_overlap) {
  auto configuration = with_identity();
  configuration.alpn_protocols = {"h2"};
  for (client_options client : {tls12, tls13}) {
    client.alpn = {"http/1.1", "h"};
    const auto outcome = try_with(configuration, client);
    EXPECT_FALSE(outcome.ok);
    EXPECT_EQ(outcome.client_error, "tlsv1 alert no application protocol");
  }
}

TEST(context_alpn, is_optional_on_both_sides) {
  auto configuration = with_identity();
  const auto ignored = try_with(configuration, {.alpn = {"h2"}});
  EXPECT_TRUE(ignored.ok);
  EXPECT_EQ(ignored.alpn, "");
  configuration.alpn_protocols = {"h2"};
  const auto not_offered = try_with(configuration);
  EXPECT_TRUE(not_offered.ok);
  EXPECT_EQ(not_offered.alpn, "");
}

// ---- client certificates ----

class client_certificates : public testing::TestWithParam<int> {
 protected:
  client_options client(const test::credentials& certificate = {}) const {
    return {.min_version = GetParam(), .max_version = GetParam(), .certificate = certificate};
  }
  ssl_configuration configuration(peer_verify_mode mode) const {
    auto configuration = with_identity();
    configuration.verify_mode = mode;
    configuration.ca_certificates = trust_store::from_pem(ca_.certificate).value();
    return configuration;
  }
  void expect_refused(const ssl_configuration& configuration, const client_options& options, long verify_result,
                      const std::string& alert) const {
    const auto outcome = try_with(configuration, options);
    EXPECT_FALSE(outcome.ok);
    EXPECT_EQ(outcome.server_error, "certificate verify failed");
    EXPECT_EQ(outcome.verify_result, verify_result) << X509_verify_cert_error_string(outcome.verify_result);
    EXPECT_THAT(outcome.client_error, testing::EndsWith(alert));
  }

  test::credentials ca_ = test::make_ca("Client CA");
  test::credentials good_ = test::issue(ca_, {.common_name = "client", .extended_key_usage = "clientAuth"});
  test::credentials of_unknown_ca_ = test::issue(test::make_ca("Client CA"), {.common_name = "client"});
};

TEST_P(client_certificates, are_not_asked_for_by_default) {
  const auto outcome = try_with(configuration(peer_verify_mode::none), client(good_));
  EXPECT_TRUE(outcome.ok);
  EXPECT_FALSE(outcome.certificate_requested);
  EXPECT_EQ(SSL_get0_peer_certificate(outcome.server.get()), nullptr);
}

// That bad ones are accepted, too, is a session's doing (session_verification_test.cpp).
TEST_P(client_certificates, are_asked_for_and_not_required_by_query) {
  const auto query = configuration(peer_verify_mode::query);
  const auto none = try_with(query, client());
  EXPECT_TRUE(none.ok);
  EXPECT_TRUE(none.certificate_requested);
  EXPECT_THAT(none.requested_cas, ElementsAre("Client CA"));
  const auto good = try_with(query, client(good_));
  EXPECT_TRUE(good.ok);
  EXPECT_EQ(good.verify_result, X509_V_OK);
}

TEST_P(client_certificates, may_be_queried_without_a_trust_store) {
  auto query = configuration(peer_verify_mode::query);
  query.ca_certificates.reset();
  const auto outcome = try_with(query, client());
  EXPECT_TRUE(outcome.ok);
  EXPECT_TRUE(outcome.certificate_requested);
  EXPECT_THAT(outcome.requested_cas, IsEmpty());
}

TEST_P(client_certificates, are_required_by_verify) {
  const auto verify = configuration(peer_verify_mode::verify);
  const auto good = try_with(verify, client(good_));
  EXPECT_TRUE(good.ok) << good.server_error;
  EXPECT_EQ(good.verify_result, X509_V_OK);
  EXPECT_THAT(good.requested_cas, ElementsAre("Client CA"));
  const auto none = try_with(verify, client());
  EXPECT_FALSE(none.ok);
  EXPECT_EQ(none.server_error, "peer did not return a certificate");
}

TEST_P(client_certificates, must_be_of_a_known_ca) {
  const auto verify = configuration(peer_verify_mode::verify);
  const auto outcome = try_with(verify, client(of_unknown_ca_));
  EXPECT_FALSE(outcome.ok);
  EXPECT_EQ(outcome.server_error, "certificate verify failed");
  EXPECT_NE(outcome.verify_result, X509_V_OK);
  expect_refused(verify, client(test::make_self_signed({.common_name = "self"})),
                 X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "alert unknown ca");
}

TEST_P(client_certificates, must_be_valid_now) {
  const auto verify = configuration(peer_verify_mode::verify);
  expect_refused(verify, client(test::issue(ca_, {.valid_from = hours{-48}, .valid_until = hours{-24}})),
                 X509_V_ERR_CERT_HAS_EXPIRED, "alert certificate expired");
  expect_refused(verify, client(test::issue(ca_, {.valid_from = hours{24}, .valid_until = hours{48}})),
                 X509_V_ERR_CERT_NOT_YET_VALID, "alert bad certificate");
}

TEST_P(client_certificates, must_be_for_clients) {
  expect_refused(configuration(peer_verify_mode::verify),
                 client(test::issue(ca_, {.extended_key_usage = "serverAuth"})), X509_V_ERR_INVALID_PURPOSE,
                 "alert unsupported certificate");
}

TEST_P(client_certificates, must_be_strong) {
  expect_refused(configuration(peer_verify_mode::verify), client(test::issue(ca_, {.key = test::key_type::rsa_1024})),
                 X509_V_ERR_EE_KEY_TOO_SMALL, "alert bad certificate");
}

TEST_P(client_certificates, may_have_as_many_intermediate_cas_as_the_depth_says) {
  const auto middle = test::issue(ca_, {.common_name = "Middle", .is_ca = true});
  client_options options = client(test::issue(middle, {.common_name = "client"}));
  options.extra_chain = middle.certificate;
  auto verify = configuration(peer_verify_mode::verify);
  verify.verify_depth = 1;
  const auto outcome = try_with(verify, options);
  EXPECT_TRUE(outcome.ok) << outcome.server_error;
  verify.verify_depth = 0;
  expect_refused(verify, options, X509_V_ERR_CERT_CHAIN_TOO_LONG, "alert unknown ca");
  EXPECT_TRUE(try_with(verify, client(good_)).ok);
}

TEST_P(client_certificates, are_not_asked_for_with_a_list_that_is_too_long) {
  std::string many;
  for (int i = 0; i < 220; ++i) many += test::make_ca(std::string(60, 'x') + std::to_string(i)).certificate;
  auto verify = configuration(peer_verify_mode::verify);
  verify.ca_certificates = trust_store::from_pem(many + ca_.certificate).value();
  const auto outcome = try_with(verify, client(good_));
  EXPECT_TRUE(outcome.ok);
  EXPECT_TRUE(outcome.certificate_requested);
  EXPECT_THAT(outcome.requested_cas, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(context, client_certificates, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

}  // namespace
}  // namespace sallyport
