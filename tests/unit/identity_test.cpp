// identity: what is accepted, what is warned of, and what is refused with which sentence.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/identity.hpp>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <array>
#include <set>
#include <string>
#include <vector>

#include "support/child_process.hpp"
#include "support/refused.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_pki.hpp"
#include "tls/asn1_time.hpp"
#include "tls/identity_data.hpp"
#include "tls/pem.hpp"

namespace sallyport {
namespace {

using std::chrono::hours;
using test::accepted;
using test::refused;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::MatchesRegex;
using enum configuration_error;

std::string subject(const X509* certificate) {
  std::array<char, 200> text{};
  X509_NAME_oneline(X509_get_subject_name(certificate), text.data(), static_cast<int>(text.size()));
  return text.data();
}

// ---- from memory ----

class every_key_type : public testing::TestWithParam<test::key_type> {};

TEST_P(every_key_type, is_accepted) {
  const auto ca = test::make_ca();
  const auto server = test::issue(ca, {.common_name = "server", .key = GetParam()});
  const auto made = identity::from_pem(server.certificate + ca.certificate, server.key);
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(made->warnings(), IsEmpty());
  EXPECT_EQ(made->certificate_pem(), server.certificate + ca.certificate);
  EXPECT_EQ(subject(made->data().certificate.get()), "/CN=server");
  EXPECT_EQ(sk_X509_num(made->data().issuers.get()), 1);
}

INSTANTIATE_TEST_SUITE_P(identity, every_key_type,
                         testing::Values(test::key_type::ec_p256, test::key_type::ec_p384, test::key_type::ed25519,
                                         test::key_type::rsa_2048));

TEST(identity, may_come_from_one_text) {
  const auto server = test::make_self_signed({});
  const std::string both = server.key + server.certificate;
  EXPECT_TRUE(accepted(identity::from_pem(both, both)));
}

TEST(identity, needs_both_parts) {
  const auto server = test::make_self_signed({});
  EXPECT_TRUE(refused(identity::from_pem(server.key, server.key), no_certificate,
                      "certificate chain: no CERTIFICATE block (found 1 PRIVATE KEY)"));
  EXPECT_TRUE(refused(identity::from_pem(server.certificate, server.certificate), no_private_key,
                      "private key: no PRIVATE KEY block (found 1 CERTIFICATE)"));
  EXPECT_TRUE(refused(identity::from_pem("", server.key), not_pem, "certificate chain: is empty"));
  EXPECT_TRUE(refused(identity::from_pem(server.certificate, ""), not_pem, "private key: is empty"));
}

TEST(identity, refuses_the_key_of_another_certificate) {
  const auto server = test::make_self_signed({});
  for (const auto type : {test::key_type::ec_p256, test::key_type::ec_p384, test::key_type::rsa_2048}) {
    EXPECT_TRUE(refused(identity::from_pem(server.certificate, test::make_key(type)), key_mismatch,
                        "private key: the key does not belong to the first certificate of the certificate chain"));
  }
}

TEST(identity, says_if_the_key_belongs_to_a_later_certificate) {
  const auto ca = test::make_ca();
  const auto server = test::issue(ca, {});
  EXPECT_TRUE(
      refused(identity::from_pem(ca.certificate + server.certificate, server.key), key_mismatch,
              "private key: the key belongs to certificate 2 of the certificate chain: the server's certificate "
              "must come first"));
}

TEST(identity, refuses_weak_keys_and_signatures) {
  const auto ca = test::make_ca();
  const auto rsa = test::issue(ca, {.key = test::key_type::rsa_1024});
  EXPECT_TRUE(refused(identity::from_pem(rsa.certificate, rsa.key), weak_key,
                      "certificate chain: certificate 1 has a key that is too weak (RSA of 1024 bits): RSA needs 2048, "
                      "elliptic curves 224"));
  const auto curve = test::issue(ca, {.key = test::key_type::ec_p192});
  EXPECT_TRUE(refused(identity::from_pem(curve.certificate, curve.key), weak_key,
                      "certificate chain: certificate 1 has a key that is too weak (EC of 192 bits): RSA needs 2048, "
                      "elliptic curves 224"));
  const auto sha1 = test::issue(ca, {.digest = "SHA1"});
  EXPECT_TRUE(refused(identity::from_pem(sha1.certificate, sha1.key), weak_key,
                      "certificate chain: certificate 1 is signed with SHA1, which is too weak: have it issued again "
                      "with SHA-256"));
  const auto weak_ca = test::make_self_signed({.common_name = "CA", .is_ca = true, .key = test::key_type::rsa_1024});
  const auto below = test::issue(weak_ca, {});
  EXPECT_TRUE(refused(identity::from_pem(below.certificate + weak_ca.certificate, below.key), weak_key,
                      "certificate chain: certificate 2 has a key that is too weak (RSA of 1024 bits): RSA needs 2048, "
                      "elliptic curves 224"));
}

// Nobody looks at the signature that a certificate made of itself.
TEST(identity, accepts_any_digest_where_a_certificate_signed_itself) {
  const auto server = test::make_self_signed({.digest = "SHA1"});
  EXPECT_TRUE(accepted(identity::from_pem(server.certificate, server.key)));
}

TEST(identity, refuses_a_key_that_cannot_sign) {
  const auto server = test::issue(test::make_ca(), {.key = test::key_type::x25519});
  EXPECT_TRUE(refused(identity::from_pem(server.certificate, server.key), bad_private_key,
                      "private key: a key of this type can't sign (X25519 of 253 bits): TLS needs RSA, EC or EdDSA"));
}

TEST(identity, asks_for_a_passphrase_once_and_only_if_needed) {
  const auto server = test::make_self_signed({});
  std::vector<std::string> asked;
  const passphrase_source source = [&](std::string_view name) {
    asked.emplace_back(name);
    return std::string("secret");
  };
  EXPECT_TRUE(accepted(identity::from_pem(server.certificate, server.key, source)));
  EXPECT_THAT(asked, IsEmpty());
  const std::string encrypted = test::encode_key(server.key, test::key_format::pkcs8, "secret");
  EXPECT_TRUE(accepted(identity::from_pem(server.certificate, encrypted, source)));
  EXPECT_THAT(asked, ElementsAre("private key"));
  EXPECT_TRUE(refused(identity::from_pem(server.certificate, encrypted), passphrase_needed,
                      "private key: is encrypted, and no passphrase is given"));
}

TEST(identity, is_shared_by_its_copies) {
  const auto server = test::make_self_signed({});
  auto made = identity::from_pem(server.certificate, server.key);
  ASSERT_TRUE(accepted(made));
  const identity copy = *made;
  EXPECT_EQ(&copy.data(), &made->data());
}

// ---- warnings ----

TEST(identity, warns_of_a_certificate_that_expired) {
  const auto server = test::make_self_signed({.valid_from = hours{-48}, .valid_until = hours{-24}});
  const auto made = identity::from_pem(server.certificate, server.key);
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(made->warnings(), ElementsAre("certificate chain: certificate 1 expired on " +
                                            detail::to_string(X509_get0_notAfter(made->data().certificate.get()))));
  EXPECT_THAT(made->warnings()[0], MatchesRegex(".* on 20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9:]{8} UTC"));
}

TEST(identity, warns_of_a_certificate_that_is_not_valid_yet) {
  const auto server = test::make_self_signed({.valid_from = hours{24}, .valid_until = hours{48}});
  const auto made = identity::from_pem(server.certificate, server.key);
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(made->warnings(), ElementsAre("certificate chain: certificate 1 is not valid before " +
                                            detail::to_string(X509_get0_notBefore(made->data().certificate.get()))));
}

TEST(identity, warns_of_a_chain_out_of_order) {
  const auto root = test::make_ca("Root");
  const auto middle = test::issue(root, {.common_name = "Middle", .is_ca = true});
  const auto server = test::issue(middle, {});
  const auto good = identity::from_pem(server.certificate + middle.certificate + root.certificate, server.key);
  ASSERT_TRUE(accepted(good));
  EXPECT_THAT(good->warnings(), IsEmpty());
  const auto bad = identity::from_pem(server.certificate + root.certificate + middle.certificate, server.key);
  ASSERT_TRUE(accepted(bad));
  EXPECT_THAT(bad->warnings(),
              ElementsAre("certificate chain: chain out of order: certificate 2 is not the issuer of certificate 1",
                          "certificate chain: chain out of order: certificate 3 is not the issuer of certificate 2"));
}

// ---- from files ----

class identity_files : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return directory_.path() / name; }
  std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    return directory_.write(name, text, mode);
  }

  test::temporary_directory directory_;
  test::credentials server_ = test::make_self_signed({.common_name = "server"});
  std::string chain_ = write("server.pem", server_.certificate, 0644);
  std::string key_ = write("server.key", server_.key);
};

TEST_F(identity_files, are_accepted) {
  const auto made = identity::from_pem_files(chain_, key_);
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(made->warnings(), IsEmpty());
  EXPECT_EQ(made->certificate_pem(), server_.certificate);
}

TEST_F(identity_files, may_be_one) {
  const std::string both = write("both.pem", server_.certificate + server_.key);
  const auto made = identity::from_pem_files(both, both);
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(made->warnings(), IsEmpty());
}

TEST_F(identity_files, may_be_one_pipe) {
  std::array<int, 2> pipe;
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const std::string both = server_.certificate + server_.key;
  ASSERT_EQ(::write(pipe[1], both.data(), both.size()), static_cast<ssize_t>(both.size()));
  ::close(pipe[1]);
  const std::string name = "/dev/fd/" + std::to_string(pipe[0]);
  const auto made = identity::from_pem_files(name, name);
  ::close(pipe[0]);
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(made->warnings(), IsEmpty());
}

TEST_F(identity_files, are_named_if_missing) {
  EXPECT_TRUE(refused(identity::from_pem_files(path("a.pem"), key_), unreadable_file, path("a.pem: no such file")));
  EXPECT_TRUE(refused(identity::from_pem_files(chain_, path("a.key")), unreadable_file, path("a.key: no such file")));
}

// Root may read everything, so this is tried as somebody else.
TEST_F(identity_files, are_named_if_not_permitted) {
  std::filesystem::permissions(directory_.path(), std::filesystem::perms{0755});
  const std::string secret = write("secret.key", server_.key, 0000);
  const std::string sentence = test::run_unprivileged([&] {
    const auto made = identity::from_pem_files(chain_, secret);
    return made ? std::string("was accepted") : made.error().detail;
  });
  EXPECT_EQ(sentence, secret + ": permission denied");
}

TEST_F(identity_files, are_named_if_directories) {
  const std::string directory = directory_.path();
  EXPECT_TRUE(refused(identity::from_pem_files(directory, key_), unreadable_file, directory + ": is a directory"));
  EXPECT_TRUE(refused(identity::from_pem_files(chain_, directory), unreadable_file, directory + ": is a directory"));
}

TEST_F(identity_files, are_named_if_empty) {
  const std::string empty = write("empty.pem", "");
  EXPECT_TRUE(refused(identity::from_pem_files(empty, key_), not_pem, empty + ": is empty"));
  EXPECT_TRUE(refused(identity::from_pem_files(chain_, empty), not_pem, empty + ": is empty"));
}

TEST_F(identity_files, are_named_if_too_large) {
  const std::string large = write("large.pem", "");
  std::filesystem::resize_file(large, 100'000'000);
  const std::string sentence = large + ": larger than 1 MiB, which no PEM certificate is";
  EXPECT_TRUE(refused(identity::from_pem_files(large, key_), file_too_large, sentence));
  EXPECT_TRUE(refused(identity::from_pem_files(chain_, large), file_too_large, sentence));
}

TEST_F(identity_files, are_named_if_der) {
  const std::string der = write("server.der", test::certificate_to_der(server_.certificate));
  EXPECT_TRUE(refused(identity::from_pem_files(der, key_), not_pem,
                      der + ": is DER, not PEM; convert it with: openssl x509 -inform der -in " + der));
  const std::string key_der = write("key.der", test::key_to_der(server_.key));
  EXPECT_TRUE(refused(identity::from_pem_files(chain_, key_der), not_pem,
                      key_der + ": is DER, not PEM; convert it with: openssl pkey -inform der -in " + key_der));
}

TEST_F(identity_files, are_named_if_garbage) {
  const std::string garbage = write("garbage.pem",
                                    "\x7f"
                                    "ELF and so on");
  EXPECT_TRUE(
      refused(identity::from_pem_files(garbage, key_), not_pem, garbage + ": is not PEM: it has no -----BEGIN line"));
  EXPECT_TRUE(
      refused(identity::from_pem_files(chain_, garbage), not_pem, garbage + ": is not PEM: it has no -----BEGIN line"));
}

TEST_F(identity_files, are_named_if_exchanged) {
  EXPECT_TRUE(refused(identity::from_pem_files(key_, chain_), no_certificate,
                      key_ + ": no CERTIFICATE block (found 1 PRIVATE KEY)"));
  EXPECT_TRUE(refused(identity::from_pem_files(chain_, chain_), no_private_key,
                      chain_ + ": no PRIVATE KEY block (found 1 CERTIFICATE)"));
}

TEST_F(identity_files, are_named_if_they_do_not_match) {
  const std::string other = write("other.key", test::make_key(test::key_type::ec_p256));
  EXPECT_TRUE(refused(identity::from_pem_files(chain_, other), key_mismatch,
                      other + ": the key does not belong to the first certificate of " + chain_));
  const auto ca = test::make_ca();
  const std::string wrong_order = write("chain.pem", ca.certificate + server_.certificate);
  EXPECT_TRUE(refused(
      identity::from_pem_files(wrong_order, key_), key_mismatch,
      key_ + ": the key belongs to certificate 2 of " + wrong_order + ": the server's certificate must come first"));
  const std::string both = write("both.pem", ca.certificate + server_.certificate + server_.key);
  EXPECT_TRUE(refused(identity::from_pem_files(both, both), key_mismatch,
                      both + ": the key belongs to certificate 2: the server's certificate must come first"));
}

TEST_F(identity_files, may_hold_an_encrypted_key) {
  const std::string encrypted =
      write("encrypted.key", test::encode_key(server_.key, test::key_format::pkcs8, "secret"));
  std::vector<std::string> asked;
  const auto answer = [&](const std::string& passphrase) {
    return [&asked, passphrase](std::string_view name) {
      asked.emplace_back(name);
      return passphrase;
    };
  };
  EXPECT_TRUE(accepted(identity::from_pem_files(chain_, encrypted, answer("secret"))));
  EXPECT_TRUE(refused(identity::from_pem_files(chain_, encrypted, answer("wrong")), wrong_passphrase,
                      encrypted + ": wrong passphrase"));
  EXPECT_THAT(asked, ElementsAre(encrypted, encrypted));
  EXPECT_TRUE(refused(identity::from_pem_files(chain_, encrypted), passphrase_needed,
                      encrypted + ": is encrypted, and no passphrase is given"));
}

TEST_F(identity_files, warn_if_others_may_read_the_key) {
  const auto warnings_for = [&](mode_t mode) {
    const std::string key = write("some.key", server_.key, mode);
    const auto made = identity::from_pem_files(chain_, key);
    EXPECT_TRUE(accepted(made));
    return std::vector<std::string>(made->warnings().begin(), made->warnings().end());
  };
  const std::string key = path("some.key");
  EXPECT_THAT(warnings_for(0600), IsEmpty());
  EXPECT_THAT(warnings_for(0400), IsEmpty());
  EXPECT_THAT(warnings_for(0640),
              ElementsAre(key + ": the private key can be read by its group (mode 0640); only its owner should"));
  EXPECT_THAT(warnings_for(0644),
              ElementsAre(key + ": the private key can be read by everybody (mode 0644); only its owner should"));
  const std::string both = write("both.pem", server_.certificate + server_.key, 0604);
  const auto made = identity::from_pem_files(both, both);
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(made->warnings(),
              ElementsAre(both + ": the private key can be read by everybody (mode 0604); only its owner should"));
}

TEST_F(identity_files, name_the_file_in_warnings) {
  const auto old = test::make_self_signed({.valid_from = hours{-48}, .valid_until = hours{-24}});
  const std::string chain = write("old.pem", old.certificate);
  const auto made = identity::from_pem_files(chain, write("old.key", old.key));
  ASSERT_TRUE(accepted(made));
  ASSERT_EQ(made->warnings().size(), 1U);
  EXPECT_THAT(made->warnings()[0], testing::StartsWith(chain + ": certificate 1 expired on "));
}

// ---- names ----

TEST(identity_matches, subject_alternative_names_alone) {
  const auto server = test::make_self_signed(
      {.common_name = "common.example",
       .names = {"example.org", "*.example.org", "f*o.example.net", "192.0.2.1", "2001:db8::1"}});
  const auto made = identity::from_pem(server.certificate, server.key);
  ASSERT_TRUE(accepted(made));
  for (const std::string name :
       {"example.org", "EXAMPLE.org", "www.example.org", "192.0.2.1", "2001:db8::1", "2001:0DB8:0:0:0:0:0:1"}) {
    EXPECT_TRUE(made->matches(name)) << name;
  }
  for (const std::string& name :
       {std::string("common.example"), std::string("org"), std::string("a.b.example.org"), std::string(".example.org"),
        std::string("foo.example.net"), std::string("192.0.2.2"), std::string("2001:db8::2"), std::string(""),
        std::string("example.org\0", 12), std::string("example.org\0.evil.example", 25), std::string("exam ple.org"),
        std::string(100'000, 'a')}) {
    EXPECT_FALSE(made->matches(name)) << name.substr(0, 100);
  }
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(identity_matches, nothing_without_alternative_names) {
  const auto server = test::make_self_signed({.common_name = "common.example"});
  const auto made = identity::from_pem(server.certificate, server.key);
  ASSERT_TRUE(accepted(made));
  EXPECT_FALSE(made->matches("common.example"));
}

TEST(identity_matches, leaves_the_error_queue_alone) {
  const auto server = test::make_self_signed({.names = {"example.org"}});
  const auto made = identity::from_pem(server.certificate, server.key);
  ASSERT_TRUE(accepted(made));
  ERR_raise(ERR_LIB_USER, 1);
  const unsigned long before = ERR_peek_last_error();
  EXPECT_FALSE(made->matches("not an address"));
  EXPECT_EQ(ERR_peek_last_error(), before);
  ERR_clear_error();
}

// ---- self-signed ----

TEST(self_signed, is_what_clients_expect) {
  const std::vector<std::string> names{"localhost", "127.0.0.1", "::1", "*.example.org"};
  const auto made = identity::self_signed(names);
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(made->warnings(), IsEmpty());
  for (const std::string name : {"localhost", "127.0.0.1", "::1", "www.example.org"}) {
    EXPECT_TRUE(made->matches(name)) << name;
  }
  EXPECT_FALSE(made->matches("example.org"));

  X509* certificate = made->data().certificate.get();
  EXPECT_EQ(subject(certificate), "/CN=localhost");
  EXPECT_EQ(X509_get_version(certificate), X509_VERSION_3);
  EXPECT_EQ(X509_check_ca(certificate), 0);
  EXPECT_EQ(X509_get_key_usage(certificate), static_cast<std::uint32_t>(KU_DIGITAL_SIGNATURE));
  EXPECT_EQ(X509_get_extended_key_usage(certificate), static_cast<std::uint32_t>(XKU_SSL_SERVER));
  EXPECT_EQ(X509_get_signature_nid(certificate), NID_ecdsa_with_SHA256);
  EXPECT_EQ(EVP_PKEY_get_bits(made->data().key.get()), 256);
  EXPECT_EQ(X509_verify(certificate, made->data().key.get()), 1);
  const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate);
  EXPECT_EQ(ASN1_STRING_type(serial), V_ASN1_INTEGER) << "a negative serial number";
  EXPECT_LE(ASN1_STRING_length(serial), 16);
  EXPECT_GE(ASN1_STRING_length(serial), 12) << "hardly random";
  int days = 0;
  int seconds = 0;
  ASSERT_EQ(ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(certificate), X509_get0_notAfter(certificate)), 1);
  EXPECT_EQ(days, 30);
  EXPECT_EQ(seconds, 3600);
  time_t hour_ago = time(nullptr) - 3600;
  EXPECT_LE(X509_cmp_time(X509_get0_notBefore(certificate), &hour_ago), 0);
}

TEST(self_signed, is_fresh_each_time) {
  const std::vector<std::string> names{"localhost"};
  const auto first = identity::self_signed(names);
  const auto second = identity::self_signed(names);
  ASSERT_TRUE(accepted(first));
  ASSERT_TRUE(accepted(second));
  EXPECT_EQ(EVP_PKEY_eq(first->data().key.get(), second->data().key.get()), 0);
  EXPECT_NE(ASN1_INTEGER_cmp(X509_get0_serialNumber(first->data().certificate.get()),
                             X509_get0_serialNumber(second->data().certificate.get())),
            0);
}

TEST(self_signed, can_be_trusted_by_its_pem) {
  const std::vector<std::string> names{std::string(63, 'a') + ".example.org"};  // too long for a common name
  const auto made = identity::self_signed(names);
  ASSERT_TRUE(accepted(made));
  EXPECT_EQ(subject(made->data().certificate.get()), "/CN=self-signed");
  const auto parsed = detail::certificates_from_pem({.text = made->certificate_pem(), .name = "certificate chain"});
  ASSERT_TRUE(accepted(parsed));
  EXPECT_EQ(X509_cmp(parsed->at(0).get(), made->data().certificate.get()), 0);
}

TEST(self_signed, refuses_what_is_no_name) {
  EXPECT_TRUE(refused(identity::self_signed({}), configuration_error::invalid_value,
                      "self-signed certificate: no names are given; name the host or address that clients connect to"));
  for (const std::string& name :
       {std::string(""), std::string("a b"), std::string("a,DNS:b"), std::string("-a"), std::string("a-"),
        std::string("a..b"), std::string("a."), std::string(".a"), std::string("*"), std::string("a.*.b"),
        std::string("256.0.0.1"), std::string("1.2.3"), std::string("[::1]"), std::string("a:443"),
        std::string("https://a"), std::string(64, 'a'),
        std::string("b\xc3\xbc"
                    "cher.example")}) {
    const std::vector<std::string> names{"localhost", name};
    const auto made = identity::self_signed(names);
    ASSERT_FALSE(made) << name;
    EXPECT_EQ(made.error().code, configuration_error::invalid_value);
    EXPECT_THAT(made.error().detail, testing::EndsWith("\" is neither a DNS name nor an IP address"));
    EXPECT_EQ(ERR_peek_error(), 0U);
  }
  const std::vector<std::string> hostile{"a\nb"};
  EXPECT_TRUE(refused(identity::self_signed(hostile), configuration_error::invalid_value,
                      "self-signed certificate: \"a?b\" is neither a DNS name nor an IP address"));
  const std::vector<std::string> zero{std::string("127.0.0.1\0", 10)};
  EXPECT_TRUE(refused(identity::self_signed(zero), configuration_error::invalid_value,
                      "self-signed certificate: \"127.0.0.1?\" is neither a DNS name nor an IP address"));
}

}  // namespace
}  // namespace sallyport
