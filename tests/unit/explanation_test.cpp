// explain(): every reason has a text that helps.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/handshake_report.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport {
namespace {

TEST(explanation, is_there_for_every_reason) {
  std::set<std::string_view> actions;
  for (const handshake_error reason : all_handshake_errors()) {
    SCOPED_TRACE(to_string(reason));
    const explanation& about = explain(reason);
    EXPECT_EQ(about.reason, reason);
    EXPECT_GT(about.cause.size(), 100U);
    EXPECT_GT(about.cure.size(), 100U);
    EXPECT_TRUE(actions.insert(about.action).second) << "said of another reason too: " << about.action;
  }
}

// It follows a sentence and a colon in the log.
TEST(explanation, action_is_a_short_clause_of_plain_text) {
  for (const handshake_error reason : all_handshake_errors()) {
    const std::string_view action = explain(reason).action;
    SCOPED_TRACE(to_string(reason));
    EXPECT_GT(action.size(), 20U);
    EXPECT_LE(action.size(), 120U);
    EXPECT_TRUE(action.front() >= 'a' && action.front() <= 'z') << action;
    EXPECT_NE(action.back(), '.') << action;
    EXPECT_TRUE(std::ranges::all_of(action, [](char c) { return c >= ' ' && c <= '~' && c != '`' && c != '"'; }));
  }
}

// As the texts are both Markdown and what a terminal shows.
TEST(explanation, texts_are_plain_ascii_with_whole_code) {
  for (const handshake_error reason : all_handshake_errors()) {
    for (const std::string_view text : {explain(reason).cause, explain(reason).cure}) {
      SCOPED_TRACE(text);
      EXPECT_TRUE(std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }));
      EXPECT_EQ(std::ranges::count(text, '`') % 2, 0);
      EXPECT_EQ(text.find_first_of("<>|*"), text.find("</dev/null")) << "Markdown would take it for markup";
    }
  }
}

TEST(explanation, expected_is_what_scanners_and_closed_laptops_do) {
  using enum handshake_error;
  std::vector<handshake_error> expected;
  for (const handshake_error reason : all_handshake_errors()) {
    if (explain(reason).expected) expected.push_back(reason);
  }
  EXPECT_EQ(expected,
            (std::vector{timeout_before_client_hello, not_tls, plain_http, closed_by_client, reset_by_client}));
}

TEST(explanation, a_number_that_is_no_reason_is_ours) {
  EXPECT_EQ(explain(handshake_error{}).reason, handshake_error::internal);
  EXPECT_EQ(explain(static_cast<handshake_error>(1000)).reason, handshake_error::internal);
  EXPECT_EQ(explain(static_cast<handshake_error>(-1)).reason, handshake_error::internal);
}

TEST(detected_by, has_names) {
  EXPECT_EQ(to_string(detected_by::server), "server");
  EXPECT_EQ(to_string(detected_by::client), "client");
}

}  // namespace
}  // namespace sallyport
