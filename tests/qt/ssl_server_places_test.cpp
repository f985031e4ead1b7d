// ssl_server_places_test: who has to go when there is no room.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_server_places.hpp"

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace sallyport::qt {
namespace {

using std::chrono::milliseconds;

class ssl_server_places_test : public testing::Test {
 protected:
  static std::optional<peer_network> peer(const char* address) {
    return peer_network_of(QHostAddress(QString::fromLatin1(address)));
  }

  /// No sockets are needed: what is compared are addresses in memory.
  SslSocket* add(const char* address, milliseconds timeout = milliseconds(5000)) {
    auto* const socket = reinterpret_cast<SslSocket*>(&memory_.at(next_++));
    places_.take({.socket = socket, .peer = peer(address), .timeout = timeout});
    return socket;
  }

  void pass(milliseconds time) {
    for (auto left = time; left > milliseconds(0); left -= ssl_server_places::pulse_interval) places_.pulse();
  }

  SslSocket* displaced_by(const char* address, bool is_full = false) {
    const auto* const place = places_.displaced_by(peer(address), is_full);
    return place == nullptr ? nullptr : place->socket;
  }

  std::set<const SslSocket*> with_client_hello_;
  ssl_server_places places_{[this](const SslSocket& socket) { return with_client_hello_.contains(&socket); }};

 private:
  std::array<char, 64> memory_{};
  std::size_t next_ = 0;
};

TEST_F(ssl_server_places_test, a_client_is_an_ipv4_address_or_a_network_of_ipv6) {
  EXPECT_EQ(peer("192.0.2.1"), peer("::ffff:192.0.2.1"));
  EXPECT_NE(peer("192.0.2.1"), peer("192.0.2.2"));
  EXPECT_EQ(peer("2001:db8:0:1::1"), peer("2001:db8:0:1:ffff::2"));
  EXPECT_NE(peer("2001:db8:0:1::1"), peer("2001:db8:0:2::1"));
  EXPECT_NE(peer("::c000:201"), peer("192.0.2.1"));
  EXPECT_EQ(peer_network_of(QHostAddress()), std::nullopt);
}

TEST_F(ssl_server_places_test, with_a_strict_share_the_clients_own_oldest_goes_at_once_and_silent_ones_first) {
  places_.set_share(2, true);
  auto* const first = add("192.0.2.1");
  add("192.0.2.2");
  EXPECT_EQ(displaced_by("192.0.2.1"), nullptr);
  auto* const second = add("192.0.2.1");
  EXPECT_EQ(displaced_by("192.0.2.1"), first);
  EXPECT_EQ(displaced_by("192.0.2.2"), nullptr);
  with_client_hello_.insert(first);
  EXPECT_EQ(displaced_by("192.0.2.1"), second);
  with_client_hello_.insert(second);
  EXPECT_EQ(displaced_by("192.0.2.1"), first);
}

TEST_F(ssl_server_places_test, otherwise_a_client_beyond_its_share_has_a_quarter_of_a_second) {
  places_.set_share(2, false);
  auto* const first = add("192.0.2.1");
  add("192.0.2.1");
  EXPECT_EQ(displaced_by("192.0.2.1"), nullptr);
  pass(milliseconds(250));
  EXPECT_EQ(displaced_by("192.0.2.1"), nullptr);
  pass(milliseconds(50));
  EXPECT_EQ(displaced_by("192.0.2.1"), first);
}

TEST_F(ssl_server_places_test, an_address_whose_clients_were_silent_is_not_waited_for_until_one_is_complete) {
  places_.set_share(2, false);
  auto* const first = add("192.0.2.1");
  auto* const second = add("192.0.2.1");
  pass(milliseconds(300));
  places_.displace(*places_.displaced_by(peer("192.0.2.1"), false));
  places_.give_back(first);
  auto* const third = add("192.0.2.1");
  EXPECT_EQ(displaced_by("192.0.2.1"), second);
  places_.give_back(second);
  auto* const fourth = add("192.0.2.1");
  EXPECT_EQ(displaced_by("192.0.2.1"), third);

  places_.give_back(fourth);
  places_.note_success(peer("192.0.2.1"));
  add("192.0.2.1");
  EXPECT_EQ(displaced_by("192.0.2.1"), nullptr);
}

TEST_F(ssl_server_places_test, when_it_is_full_silent_clients_have_a_second_and_others_half_of_their_timeout) {
  places_.set_share(10, false);
  auto* const started = add("192.0.2.1");
  with_client_hello_.insert(started);
  auto* const silent = add("192.0.2.2");
  EXPECT_FALSE(places_.can_make_room());
  pass(milliseconds(1050));
  EXPECT_TRUE(places_.can_make_room());
  EXPECT_EQ(displaced_by("192.0.2.3", true), silent);
  EXPECT_EQ(displaced_by("192.0.2.3", false), nullptr);
  with_client_hello_.insert(silent);
  EXPECT_EQ(displaced_by("192.0.2.3", true), nullptr);
  pass(milliseconds(1500));
  EXPECT_EQ(displaced_by("192.0.2.3", true), started);
}

TEST_F(ssl_server_places_test, when_it_is_full_who_is_beyond_his_share_goes_first) {
  places_.set_share(2, false);
  add("192.0.2.1");
  pass(milliseconds(2000));
  auto* const greedy = add("192.0.2.2");
  add("192.0.2.2");
  EXPECT_NE(displaced_by("192.0.2.3", true), greedy);
  pass(milliseconds(300));
  EXPECT_EQ(displaced_by("192.0.2.3", true), greedy);
}

TEST_F(ssl_server_places_test, a_short_timeout_shortens_the_patience) {
  places_.set_share(10, false);
  auto* const silent = add("192.0.2.1", milliseconds(500));
  pass(milliseconds(100));
  EXPECT_EQ(displaced_by("192.0.2.2", true), nullptr);
  pass(milliseconds(50));
  EXPECT_EQ(displaced_by("192.0.2.2", true), silent);
}

TEST_F(ssl_server_places_test, who_was_displaced_does_not_count_and_is_not_displaced_again) {
  places_.set_share(2, true);
  auto* const first = add("192.0.2.1");
  auto* const second = add("192.0.2.1");
  places_.displace(*places_.displaced_by(peer("192.0.2.1"), false));
  EXPECT_EQ(places_.size(), 1U);
  EXPECT_FALSE(places_.empty());
  add("192.0.2.1");
  EXPECT_EQ(displaced_by("192.0.2.1"), second);
  EXPECT_TRUE(places_.give_back(first)->is_displaced);
  EXPECT_EQ(places_.size(), 2U);
  EXPECT_FALSE(places_.give_back(first));
}

TEST_F(ssl_server_places_test, clients_without_an_address_have_no_share) {
  places_.set_share(1, true);
  places_.take({.socket = reinterpret_cast<SslSocket*>(this), .timeout = milliseconds(5000)});
  EXPECT_EQ(places_.displaced_by(std::nullopt, false), nullptr);
  EXPECT_EQ(places_.give_back(reinterpret_cast<SslSocket*>(this))->peer, std::nullopt);
}

}  // namespace
}  // namespace sallyport::qt
