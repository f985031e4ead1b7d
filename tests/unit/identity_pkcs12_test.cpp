// identity_pkcs12: identities from PKCS#12, as openssl and others write it, and what is refused with which sentence.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/identity.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "support/program.hpp"
#include "support/refused.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_pki.hpp"
#include "tls/identity_data.hpp"
#include "tls/openssl.hpp"

namespace sallyport {
namespace {

using detail::bio_ptr;
using detail::pkey_ptr;
using detail::x509_ptr;
using std::chrono::hours;
using test::accepted;
using test::refused;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;
using enum configuration_error;

// ---- PKCS#12 of every kind ----

constexpr int not_encrypted = -1;

struct bundle {
  std::vector<std::string> certificates{};  ///< PEM
  std::vector<std::string> keys{};          ///< PEM
  const char* passphrase = "secret";        ///< null and "" are encoded differently
  int certificates_by = NID_aes_256_cbc;
  int keys_by = NID_aes_256_cbc;
  bool with_mac = true;
};

bio_ptr text_bio(const std::string& text) {
  return bio_ptr{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
}

std::string make(const bundle& wanted) {
  constexpr int iterations = 100;
  const auto require = [](bool ok) {
    if (!ok) throw std::runtime_error("PKCS#12 could not be made");
  };
  STACK_OF(PKCS7)* safes = sk_PKCS7_new_null();
  STACK_OF(PKCS12_SAFEBAG)* bags = nullptr;
  for (const std::string& pem : wanted.certificates) {
    const x509_ptr certificate{PEM_read_bio_X509(text_bio(pem).get(), nullptr, nullptr, nullptr)};
    require(PKCS12_add_cert(&bags, certificate.get()) != nullptr);
  }
  if (bags) require(PKCS12_add_safe(&safes, bags, wanted.certificates_by, iterations, wanted.passphrase) == 1);
  sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
  bags = nullptr;
  for (const std::string& pem : wanted.keys) {
    const pkey_ptr key{PEM_read_bio_PrivateKey(text_bio(pem).get(), nullptr, nullptr, nullptr)};
    require(PKCS12_add_key(&bags, key.get(), 0, iterations, wanted.keys_by, wanted.passphrase) != nullptr);
  }
  if (bags) require(PKCS12_add_safe(&safes, bags, -1, 0, nullptr) == 1);
  sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);

  PKCS12* const file = PKCS12_add_safes(safes, 0);
  sk_PKCS7_pop_free(safes, PKCS7_free);
  require(file != nullptr);
  if (wanted.with_mac) require(PKCS12_set_mac(file, wanted.passphrase, -1, nullptr, 0, iterations, EVP_sha256()) == 1);
  unsigned char* bytes = nullptr;
  const int size = i2d_PKCS12(file, &bytes);
  require(size > 0);
  std::string encoded(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  PKCS12_free(file);
  return encoded;
}

// A passphrase_source that counts how often it is asked, and by which name.
struct answer {
  std::string passphrase;
  std::vector<std::string> asked{};

  passphrase_source source() {
    return [this](std::string_view name) {
      asked.emplace_back(name);
      return passphrase;
    };
  }
};

class identity_pkcs12 : public testing::Test {
 protected:
  test::credentials server_ = test::make_self_signed({.common_name = "server"});
  answer secret_{"secret"};
};

TEST_F(identity_pkcs12, is_accepted_for_every_key_type) {
  for (const auto type :
       {test::key_type::ec_p256, test::key_type::ec_p384, test::key_type::ed25519, test::key_type::rsa_2048}) {
    const auto server = test::make_self_signed({.key = type});
    answer secret{"secret"};
    const auto made =
        identity::from_pkcs12(make({.certificates = {server.certificate}, .keys = {server.key}}), secret.source());
    ASSERT_TRUE(accepted(made));
    EXPECT_THAT(made->warnings(), IsEmpty());
    EXPECT_EQ(made->certificate_pem(), server.certificate);
    const pkey_ptr key{PEM_read_bio_PrivateKey(text_bio(server.key).get(), nullptr, nullptr, nullptr)};
    EXPECT_EQ(EVP_PKEY_eq(made->data().key.get(), key.get()), 1);
    EXPECT_THAT(secret.asked, ElementsAre("PKCS#12"));
  }
}

TEST_F(identity_pkcs12, puts_certificates_in_order) {
  const auto root = test::make_ca("Root");
  const auto middle = test::issue(root, {.common_name = "Middle", .is_ca = true});
  const auto server = test::issue(middle, {.common_name = "server"});
  const auto stranger = test::make_ca("Stranger");
  const std::string chain = server.certificate + middle.certificate + root.certificate;
  const std::vector<std::string> orders[] = {{server.certificate, middle.certificate, root.certificate},
                                             {root.certificate, middle.certificate, server.certificate},
                                             {middle.certificate, server.certificate, root.certificate}};
  for (const auto& order : orders) {
    const auto made = identity::from_pkcs12(make({.certificates = order, .keys = {server.key}}), secret_.source());
    ASSERT_TRUE(accepted(made));
    EXPECT_EQ(made->certificate_pem(), chain);
    EXPECT_THAT(made->warnings(), IsEmpty());
  }
  const auto with_stranger = identity::from_pkcs12(
      make({.certificates = {stranger.certificate, root.certificate, middle.certificate, server.certificate},
            .keys = {server.key}}),
      secret_.source());
  ASSERT_TRUE(accepted(with_stranger));
  EXPECT_EQ(with_stranger->certificate_pem(), chain);
  EXPECT_THAT(with_stranger->warnings(),
              ElementsAre("PKCS#12: 1 certificate is not of the server's chain and isn't sent"));
}

// There are two encodings of an empty passphrase, and files that have no MAC, or nothing encrypted.
TEST_F(identity_pkcs12, asks_for_no_passphrase_where_there_is_none) {
  for (const char* none : {static_cast<const char*>(nullptr), ""}) {
    for (const bool with_mac : {true, false}) {
      for (const int encrypted_by : {NID_aes_256_cbc, not_encrypted}) {
        const std::string bytes = make({.certificates = {server_.certificate},
                                        .keys = {server_.key},
                                        .passphrase = none,
                                        .certificates_by = encrypted_by,
                                        .keys_by = encrypted_by,
                                        .with_mac = with_mac});
        answer unwanted{"unwanted"};
        EXPECT_TRUE(accepted(identity::from_pkcs12(bytes, unwanted.source())));
        EXPECT_TRUE(accepted(identity::from_pkcs12(bytes)));
        EXPECT_THAT(unwanted.asked, IsEmpty());
      }
    }
  }
}

TEST_F(identity_pkcs12, asks_once_where_there_is_one) {
  for (const bool with_mac : {true, false}) {
    const std::string bytes =
        make({.certificates = {server_.certificate}, .keys = {server_.key}, .with_mac = with_mac});
    answer right{"secret"};
    EXPECT_TRUE(accepted(identity::from_pkcs12(bytes, right.source())));
    EXPECT_THAT(right.asked, ElementsAre("PKCS#12"));
    for (const std::string wrong : {"Secret", "", "secret "}) {
      answer other{wrong};
      EXPECT_TRUE(refused(identity::from_pkcs12(bytes, other.source()), wrong_passphrase, "PKCS#12: wrong passphrase"));
      EXPECT_THAT(other.asked, ElementsAre("PKCS#12"));
    }
    EXPECT_TRUE(
        refused(identity::from_pkcs12(bytes), passphrase_needed, "PKCS#12: is encrypted, and no passphrase is given"));
  }
}

TEST_F(identity_pkcs12, takes_passphrases_of_any_script) {
  const std::string bytes = make(
      {.certificates = {server_.certificate}, .keys = {server_.key}, .passphrase = "gehe\xc3\xafm \xf0\x9f\x94\x91"});
  answer right{"gehe\xc3\xafm \xf0\x9f\x94\x91"};
  EXPECT_TRUE(accepted(identity::from_pkcs12(bytes, right.source())));
}

TEST_F(identity_pkcs12, passes_on_what_the_source_throws) {
  const std::string bytes = make({.certificates = {server_.certificate}, .keys = {server_.key}});
  const auto throws = [](std::string_view) -> std::string { throw std::runtime_error("no passphrase today"); };
  EXPECT_THROW((void)identity::from_pkcs12(bytes, throws), std::runtime_error);
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_F(identity_pkcs12, needs_both_parts) {
  const std::string no_key = make({.certificates = {server_.certificate}});
  EXPECT_TRUE(refused(identity::from_pkcs12(no_key, secret_.source()), no_private_key,
                      "PKCS#12: no private key (found 1 certificate)"));
  const std::string no_chain = make({.keys = {server_.key}});
  EXPECT_TRUE(refused(identity::from_pkcs12(no_chain, secret_.source()), no_certificate,
                      "PKCS#12: no certificate (found 1 private key)"));
  const auto other = test::make_self_signed({});
  EXPECT_TRUE(refused(
      identity::from_pkcs12(make({.certificates = {other.certificate}, .keys = {server_.key}}), secret_.source()),
      key_mismatch, "PKCS#12: the key does not belong to any certificate in it"));
  EXPECT_TRUE(refused(identity::from_pkcs12(make({.certificates = {server_.certificate, other.certificate},
                                                  .keys = {server_.key, other.key}}),
                                            secret_.source()),
                      bad_pkcs12, "PKCS#12: holds 2 private keys, and it isn't known which one is meant"));
}

TEST_F(identity_pkcs12, is_checked_like_pem) {
  const auto weak = test::make_self_signed({.key = test::key_type::rsa_1024});
  EXPECT_TRUE(refused(
      identity::from_pkcs12(make({.certificates = {weak.certificate}, .keys = {weak.key}}), secret_.source()), weak_key,
      "PKCS#12: certificate 1 has a key that is too weak (RSA of 1024 bits): RSA needs 2048, elliptic "
      "curves 224"));
  const auto old = test::make_self_signed({.valid_from = hours{-48}, .valid_until = hours{-24}});
  const auto made =
      identity::from_pkcs12(make({.certificates = {old.certificate}, .keys = {old.key}}), secret_.source());
  ASSERT_TRUE(accepted(made));
  ASSERT_EQ(made->warnings().size(), 1U);
  EXPECT_THAT(made->warnings()[0], StartsWith("PKCS#12: certificate 1 expired on "));
}

TEST_F(identity_pkcs12, refuses_what_it_is_not) {
  EXPECT_TRUE(refused(identity::from_pkcs12(""), bad_pkcs12, "PKCS#12: is empty"));
  EXPECT_TRUE(
      refused(identity::from_pkcs12(server_.certificate + server_.key), bad_pkcs12, "PKCS#12: is PEM, not PKCS#12"));
  for (const std::string& garbage :
       {std::string("garbage"), std::string(1000, '\0'), std::string("\x30\x03\x02\x01\x03"),
        std::string("\x30\x80\x02\x01\x03", 5), test::certificate_to_der(server_.certificate)}) {
    EXPECT_TRUE(refused(identity::from_pkcs12(garbage), bad_pkcs12, "PKCS#12: is not PKCS#12, or only a part of it"));
  }
}

TEST_F(identity_pkcs12, refuses_every_beginning_of_itself) {
  const std::string bytes = make({.certificates = {server_.certificate}, .keys = {server_.key}});
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    ASSERT_TRUE(refused(identity::from_pkcs12(bytes.substr(0, size), secret_.source()), bad_pkcs12,
                        "PKCS#12: is not PKCS#12, or only a part of it"))
        << size;
  }
  EXPECT_THAT(secret_.asked, IsEmpty());
}

// The MAC covers what matters. Without one, a damaged file may still be another good one, but never crashes.
TEST_F(identity_pkcs12, notices_damage) {
  for (const bool with_mac : {true, false}) {
    const std::string good = make({.certificates = {server_.certificate},
                                   .keys = {server_.key},
                                   .passphrase = "",
                                   .certificates_by = not_encrypted,
                                   .keys_by = not_encrypted,
                                   .with_mac = with_mac});
    std::size_t accepted_ones = 0;
    for (std::size_t i = 0; i < good.size(); ++i) {
      std::string bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ 0x11);
      const auto made = identity::from_pkcs12(bytes);
      EXPECT_EQ(ERR_peek_error(), 0U) << i;
      if (made) {
        ++accepted_ones;
      } else {
        EXPECT_THAT(made.error().detail, StartsWith("PKCS#12: ")) << i;
      }
    }
    EXPECT_LT(accepted_ones, good.size() / 2);
  }
}

// ---- files, and what the openssl command makes ----

class identity_pkcs12_files : public identity_pkcs12 {
 protected:
  std::string path(const std::string& name) const { return directory_.path() / name; }

  std::string exported(const std::vector<std::string>& options) const {
    const std::string pem = directory_.write("server.pem", server_.certificate + server_.key);
    std::vector<std::string> command{"openssl", "pkcs12",           "-export",  "-in",        pem,
                                     "-out",    path("server.p12"), "-passout", "pass:secret"};
    command.insert(command.end(), options.begin(), options.end());
    const auto run = test::run_program(command);
    EXPECT_EQ(run.exit_code, 0) << run.output;
    return path("server.p12");
  }

  test::temporary_directory directory_;
};

TEST_F(identity_pkcs12_files, of_openssl_are_accepted) {
  const std::vector<std::string> kinds[] = {{},
                                            {"-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES"},
                                            {"-macalg", "sha512"},
                                            {"-certpbe", "NONE"},
                                            {"-keypbe", "NONE", "-certpbe", "NONE"},
                                            {"-nomac"}};
  for (const auto& options : kinds) {
    SCOPED_TRACE(testing::PrintToString(options));
    answer secret{"secret"};
    const std::string file = exported(options);
    std::filesystem::permissions(file, std::filesystem::perms{0600});
    const auto made = identity::from_pkcs12_file(file, secret.source());
    ASSERT_TRUE(accepted(made));
    EXPECT_EQ(made->certificate_pem(), server_.certificate);
    EXPECT_THAT(made->warnings(), IsEmpty());
    EXPECT_THAT(secret.asked, ElementsAre(file));
  }
}

// What OpenSSL 1.1 wrote by default.
TEST_F(identity_pkcs12_files, may_need_the_legacy_provider) {
  const std::string file = exported({"-legacy"});
  EXPECT_TRUE(refused(identity::from_pkcs12_file(file, secret_.source()), bad_private_key,
                      file + ": this OpenSSL can't decrypt PBE-SHA1-RC2-40 (unsupported), which needs OpenSSL's legacy "
                             "provider: load that, or make the file again from what openssl pkcs12 -legacy reads"));
  answer wrong{"wrong"};
  EXPECT_TRUE(refused(identity::from_pkcs12_file(file, wrong.source()), wrong_passphrase, file + ": wrong passphrase"));
}

TEST_F(identity_pkcs12_files, are_named_if_they_cannot_be_read) {
  EXPECT_TRUE(refused(identity::from_pkcs12_file(path("a.p12")), unreadable_file, path("a.p12: no such file")));
  EXPECT_TRUE(refused(identity::from_pkcs12_file(directory_.path()), unreadable_file,
                      directory_.path().string() + ": is a directory"));
  const std::string large = directory_.write("large.p12", "");
  std::filesystem::resize_file(large, (1 << 20) + 1);
  EXPECT_TRUE(refused(identity::from_pkcs12_file(large), file_too_large,
                      large + ": larger than 1 MiB, which no PKCS#12 file is"));
  const std::string pem = directory_.write("server.p12", server_.key);
  EXPECT_TRUE(refused(identity::from_pkcs12_file(pem), bad_pkcs12, pem + ": is PEM, not PKCS#12"));
}

TEST_F(identity_pkcs12_files, warn_if_others_may_read_them) {
  const std::string bytes = make({.certificates = {server_.certificate}, .keys = {server_.key}});
  const std::string file = directory_.write("server.p12", bytes, 0644);
  const auto made = identity::from_pkcs12_file(file, secret_.source());
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(made->warnings(),
              ElementsAre(file + ": the private key can be read by everybody (mode 0644); only its owner should"));
}

}  // namespace
}  // namespace sallyport
