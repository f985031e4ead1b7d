// Points in time as people plan by them.
//
// SPDX-License-Identifier: Apache-2.0
#include "days.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace sallyport::tool {
namespace {

using namespace std::chrono_literals;

TEST(ToolDays, AreWholeOnes) {
  EXPECT_EQ(whole_days(72h), 3);
  EXPECT_EQ(whole_days(47h), 1);
  EXPECT_EQ(whole_days(23h), 0);
  EXPECT_EQ(whole_days(-1h), -1);
}

TEST(ToolDays, Text) {
  EXPECT_EQ(days_text(48h), "2 days");
  EXPECT_EQ(days_text(47h), "1 day");
  EXPECT_EQ(days_text(23h), "23 hours");
  EXPECT_EQ(days_text(90min), "1 hour");
  EXPECT_EQ(days_text(59min), "less than an hour");
}

TEST(ToolDays, Date) {
  using std::chrono::sys_days;
  EXPECT_EQ(date_text(sys_days(std::chrono::year(2026) / 12 / 1)), "2026-12-01");
  EXPECT_EQ(date_text(sys_days(std::chrono::year(2026) / 12 / 1) - 1s), "2026-11-30");
  EXPECT_EQ(time_text(sys_days(std::chrono::year(2026) / 12 / 1) + 13h + 5min + 59s), "2026-12-01 13:05 UTC");
}

}  // namespace
}  // namespace sallyport::tool
