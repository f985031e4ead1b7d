// places: who may be in handshake at the same time, and who has to go.
//
// SPDX-License-Identifier: Apache-2.0
#include "net/places.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace sallyport::detail {
namespace {

constexpr client_address alice{1, true};
constexpr client_address bob{2, true};
constexpr auto nobody = std::nullopt;

TEST(places, there_is_room_up_to_the_limit) {
  place first, second;
  places all;
  all.set_limit(2);
  EXPECT_EQ(all.displaced_by(alice), nullptr);
  all.take(first, alice);
  EXPECT_EQ(all.displaced_by(alice), nullptr);
  all.take(second, bob);
  EXPECT_EQ(all.size(), 2U);
  EXPECT_EQ(all.displaced_by(alice), &first);
  EXPECT_TRUE(first.is_taken());
  all.give_back(first);
  EXPECT_FALSE(first.is_taken());
  EXPECT_EQ(all.size(), 1U);
  EXPECT_EQ(all.displaced_by(alice), nullptr);
}

TEST(places, the_oldest_without_a_client_hello_goes_first) {
  place first, second, third;
  places all;
  all.set_limit(3);
  for (place* each : {&first, &second, &third}) all.take(*each, nobody);
  EXPECT_EQ(all.displaced_by(nobody), &first);
  all.note_client_hello(first);
  EXPECT_EQ(all.displaced_by(nobody), &second);
  EXPECT_EQ(all.oldest_without_client_hello(), &second);
  all.note_client_hello(third);
  EXPECT_EQ(all.displaced_by(nobody), &second);
  all.give_back(second);
  EXPECT_EQ(all.oldest_without_client_hello(), nullptr);
}

TEST(places, when_all_have_sent_a_client_hello_the_one_that_sent_it_first_goes) {
  place first, second;
  places all;
  all.set_limit(2);
  all.take(first, nobody);
  all.take(second, nobody);
  all.note_client_hello(second);
  all.note_client_hello(first);
  EXPECT_EQ(all.displaced_by(nobody), &second);
}

TEST(places, a_second_client_hello_changes_nothing) {
  place first, second;
  places all;
  all.set_limit(2);
  all.take(first, alice);
  all.take(second, alice);
  all.note_client_hello(first);
  all.note_client_hello(second);
  all.note_client_hello(first);  // after a HelloRetryRequest
  EXPECT_EQ(all.displaced_by(nobody), &first);
  EXPECT_EQ(all.size(), 2U);
}

TEST(places, a_client_beyond_its_share_displaces_its_own) {
  place first, second, third;
  places all;
  all.set_limit_per_address(2);
  all.take(first, bob);
  all.take(second, alice);
  all.take(third, alice);
  EXPECT_EQ(all.displaced_by(alice), &second);  // though bob's is older
  EXPECT_EQ(all.displaced_by(bob), nullptr);
  all.note_client_hello(second);
  EXPECT_EQ(all.displaced_by(alice), &third);
  all.note_client_hello(third);
  EXPECT_EQ(all.displaced_by(alice), &second);
  all.give_back(third);
  EXPECT_EQ(all.displaced_by(alice), nullptr);
}

TEST(places, the_share_comes_before_the_limit) {
  place first, second;
  places all;
  all.set_limit(2);
  all.set_limit_per_address(1);
  all.take(first, bob);
  all.take(second, alice);
  EXPECT_EQ(all.displaced_by(alice), &second);
  EXPECT_EQ(all.displaced_by(bob), &first);
}

TEST(places, without_an_address_there_is_no_share) {
  std::vector<place> taken(10);
  places all;
  all.set_limit_per_address(1);
  for (auto& each : taken) {
    EXPECT_EQ(all.displaced_by(nobody), nullptr);
    all.take(each, nobody);
  }
  EXPECT_EQ(all.displaced_by(alice), nullptr);
  for (auto& each : taken) all.give_back(each);
  EXPECT_EQ(all.size(), 0U);
}

TEST(places, the_same_number_as_ipv4_and_ipv6_is_two_clients) {
  place first;
  places all;
  all.set_limit_per_address(1);
  all.take(first, client_address{1, true});
  EXPECT_EQ(all.displaced_by(client_address{1, false}), nullptr);
  EXPECT_EQ(all.displaced_by(client_address{1, true}), &first);
}

TEST(places, a_smaller_limit_displaces_until_there_is_room) {
  std::vector<place> taken(5);
  places all;
  for (auto& each : taken) all.take(each, alice);
  all.set_limit(2);
  std::vector<place*> displaced;
  while (place* const next = all.displaced_by(alice)) {
    displaced.push_back(next);
    all.give_back(*next);
  }
  EXPECT_EQ(displaced, (std::vector<place*>{&taken[0], &taken[1], &taken[2], &taken[3]}));
  all.set_limit(10);
  all.set_limit_per_address(1);
  EXPECT_EQ(all.displaced_by(alice), &taken[4]);
  EXPECT_EQ(all.displaced_by(bob), nullptr);
}

TEST(places, limits_are_at_least_one) {
  places all;
  all.set_limit(0);
  all.set_limit_per_address(0);
  EXPECT_EQ(all.limit(), 1U);
  EXPECT_EQ(all.limit_per_address(), 1U);
  EXPECT_EQ(all.displaced_by(alice), nullptr);
}

TEST(places, a_place_that_is_destroyed_is_given_back) {
  places all;
  all.set_limit_per_address(1);
  {
    place gone;
    all.take(gone, alice);
    EXPECT_EQ(all.displaced_by(alice), &gone);
  }
  EXPECT_EQ(all.size(), 0U);
  EXPECT_EQ(all.displaced_by(alice), nullptr);
  EXPECT_EQ(all.oldest(), nullptr);
}

TEST(places, the_places_may_go_before_a_place) {
  place left_over;
  {
    places all;
    all.take(left_over, alice);
  }
  EXPECT_FALSE(left_over.is_taken());
}

}  // namespace
}  // namespace sallyport::detail
