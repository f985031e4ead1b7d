// identity_issuers: identities with the same chain above them share it, while one of them is there.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/test_pki.hpp"
#include "tls/identity_data.hpp"

#include <sallyport/identity.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace sallyport::test {
namespace {

identity identity_with(const credentials& own, const std::string& issuers) {
  return identity::from_pem(own.certificate + issuers, own.key).value();
}

TEST(identity_issuers, are_shared_if_they_are_the_same) {
  const credentials ca = make_ca();
  const credentials other_ca = make_ca();
  const identity one = identity_with(issue(ca, {.common_name = "one"}), ca.certificate);
  const identity two = identity_with(issue(ca, {.common_name = "two"}), ca.certificate);
  EXPECT_EQ(one.data().issuers, two.data().issuers);
  EXPECT_NE(one.certificate_pem(), two.certificate_pem());
  EXPECT_TRUE(one.certificate_pem().ends_with(ca.certificate));
  EXPECT_TRUE(two.certificate_pem().ends_with(ca.certificate));

  const identity other = identity_with(issue(other_ca, {}), other_ca.certificate);
  EXPECT_NE(other.data().issuers, one.data().issuers);
  EXPECT_TRUE(other.certificate_pem().ends_with(other_ca.certificate));
  const identity longer = identity_with(issue(ca, {}), ca.certificate + other_ca.certificate);
  const identity turned = identity_with(issue(ca, {}), other_ca.certificate + ca.certificate);
  EXPECT_NE(longer.data().issuers, one.data().issuers);
  EXPECT_NE(turned.data().issuers, longer.data().issuers);
  EXPECT_TRUE(turned.certificate_pem().ends_with(other_ca.certificate + ca.certificate));
}

TEST(identity_issuers, may_be_none) {
  const credentials ca = make_ca();
  const identity one = identity_with(issue(ca, {}), "");
  ASSERT_NE(one.data().issuers, nullptr);
  EXPECT_EQ(sk_X509_num(one.data().issuers.get()), 0);
}

TEST(identity_issuers, go_with_the_last_identity) {
  const credentials ca = make_ca();
  const credentials own = issue(ca, {});
  std::weak_ptr<STACK_OF(X509)> issuers;
  {
    const identity one = identity_with(own, ca.certificate);
    issuers = one.data().issuers;
  }
  EXPECT_TRUE(issuers.expired());
  // The place of those that are gone is taken again, and also when many are gone.
  for (int round = 0; round < 40; ++round) {
    const credentials next = make_ca();
    EXPECT_TRUE(identity_with(issue(next, {}), next.certificate).certificate_pem().ends_with(next.certificate));
  }
  const identity one = identity_with(own, ca.certificate);
  EXPECT_TRUE(one.certificate_pem().ends_with(ca.certificate));
  EXPECT_EQ(identity_with(own, ca.certificate).data().issuers, one.data().issuers);
}

TEST(identity_issuers, are_shared_between_threads) {
  const credentials ca = make_ca();
  const credentials own = issue(ca, {});
  std::vector<std::jthread> threads;
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        const identity one = identity_with(own, ca.certificate);
        const identity two = identity_with(own, ca.certificate);
        EXPECT_EQ(one.data().issuers, two.data().issuers);
        EXPECT_EQ(one.certificate_pem(), own.certificate + ca.certificate);
      }
    });
  }
}

}  // namespace
}  // namespace sallyport::test
