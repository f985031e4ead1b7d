// sallyport explain: the texts, and what is said to a name that is no reason.
//
// SPDX-License-Identifier: Apache-2.0
#include "explain.hpp"

#include <sallyport/handshake_report.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::tool {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) all.push_back(line);
  return all;
}

// The text with each run of spaces and line ends as one space.
std::string unwrapped(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::string all;
  for (std::string word; stream >> word;) all += (all.empty() ? "" : " ") + word;
  return all;
}

TEST(ToolExplain, OneReason) {
  const std::string text = explanation_text(handshake_error::no_common_version);
  EXPECT_THAT(text, StartsWith("no_common_version\n\nClient and server share no TLS version.\n\nCause: "));
  EXPECT_THAT(text, HasSubstr("\nCure: "));
  EXPECT_THAT(text, HasSubstr("\n    openssl s_client -connect HOST:PORT -tls1_2 </dev/null\n"));
}

TEST(ToolExplain, NothingIsLostInAnyReason) {
  for (const handshake_error reason : all_handshake_errors()) {
    SCOPED_TRACE(to_string(reason));
    const explanation& about = explain(reason);
    for (const std::string& text : {explanation_text(reason), reasons_markdown()}) {
      EXPECT_THAT(text, HasSubstr(std::string(to_string(reason)) + "\n\n" + make_error_code(reason).message()));
      EXPECT_THAT(unwrapped(text), HasSubstr(unwrapped(about.cause)));
      EXPECT_THAT(unwrapped(text), HasSubstr(unwrapped(about.cure)));
    }
  }
}

TEST(ToolExplain, LinesAreOfATerminalsWidth) {
  for (const handshake_error reason : all_handshake_errors()) {
    for (const std::string& line : lines(explanation_text(reason))) {
      EXPECT_LE(line.size(), 100U) << line;
      EXPECT_FALSE(line.ends_with(' ')) << line;
      EXPECT_EQ(std::ranges::count(line, '`') % 2, 0) << "code in two lines: " << line;
    }
    EXPECT_TRUE(explanation_text(reason).ends_with('\n'));
  }
}

TEST(ToolExplain, AllReasonsInALineEach) {
  const std::vector<std::string> all = lines(reasons_text());
  const auto reasons = all_handshake_errors();
  ASSERT_EQ(all.size(), reasons.size() + 2);
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    EXPECT_THAT(all[i], StartsWith(std::string(to_string(reasons[i])) + "  "));
    EXPECT_TRUE(all[i].ends_with("  " + make_error_code(reasons[i]).message())) << all[i];
  }
  EXPECT_EQ(all.back(), "Cause and cure of one: sallyport explain REASON");
}

TEST(ToolExplain, ThePageHasOneSectionPerReason) {
  std::vector<std::string> headings;
  for (const std::string& line : lines(reasons_markdown())) {
    const bool is_entry_of_contents = line.starts_with("- [");
    EXPECT_LE(line.size(), is_entry_of_contents ? 150U : 120U) << line;
    if (line.starts_with("## ")) headings.push_back(line.substr(3));
  }
  std::vector<std::string> names;
  for (const handshake_error reason : all_handshake_errors()) names.emplace_back(to_string(reason));
  EXPECT_EQ(headings, names);
  EXPECT_THAT(reasons_markdown(), StartsWith("# Why a handshake failed\n\n"));
}

TEST(ToolExplain, NamesOfReasons) {
  for (const handshake_error reason : all_handshake_errors()) EXPECT_EQ(reason_from_name(to_string(reason)), reason);
  for (const std::string_view name : {"", "unknown", "Not_tls", "not_tls ", "not-tls", "not_tl"}) {
    EXPECT_EQ(reason_from_name(name), std::nullopt) << name;
  }
}

TEST(ToolExplain, NearestNames) {
  EXPECT_THAT(nearest_reasons("not_tsl"), ElementsAre("not_tls"));
  EXPECT_THAT(nearest_reasons("no_comon_cypher"), ElementsAre("no_common_cipher"));
  EXPECT_THAT(nearest_reasons("No-Common-Group"), ElementsAre("no_common_group"));
  EXPECT_THAT(nearest_reasons("timeout"), ElementsAre("timeout_before_client_hello", "timeout_in_handshake"));
  EXPECT_THAT(nearest_reasons("expired"), ElementsAre("client_certificate_expired"));
  EXPECT_EQ(nearest_reasons("no_common").size(), 3U);  // there are five
}

TEST(ToolExplain, NothingIsNearToWhatIsNoMistyping) {
  for (const std::string& name :
       {std::string(), std::string("x"), std::string("\xff\n"), std::string("cypher"), std::string(100'000, 'n')}) {
    EXPECT_TRUE(nearest_reasons(name).empty()) << name.substr(0, 10);
  }
}

TEST(ToolExplain, UnknownReason) {
  EXPECT_EQ(unknown_reason("not_tsl"),
            R"("not_tsl" is no reason; did you mean not_tls? (sallyport explain lists all))");
  EXPECT_EQ(unknown_reason("timeout"),
            R"("timeout" is no reason; did you mean timeout_before_client_hello or timeout_in_handshake? )"
            "(sallyport explain lists all)");
  EXPECT_THAT(unknown_reason("no_common"), HasSubstr("no_common_version, no_common_cipher or no_common_group?"));
  EXPECT_THAT(unknown_reason("a\nb"), StartsWith(R"("a\nb" is no reason)"));
}

}  // namespace
}  // namespace sallyport::tool
