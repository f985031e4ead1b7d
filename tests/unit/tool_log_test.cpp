// Log lines: whatever clients send, a line stays one line, and JSON stays JSON.
//
// SPDX-License-Identifier: Apache-2.0
#include "log.hpp"
#include "text.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::tool {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

// 2026-11-22T06:35:21.123Z
constexpr auto a_time = std::chrono::sys_days(std::chrono::November / 22 / 2026) + 6h + 35min + 21s + 123ms;

std::string text_line(std::string_view message, const std::vector<log_field>& fields = {}) {
  return format_log_line(log_format::text, a_time, log_level::info, message, fields);
}

std::string json_line(std::string_view message, const std::vector<log_field>& fields = {}) {
  return format_log_line(log_format::json, a_time, log_level::info, message, fields);
}

TEST(ToolLog, TextLinesBeginWithTimeAndLevel) {
  EXPECT_EQ(text_line("listening on 127.0.0.1:8443"), "2026-11-22T06:35:21.123Z info listening on 127.0.0.1:8443");
  EXPECT_EQ(format_log_line(log_format::text, std::chrono::sys_days{} + 5ms, log_level::warning, "accept failed", {}),
            "1970-01-01T00:00:00.005Z warning accept failed");
}

TEST(ToolLog, JsonLinesAreObjects) {
  EXPECT_EQ(json_line("listening on 127.0.0.1:8443"),
            R"({"ts":"2026-11-22T06:35:21.123Z","level":"info","msg":"listening on 127.0.0.1:8443"})");
}

TEST(ToolLog, FieldsHaveTypes) {
  const std::vector<log_field> fields{
      {"text", "a"},       {"yes", true},  {"no", false}, {"int", -1}, {"size", std::size_t{2}},
      {"big", UINT64_MAX}, {"double", 1.5}};
  EXPECT_EQ(text_line("m", fields),
            "2026-11-22T06:35:21.123Z info m text=a yes=true no=false int=-1 size=2 big=18446744073709551615 "
            "double=1.500");
  EXPECT_EQ(json_line("m", fields),
            R"({"ts":"2026-11-22T06:35:21.123Z","level":"info","msg":"m","text":"a","yes":true,"no":false,"int":-1,)"
            R"("size":2,"big":18446744073709551615,"double":1.500})");
}

struct row {
  std::string value;
  std::string text;
  std::string json;
};

// A field's value, and how it is written in the two formats.
const std::vector<row> values{
    {"plain", "plain", R"("plain")"},
    {"", R"("")", R"("")"},
    {"two words", R"("two words")", R"("two words")"},
    {"a=b", R"("a=b")", R"("a=b")"},
    {R"(say "hi")", R"("say \"hi\"")", R"("say \"hi\"")"},
    {R"(back\slash)", R"("back\\slash")", R"("back\\slash")"},
    {"line\nbreak", R"("line\nbreak")", R"("line\nbreak")"},
    {"\r\n", R"("\r\n")", R"("\u000d\n")"},
    {"\t", R"("\t")", R"("\u0009")"},
    {"nul\0nul"s, R"("nul\u{0}nul")", R"("nul\u0000nul")"},
    {"\x1b[31mred", R"("\u{1b}[31mred")", R"("\u001b[31mred")"},
    {"\x7f", R"("\u{7f}")", R"("\u007f")"},
    {"\xc3\xbc", "\xc3\xbc", "\"\xc3\xbc\""},                          // a plain umlaut
    {"\xf0\x9f\x8f\xb0", "\xf0\x9f\x8f\xb0", "\"\xf0\x9f\x8f\xb0\""},  // a castle, four bytes
    {"\xc2\x9b"
     "31m",
     R"("\u{9b}31m")", R"("\u009b31m")"},                                            // C1: CSI in one character
    {"\xe2\x80\xa8", R"("\u{2028}")", R"("\u2028")"},                                // line separator
    {"\xe2\x80\xae", R"("\u{202e}")", R"("\u202e")"},                                // right-to-left override
    {"\xf3\xa0\x80\x81", R"("\u{e0001}")", R"("\udb40\udc01")"},                     // a tag, beyond JSON's \u
    {"\xff", R"("\xff")", R"("\ufffd")"},                                            // never in UTF-8
    {"\xc3", R"("\xc3")", R"("\ufffd")"},                                            // cut off
    {"\xe2\x82", R"("\xe2\x82")", R"("\ufffd\ufffd")"},                              // cut off
    {"\xc0\x8a", R"("\xc0\x8a")", R"("\ufffd\ufffd")"},                              // an overlong line feed
    {"\xe0\x80\x8a", R"("\xe0\x80\x8a")", R"("\ufffd\ufffd\ufffd")"},                // a longer one
    {"\xed\xa0\x80", R"("\xed\xa0\x80")", R"("\ufffd\ufffd\ufffd")"},                // a surrogate
    {"\xf4\x90\x80\x80", R"("\xf4\x90\x80\x80")", R"("\ufffd\ufffd\ufffd\ufffd")"},  // beyond U+10FFFF
    {"\x80x", R"("\x80x")", R"("\ufffdx")"},                                         // a continuation without its lead
};

TEST(ToolLog, ValuesAreQuotedAndEscaped) {
  for (const row& row : values) {
    SCOPED_TRACE(row.text);
    EXPECT_EQ(text_line("m", {{"v", row.value}}), "2026-11-22T06:35:21.123Z info m v=" + row.text);
    EXPECT_EQ(json_line("m", {{"v", row.value}}),
              R"({"ts":"2026-11-22T06:35:21.123Z","level":"info","msg":"m","v":)" + row.json + "}");
  }
}

TEST(ToolLog, MessagesAreEscapedToo) {
  EXPECT_EQ(text_line("a\nb"), R"(2026-11-22T06:35:21.123Z info a\nb)");
  EXPECT_EQ(json_line("a\n\"b"), R"({"ts":"2026-11-22T06:35:21.123Z","level":"info","msg":"a\n\"b"})");
}

TEST(ToolLog, NoByteBreaksALine) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string value(1, static_cast<char>(byte));
    for (const std::string& line : {text_line(value, {{"v", value}}), json_line(value, {{"v", value}})}) {
      for (const char c : line) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << "byte " << byte;
      EXPECT_EQ(line.find('\x7f'), std::string::npos) << "byte " << byte;
    }
  }
}

TEST(ToolLog, PrintableKeepsQuotesAndBackslashes) {
  EXPECT_EQ(printable(R"(C:\x "y")"), R"(C:\x "y")");
  EXPECT_EQ(printable("a\nb\xff"), R"(a\nb\xff)");
}

TEST(ToolLog, WritesFromItsLevelOn) {
  testing::internal::CaptureStderr();
  logger log(log_level::warning, log_format::text);
  log.debug("too low");
  log.info("too low");
  log.warning("a warning", {{"k", "v"}});
  log.error("an error");
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_EQ(written.find("too low"), std::string::npos) << written;
  EXPECT_NE(written.find(" warning a warning k=v\n"), std::string::npos) << written;
  EXPECT_NE(written.find(" error an error\n"), std::string::npos) << written;
  EXPECT_TRUE(log.enabled(log_level::warning));
  EXPECT_FALSE(log.enabled(log_level::info));
}

TEST(ToolLog, WritesNothingWhenOff) {
  testing::internal::CaptureStderr();
  logger log(log_level::off, log_format::json);
  log.error("an error");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_FALSE(log.enabled(log_level::error));
  EXPECT_FALSE(log.enabled(log_level::off));
}

TEST(ToolLog, FormatCharactersInMessagesMeanNothing) {
  testing::internal::CaptureStderr();
  logger log(log_level::info, log_format::text);
  log.info("{} %v %s", {{"v", "{0}%n"}});
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_NE(written.find(" info {} %v %s v={0}%n\n"), std::string::npos) << written;
}

TEST(ToolLogSampler, AdmitsOnePerIntervalAndCountsTheRest) {
  log_sampler sampler(1s);
  const std::chrono::steady_clock::time_point start{100s};
  std::uint64_t suppressed = 99;
  EXPECT_TRUE(sampler.admit(start, suppressed));
  EXPECT_EQ(suppressed, 0u);
  EXPECT_FALSE(sampler.admit(start, suppressed));
  EXPECT_FALSE(sampler.admit(start + 999ms, suppressed));
  EXPECT_TRUE(sampler.admit(start + 1s, suppressed));
  EXPECT_EQ(suppressed, 2u);
  EXPECT_FALSE(sampler.admit(start + 1999ms, suppressed));
  EXPECT_TRUE(sampler.admit(start + 10s, suppressed));
  EXPECT_EQ(suppressed, 1u);
  EXPECT_TRUE(sampler.admit(start + 20s, suppressed));
  EXPECT_EQ(suppressed, 0u);
}

}  // namespace
}  // namespace sallyport::tool
