// utf8: what is escaped in a text from outside, and where it is cut.
//
// SPDX-License-Identifier: Apache-2.0
#include "tls/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sallyport {
namespace {

using namespace std::string_literals;
using detail::escaped_for_log;
using detail::shortened;

TEST(escaped_for_log, keeps_utf_8) {
  for (const std::string& text : {""s, "alice"s, "a\\b, \"c\""s, "Zoë Müller 日本 🐙"s,
                                  "\u00a0\u07ff\u0800\ud7ff\ue000"s, "\uffff\U00010000\U0010ffff"s}) {
    EXPECT_EQ(escaped_for_log(text), text);
  }
}

TEST(escaped_for_log, escapes_control_characters_and_what_reorders_a_line) {
  EXPECT_EQ(escaped_for_log("a\nb\r\x1b[31m\x7f\t"), "a\\0Ab\\0D\\1B[31m\\7F\\09");
  EXPECT_EQ(escaped_for_log("a\0b"s), "a\\00b");
  EXPECT_EQ(escaped_for_log("\u0080\u009f"), "\\C2\\80\\C2\\9F");
  EXPECT_EQ(escaped_for_log("a\u2028b\u202ec\u2066d\u200fe\u061c"),
            "a\\E2\\80\\A8b\\E2\\80\\AEc\\E2\\81\\A6d\\E2\\80\\8Fe\\D8\\9C");
}

TEST(escaped_for_log, escapes_what_is_not_utf_8) {
  EXPECT_EQ(escaped_for_log("a\xff\xfe"), "a\\FF\\FE");
  EXPECT_EQ(escaped_for_log("\x80z\xbf"), "\\80z\\BF");
  EXPECT_EQ(escaped_for_log("\xc3"), "\\C3");
  EXPECT_EQ(escaped_for_log("\xe6\x97x"), "\\E6\\97x");
  EXPECT_EQ(escaped_for_log("\xf0\x9f\x90"), "\\F0\\9F\\90");
  EXPECT_EQ(escaped_for_log("\xc0\xaf\xc1\xbf"), "\\C0\\AF\\C1\\BF");  // written too long
  EXPECT_EQ(escaped_for_log("\xe0\x80\xaf"), "\\E0\\80\\AF");
  EXPECT_EQ(escaped_for_log("\xf0\x8f\xbf\xbf"), "\\F0\\8F\\BF\\BF");
  EXPECT_EQ(escaped_for_log("\xed\xa0\x80\xed\xbf\xbf"), "\\ED\\A0\\80\\ED\\BF\\BF");  // surrogates
  EXPECT_EQ(escaped_for_log("\xf4\x90\x80\x80"), "\\F4\\90\\80\\80");                  // beyond the last character
}

TEST(shortened, cuts_between_characters) {
  EXPECT_EQ(shortened("", 3), "");
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("abcd", 3), "abc...");
  EXPECT_EQ(shortened("aëëë", 3), "aë...");
  EXPECT_EQ(shortened("aëëë", 4), "aë...");
  EXPECT_EQ(shortened("🐙🐙", 4), "🐙...");
  EXPECT_EQ(shortened("🐙🐙", 7), "🐙...");
  EXPECT_EQ(shortened("\x80\x80\x80", 2), "...");
}

}  // namespace
}  // namespace sallyport
