// trust_store: what is accepted, what is warned of, and what is refused with which sentence.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/trust_store.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "support/child_process.hpp"
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

// ---- a directory ----

TEST(trust_store_directory, is_read_by_its_files_names) {
  const test::temporary_directory directory;
  directory.write("a.pem", test::make_ca("A").certificate + test::make_ca("B").certificate);
  directory.write("c.crt", test::make_ca("C").certificate);
  directory.write("d.cer", test::make_ca("D").certificate);
  directory.write("0123abcd.0", test::make_ca("E").certificate);
  directory.write("0123abcd.17", test::make_ca("F").certificate);
  for (const char* other :
       {"README", "a.pem.bak", "pem", "ca.key", "0123abcd.r0", "0123abcd.", "0123ABCD.0", "A.PEM"}) {
    directory.write(other, "garbage");
  }
  std::filesystem::create_directories(directory.path() / "more.pem");
  directory.write("more.pem/g.pem", test::make_ca("G").certificate);
  const auto made = trust_store::from_directory(directory.path());
  ASSERT_TRUE(accepted(made));
  EXPECT_EQ(made->size(), 6U);
  EXPECT_THAT(made->warnings(), IsEmpty());
}

TEST(trust_store_directory, holds_every_certificate_once) {
  const test::temporary_directory directory;
  const test::temporary_directory elsewhere;
  const auto ca = test::make_ca();
  directory.write("a.pem", ca.certificate);
  directory.write("copy.crt", ca.certificate);
  std::filesystem::create_symlink("a.pem", directory.path() / "0123abcd.0");
  // As Kubernetes mounts a volume: links to files and to a directory.
  std::filesystem::create_symlink(elsewhere.write("ca", test::make_ca("Other").certificate),
                                  directory.path() / "other.pem");
  std::filesystem::create_directory_symlink(elsewhere.path(), directory.path() / "data.pem");
  const auto made = trust_store::from_directory(directory.path());
  ASSERT_TRUE(accepted(made));
  EXPECT_EQ(made->size(), 2U);
}

TEST(trust_store_directory, reads_a_file_once_and_calls_it_by_its_own_name) {
  const test::temporary_directory directory;
  const std::string old = directory.write(
      "old.pem",
      test::make_self_signed({.common_name = "Old", .is_ca = true, .not_after = "20200131120000Z"}).certificate);
  std::filesystem::create_symlink("old.pem", directory.path() / "0123abcd.0");
  const auto made = trust_store::from_directory(directory.path());
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(made->warnings(), ElementsAre(old + ": certificate 1 (CN = Old) expired on 2020-01-31 12:00:00 UTC"));

  directory.write("old.pem", "garbage");
  EXPECT_TRUE(
      refused(trust_store::from_directory(directory.path()), not_pem, old + ": is not PEM: it has no -----BEGIN line"));
}

TEST(trust_store_directory, is_read_in_the_order_of_names) {
  const test::temporary_directory directory;
  for (const char* name : {"c", "a", "d", "b"}) {
    directory.write(name + std::string(".pem"), test::make_self_signed({.common_name = name}).certificate);
  }
  const auto made = trust_store::from_directory(directory.path());
  ASSERT_TRUE(accepted(made));
  const std::string path = directory.path();
  EXPECT_THAT(made->warnings(), ElementsAre(StartsWith(path + "/a.pem: "), StartsWith(path + "/b.pem: "),
                                            StartsWith(path + "/c.pem: "), StartsWith(path + "/d.pem: ")));
}

TEST(trust_store_directory, is_refused_with_a_file_that_does_not_parse) {
  const test::temporary_directory directory;
  const auto ca = test::make_ca();
  directory.write("a.pem", ca.certificate);
  const std::string file = directory.write("b.pem", ca.key);
  EXPECT_TRUE(refused(trust_store::from_directory(directory.path()), no_certificate,
                      file + ": no CERTIFICATE block (found 1 PRIVATE KEY)"));
  directory.write("b.pem", "");
  EXPECT_TRUE(refused(trust_store::from_directory(directory.path()), not_pem, file + ": is empty"));
  directory.write("b.pem", test::certificate_to_der(ca.certificate));
  EXPECT_TRUE(refused(trust_store::from_directory(directory.path()), not_pem,
                      file + ": is DER, not PEM; convert it with: openssl x509 -inform der -in " + file));
  std::filesystem::remove(file);
  std::filesystem::create_symlink("nowhere.pem", file);
  EXPECT_TRUE(refused(trust_store::from_directory(directory.path()), unreadable_file, file + ": no such file"));
}

TEST(trust_store_directory, does_not_wait_for_a_pipe) {
  const test::temporary_directory directory;
  directory.write("a.pem", test::make_ca().certificate);
  const std::string pipe = directory.path() / "b.pem";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_TRUE(
      refused(trust_store::from_directory(directory.path()), unreadable_file, pipe + ": is not a regular file"));
}

TEST(trust_store_directory, must_be_one_and_hold_a_certificate) {
  const test::temporary_directory directory;
  const std::string path = directory.path();
  const std::string nothing = path +
                              ": holds no CA certificates (looked for names that end in .pem, .crt or .cer, and for "
                              "hashes as `openssl rehash` makes them)";
  EXPECT_TRUE(refused(trust_store::from_directory(path), no_certificate, nothing));
  const std::string file = directory.write("ca.txt", test::make_ca().certificate);
  EXPECT_TRUE(refused(trust_store::from_directory(path), no_certificate, nothing));
  EXPECT_TRUE(refused(trust_store::from_directory(file), unreadable_file, file + ": is not a directory"));
  EXPECT_TRUE(
      refused(trust_store::from_directory(path + "/nowhere"), unreadable_file, path + "/nowhere: no such directory"));
}

// Root may read everything, so this is tried as somebody else.
TEST(trust_store_directory, is_refused_without_permission) {
  const test::temporary_directory directory;
  std::filesystem::permissions(directory.path(), std::filesystem::perms{0});
  const std::string sentence = test::run_unprivileged([&] {
    const auto made = trust_store::from_directory(directory.path());
    return made ? std::string("was accepted") : made.error().detail;
  });
  std::filesystem::permissions(directory.path(), std::filesystem::perms{0700});
  EXPECT_EQ(sentence, directory.path().string() + ": permission denied");
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
