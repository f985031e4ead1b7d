// pem: finding certificates and keys in texts.
//
// SPDX-License-Identifier: Apache-2.0
#include "tls/pem.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "support/child_process.hpp"
#include "support/refused.hpp"
#include "support/test_pki.hpp"

namespace sallyport {
namespace {

using detail::certificates_from_pem;
using detail::named_text;
using detail::private_key_from_pem;
using test::accepted;
using test::refused;
using enum configuration_error;

passphrase_source always(const std::string& passphrase) {
  return [passphrase](std::string_view) { return passphrase; };
}

named_text key_text(std::string_view text) { return {.text = text, .name = "private key"}; }
named_text chain_text(std::string_view text) { return {.text = text, .name = "certificate chain"}; }
named_text file_text(std::string_view text) { return {.text = text, .name = "server.pem", .is_file = true}; }

// ---- certificates ----

TEST(certificates_from_pem, finds_every_certificate) {
  const auto ca = test::make_ca();
  const auto server = test::issue(ca, {});
  const auto certificates =
      certificates_from_pem(chain_text("a comment\n" + server.certificate + server.key + ca.certificate + "the end"));
  ASSERT_TRUE(accepted(certificates));
  ASSERT_EQ(certificates->size(), 2U);
  EXPECT_EQ(detail::to_pem(*certificates->at(0)), server.certificate);
  EXPECT_EQ(detail::to_pem(*certificates->at(1)), ca.certificate);
}

TEST(certificates_from_pem, accepts_other_line_ends_and_a_byte_order_mark) {
  const auto ca = test::make_ca();
  std::string windows = "\xEF\xBB\xBF";
  for (const char c : ca.certificate) windows += c == '\n' ? "\r\n" : std::string(1, c);
  EXPECT_TRUE(accepted(certificates_from_pem(chain_text(windows))));
}

TEST(certificates_from_pem, says_what_is_there_instead) {
  const auto ca = test::make_ca();
  EXPECT_TRUE(refused(certificates_from_pem(file_text(ca.key)), no_certificate,
                      "server.pem: no CERTIFICATE block (found 1 PRIVATE KEY)"));
  EXPECT_TRUE(refused(certificates_from_pem(chain_text(ca.key + ca.key)), no_certificate,
                      "certificate chain: no CERTIFICATE block (found 2 PRIVATE KEY)"));
  const std::string odd =
      "-----BEGIN A-----\nAAAA\n-----END A-----\n-----BEGIN B-----\nAAAA\n-----END B-----\n"
      "-----BEGIN C\x1b[31m-----\nAAAA\n-----END C\x1b[31m-----\n-----BEGIN D-----\nAAAA\n-----END D-----\n"
      "-----BEGIN E-----\nAAAA\n-----END E-----\n";
  EXPECT_TRUE(refused(certificates_from_pem(chain_text(odd)), no_certificate,
                      "certificate chain: no CERTIFICATE block (found 1 A, 1 B, 1 unknown, 1 D, and others)"));
}

TEST(certificates_from_pem, refuses_empty_text) {
  EXPECT_TRUE(refused(certificates_from_pem(file_text("")), not_pem, "server.pem: is empty"));
  EXPECT_TRUE(refused(certificates_from_pem(chain_text(" \r\n\t")), not_pem, "certificate chain: is empty"));
}

TEST(certificates_from_pem, refuses_der_and_tells_how_to_convert_it) {
  const std::string der = test::certificate_to_der(test::make_ca().certificate);
  EXPECT_TRUE(refused(certificates_from_pem(file_text(der)), not_pem,
                      "server.pem: is DER, not PEM; convert it with: openssl x509 -inform der -in server.pem"));
  EXPECT_TRUE(refused(certificates_from_pem(chain_text(der)), not_pem, "certificate chain: is DER, not PEM"));
}

TEST(certificates_from_pem, refuses_pkcs12) {
  const std::string bundle = test::to_pkcs12(test::make_ca(), "secret");
  EXPECT_TRUE(refused(certificates_from_pem(file_text(bundle)), not_pem,
                      "server.pem: is PKCS#12, not PEM; convert it with: openssl pkcs12 -in server.pem"));
}

TEST(certificates_from_pem, refuses_garbage) {
  std::string noise;
  unsigned state = 1;
  for (int i = 0; i < 5000; ++i) noise += static_cast<char>((state = state * 1103515245 + 12345) >> 16);
  for (const std::string& text : {std::string("hello"), std::string("0123456789"), std::string(100, '\0'), noise}) {
    EXPECT_TRUE(
        refused(certificates_from_pem(file_text(text)), not_pem, "server.pem: is not PEM: it has no -----BEGIN line"));
  }
}

TEST(certificates_from_pem, refuses_damage) {
  const auto ca = test::make_ca();
  const auto cut = ca.certificate.substr(0, ca.certificate.size() / 2);
  EXPECT_TRUE(refused(certificates_from_pem(file_text(ca.certificate + cut)), bad_certificate,
                      "server.pem: PEM block 2 is damaged (bad end line)"));
  auto bad_base64 = ca.certificate;
  bad_base64[100] = '!';
  EXPECT_TRUE(refused(certificates_from_pem(file_text(bad_base64)), bad_certificate,
                      "server.pem: PEM block 1 is damaged (bad base64 decode)"));
  const std::string nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const auto second_is_nonsense = certificates_from_pem(file_text(ca.certificate + nonsense));
  ASSERT_FALSE(second_is_nonsense);
  EXPECT_EQ(second_is_nonsense.error().code, bad_certificate);
  EXPECT_THAT(second_is_nonsense.error().detail, testing::StartsWith("server.pem: certificate 2 doesn't parse ("));
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(certificates_from_pem, survives_every_damaged_byte) {
  const std::string good = test::make_ca().certificate;
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x11);
    const auto outcome = certificates_from_pem(file_text(bad));
    EXPECT_EQ(ERR_peek_error(), 0U);
    if (!outcome) {
      EXPECT_THAT(outcome.error().detail, testing::StartsWith("server.pem: "));
    }
  }
}

// ---- private keys ----

struct key_case {
  test::key_type type;
  test::key_format format;
};

class private_key : public testing::TestWithParam<key_case> {};

TEST_P(private_key, parses_in_the_clear) {
  const std::string pem = test::make_key(GetParam().type);
  EXPECT_TRUE(accepted(private_key_from_pem(key_text(test::encode_key(pem, GetParam().format)), {})));
}

TEST_P(private_key, opens_with_its_passphrase) {
  const std::string pem = test::make_key(GetParam().type);
  const std::string encrypted = test::encode_key(pem, GetParam().format, "correct horse");
  int asked = 0;
  const auto key = private_key_from_pem(file_text(encrypted), [&](std::string_view name) {
    ++asked;
    EXPECT_EQ(name, "server.pem");
    return std::string("correct horse");
  });
  ASSERT_TRUE(accepted(key));
  EXPECT_EQ(asked, 1);
  const auto original = private_key_from_pem(key_text(pem), {});
  ASSERT_TRUE(accepted(original));
  EXPECT_EQ(EVP_PKEY_eq(key->get(), original->get()), 1);
}

TEST_P(private_key, stays_closed_to_every_other_passphrase) {
  const std::string encrypted = test::encode_key(test::make_key(GetParam().type), GetParam().format, "correct horse");
  EXPECT_TRUE(refused(private_key_from_pem(key_text(encrypted), {}), passphrase_needed,
                      "private key: is encrypted, and no passphrase is given"));
  // So many, because a wrong passphrase passes the padding's check once in 256 times.
  for (int i = 0; i < (GetParam().format == test::key_format::traditional ? 1000 : 10); ++i) {
    ASSERT_TRUE(refused(private_key_from_pem(file_text(encrypted), always("wrong" + std::to_string(i))),
                        wrong_passphrase, "server.pem: wrong passphrase"));
  }
  for (const std::string& wrong : {std::string(), std::string(5000, 'x'), std::string("correct horse ")}) {
    EXPECT_TRUE(refused(private_key_from_pem(file_text(encrypted), always(wrong)), wrong_passphrase,
                        "server.pem: wrong passphrase"));
  }
}

INSTANTIATE_TEST_SUITE_P(every_encoding, private_key,
                         testing::Values(key_case{test::key_type::ec_p256, test::key_format::pkcs8},
                                         key_case{test::key_type::rsa_2048, test::key_format::pkcs8},
                                         key_case{test::key_type::ed25519, test::key_format::pkcs8},
                                         key_case{test::key_type::ec_p256, test::key_format::traditional},
                                         key_case{test::key_type::rsa_2048, test::key_format::traditional}));

TEST(private_key_from_pem, skips_other_blocks) {
  const auto ca = test::make_ca();
  const std::string parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  EXPECT_TRUE(accepted(private_key_from_pem(key_text(ca.certificate + parameters + ca.key), {})));
}

TEST(private_key_from_pem, says_what_is_there_instead) {
  const auto ca = test::make_ca();
  EXPECT_TRUE(refused(
      private_key_from_pem({.text = ca.certificate + ca.certificate, .name = "server.key", .is_file = true}, {}),
      no_private_key, "server.key: no PRIVATE KEY block (found 2 CERTIFICATE)"));
  const std::string ssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
  EXPECT_TRUE(refused(private_key_from_pem(key_text(ssh), {}), no_private_key,
                      "private key: no PRIVATE KEY block (found 1 OPENSSH PRIVATE KEY)"));
}

TEST(private_key_from_pem, refuses_der_empty_text_and_garbage) {
  const std::string der = test::key_to_der(test::make_key(test::key_type::ec_p256));
  EXPECT_TRUE(refused(private_key_from_pem({.text = der, .name = "server.key", .is_file = true}, {}), not_pem,
                      "server.key: is DER, not PEM; convert it with: openssl pkey -inform der -in server.key"));
  EXPECT_TRUE(refused(private_key_from_pem(key_text(""), {}), not_pem, "private key: is empty"));
  EXPECT_TRUE(refused(private_key_from_pem(key_text("garbage"), {}), not_pem,
                      "private key: is not PEM: it has no -----BEGIN line"));
}

TEST(private_key_from_pem, refuses_damaged_keys_of_every_kind) {
  for (const std::string label : {"PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"}) {
    const std::string text = "-----BEGIN " + label + "-----\nAAAA\n-----END " + label + "-----\n";
    const auto key = private_key_from_pem(key_text(text), always("secret"));
    EXPECT_EQ(ERR_peek_error(), 0U);
    ASSERT_FALSE(key) << label;
    EXPECT_EQ(key.error().code, bad_private_key) << label;
    EXPECT_THAT(key.error().detail, testing::StartsWith("private key: the private key doesn't parse")) << label;
  }
}

TEST(private_key_from_pem, tells_an_unknown_encryption_from_a_wrong_passphrase) {
  const std::string text =
      "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: ROT-13,00112233445566778899AABBCCDDEEFF\n\n"
      "AAAA\n-----END RSA PRIVATE KEY-----\n";
  const auto key = private_key_from_pem(key_text(text), always("secret"));
  EXPECT_EQ(ERR_peek_error(), 0U);
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code, bad_private_key);
}

TEST(private_key_from_pem, passes_on_what_the_passphrase_source_throws) {
  const std::string encrypted =
      test::encode_key(test::make_key(test::key_type::ec_p256), test::key_format::pkcs8, "secret");
  const passphrase_source throwing = [](std::string_view) -> std::string { throw std::out_of_range("no passphrase"); };
  EXPECT_THROW(static_cast<void>(private_key_from_pem(key_text(encrypted), throwing)), std::out_of_range);
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(private_key_from_pem, never_asks_on_the_terminal) {
  const std::string key = test::make_key(test::key_type::rsa_2048);
  const auto run = test::run_on_terminal([&] {
    std::string answers;
    for (const auto format : {test::key_format::pkcs8, test::key_format::traditional}) {
      const std::string encrypted = test::encode_key(key, format, "secret");
      for (const passphrase_source& source : {passphrase_source{}, always(""), always("wrong"), always("secret")}) {
        const auto outcome = private_key_from_pem(key_text(encrypted), source);
        answers += outcome ? "opened" : to_string(static_cast<configuration_error>(outcome.error().code.value()));
        answers += ' ';
      }
    }
    return answers;
  });
  EXPECT_TRUE(run.ended) << "it waits for something";
  EXPECT_EQ(run.terminal_output, "");
  EXPECT_EQ(run.result,
            "passphrase_needed wrong_passphrase wrong_passphrase opened "
            "passphrase_needed wrong_passphrase wrong_passphrase opened ");
}

}  // namespace
}  // namespace sallyport
