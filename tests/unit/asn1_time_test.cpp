// asn1_time: dates at the ends of what certificates can say and clocks can hold.
//
// SPDX-License-Identifier: Apache-2.0
#include "tls/asn1_time.hpp"

#include <gtest/gtest.h>
#include <openssl/asn1.h>
#include <openssl/err.h>

#include <chrono>
#include <memory>
#include <string>

namespace sallyport::detail {
namespace {

using std::chrono::sys_days;
using std::chrono::system_clock;
using namespace std::chrono_literals;

using time_ptr = std::unique_ptr<ASN1_TIME, openssl_free<ASN1_TIME_free>>;

time_ptr written(const std::string& digits) {
  time_ptr time(ASN1_TIME_new());
  EXPECT_EQ(ASN1_STRING_set(time.get(), digits.data(), static_cast<int>(digits.size())), 1);
  time->type = V_ASN1_GENERALIZEDTIME;
  return time;
}

TEST(asn1_time, is_read) {
  const auto some_day = written("20260131120000Z");
  EXPECT_EQ(time_of(some_day.get()), sys_days{2026y / 1 / 31} + 12h);
  EXPECT_EQ(seconds_of(some_day.get()), 1769860800s);
  EXPECT_EQ(time_of(written("22620101000000Z").get()), sys_days{2262y / 1 / 1});
}

TEST(asn1_time, that_a_clock_can_not_hold_is_its_nearest_point) {
  const auto endless = written("99991231235959Z");
  EXPECT_EQ(time_of(endless.get()), system_clock::time_point::max());
  EXPECT_EQ(seconds_of(endless.get()), 253402300799s);
  EXPECT_EQ(time_of(written("00000101000000Z").get()), system_clock::time_point::min());
}

TEST(asn1_time, that_can_not_be_read_is_none) {
  for (const char* digits : {"", "99991331235959Z", "never"}) {
    EXPECT_EQ(time_of(written(digits).get()), std::nullopt);
    EXPECT_EQ(seconds_of(written(digits).get()), std::nullopt);
  }
  EXPECT_EQ(time_of(nullptr), std::nullopt);
  EXPECT_EQ(seconds_of(nullptr), std::nullopt);
  EXPECT_EQ(ERR_peek_error(), 0U);
}

}  // namespace
}  // namespace sallyport::detail
