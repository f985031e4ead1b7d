// identity_uris: identities by URIs of files, and what URIs look like in sentences. Tokens are in identity_hsm_test.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/identity.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "support/child_process.hpp"
#include "support/refused.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_pki.hpp"
#include "tls/identity_data.hpp"
#include "tls/key_store.hpp"
#include "tls/object_uri.hpp"
#include "tls/pem.hpp"

namespace sallyport {
namespace {

using test::accepted;
using test::refused;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;
using enum configuration_error;

// ---- URIs ----

TEST(object_uri, has_a_scheme) {
  using detail::scheme_of;
  EXPECT_EQ(scheme_of("pkcs11:token=web"), "pkcs11");
  EXPECT_EQ(scheme_of("FILE:/a"), "file");
  EXPECT_EQ(scheme_of("org.example+x-1:"), "org.example+x-1");
  for (const char* file :
       {"", "server.pem", "/etc/a:b.pem", "./pkcs11:a", "1a:b", ":a", "a b:c", "a:b.pem", "C:/a.pem"}) {
    EXPECT_EQ(scheme_of(file), "") << file;
  }
}

TEST(object_uri, names_a_file) {
  using detail::file_of;
  for (const char* uri : {"file:/a/b.pem", "file:///a/b.pem", "file://localhost/a/b.pem", "FILE://LOCALHOST/a/b.pem"}) {
    EXPECT_EQ(file_of(uri), "/a/b.pem") << uri;
  }
  EXPECT_EQ(file_of("pkcs11:token=web"), "");
}

TEST(object_uri, is_shown_without_its_pin) {
  using detail::without_pin;
  const std::string shown = "pkcs11:token=web;object=key";
  for (const std::string uri :
       {"pkcs11:token=web;object=key", "pkcs11:token=web;object=key?pin-value=1234",
        "pkcs11:token=web;object=key;pin-value=1234", "pkcs11:token=web;pin-value=1234;object=key",
        "pkcs11:pin-value=1234;token=web;object=key", "pkcs11:token=web;object=key?PIN-VALUE=1234",
        "pkcs11:token=web;object=key?pin-value=12;34", "pkcs11:token=web;object=key?pin-value=12&34;34",
        "pkcs11:token=web;object=key?pin-value=12?34", "pkcs11:token=web;object=key;pin-value=12?pin-value=34"}) {
    EXPECT_EQ(without_pin(uri), shown) << uri;
  }
  EXPECT_EQ(without_pin(shown + "?pin-value=1234&module-name=hsm"), shown + "?module-name=hsm");
  EXPECT_EQ(without_pin(shown + "?module-name=hsm&pin-value=1234"), shown + "?module-name=hsm");
  EXPECT_EQ(without_pin(shown + "?pin-source=file:/run/pin"), shown + "?pin-source=file:/run/pin");
  EXPECT_EQ(without_pin("pkcs11:pin-value=1234"), "pkcs11:");
  EXPECT_EQ(without_pin("file:/a\nb"), "file:/a?b");
}

TEST(object_uri, may_have_a_pin) {
  EXPECT_TRUE(detail::has_pin("pkcs11:token=web?pin-value=1234"));
  EXPECT_TRUE(detail::has_pin("pkcs11:token=web?pin-source=file:/run/pin"));
  EXPECT_FALSE(detail::has_pin("pkcs11:token=web;object=pin"));
}

TEST(object_uri, is_of_a_token) {
  EXPECT_EQ(detail::token_of("pkcs11:token=web;object=key;type=private;id=%01?pin-value=1234&module-name=a"),
            "pkcs11:token=web;pin-value=1234");
  EXPECT_EQ(detail::token_of("pkcs11:object=key"), "pkcs11:");
}

// ---- identities ----

class identity_uris : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    return directory_.write(name, text, mode);
  }

  test::temporary_directory directory_;
  test::credentials ca_ = test::make_ca();
  test::credentials server_ = test::issue(ca_, {.common_name = "server", .names = {"localhost"}});
  std::string chain_ = "file:" + write("server.pem", server_.certificate + ca_.certificate, 0644);
  std::string key_ = "file:" + write("server.key", server_.key);
};

TEST_F(identity_uris, of_files_are_accepted) {
  const auto made = identity::from_uris(chain_, key_);
  ASSERT_TRUE(accepted(made));
  EXPECT_EQ(made->certificate_pem(), server_.certificate + ca_.certificate);
  EXPECT_THAT(made->warnings(), IsEmpty());
  EXPECT_TRUE(made->matches("localhost"));
}

TEST_F(identity_uris, may_be_names_of_files) {
  const std::string chain = chain_.substr(5);
  const std::string key = key_.substr(5);
  EXPECT_TRUE(accepted(identity::from_uris(chain, key_)));
  EXPECT_TRUE(accepted(identity::from_uris(chain_, key)));
  EXPECT_TRUE(accepted(identity::from_uris(chain, key)));
  EXPECT_TRUE(refused(identity::from_uris(chain + "x", key_), unreadable_file, chain + "x: no such file"));
}

TEST_F(identity_uris, may_be_of_every_encoding_and_type) {
  for (const auto type :
       {test::key_type::ec_p256, test::key_type::ec_p384, test::key_type::ed25519, test::key_type::rsa_2048}) {
    const auto server = test::issue(ca_, {.key = type});
    const std::string chain = "file:" + write("a.der", test::certificate_to_der(server.certificate));
    const std::string key = "file:" + write("a.key", test::key_to_der(server.key));
    EXPECT_TRUE(accepted(identity::from_uris(chain, key)));
  }
}

TEST_F(identity_uris, may_be_one_encrypted_file) {
  const std::string uri = "file:" + write("server.p12", test::to_pkcs12(server_, "secret"));
  std::vector<std::string> asked;
  const auto answer = [&](std::string_view name) {
    asked.emplace_back(name);
    return std::string("secret");
  };
  EXPECT_TRUE(accepted(identity::from_uris(uri, uri, answer)));
  EXPECT_THAT(asked, ElementsAre(uri));
}

TEST_F(identity_uris, may_hold_encrypted_keys) {
  for (const auto format : {test::key_format::pkcs8, test::key_format::traditional}) {
    const std::string key = "file:" + write("encrypted.key", test::encode_key(server_.key, format, "secret"));
    std::vector<std::string> asked;
    const auto answer = [&](const std::string& passphrase) {
      return [&asked, passphrase](std::string_view name) {
        asked.emplace_back(name);
        return passphrase;
      };
    };
    EXPECT_TRUE(accepted(identity::from_uris(chain_, key, answer("secret"))));
    EXPECT_THAT(asked, ElementsAre(key));
    const auto wrong = identity::from_uris(chain_, key, answer("wrong"));
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code, wrong_passphrase);
    EXPECT_THAT(wrong.error().detail, StartsWith(key + ": wrong passphrase ("));
    EXPECT_THAT(asked, ElementsAre(key, key));
    EXPECT_TRUE(refused(identity::from_uris(chain_, key), passphrase_needed,
                        key + ": is encrypted, and no passphrase is given"));
    const auto throws = [](std::string_view) -> std::string { throw std::runtime_error("no passphrase today"); };
    EXPECT_THROW((void)identity::from_uris(chain_, key, throws), std::runtime_error);
    ERR_clear_error();
  }
}

TEST_F(identity_uris, are_named_if_nothing_is_there) {
  EXPECT_TRUE(refused(identity::from_uris(chain_, key_ + "x"), unreadable_file, key_ + "x: no such file"));
  EXPECT_TRUE(refused(identity::from_uris(chain_ + "x", key_), unreadable_file, chain_ + "x: no such file"));
  EXPECT_TRUE(refused(identity::from_uris(chain_, chain_), no_private_key,
                      chain_ + ": no private key that OpenSSL can read is there"));
  EXPECT_TRUE(refused(identity::from_uris(key_, key_), no_certificate,
                      key_ + ": no certificate that OpenSSL can read is there"));
  const std::string directory = "file:" + directory_.path().string();
  EXPECT_TRUE(refused(identity::from_uris(chain_, directory), no_private_key,
                      directory + ": no private key that OpenSSL can read is there"));
  for (const std::string text : {"", "garbage"}) {
    const std::string garbage = "file:" + write("garbage.key", text);
    EXPECT_TRUE(refused(identity::from_uris(chain_, garbage), no_private_key,
                        garbage + ": no private key that OpenSSL can read is there"));
  }
}

TEST_F(identity_uris, are_named_if_damaged) {
  const std::string damaged = "file:" + write("damaged.key", server_.key.substr(0, 80) + server_.key.substr(90));
  const auto made = identity::from_uris(chain_, damaged);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().detail, StartsWith(damaged + ": "));
  EXPECT_EQ(ERR_peek_error(), 0U);
}

// Root may read everything, so this is tried as somebody else.
TEST_F(identity_uris, are_named_if_not_permitted) {
  std::filesystem::permissions(directory_.path(), std::filesystem::perms{0755});
  const std::string secret = "file:" + write("secret.key", server_.key, 0000);
  const std::string sentence = test::run_unprivileged([&] {
    const auto made = identity::from_uris(chain_, secret);
    return made ? std::string("was accepted") : made.error().detail;
  });
  EXPECT_EQ(sentence, secret + ": permission denied");
}

TEST_F(identity_uris, need_a_scheme_that_somebody_knows) {
  EXPECT_TRUE(refused(identity::from_uris(chain_, "nobody:knows"), invalid_value,
                      "nobody:knows: OpenSSL has no provider for URIs of the scheme \"nobody\" here"));
  EXPECT_TRUE(refused(identity::from_uris("nobody:knows", key_), invalid_value,
                      "nobody:knows: OpenSSL has no provider for URIs of the scheme \"nobody\" here"));
  EXPECT_TRUE(refused(identity::from_uris(chain_, "file:server.key"), invalid_value,
                      "file:server.key: cannot be opened (path must be absolute)"));
  EXPECT_TRUE(
      refused(identity::from_uris(chain_, ""), invalid_value, "an empty text is neither a URI nor the name of a file"));
  EXPECT_TRUE(refused(identity::from_uris(chain_, std::string_view("file:/a\0b", 9)), invalid_value,
                      "file:/a?b is neither a URI nor the name of a file"));
}

TEST_F(identity_uris, are_checked_like_files) {
  const std::string other = "file:" + write("other.key", test::make_key(test::key_type::ec_p256));
  EXPECT_TRUE(refused(identity::from_uris(chain_, other), key_mismatch,
                      other + ": the key does not belong to the first certificate of " + chain_));
  const std::string open = write("open.key", server_.key, 0644);
  for (const std::string& key : {open, "file:" + open, "file://localhost" + open}) {
    const auto made = identity::from_uris(chain_, key);
    ASSERT_TRUE(accepted(made));
    EXPECT_THAT(made->warnings(),
                ElementsAre(open + ": the private key can be read by everybody (mode 0644); only its owner should"));
  }
}

// ---- the trial signature ----

TEST(signing_problem, is_noticed) {
  for (const auto type : {test::key_type::ec_p256, test::key_type::ed25519, test::key_type::rsa_2048}) {
    const auto server = test::make_self_signed({.key = type});
    const auto other = test::make_self_signed({.key = type});
    const auto key = detail::private_key_from_pem({.text = server.key, .name = "key"}, {});
    const auto own = detail::certificates_from_pem({.text = server.certificate, .name = "certificate"});
    const auto foreign = detail::certificates_from_pem({.text = other.certificate, .name = "certificate"});
    ASSERT_TRUE(key && own && foreign);
    EXPECT_EQ(detail::signing_problem(key->get(), own->at(0).get()), "");
    EXPECT_EQ(detail::signing_problem(key->get(), foreign->at(0).get()),
              "the key makes signatures that its certificate doesn't verify");
    // A public key alone.
    EVP_PKEY* public_key = X509_get0_pubkey(own->at(0).get());
    EXPECT_THAT(detail::signing_problem(public_key, own->at(0).get()), StartsWith("the key can't sign"));
    EXPECT_EQ(ERR_peek_error(), 0U);
  }
}

TEST(signing_problem, is_looked_for_with_the_only_digest_of_the_key) {
  const auto ca = test::make_ca();
  for (const auto type : {test::key_type::rsa_pss_sha384, test::key_type::rsa_pss_sha512}) {
    const auto server = test::issue(ca, {.key = type});
    const auto key = detail::private_key_from_pem({.text = server.key, .name = "key"}, {});
    const auto own = detail::certificates_from_pem({.text = server.certificate, .name = "certificate"});
    ASSERT_TRUE(key && own);
    EXPECT_EQ(detail::signing_problem(key->get(), own->at(0).get()), "");
    EXPECT_EQ(ERR_peek_error(), 0U);
  }
}

}  // namespace
}  // namespace sallyport
