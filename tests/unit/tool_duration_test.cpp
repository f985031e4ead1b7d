// Durations on the command line: what is taken, and what is said of the rest.
//
// SPDX-License-Identifier: Apache-2.0
#include "duration.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::tool {
namespace {

using namespace std::chrono_literals;

TEST(ToolDuration, TakesANumberAndItsUnit) {
  struct row {
    std::string_view text;
    std::chrono::milliseconds parsed;
    std::string_view written;
  };
  const std::vector<row> rows{
      {"0ms", 0ms, "0s"},        {"0h", 0ms, "0s"},
      {"1ms", 1ms, "1ms"},       {"500ms", 500ms, "500ms"},
      {"1000ms", 1s, "1s"},      {"1500ms", 1500ms, "1500ms"},
      {"5s", 5s, "5s"},          {"007s", 7s, "7s"},
      {"60s", 60s, "1m"},        {"2m", 2min, "2m"},
      {"90m", 90min, "90m"},     {"1h", 1h, "1h"},
      {"8760h", 8760h, "8760h"}, {"31536000s", 8760h, "8760h"},
  };
  for (const row& row : rows) {
    SCOPED_TRACE(row.text);
    const auto parsed = parse_duration(row.text);
    ASSERT_FALSE(parsed.has_error()) << parsed.error().detail;
    EXPECT_EQ(*parsed, row.parsed);
    EXPECT_EQ(to_string(*parsed), row.written);
  }
}

TEST(ToolDuration, SaysWhatIsWrong) {
  struct row {
    std::string_view text;
    std::string message;
  };
  const std::string write_it = " (write it like 500ms, 5s, 2m or 1h)";
  const std::vector<row> rows{
      {"", "\"\" is not a duration" + write_it},
      {"s", "\"s\" is not a duration" + write_it},
      {"5", "\"5\" has no unit" + write_it},
      {"0", "\"0\" has no unit" + write_it},
      {"99999999999999999999", "\"99999999999999999999\" has no unit" + write_it},
      {"-5s", "\"-5s\" is not a duration" + write_it},
      {"+5s", "\"+5s\" is not a duration" + write_it},
      {"1.5s", "\"1.5s\" is not a duration" + write_it},
      {"1h30m", "\"1h30m\" is not a duration" + write_it},
      {"5 s", "\"5 s\" is not a duration" + write_it},
      {" 5s", "\" 5s\" is not a duration" + write_it},
      {"5s ", "\"5s \" is not a duration" + write_it},
      {"5S", "\"5S\" is not a duration" + write_it},
      {"5sec", "\"5sec\" is not a duration" + write_it},
      {"5us", "\"5us\" is not a duration" + write_it},
      {"5d", "\"5d\" is not a duration" + write_it},
      {"forever", "\"forever\" is not a duration" + write_it},
      {"8761h", "\"8761h\" is too long (at most 8760h)"},
      {"31536001s", "\"31536001s\" is too long (at most 8760h)"},
      {"9223372036854775807h", "\"9223372036854775807h\" is too long (at most 8760h)"},
      {"9223372036854775808ms", "\"9223372036854775808ms\" is too long (at most 8760h)"},
      {"99999999999999999999999ms", "\"99999999999999999999999ms\" is too long (at most 8760h)"},
      {"5\n", R"("5\n" is not a duration)" + write_it},
  };
  for (const row& row : rows) {
    SCOPED_TRACE(row.text);
    const auto parsed = parse_duration(row.text);
    ASSERT_TRUE(parsed.has_error());
    EXPECT_EQ(parsed.error().detail, row.message);
  }
}

}  // namespace
}  // namespace sallyport::tool
