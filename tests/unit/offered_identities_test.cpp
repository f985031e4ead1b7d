// What a TLS 1.3 ClientHello says about pre-shared keys, well-formed and not.
//
// SPDX-License-Identifier: Apache-2.0
#include "tls/offered_identities.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sallyport::detail {
namespace {

using bytes = std::vector<unsigned char>;

bytes with_length(std::size_t length_size, const bytes& value) {
  bytes made;
  for (std::size_t i = length_size; i-- > 0;) made.push_back(static_cast<unsigned char>(value.size() >> (8 * i)));
  made.insert(made.end(), value.begin(), value.end());
  return made;
}
bytes operator+(bytes one, const bytes& other) {
  one.insert(one.end(), other.begin(), other.end());
  return one;
}
bytes identity(const std::string& name, unsigned char age) {
  return with_length(2, bytes(name.begin(), name.end())) + bytes{0, 0, 0, age};
}

const bytes two = with_length(2, identity("alice", 0) + identity("ticket", 7)) +
                  with_length(2, with_length(1, bytes(32, 1)) + with_length(1, bytes(48, 2)));

TEST(offered_identities, are_told_with_age_and_binder) {
  const auto found = offered_identities(two, 8);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].name, "alice");
  EXPECT_EQ(found[0].obfuscated_ticket_age, 0U);
  EXPECT_EQ(found[0].binder_size, 32U);
  EXPECT_EQ(found[1].name, "ticket");
  EXPECT_EQ(found[1].obfuscated_ticket_age, 7U);
  EXPECT_EQ(found[1].binder_size, 48U);
}

TEST(offered_identities, stop_at_the_limit) { EXPECT_EQ(offered_identities(two, 1).size(), 1U); }

TEST(offered_identities, are_none_if_anything_is_cut_off) {
  for (std::size_t size = 0; size < two.size(); ++size) {
    EXPECT_TRUE(offered_identities(bytes(two.begin(), two.begin() + static_cast<std::ptrdiff_t>(size)), 8).empty())
        << size;
  }
}

TEST(offered_identities, are_none_with_an_empty_name_or_too_few_binders) {
  const bytes binder = with_length(1, bytes(32, 1));
  EXPECT_TRUE(offered_identities(with_length(2, identity("", 0)) + with_length(2, binder), 8).empty());
  EXPECT_TRUE(
      offered_identities(with_length(2, identity("a", 0) + identity("b", 0)) + with_length(2, binder), 8).empty());
  EXPECT_TRUE(offered_identities(with_length(2, identity("a", 0)) + with_length(2, with_length(1, {})), 8).empty());
}

TEST(offered_identities, count_only_with_a_fresh_key_exchange) {
  EXPECT_TRUE(offers_psk_with_dhe(bytes{1, 1}));
  EXPECT_TRUE(offers_psk_with_dhe(bytes{2, 0, 1}));
  EXPECT_FALSE(offers_psk_with_dhe(bytes{1, 0}));
  EXPECT_FALSE(offers_psk_with_dhe(bytes{}));
  EXPECT_FALSE(offers_psk_with_dhe(bytes{5, 1}));
}

TEST(offered_identities, count_only_in_tls_1_3) {
  EXPECT_TRUE(offers_tls_1_3(bytes{4, 3, 3, 3, 4}));
  EXPECT_FALSE(offers_tls_1_3(bytes{2, 3, 3}));
  EXPECT_FALSE(offers_tls_1_3(bytes{3, 3, 3, 3}));
  EXPECT_FALSE(offers_tls_1_3(bytes{}));
}

}  // namespace
}  // namespace sallyport::detail
