// Directories of certificates and keys: what is found in them, and what is refused with which sentence.
//
// SPDX-License-Identifier: Apache-2.0
#include "failure.hpp"
#include "identity_directory.hpp"

#include "support/temporary_directory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

namespace sallyport::tool {
namespace {

using testing::ElementsAre;

class ToolIdentityDirectory : public testing::Test {
 protected:
  void files(const std::vector<std::string>& names) const {
    for (const std::string& name : names) {
      std::filesystem::create_directories((directory_.path() / name).parent_path());
      directory_.write(name, "not looked at");
    }
  }

  void link(const std::string& target, const std::string& name) const {
    std::filesystem::create_symlink(target, directory_.path() / name);
  }

  // Each as "CERTIFICATE KEY" or "CERTIFICATE KEY OCSP-RESPONSE", relative to the directory.
  std::vector<std::string> found(const std::string& subdirectory = "") const {
    const auto relative = [&](const std::filesystem::path& file) {
      return file.lexically_relative(directory_.path()).string();
    };
    std::vector<std::string> lines;
    for (const identity_files& each : identities_in(directory_.path() / subdirectory)) {
      lines.push_back(relative(each.certificate) + " " + relative(each.key));
      if (!each.ocsp_response.empty()) lines.back() += " " + relative(each.ocsp_response);
    }
    return lines;
  }

  std::string complaint() const {
    try {
      identities_in(directory_.path());
    } catch (const startup_failure& failure) {
      EXPECT_EQ(failure.status(), exit_usage);
      const std::string sentence = failure.what();
      const std::string begin = "--cert: " + directory_.path().string();
      EXPECT_TRUE(sentence.starts_with(begin)) << sentence;
      return sentence.substr(begin.size());
    }
    return "accepted";
  }

  test::temporary_directory directory_;
};

TEST_F(ToolIdentityDirectory, HasPairsAndSingleFiles) {
  files({"b.crt", "b.key", "a.pem", "a.key", "both.pem", "bundle.p12", "other.pfx", "www.example.org.crt",
         "www.example.org.key"});
  EXPECT_THAT(found(), ElementsAre("a.pem a.key", "b.crt b.key", "both.pem both.pem", "bundle.p12 bundle.p12",
                                   "other.pfx other.pfx", "www.example.org.crt www.example.org.key"));
  EXPECT_TRUE(identities_in(directory_.path())[3].is_pkcs12());
  EXPECT_FALSE(identities_in(directory_.path())[2].is_pkcs12());
}

TEST_F(ToolIdentityDirectory, KnowsPkcs12InCapitals) {
  files({"exported.PFX", "other.P12"});
  EXPECT_THAT(found(), ElementsAre("exported.PFX exported.PFX", "other.P12 other.P12"));
}

TEST_F(ToolIdentityDirectory, HasSubdirectories) {
  files({"example.org/fullchain.pem", "example.org/privkey.pem", "example.org/cert.pem", "example.org/chain.pem",
         "shop/tls.crt", "shop/tls.key", "notes/readme.txt", "a.pem"});
  EXPECT_THAT(found(), ElementsAre("a.pem a.pem", "example.org/fullchain.pem example.org/privkey.pem",
                                   "shop/tls.crt shop/tls.key"));
}

TEST_F(ToolIdentityDirectory, MayBeSuchASubdirectoryItself) {
  files({"certbot/fullchain.pem", "certbot/privkey.pem", "certbot/cert.pem", "certbot/chain.pem", "kubernetes/tls.crt",
         "kubernetes/tls.key", "kubernetes/ca.crt"});
  EXPECT_THAT(found("certbot"), ElementsAre("certbot/fullchain.pem certbot/privkey.pem"));
  EXPECT_THAT(found("kubernetes"), ElementsAre("kubernetes/tls.crt kubernetes/tls.key"));
  files({"kubernetes/more.pem"});
  EXPECT_THAT(found("kubernetes"),
              ElementsAre("kubernetes/tls.crt kubernetes/tls.key", "kubernetes/more.pem kubernetes/more.pem"));
}

TEST_F(ToolIdentityDirectory, HasOcspResponses) {
  files({"a.crt", "a.key", "a.ocsp", "b.p12", "b.ocsp", "c/tls.crt", "c/tls.key", "c.ocsp"});
  EXPECT_THAT(found(), ElementsAre("a.crt a.key a.ocsp", "b.p12 b.p12 b.ocsp", "c/tls.crt c/tls.key c.ocsp"));
}

TEST_F(ToolIdentityDirectory, BeginsWithTheDefault) {
  files({"a.pem", "default.crt", "default.key", "z.pem", "default2.pem"});
  EXPECT_THAT(found(),
              ElementsAre("default.crt default.key", "a.pem a.pem", "default2.pem default2.pem", "z.pem z.pem"));
}

TEST_F(ToolIdentityDirectory, SkipsHiddenAndOtherFiles) {
  files({".hidden.crt", "..2026_01_31/tls.crt", "README", "a.pem", "a.pem.old", "b.txt"});
  EXPECT_THAT(found(), ElementsAre("a.pem a.pem"));
}

// As Kubernetes swaps them.
TEST_F(ToolIdentityDirectory, FollowsSymbolicLinks) {
  files({"..2026/a.crt", "..2026/a.key", "elsewhere/.skipped"});
  link("..2026", "..data");
  link("..data/a.crt", "a.crt");
  link("..data/a.key", "a.key");
  link("..2026", "linked");
  EXPECT_THAT(found(), ElementsAre("a.crt a.key"));
  link("nowhere.crt", "lost.crt");
  EXPECT_EQ(complaint(), "/lost.crt: is a symbolic link to nothing");
}

TEST_F(ToolIdentityDirectory, RefusesACertificateWithoutAKey) {
  files({"a.pem", "b.crt"});
  EXPECT_EQ(complaint(), "/b.crt: there is no key for this certificate beside it");
}

TEST_F(ToolIdentityDirectory, RefusesAKeyWithoutACertificate) {
  files({"a.pem", "b.key"});
  EXPECT_EQ(complaint(), "/b.key: there is no certificate for this key beside it");
}

TEST_F(ToolIdentityDirectory, RefusesHalfASubdirectory) {
  files({"example.org/fullchain.pem"});
  EXPECT_EQ(complaint(), "/example.org/fullchain.pem: there is no key for this certificate beside it");
  files({"a/tls.key"});
  EXPECT_EQ(complaint(), "/a/tls.key: there is no certificate for this key beside it");
}

TEST_F(ToolIdentityDirectory, RefusesAnOcspResponseOfNothing) {
  files({"a.pem", "b.ocsp"});
  EXPECT_EQ(complaint(), "/b.ocsp: there is no certificate for this OCSP response beside it");
}

TEST_F(ToolIdentityDirectory, RefusesTwoOfOneName) {
  files({"a.pem", "a.crt", "a.key"});
  const std::string said = complaint();  // in the order that the directory has them
  EXPECT_TRUE(said == "/a.pem: is a second one of this name beside a.crt" ||
              said == "/a.crt: is a second one of this name beside a.pem")
      << said;
}

TEST_F(ToolIdentityDirectory, RefusesAKeyBesidePkcs12) {
  files({"a.p12", "a.key"});
  EXPECT_EQ(complaint(), "/a.key: is for a.p12, which has a key in it");
}

TEST_F(ToolIdentityDirectory, RefusesNothing) {
  EXPECT_EQ(complaint(), ": no certificates in this directory");
  files({"README"});
  EXPECT_EQ(complaint(), ": no certificates in this directory");
}

}  // namespace
}  // namespace sallyport::tool
