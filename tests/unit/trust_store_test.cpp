// trust_store: what is accepted, what is warned of, and what is refused with which sentence.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/trust_store.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "support/refused.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_pki.hpp"
#include "tls/trust_store_data.hpp"

namespace sallyport {
namespace {

using std::chrono::hours;
using test::accepted;
using test::refused;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;
using enum configuration_error;

TEST(trust_store, holds_every_certificate_once) {
  const auto first = test::make_ca("First");
  const auto second = test::make_ca("Second");
  const auto made = trust_store::from_pem(first.certificate + second.certificate + first.certificate + first.key);
  ASSERT_TRUE(accepted(made));
  EXPECT_EQ(made->size(), 2U);
  EXPECT_THAT(made->warnings(), IsEmpty());
  STACK_OF(X509_OBJECT)* objects = X509_STORE_get0_objects(made->data().store.get());
  EXPECT_EQ(sk_X509_OBJECT_num(objects), 2);
}

TEST(trust_store, comes_from_a_file) {
  const test::temporary_directory directory;
  const auto made = trust_store::from_pem_file(directory.write("ca.pem", test::make_ca().certificate));
  ASSERT_TRUE(accepted(made));
  EXPECT_EQ(made->size(), 1U);
}

TEST(trust_store, refuses_what_holds_no_certificate) {
  const auto ca = test::make_ca();
  EXPECT_TRUE(refused(trust_store::from_pem(""), not_pem, "CA certificates: is empty"));
  EXPECT_TRUE(
      refused(trust_store::from_pem("garbage"), not_pem, "CA certificates: is not PEM: it has no -----BEGIN line"));
  EXPECT_TRUE(refused(trust_store::from_pem(ca.key), no_certificate,
                      "CA certificates: no CERTIFICATE block (found 1 PRIVATE KEY)"));
  EXPECT_TRUE(refused(trust_store::from_pem(test::certificate_to_der(ca.certificate)), not_pem,
                      "CA certificates: is DER, not PEM"));
  EXPECT_TRUE(refused(trust_store::from_pem(ca.certificate + ca.certificate.substr(0, 200)), bad_certificate,
                      "CA certificates: PEM block 2 is damaged (bad end line)"));
}

TEST(trust_store, names_the_file_that_it_refuses) {
  const test::temporary_directory directory;
  const std::string missing = directory.path() / "missing.pem";
  EXPECT_TRUE(refused(trust_store::from_pem_file(missing), unreadable_file, missing + ": no such file"));
  EXPECT_TRUE(refused(trust_store::from_pem_file(directory.path()), unreadable_file,
                      directory.path().string() + ": is a directory"));
  const std::string empty = directory.write("empty.pem", "");
  EXPECT_TRUE(refused(trust_store::from_pem_file(empty), not_pem, empty + ": is empty"));
  const std::string key = directory.write("ca.key", test::make_ca().key);
  EXPECT_TRUE(
      refused(trust_store::from_pem_file(key), no_certificate, key + ": no CERTIFICATE block (found 1 PRIVATE KEY)"));
  const std::string der = directory.write("ca.der", test::certificate_to_der(test::make_ca().certificate));
  EXPECT_TRUE(refused(trust_store::from_pem_file(der), not_pem,
                      der + ": is DER, not PEM; convert it with: openssl x509 -inform der -in " + der));
  const std::string large = directory.write("large.pem", "");
  std::filesystem::resize_file(large, 100'000'000);
  EXPECT_TRUE(refused(trust_store::from_pem_file(large), file_too_large,
                      large + ": larger than 16 MiB, which no PEM certificate is"));
}

TEST(trust_store, warns_of_an_expired_ca) {
  const auto ca = test::make_self_signed(
      {.common_name = "Old", .is_ca = true, .valid_from = hours{-48}, .valid_until = hours{-24}});
  const auto made = trust_store::from_pem(ca.certificate);
  ASSERT_TRUE(accepted(made));
  ASSERT_EQ(made->warnings().size(), 1U);
  EXPECT_THAT(made->warnings()[0], StartsWith("CA certificates: certificate 1 (CN = Old) expired on 20"));
}

TEST(trust_store, warns_of_a_certificate_that_is_not_a_ca) {
  const auto leaf = test::make_self_signed({.common_name = "Leaf"});
  const auto made = trust_store::from_pem(test::make_ca().certificate + leaf.certificate);
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(made->warnings(), ElementsAre("CA certificates: certificate 2 (CN = Leaf) is not a CA's: nothing that "
                                            "it signed is accepted"));
}

TEST(trust_store, warns_of_an_intermediate_ca_without_its_issuer) {
  const auto root = test::make_ca("Root");
  const auto middle = test::issue(root, {.common_name = "Middle", .is_ca = true});
  const auto alone = trust_store::from_pem(middle.certificate);
  ASSERT_TRUE(accepted(alone));
  EXPECT_THAT(alone->warnings(), ElementsAre("CA certificate CN = Middle is an intermediate one: without the CA that "
                                             "issued it in the same trust store it is of no use"));
  const auto both = trust_store::from_pem(middle.certificate + root.certificate);
  ASSERT_TRUE(accepted(both));
  EXPECT_THAT(both->warnings(), IsEmpty());
}

// ---- the system's ----

class environment {
 public:
  environment(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    ::setenv(name, value.c_str(), 1);
  }
  environment(const environment&) = delete;
  environment& operator=(const environment&) = delete;
  ~environment() {
    if (old_) {
      ::setenv(name_, old_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

TEST(system_trust_store, is_read_as_openssl_does) {
  const test::temporary_directory directory;
  const auto in_file = test::make_ca("In file");
  const auto in_directory = test::make_ca("In directory");
  const std::string file = directory.write("cert.pem", in_file.certificate);
  std::filesystem::create_directories(directory.path() / "a");
  std::filesystem::create_directories(directory.path() / "b");
  directory.write("a/0123abcd.0", in_directory.certificate + in_file.certificate);
  directory.write("a/other.pem", test::make_ca("Not hashed").certificate);
  directory.write("b/89abcdef.12", test::make_ca("Second directory").certificate);
  const std::string broken = directory.write("b/89abcdef.13", "garbage");

  const environment file_variable{"SSL_CERT_FILE", file};
  const environment directory_variable{
      "SSL_CERT_DIR", (directory.path() / "a").string() + ":" + (directory.path() / "b").string() + ":/nowhere"};
  const auto made = trust_store::system_default();
  ASSERT_TRUE(accepted(made));
  EXPECT_EQ(made->size(), 3U);
  EXPECT_THAT(made->warnings(), ElementsAre(broken + ": is not PEM: it has no -----BEGIN line"));
}

TEST(system_trust_store, must_not_be_empty) {
  const test::temporary_directory directory;
  const std::string file = directory.path() / "cert.pem";
  const environment file_variable{"SSL_CERT_FILE", file};
  const environment directory_variable{"SSL_CERT_DIR", directory.path()};
  EXPECT_TRUE(
      refused(trust_store::system_default(), no_certificate,
              "the system has no CA certificates (looked in " + file + " and " + directory.path().string() + ")"));
}

}  // namespace
}  // namespace sallyport
