// identity_hsm: keys that stay in a token (SoftHSM) and sign there.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/identity.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/refused.hpp"
#include "support/session_steps.hpp"
#include "support/soft_hsm.hpp"
#include "support/test_pki.hpp"
#include "support/test_servers.hpp"
#include "tls/identity_data.hpp"
#include "tls/identity_key.hpp"
#include "tls/key_store.hpp"

namespace sallyport {
namespace {

using test::accepted;
using test::refused;
using testing::ElementsAre;
using testing::IsEmpty;
using enum configuration_error;

std::string give_pin(std::string_view) { return "web-pin"; }

// One for all tests, see soft_hsm.hpp.
struct tokens {
  tokens() {
    hsm.add_token("web");
    hsm.add_key("web", "ecdsa", ecdsa.key);
    hsm.add_certificate("web", "ecdsa", ecdsa.certificate);
    hsm.add_key("web", "rsa", rsa.key);
    hsm.add_private_key("web", "mute", mute.key, {"--no-mark-sign", "--mark-decrypt"});
    hsm.add_private_key("web", "alone", alone.key);
    // Nobody logs into this one but the test of PINs: once that is done, no other PIN is looked at.
    hsm.add_token("vault");
    hsm.add_key("vault", "ecdsa", ecdsa.key);
    hsm.add_token("empty");
    // Nobody logs into this one before the test of other tokens' PINs.
    hsm.add_token("bank");
    hsm.add_key("bank", "ecdsa", ecdsa.key);
    hsm.add_certificate("bank", "ecdsa", ecdsa.certificate);
  }

  test::soft_hsm hsm;
  test::credentials ca = test::make_ca();
  test::credentials ecdsa = test::issue(ca, {.names = {"localhost"}});
  test::credentials rsa = test::issue(ca, {.names = {"localhost"}, .key = test::key_type::rsa_2048});
  test::credentials mute = test::issue(ca, {.key = test::key_type::rsa_2048});
  test::credentials alone = test::issue(ca, {});
};

class identity_hsm : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    missing_ = test::soft_hsm::missing();
    if (!missing_.empty()) return;
    tokens_ = std::make_unique<tokens>();
    // Before any other token's PIN is known, which would refuse it before the engine is asked.
    const test::temporary_directory directory;
    const std::string chain = directory.write("chain.pem", tokens_->ecdsa.certificate);
    without_pin_.emplace(identity::from_uris(chain, "pkcs11:token=vault;object=ecdsa"));
  }
  static void TearDownTestSuite() { tokens_.reset(); }

  void SetUp() override {
    if (!missing_.empty()) GTEST_SKIP() << missing_;
  }

  static const tokens& all() { return *tokens_; }

  std::string chain_file(const test::credentials& server) const {
    return directory_.write("chain.pem", server.certificate + all().ca.certificate);
  }

  static void shake_hands(const context& server, int version, const std::string& ciphers) {
    test::session_steps steps(
        server, {.version = version, .server_name = "localhost", .ciphers = ciphers, .trusted = all().ca.certificate});
    steps.client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .client_handshake()
        .handshake(progress::done, {})
        .client_is_connected()
        .client_sends("hello")
        .reads("hello");
  }

  test::temporary_directory directory_;
  static std::optional<result<identity>> without_pin_;

 private:
  static std::string missing_;
  static std::unique_ptr<tokens> tokens_;
};
std::optional<result<identity>> identity_hsm::without_pin_;
std::string identity_hsm::missing_;
std::unique_ptr<tokens> identity_hsm::tokens_;

TEST_F(identity_hsm, signs_handshakes) {
  const auto ecdsa = identity::from_uris(chain_file(all().ecdsa), "pkcs11:token=web;object=ecdsa", give_pin);
  ASSERT_TRUE(accepted(ecdsa));
  EXPECT_THAT(ecdsa->warnings(), IsEmpty());
  const auto rsa = identity::from_uris(chain_file(all().rsa), "pkcs11:token=web;object=rsa;type=private", give_pin);
  ASSERT_TRUE(accepted(rsa));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    ssl_configuration configuration;
    configuration.identities = {*ecdsa};
    shake_hands(test::make_context(configuration), version, "ECDHE-ECDSA-AES256-GCM-SHA384");
    configuration.identities = {*rsa};
    shake_hands(test::make_context(configuration), version, "ECDHE-RSA-AES256-GCM-SHA384");
  }
}

TEST_F(identity_hsm, keeps_the_key) {
  const auto made = identity::from_uris(chain_file(all().ecdsa), "pkcs11:token=web;object=ecdsa", give_pin);
  ASSERT_TRUE(accepted(made));
  // OpenSSL 3 wants a number there, so the engine puts one.
  BIGNUM* number = nullptr;
  EVP_PKEY_get_bn_param(made->data().key.get(), OSSL_PKEY_PARAM_PRIV_KEY, &number);
  EXPECT_TRUE(!number || BN_is_zero(number));
  BN_free(number);
  ERR_clear_error();
  // Nor does it do what the public key does.
  EXPECT_FALSE(detail::has_shared_key(made->data().certificate.get(), made->data().key.get()));
}

TEST_F(identity_hsm, may_hold_the_certificate_too) {
  const std::string uri = "pkcs11:token=web;object=ecdsa";
  const auto made = identity::from_uris(uri, uri, give_pin);
  ASSERT_TRUE(accepted(made));
  EXPECT_EQ(made->certificate_pem(), all().ecdsa.certificate);
  EXPECT_TRUE(made->matches("localhost"));
  const std::string key = directory_.write("server.key", all().ecdsa.key);
  EXPECT_TRUE(accepted(identity::from_uris(uri, key)));
}

TEST_F(identity_hsm, wants_the_right_pin) {
  const std::string chain = chain_file(all().ecdsa);
  const std::string uri = "pkcs11:token=vault;object=ecdsa";
  std::vector<std::string> asked;
  const auto answer = [&](const std::string& pin) {
    return [&asked, pin](std::string_view name) {
      asked.emplace_back(name);
      return pin;
    };
  };
  EXPECT_TRUE(refused(*without_pin_, passphrase_needed, uri + ": a PIN is needed, and none is given"));
  EXPECT_TRUE(refused(identity::from_uris(chain, uri, answer("4321")), wrong_passphrase, uri + ": wrong PIN"));
  EXPECT_TRUE(refused(identity::from_uris(chain, uri, answer("")), wrong_passphrase, uri + ": wrong PIN"));
  EXPECT_THAT(asked, ElementsAre(uri, uri));
  asked.clear();
  EXPECT_TRUE(refused(identity::from_uris(chain, uri + "?pin-value=4321", answer("vault-pin")), wrong_passphrase,
                      uri + ": wrong PIN"));
  EXPECT_THAT(asked, IsEmpty());
  EXPECT_TRUE(accepted(identity::from_uris(chain, uri, answer("vault-pin"))));
  EXPECT_THAT(asked, ElementsAre(uri));
}

// Where wrong ones are counted.
TEST_F(identity_hsm, tries_a_pin_on_no_other_token) {
  const std::string chain = chain_file(all().ecdsa);
  const std::string key = directory_.write("server.key", all().ecdsa.key);
  const std::string web = "pkcs11:token=web;object=ecdsa";
  const std::string bank = "pkcs11:token=bank;object=ecdsa";
  const std::string sentence = bank + ": a PIN is needed, and none is given";
  // By its own name for it: given by the source, and by the URI.
  ASSERT_TRUE(accepted(identity::from_uris(chain, web, give_pin)));
  EXPECT_TRUE(refused(identity::from_uris(chain, bank), passphrase_needed, sentence));
  ASSERT_TRUE(accepted(identity::from_uris(chain, web + "?pin-value=web-pin")));
  EXPECT_TRUE(refused(identity::from_uris(chain, bank), passphrase_needed, sentence));
  // Certificates need no login, or ask for the token's own PIN.
  EXPECT_TRUE(accepted(identity::from_uris(bank, key)));
  EXPECT_TRUE(refused(identity::from_uris(chain, bank), passphrase_needed, sentence));
  EXPECT_FALSE(all().hsm.has_counted_wrong_pins("bank"));
  const auto its_pin = [](std::string_view) { return test::soft_hsm::pin_of("bank"); };
  EXPECT_TRUE(accepted(identity::from_uris(bank, key, its_pin)));
  EXPECT_TRUE(accepted(identity::from_uris(chain, bank, its_pin)));
}

TEST_F(identity_hsm, takes_the_pin_of_the_uri) {
  const std::string chain = chain_file(all().rsa);
  EXPECT_TRUE(accepted(identity::from_uris(chain, "pkcs11:token=web;object=rsa?pin-value=web-pin")));
  const std::string pin = directory_.write("pin", "web-pin");
  EXPECT_TRUE(accepted(identity::from_uris(chain, "pkcs11:token=web;object=rsa?pin-source=file:" + pin)));
}

TEST_F(identity_hsm, says_what_is_not_there) {
  const std::string chain = chain_file(all().ecdsa);
  const std::string key = directory_.write("server.key", all().ecdsa.key);
  for (const std::string token : {"nowhere", "empty"}) {
    const std::string uri = "pkcs11:token=" + token + ";object=ecdsa";
    const std::string its_pin = "?pin-value=" + test::soft_hsm::pin_of(token);
    EXPECT_TRUE(refused(identity::from_uris(chain, uri + its_pin), no_private_key,
                        uri + ": there is no such token, or no private key in it, or several tokens match"));
    EXPECT_TRUE(refused(identity::from_uris(uri + its_pin, key), no_certificate,
                        uri + ": there is no such token, or no certificate in it, or several tokens match"));
  }
  const std::string object = "pkcs11:token=web;object=nothing";
  EXPECT_TRUE(refused(identity::from_uris(chain, object + "?pin-value=web-pin"), no_private_key,
                      object + ": the token has no such private key"));
  EXPECT_TRUE(refused(identity::from_uris(object, key, give_pin), no_certificate,
                      object + ": the token has no such certificate"));
  EXPECT_TRUE(refused(identity::from_uris(chain, "pkcs11:name=ecdsa", give_pin), invalid_value,
                      "pkcs11:name=ecdsa: is no pkcs11 URI (RFC 7512)"));
}

TEST_F(identity_hsm, says_if_the_key_is_another_ones) {
  const std::string chain = chain_file(all().ecdsa);
  EXPECT_TRUE(refused(identity::from_uris(chain, "pkcs11:token=web;object=rsa?pin-value=web-pin"), key_mismatch,
                      "pkcs11:token=web;object=rsa: the key does not belong to the first certificate of " + chain));
}

TEST_F(identity_hsm, notices_at_once_that_a_key_cannot_sign) {
  EXPECT_TRUE(refused(identity::from_uris(chain_file(all().mute), "pkcs11:token=web;object=mute", give_pin),
                      bad_private_key,
                      "pkcs11:token=web;object=mute: the key can't sign (RSA-PSS, which TLS 1.3 needs): Key function "
                      "not permitted"));
  EXPECT_TRUE(refused(identity::from_uris(chain_file(all().alone), "pkcs11:token=web;object=alone", give_pin),
                      bad_private_key,
                      "pkcs11:token=web;object=alone: the token has no public key beside this one; store that there "
                      "too, or the certificate"));
}

// As with several shards, and a reload at the same time.
TEST_F(identity_hsm, signs_in_many_threads) {
  const std::string chain = chain_file(all().ecdsa);
  const auto made = identity::from_uris(chain, "pkcs11:token=web;object=ecdsa", give_pin);
  ASSERT_TRUE(accepted(made));
  constexpr int signatures = 100;
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < signatures; ++j) {
        if (detail::signing_problem(made->data().key.get(), made->data().certificate.get()).empty()) ++good;
      }
    });
  }
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(accepted(identity::from_uris(chain, "pkcs11:token=web;object=ecdsa", give_pin)));
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 4 * signatures);
}

}  // namespace
}  // namespace sallyport
