// library_context: which of OpenSSL's library contexts a shard gets, and that everything works in it.
//
// SPDX-License-Identifier: Apache-2.0
#include "tls/library_context.hpp"

#include <gtest/gtest.h>
#include <openssl/provider.h>

#include <cstdlib>
#include <string>

#include "support/temporary_directory.hpp"

namespace sallyport {
namespace {

using detail::library_context;

TEST(library_context, has_one_for_each_number) {
  EXPECT_EQ(library_context(0), nullptr);
  OSSL_LIB_CTX* const first = library_context(1);
  OSSL_LIB_CTX* const third = library_context(3);
  ASSERT_NE(first, nullptr);
  ASSERT_NE(third, nullptr);
  EXPECT_NE(first, third);
  EXPECT_NE(first, OSSL_LIB_CTX_get0_global_default());
  EXPECT_EQ(library_context(1), first);
  EXPECT_EQ(library_context(3), third);
  EXPECT_EQ(library_context(detail::most_library_contexts + 3), third);
}

TEST(library_context, is_the_usual_one_where_the_thread_has_another_default) {
  OSSL_LIB_CTX* const own = library_context(1);
  OSSL_LIB_CTX* const former = OSSL_LIB_CTX_set0_default(own);
  EXPECT_EQ(library_context(1), nullptr);
  OSSL_LIB_CTX_set0_default(former);
  EXPECT_EQ(library_context(1), own);
}

TEST(library_context, is_the_usual_one_while_that_has_another_provider) {
  const auto own = library_context(1);
  OSSL_PROVIDER* const other = OSSL_PROVIDER_load(nullptr, "null");
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(library_context(1), nullptr);
  OSSL_PROVIDER_unload(other);
  EXPECT_EQ(library_context(1), own);
}

TEST(library_context, is_the_usual_one_while_that_is_for_fips) {
  const auto own = library_context(1);
  ASSERT_EQ(EVP_default_properties_enable_fips(nullptr, 1), 1);
  EXPECT_EQ(library_context(1), nullptr);
  ASSERT_EQ(EVP_default_properties_enable_fips(nullptr, 0), 1);
  EXPECT_EQ(library_context(1), own);
}

TEST(library_context, is_the_usual_one_while_that_fetches_from_elsewhere) {
  const auto own = library_context(1);
  ASSERT_EQ(EVP_set_default_properties(nullptr, "provider=elsewhere"), 1);
  EXPECT_EQ(library_context(1), nullptr);
  ASSERT_EQ(EVP_set_default_properties(nullptr, ""), 1);
  EXPECT_EQ(library_context(1), own);
}

// --- what OpenSSL's configuration file gives to the usual one ---

class library_context_with : public testing::Test {
 protected:
  library_context_with() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  ~library_context_with() override { ::unsetenv("OPENSSL_CONF"); }

  /// In a process of its own, which begins with that file.
  void expect_own(bool own, const std::string& sections) {
    const std::string file = directory_.write("openssl.cnf", "openssl_conf = init\n[init]\n" + sections);
    ::setenv("OPENSSL_CONF", file.c_str(), 1);
    EXPECT_EXIT(std::_Exit(library_context(1) == nullptr ? usual : others),
                testing::ExitedWithCode(own ? others : usual), "")
        << sections;
  }

 private:
  static constexpr int usual = 70;
  static constexpr int others = 71;
  test::temporary_directory directory_;
};

TEST_F(library_context_with, nothing) { expect_own(true, ""); }

TEST_F(library_context_with, the_default_and_the_base_provider) {
  expect_own(true, "providers = providers\n[providers]\ndefault = on\nbase = on\n[on]\nactivate = 1\n");
}

// TLS 1.2 has ciphers of it.
TEST_F(library_context_with, the_legacy_provider) {
  expect_own(false, "providers = providers\n[providers]\ndefault = on\nlegacy = on\n[on]\nactivate = 1\n");
}

TEST_F(library_context_with, another_provider) {
  expect_own(false, "providers = providers\n[providers]\ndefault = on\nnull = on\n[on]\nactivate = 1\n");
}

TEST_F(library_context_with, properties_that_change_nothing) {
  expect_own(true, "alg_section = algorithms\n[algorithms]\ndefault_properties = provider=default\n");
}

TEST_F(library_context_with, another_random_generator) {
  expect_own(true, "random = random\n[random]\nrandom = CTR-DRBG\ncipher = AES-256-CTR\n");
  expect_own(false, "random = random\n[random]\nrandom = HASH-DRBG\ndigest = SHA2-256\n");
  expect_own(false, "random = random\n[random]\nrandom = CTR-DRBG\ncipher = AES-128-CTR\n");
}

// What a server does in one of its own: all tests run there, too, by SALLYPORT_TEST_LIBRARY_CONTEXT.

}  // namespace
}  // namespace sallyport
