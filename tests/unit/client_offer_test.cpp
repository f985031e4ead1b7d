// client_offer: what is said of a ClientHello's lists, those of real clients and those of liars; and of our own.
//
// SPDX-License-Identifier: Apache-2.0
#include "tls/client_offer.hpp"

#include "tls/context_data.hpp"
#include "tls/registry_names.hpp"
#include "tls/server_offer.hpp"

#include "support/memory_client.hpp"
#include "support/openssl_groups.hpp"
#include "support/test_servers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

using detail::client_offer;
using enum handshake_error;
using testing::HasSubstr;
using testing::Not;

constexpr handshake_error lackings[] = {no_common_version, no_common_cipher, no_common_group,
                                        no_common_signature_algorithm, no_common_application_protocol};

int remember(SSL* ssl, int*, void* offer) {
  static_cast<client_offer*>(offer)->remember(ssl);
  return SSL_CLIENT_HELLO_ERROR;  // the rest of the handshake isn't looked at
}

// What is remembered of a client's first bytes; nothing if OpenSSL didn't take them for a ClientHello.
client_offer offer_in(std::string_view bytes) {
  client_offer offer;
  const detail::ssl_ctx_ptr ctx{SSL_CTX_new(TLS_server_method())};
  SSL_CTX_set_client_hello_cb(ctx.get(), remember, &offer);
  const detail::ssl_ptr ssl{SSL_new(ctx.get())};
  BIO* input = BIO_new(BIO_s_mem());
  BIO* output = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), input, output);
  EXPECT_EQ(BIO_write(input, bytes.data(), static_cast<int>(bytes.size())), static_cast<int>(bytes.size()));
  EXPECT_NE(SSL_accept(ssl.get()), 1);
  ERR_clear_error();
  return offer;
}

client_offer offer_of(const memory_client_options& options) {
  memory_client client(options);
  EXPECT_FALSE(client.handshake());
  return offer_in(client.output());
}

// ---- a ClientHello by hand ----

std::string two_bytes(std::size_t number) {
  return {static_cast<char>(number >> 8 & 0xff), static_cast<char>(number & 0xff)};
}

std::string numbers(const std::vector<std::size_t>& all) {
  std::string bytes;
  for (const std::size_t number : all) bytes += two_bytes(number);
  return bytes;
}

std::string with_length(const std::string& bytes) { return two_bytes(bytes.size()) + bytes; }

std::string with_short_length(const std::string& bytes) { return static_cast<char>(bytes.size()) + bytes; }

constexpr std::size_t supported_groups = 10;
constexpr std::size_t signature_algorithms = 13;
constexpr std::size_t alpn = 16;
constexpr std::size_t supported_versions = 43;

// RFC 8446 section 4.1.2: a ClientHello with such bytes for its lists, in one record, or in two if it is long.
struct hello {
  std::size_t legacy_version = 0x0303;
  std::string ciphers = numbers({0x1301});
  std::vector<std::pair<std::size_t, std::string>> extensions{};

  std::string bytes() const {
    std::string inside;
    for (const auto& [type, body] : extensions) inside += two_bytes(type) + with_length(body);
    const std::string body = two_bytes(legacy_version) + std::string(32, 'r') + std::string(1, '\0') +
                             with_length(ciphers) + std::string("\1\0", 2) + with_length(inside);
    const std::string message = std::string("\1\0", 2) + two_bytes(body.size()) + body;
    std::string records;
    for (std::size_t at = 0; at < message.size(); at += 16384) {
      records += "\x16\x03\x01" + with_length(message.substr(at, 16384));
    }
    return records;
  }
};

client_offer offer_in_crafted(const hello& crafted) { return offer_in(crafted.bytes()); }

client_offer offer_with(std::size_t type, const std::string& body) {
  return offer_in_crafted({.extensions = {{type, body}}});
}

// ---- real clients ----

TEST(client_offer, versions_of_the_extension) {
  EXPECT_EQ(offer_of({}).describe(no_common_version), "TLSv1.3, TLSv1.2");
  EXPECT_EQ(
      offer_with(supported_versions, with_short_length(numbers({0x0302, 0x0301, 0x7f12}))).describe(no_common_version),
      "TLSv1.1, TLSv1, 0x7f12");
}

// Before TLS 1.3 a client names its newest version and nothing else.
TEST(client_offer, versions_of_an_old_client) {
  EXPECT_EQ(offer_of({.version = TLS1_1_VERSION}).describe(no_common_version), "TLSv1.1 or older");
  EXPECT_EQ(offer_of({.version = TLS1_2_VERSION}).describe(no_common_version), "TLSv1.2 or older");
  EXPECT_EQ(offer_in_crafted({.legacy_version = 0x0300}).describe(no_common_version), "SSLv3 or older");
}

// RFC 8446 section 4.2.1: without the extension it isn't TLS 1.3, whatever else it says.
TEST(client_offer, legacy_version_that_claims_more_than_tls_1_2) {
  EXPECT_EQ(offer_in_crafted({.legacy_version = 0x0304}).describe(no_common_version), "TLSv1.2 or older");
  EXPECT_EQ(offer_in_crafted({.legacy_version = 0x03ff}).describe(no_common_version), "TLSv1.2 or older");
}

TEST(client_offer, fallback_is_told) {
  EXPECT_EQ(offer_in_crafted({.ciphers = numbers({0xc02f, 0x5600})}).describe(no_common_version),
            "TLSv1.2 or older as a fallback");
}

TEST(client_offer, ciphers_by_standard_name) {
  const client_offer offer =
      offer_of({.version = TLS1_2_VERSION, .ciphers = "ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA256"});
  EXPECT_EQ(offer.describe(no_common_cipher), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_RSA_WITH_AES_256_CBC_SHA256");
  EXPECT_EQ(offer_in_crafted({.ciphers = numbers({0x1301, 0x0005, 0x000a, 0xfefe})}).describe(no_common_cipher),
            "TLS_AES_128_GCM_SHA256, TLS_RSA_WITH_RC4_128_SHA, TLS_RSA_WITH_3DES_EDE_CBC_SHA, 0xfefe");
}

TEST(client_offer, groups) {
  EXPECT_EQ(offer_of({.groups = "P-521:X448:ffdhe8192"}).describe(no_common_group), "P-521, X448, ffdhe8192");
  EXPECT_EQ(offer_with(supported_groups, with_length(numbers({0x11ec, 0x11eb, 0x1d, 0x17, 0x1234})))
                .describe(no_common_group),
            "X25519MLKEM768, SecP256r1MLKEM768, X25519, P-256, 0x1234");
}

TEST(client_offer, groups_of_a_client_without_any) {
  const client_offer offer = offer_of({.version = TLS1_2_VERSION, .ciphers = "AES128-SHA"});
  EXPECT_EQ(offer.describe(no_common_group), "none");
}

TEST(client_offer, signature_algorithms) {
  const client_offer offer = offer_of({.signature_algorithms = "RSA-PSS+SHA256:ECDSA+SHA384:ed25519:RSA+SHA1"});
  EXPECT_EQ(offer.describe(no_common_signature_algorithm),
            "rsa_pss_rsae_sha256, ecdsa_secp384r1_sha384, ed25519, rsa_pkcs1_sha1");
}

TEST(client_offer, application_protocols) {
  const client_offer offer = offer_of({.alpn_protocols = {"h2", "http/1.1"}});
  EXPECT_EQ(offer.describe(no_common_application_protocol), "h2, http/1.1");
  EXPECT_EQ(offer.application_protocols(), (std::vector<std::string>{"h2", "http/1.1"}));

  const client_offer without = offer_of({});
  EXPECT_EQ(without.describe(no_common_application_protocol), "none");
  EXPECT_TRUE(without.application_protocols().empty());
}

TEST(client_offer, odd_application_protocols_cannot_be_mistaken) {
  const std::vector<std::string> names{"a, b", "", "x\n\"y\xff", std::string("\0", 1)};
  std::string wire;
  for (const std::string& name : names) {
    if (!name.empty()) wire += with_short_length(name);
  }
  const client_offer offer = offer_with(alpn, with_length(wire));
  EXPECT_EQ(offer.describe(no_common_application_protocol), R"("a, b", "x??y?", "?")");
  EXPECT_EQ(offer.application_protocols(), (std::vector<std::string>{names[0], names[2], names[3]}));
}

TEST(client_offer, nothing_is_described_for_other_reasons) {
  const client_offer offer = offer_of({});
  for (const handshake_error reason : all_handshake_errors()) {
    EXPECT_EQ(offer.describe(reason).empty(), !std::ranges::count(lackings, reason)) << to_string(reason);
  }
}

TEST(client_offer, nothing_is_known_before_and_after) {
  client_offer offer;
  for (const handshake_error lacking : lackings) EXPECT_EQ(offer.describe(lacking), "");
  EXPECT_TRUE(offer.application_protocols().empty());

  offer = offer_of({.alpn_protocols = {"h2"}});
  EXPECT_NE(offer.describe(no_common_cipher), "");
  offer.forget();
  for (const handshake_error lacking : lackings) EXPECT_EQ(offer.describe(lacking), "");
  EXPECT_TRUE(offer.application_protocols().empty());
}

TEST(client_offer, leaves_the_error_queue_as_it_is) {
  const client_offer offer = offer_of({});
  const detail::context_data& server = basic_server().data();
  const detail::ssl_ptr ssl{SSL_new(server.ssl_ctx.get())};
  ERR_clear_error();
  ERR_raise(ERR_LIB_SSL, SSL_R_NO_SHARED_CIPHER);
  const unsigned long code = ERR_peek_error();
  for (const handshake_error lacking : lackings) {
    EXPECT_NE(offer.describe(lacking), "");
    EXPECT_NE(describe_server_offer(ssl.get(), server, lacking), "");
    EXPECT_EQ(ERR_peek_error(), code) << to_string(lacking);
    EXPECT_EQ(ERR_peek_last_error(), code) << to_string(lacking);
  }
  ERR_clear_error();
}

// ---- what means nothing isn't told ----

TEST(client_offer, grease_is_left_out) {
  const client_offer offer =
      offer_in_crafted({.ciphers = numbers({0x0a0a, 0x1301, 0x00ff, 0x5600, 0xfafa}),
                        .extensions = {
                            {0x1a1a, ""},
                            {supported_versions, with_short_length(numbers({0x2a2a, 0x0304}))},
                            {supported_groups, with_length(numbers({0x3a3a, 0x001d}))},
                            {signature_algorithms, with_length(numbers({0x4a4a, 0x0403}))},
                            {alpn, with_length(with_short_length("\x5a\x5a") + with_short_length("h2"))},
                        }});
  EXPECT_EQ(offer.describe(no_common_version), "TLSv1.3");
  EXPECT_EQ(offer.describe(no_common_cipher), "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(offer.describe(no_common_group), "X25519");
  EXPECT_EQ(offer.describe(no_common_signature_algorithm), "ecdsa_secp256r1_sha256");
  EXPECT_EQ(offer.describe(no_common_application_protocol), "h2");
  EXPECT_EQ(offer.application_protocols().size(), 2U);  // these as they came
}

TEST(client_offer, grease_is_what_rfc_8701_reserves) {
  for (int n = 0; n < 16; ++n) EXPECT_TRUE(detail::is_grease(static_cast<std::uint16_t>(n << 12 | n << 4 | 0x0a0a)));
  EXPECT_FALSE(detail::is_grease(0x0a1a));
  EXPECT_FALSE(detail::is_grease(0x0a0b));
  EXPECT_FALSE(detail::is_grease(0x1301));
}

TEST(client_offer, only_grease_is_none) {
  EXPECT_EQ(offer_in_crafted({.ciphers = numbers({0x0a0a, 0x00ff})}).describe(no_common_cipher), "none");
}

// ---- liars ----

TEST(client_offer, long_lists_are_cut) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < 100; ++i) all.push_back(0xe000 + i);
  const std::string text = offer_in_crafted({.ciphers = numbers(all)}).describe(no_common_cipher);
  EXPECT_LE(text.size(), 320U);
  EXPECT_THAT(text, testing::StartsWith("0xe000, 0xe001, "));
  // 6 characters the first, 8 each of the others: 37 within 300.
  EXPECT_THAT(text, testing::EndsWith(", 0xe024, and 63 more"));
}

TEST(client_offer, no_more_is_kept_of_a_list_than_makes_sense) {
  const std::string many = numbers(std::vector<std::size_t>(8000, 0xe000));
  std::string names;
  for (int i = 0; i < 10; ++i) names += with_short_length(std::string(255, 'a'));
  const client_offer offer = offer_in_crafted({.ciphers = many,
                                               .extensions = {{supported_groups, with_length(many)},
                                                              {signature_algorithms, with_length(many)},
                                                              {alpn, with_length(names)}}});
  for (const handshake_error lacking :
       {no_common_cipher, no_common_group, no_common_signature_algorithm, no_common_application_protocol}) {
    EXPECT_THAT(offer.describe(lacking), testing::EndsWith(", and more")) << to_string(lacking);
    EXPECT_LE(offer.describe(lacking).size(), 320U);
  }
  EXPECT_EQ(offer.application_protocols().size(), 3U);
}

TEST(client_offer, empty_lists_are_none) {
  for (const std::size_t type : {supported_groups, signature_algorithms, alpn, supported_versions}) {
    const std::string nothing = type == supported_versions ? std::string(1, '\0') : two_bytes(0);
    const client_offer offer = offer_with(type, nothing);
    const bool versions = type == supported_versions;
    const handshake_error lacking = type == supported_groups       ? no_common_group
                                    : type == signature_algorithms ? no_common_signature_algorithm
                                    : versions                     ? no_common_version
                                                                   : no_common_application_protocol;
    EXPECT_EQ(offer.describe(lacking), "none");
  }
  EXPECT_EQ(offer_in_crafted({.ciphers = ""}).describe(no_common_cipher), "none");
}

// The length says more than there is, or less; the list ends in the middle of a number.
TEST(client_offer, lengths_that_lie) {
  EXPECT_EQ(offer_with(supported_groups, two_bytes(100) + numbers({0x1d})).describe(no_common_group), "X25519");
  EXPECT_EQ(offer_with(supported_groups, two_bytes(2) + numbers({0x1d, 0x17})).describe(no_common_group), "X25519");
  EXPECT_EQ(offer_with(supported_groups, two_bytes(3) + numbers({0x1d}) + "\1").describe(no_common_group), "X25519");
  EXPECT_EQ(offer_with(supported_groups, "\1").describe(no_common_group), "none");
  EXPECT_EQ(offer_with(supported_versions, "\x7f\x03\x04\x03").describe(no_common_version), "TLSv1.3");
  EXPECT_EQ(offer_in_crafted({.ciphers = "\x13"}).describe(no_common_cipher), "none");
  EXPECT_EQ(offer_in_crafted({.ciphers = "\x13\x01\x13"}).describe(no_common_cipher), "TLS_AES_128_GCM_SHA256");
}

// OpenSSL refuses the extension as a whole, and so no name in it was offered.
TEST(client_offer, malformed_application_protocols_are_none) {
  const std::string h2 = with_short_length("h2");
  const std::string malformed[] = {
      "",
      std::string(1, '\0'),
      two_bytes(3),                            // nothing there
      two_bytes(4) + h2,                       // too long
      two_bytes(2) + h2,                       // too short
      with_length(h2 + std::string(1, '\0')),  // an empty name
      with_length(std::string(1, '\0') + h2),  // the same at the front
      with_length(h2 + "\x09http/1.1"),        // a name longer than what is there
      with_length(h2 + "\xff"),                // and without a byte of it
      with_length(h2) + "x",                   // bytes after it
  };
  for (const std::string& body : malformed) {
    SCOPED_TRACE(testing::PrintToString(body));
    const client_offer offer = offer_with(alpn, body);
    EXPECT_TRUE(offer.application_protocols().empty());
    EXPECT_EQ(offer.describe(no_common_application_protocol), "none");
  }
}

// Every prefix of every list; the address sanitizer sees what is read beyond.
TEST(client_offer, truncated_lists) {
  const std::string list = with_length(numbers({0x0403, 0x001d, 0x0304, 0x0261}));
  for (const std::size_t type : {supported_groups, signature_algorithms, alpn, supported_versions}) {
    for (std::size_t size = 0; size <= list.size(); ++size) {
      const client_offer offer = offer_with(type, list.substr(0, size));
      for (const handshake_error lacking : lackings) EXPECT_NE(offer.describe(lacking), "");
      offer.application_protocols();
    }
  }
}

TEST(client_offer, a_hello_without_extensions) {
  const client_offer offer = offer_in_crafted({});
  EXPECT_EQ(offer.describe(no_common_version), "TLSv1.2 or older");
  EXPECT_EQ(offer.describe(no_common_cipher), "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(offer.describe(no_common_group), "none");
  EXPECT_EQ(offer.describe(no_common_signature_algorithm), "none");
  EXPECT_EQ(offer.describe(no_common_application_protocol), "none");
}

// ---- the server's side ----

std::string server_offer(const ssl_configuration& configuration, handshake_error lacking, int version = 0) {
  const context server = make_context(configuration);
  const detail::ssl_ptr ssl{SSL_new(server.data().ssl_ctx.get())};
  if (version == 0) return describe_server_offer(ssl.get(), server.data(), lacking);
  // As after the version was agreed on.
  memory_client client({.version = version});
  client.handshake();
  const std::string flight = client.output();
  BIO* input = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), input, BIO_new(BIO_s_mem()));
  SSL_set_accept_state(ssl.get());
  BIO_write(input, flight.data(), static_cast<int>(flight.size()));
  SSL_do_handshake(ssl.get());
  ERR_clear_error();
  EXPECT_EQ(SSL_version(ssl.get()), version);
  return describe_server_offer(ssl.get(), server.data(), lacking);
}

ssl_configuration with_key(key_type type) {
  const credentials server = issue(test_ca(), {.common_name = "server", .names = {"localhost"}, .key = type});
  ssl_configuration configuration;
  configuration.identities = {identity::from_pem(server.certificate, server.key).value()};
  return configuration;
}

ssl_configuration modern(ssl_configuration configuration) {
  configuration.profile = security_profile::modern;
  return configuration;
}

TEST(server_offer, versions) {
  EXPECT_EQ(server_offer(basic_configuration(), no_common_version), "TLSv1.3, TLSv1.2");
  EXPECT_EQ(server_offer(modern(basic_configuration()), no_common_version), "TLSv1.3");
}

// Only what its key can be used with.
TEST(server_offer, ciphers) {
  const std::string tls_1_3 = "TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256";
  EXPECT_EQ(server_offer(basic_configuration(), no_common_cipher),
            tls_1_3 +
                ", TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "
                "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
  const std::string rsa = server_offer(with_key(key_type::rsa_2048), no_common_cipher);
  EXPECT_THAT(rsa, HasSubstr("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"));
  EXPECT_THAT(rsa, Not(HasSubstr("ECDSA")));
  EXPECT_EQ(server_offer(modern(basic_configuration()), no_common_cipher), tls_1_3);
}

TEST(server_offer, groups) {
  const std::string hybrid = openssl_has_group("X25519MLKEM768") ? "X25519MLKEM768, " : "";
  EXPECT_EQ(server_offer(basic_configuration(), no_common_group), hybrid + "X25519, P-256, P-384");
  ssl_configuration configuration = basic_configuration();
  configuration.groups = "P-521";
  EXPECT_EQ(server_offer(configuration, no_common_group), "P-521");
}

TEST(server_offer, signature_algorithms) {
  const auto algorithms = [](key_type key, int version) {
    return server_offer(with_key(key), no_common_signature_algorithm, version);
  };
  EXPECT_EQ(algorithms(key_type::ec_p256, TLS1_3_VERSION), "ecdsa_secp256r1_sha256");
  EXPECT_EQ(algorithms(key_type::ec_p384, TLS1_3_VERSION), "ecdsa_secp384r1_sha384");
  EXPECT_EQ(algorithms(key_type::ec_p256, TLS1_2_VERSION),
            "ecdsa_secp256r1_sha256, ecdsa_secp384r1_sha384, ecdsa_secp521r1_sha512");
  EXPECT_EQ(algorithms(key_type::ed25519, TLS1_3_VERSION), "ed25519");
  EXPECT_EQ(algorithms(key_type::rsa_2048, TLS1_3_VERSION),
            "rsa_pss_rsae_sha256, rsa_pss_rsae_sha384, rsa_pss_rsae_sha512");
  EXPECT_EQ(algorithms(key_type::rsa_2048, TLS1_2_VERSION),
            "rsa_pss_rsae_sha256, rsa_pss_rsae_sha384, rsa_pss_rsae_sha512, rsa_pkcs1_sha256, rsa_pkcs1_sha384, "
            "rsa_pkcs1_sha512");
}

TEST(server_offer, application_protocols) {
  ssl_configuration configuration = basic_configuration();
  EXPECT_EQ(server_offer(configuration, no_common_application_protocol), "none");
  configuration.alpn_protocols = {"h2", "my protocol"};
  EXPECT_EQ(server_offer(configuration, no_common_application_protocol), "h2, \"my protocol\"");
}

TEST(server_offer, nothing_for_other_reasons) {
  for (const handshake_error reason : all_handshake_errors()) {
    EXPECT_EQ(server_offer(basic_configuration(), reason).empty(), !std::ranges::count(lackings, reason))
        << to_string(reason);
  }
}

}  // namespace
}  // namespace sallyport::test
