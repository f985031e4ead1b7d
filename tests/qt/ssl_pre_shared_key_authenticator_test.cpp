// SslPreSharedKeyAuthenticator: a value, as Qt's is.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/qt/SslPreSharedKeyAuthenticator>

#include <gtest/gtest.h>

namespace sallyport::qt {
namespace {

SslPreSharedKeyAuthenticator filled() {
  SslPreSharedKeyAuthenticator authenticator;
  authenticator.setIdentity("alice");
  authenticator.setPreSharedKey("secret");
  authenticator.setHash(pre_shared_key_hash::sha384);
  return authenticator;
}

TEST(qt_pre_shared_key_authenticator, of_no_connection_is_empty) {
  const SslPreSharedKeyAuthenticator authenticator;
  EXPECT_TRUE(authenticator.identityHint().isEmpty());
  EXPECT_TRUE(authenticator.identity().isEmpty());
  EXPECT_TRUE(authenticator.preSharedKey().isEmpty());
  EXPECT_EQ(authenticator.maximumIdentityLength(), 0);
  EXPECT_EQ(authenticator.maximumPreSharedKeyLength(), 0);
  EXPECT_EQ(authenticator.hash(), pre_shared_key_hash::sha256);
}

TEST(qt_pre_shared_key_authenticator, copies_are_equal_until_one_is_changed) {
  for (const auto change : {+[](SslPreSharedKeyAuthenticator& a) { a.setIdentity("bob"); },
                            +[](SslPreSharedKeyAuthenticator& a) { a.setPreSharedKey("another"); },
                            +[](SslPreSharedKeyAuthenticator& a) { a.setHash(pre_shared_key_hash::sha256); }}) {
    const SslPreSharedKeyAuthenticator one = filled();
    SslPreSharedKeyAuthenticator other = one;
    EXPECT_TRUE(one == other);
    change(other);
    EXPECT_TRUE(one != other);
    EXPECT_TRUE(one == filled());
  }
}

TEST(qt_pre_shared_key_authenticator, swap_exchanges_all) {
  SslPreSharedKeyAuthenticator one = filled();
  SslPreSharedKeyAuthenticator other;
  one.swap(other);
  EXPECT_TRUE(one == SslPreSharedKeyAuthenticator());
  EXPECT_TRUE(other == filled());
  EXPECT_EQ(other.identity(), "alice");
  EXPECT_EQ(other.preSharedKey(), "secret");
  EXPECT_EQ(other.hash(), pre_shared_key_hash::sha384);
}

}  // namespace
}  // namespace sallyport::qt
