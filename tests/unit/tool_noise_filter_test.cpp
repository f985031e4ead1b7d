// Floods of failed handshakes: the first ones of each reason are told, and of the others none is lost from the count.
//
// SPDX-License-Identifier: Apache-2.0
#include "noise_filter.hpp"

#include <sallyport/handshake_report.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace sallyport::tool {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::address;

constexpr auto noise = handshake_error::not_tls;
constexpr auto trouble = handshake_error::internal;
constexpr noise_filter::time_point start{100s};
const address a_client = boost::asio::ip::make_address("192.0.2.1");

noise_filter make_filter() { return noise_filter({.interval = 10s, .expected = 3, .unexpected = 5}); }

address client(unsigned number) { return boost::asio::ip::address_v4(0xC0000200u + number); }

TEST(ToolNoiseFilter, TheReasonsOfThisTestAreOfBothKinds) {
  EXPECT_TRUE(explain(noise).expected);
  EXPECT_FALSE(explain(trouble).expected);
}

TEST(ToolNoiseFilter, AdmitsTheFirstOfAnInterval) {
  noise_filter filter = make_filter();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(filter.admit(noise, a_client, start + i * 1s)) << i;
  EXPECT_FALSE(filter.due());
  EXPECT_FALSE(filter.admit(noise, a_client, start + 3s));
  EXPECT_FALSE(filter.admit(noise, a_client, start + 9s));
  EXPECT_EQ(filter.due(), start + 10s);

  EXPECT_TRUE(filter.take_ended(start + 10s - 1ns).empty());
  const auto summaries = filter.take_ended(start + 10s);
  ASSERT_EQ(summaries.size(), 1u);
  EXPECT_EQ(summaries[0].reason, noise);
  EXPECT_EQ(summaries[0].suppressed, 2u);
  EXPECT_EQ(summaries[0].addresses, 1u);
  EXPECT_EQ(summaries[0].interval, 10s);
  EXPECT_FALSE(filter.due());
  EXPECT_TRUE(filter.take_ended(start + 30s).empty());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(filter.admit(noise, a_client, start + 11s)) << i;
  EXPECT_FALSE(filter.admit(noise, a_client, start + 11s));
  EXPECT_EQ(filter.due(), start + 21s) << "the interval begins with its first failure";
}

TEST(ToolNoiseFilter, MoreOfWhatIsNotExpected) {
  noise_filter filter = make_filter();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(filter.admit(trouble, a_client, start)) << i;
  EXPECT_FALSE(filter.admit(trouble, a_client, start));
}

TEST(ToolNoiseFilter, EachReasonHasItsOwnShare) {
  noise_filter filter = make_filter();
  for (int i = 0; i < 10; ++i) filter.admit(noise, a_client, start);
  EXPECT_TRUE(filter.admit(trouble, a_client, start));
  EXPECT_TRUE(filter.admit(handshake_error::plain_http, a_client, start));
  for (int i = 0; i < 10; ++i) filter.admit(trouble, a_client, start);
  const auto summaries = filter.take_all(start + 2s);
  ASSERT_EQ(summaries.size(), 2u);
  EXPECT_EQ(summaries[0].reason, noise);
  EXPECT_EQ(summaries[0].suppressed, 7u);
  EXPECT_EQ(summaries[0].interval, 2s);
  EXPECT_EQ(summaries[1].reason, trouble);
  EXPECT_EQ(summaries[1].suppressed, 6u);
  EXPECT_TRUE(filter.take_all(start + 2s).empty());
}

TEST(ToolNoiseFilter, AQuietIntervalLeavesNothing) {
  noise_filter filter = make_filter();
  EXPECT_TRUE(filter.take_all(start).empty());
  filter.admit(noise, a_client, start);
  EXPECT_TRUE(filter.take_ended(start + 10s).empty());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(filter.admit(noise, a_client, start + 10s)) << i;
}

TEST(ToolNoiseFilter, CountsTheAddressesOfThoseHeldBack) {
  noise_filter filter = make_filter();
  for (unsigned i = 0; i < 3; ++i) filter.admit(noise, client(200 + i), start);
  for (unsigned i = 0; i < 100; ++i) filter.admit(noise, client(i % 7), start);
  filter.admit(noise, address(), start);  // of a unix socket
  const auto summaries = filter.take_all(start);
  ASSERT_EQ(summaries.size(), 1u);
  EXPECT_EQ(summaries[0].suppressed, 101u);
  EXPECT_EQ(summaries[0].addresses, 7u);
}

TEST(ToolNoiseFilter, AndStopsCountingThem) {
  noise_filter filter = make_filter();
  for (unsigned i = 0; i < 10'000; ++i) filter.admit(noise, client(i), start);
  const auto summaries = filter.take_all(start);
  ASSERT_EQ(summaries.size(), 1u);
  EXPECT_EQ(summaries[0].suppressed, 9'997u);
  EXPECT_EQ(summaries[0].addresses, noise_filter::max_addresses);
}

TEST(ToolNoiseFilter, LosesNoCount) {
  std::minstd_rand random(4711);
  noise_filter filter;  // with the command's own limits
  std::map<handshake_error, std::uint64_t> failed;
  std::map<handshake_error, std::uint64_t> told;
  const auto count = [&](const std::vector<noise_filter::summary>& summaries) {
    for (const auto& summary : summaries) told[summary.reason] += summary.suppressed;
  };
  const auto reasons = all_handshake_errors();
  auto now = start;
  for (int i = 0; i < 50'000; ++i) {
    now += std::chrono::microseconds(random() % 5000);
    if (random() % 10'000 == 0) now += 25s;
    const handshake_error reason = reasons[random() % reasons.size()];
    count(filter.take_ended(now));
    ++failed[reason];
    if (filter.admit(reason, client(static_cast<unsigned>(random() % 1000)), now)) ++told[reason];
  }
  count(filter.take_all(now));
  EXPECT_EQ(told, failed);
}

}  // namespace
}  // namespace sallyport::tool
