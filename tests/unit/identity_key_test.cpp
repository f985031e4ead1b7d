// identity_key: the certificate that is served has the private key's object as its public key, and the same bytes.
//
// SPDX-License-Identifier: Apache-2.0
#include "tls/identity_key.hpp"
#include "support/openssl_objects.hpp"
#include "support/refused.hpp"
#include "support/session_steps.hpp"
#include "support/test_pki.hpp"
#include "support/test_revocation.hpp"
#include "support/test_servers.hpp"
#include "tls/identity_data.hpp"

#include <sallyport/certificate.hpp>
#include <sallyport/identity.hpp>

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

bool is_shared(const identity& made) {
  return detail::has_shared_key(made.data().certificate.get(), made.data().key.get());
}

/// As OpenSSL's handshake gets the bytes that it sends.
std::string der_of(const X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  require(size > 0, "i2d_X509");
  std::string bytes(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

class key_of_identity : public testing::TestWithParam<key_type> {};
INSTANTIATE_TEST_SUITE_P(every_type, key_of_identity,
                         testing::Values(key_type::ec_p256, key_type::ec_p384, key_type::ed25519, key_type::rsa_2048,
                                         key_type::rsa_pss_sha384));

TEST_P(key_of_identity, is_there_once) {
  const credentials both = issue(test_ca(), {.common_name = "server", .key = GetParam()});
  const auto made = identity::from_pem(both.certificate, both.key);
  ASSERT_TRUE(accepted(made));
  EXPECT_TRUE(is_shared(*made));
  EXPECT_EQ(der_of(made->data().certificate.get()), certificate_to_der(both.certificate));
  EXPECT_EQ(made->certificate_pem(), both.certificate);
  EXPECT_EQ(made->leaf_certificate(), certificate::from_pem(both.certificate).value());
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_P(key_of_identity, verifies_what_it_signed) {
  const credentials both = make_self_signed({.common_name = "own", .key = GetParam(), .digest = "SHA384"});
  const auto made = identity::from_pem(both.certificate, both.key);
  ASSERT_TRUE(accepted(made));
  ASSERT_TRUE(is_shared(*made));
  X509* const own = made->data().certificate.get();
  EXPECT_EQ(X509_verify(own, X509_get0_pubkey(own)), 1);
  const x509_ptr other = parse_certificate(make_self_signed({.key = GetParam(), .digest = "SHA384"}).certificate);
  EXPECT_EQ(X509_verify(other.get(), X509_get0_pubkey(own)), 0);
  ERR_clear_error();
}

// What tells about a certificate is about its public key alone.
TEST_P(key_of_identity, is_not_written_out) {
  const credentials both = issue(test_ca(), {.key = GetParam()});
  const auto made = identity::from_pem(both.certificate, both.key);
  ASSERT_TRUE(accepted(made));
  X509_PUBKEY* const written = X509_get_X509_PUBKEY(made->data().certificate.get());
  const x509_ptr unshared = parse_certificate(both.certificate);
  EXPECT_EQ(X509_PUBKEY_eq(written, X509_get_X509_PUBKEY(unshared.get())), 1);
  std::array<std::string, 2> texts;
  for (const auto& [certificate, text] :
       {std::pair{made->data().certificate.get(), &texts[0]}, std::pair{unshared.get(), &texts[1]}}) {
    const bio_ptr out = new_bio();
    require(X509_print(out.get(), certificate) == 1, "X509_print");
    *text = contents_of(out);
  }
  EXPECT_EQ(texts[0], texts[1]);
}

// Its encoding isn't the one that OpenSSL would write.
TEST(key_of_an_identity, stays_as_the_certificate_has_it) {
  const std::string key_text = make_key(key_type::ec_p256);
  const pkey_ptr key = parse_key(key_text);
  require(EVP_PKEY_set_utf8_string_param(key.get(), OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed") == 1,
          "EVP_PKEY_set_utf8_string_param");
  const x509_ptr x509 = parse_certificate(make_self_signed({.common_name = "compressed"}).certificate);
  require(X509_set_pubkey(x509.get(), key.get()) == 1 && X509_sign(x509.get(), key.get(), EVP_sha256()) > 0,
          "X509_sign");
  const bio_ptr pem = new_bio();
  require(PEM_write_bio_X509(pem.get(), x509.get()) == 1, "PEM_write_bio_X509");
  const std::string certificate_text = contents_of(pem);

  const auto made = identity::from_pem(certificate_text, key_text);
  ASSERT_TRUE(accepted(made));
  EXPECT_FALSE(is_shared(*made));
  EXPECT_EQ(made->certificate_pem(), certificate_text);
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(key_of_an_identity, is_still_there_once_with_an_ocsp_response) {
  const credentials both = issue(test_ca(), {.common_name = "server"});
  const identity bare = identity::from_pem(both.certificate + test_ca().certificate, both.key).value();
  const std::string response = make_ocsp_response(test_ca(), both.certificate);
  const auto stapled = bare.with_ocsp_response(response);
  ASSERT_TRUE(accepted(stapled));
  EXPECT_TRUE(is_shared(*stapled));
  EXPECT_TRUE(is_shared(bare));
  EXPECT_EQ(stapled->certificate_pem(), bare.certificate_pem());
  const auto again = stapled->with_ocsp_response(response);
  ASSERT_TRUE(accepted(again));
  EXPECT_TRUE(is_shared(*again));
}

TEST(key_of_an_identity, is_there_once_if_it_is_self_signed) {
  const std::vector<std::string> names{"localhost"};
  const auto made = identity::self_signed(names);
  ASSERT_TRUE(accepted(made));
  EXPECT_TRUE(is_shared(*made));
}

// ---- in handshakes ----

class server_of_many_names : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(versions, server_of_many_names, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

TEST_P(server_of_many_names, shows_each_client_its_own) {
  const std::array types{key_type::ec_p256, key_type::rsa_2048, key_type::ed25519, key_type::ec_p384};
  const credentials ca = make_ca();
  ssl_configuration configuration;
  std::vector<std::pair<std::string, std::string>> expected;  // names, and the certificates' bytes
  for (std::size_t number = 0; number < 24; ++number) {
    const std::string name = "host" + std::to_string(number) + ".example";
    const credentials both = issue(ca, {.common_name = name, .names = {name}, .key = types[number % types.size()]});
    configuration.identities.push_back(identity::from_pem(both.certificate + ca.certificate, both.key).value());
    expected.emplace_back(name, certificate_to_der(both.certificate));
  }
  const context server = make_context(configuration);
  configuration.identities.clear();
  for (const bool again : {false, true}) {
    for (const auto& [name, bytes] : expected) {
      session_steps steps(server, {.version = GetParam(), .server_name = name, .trusted = ca.certificate});
      for (int flights = 0; flights < 4 && steps.server().phase() != handshake_phase::complete; ++flights) {
        steps.client_handshake();
        steps.run([&](io_window& window) { return steps.server().handshake(window); });
      }
      steps.client_handshake();
      ASSERT_TRUE(steps.client().connected()) << name << again << ": " << steps.client().failure();
      EXPECT_EQ(der_of(SSL_get0_peer_certificate(steps.client().native())), bytes) << name << again;
      EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(steps.client().native())), 2) << name << again;
    }
  }
}

}  // namespace
}  // namespace sallyport::test
