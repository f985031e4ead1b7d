// alert: names, compared with OpenSSL's.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/alert.hpp>

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <string>

namespace sallyport {
namespace {

std::string lower_case_words(std::string_view text) {
  std::string words{text};
  std::ranges::transform(words, words.begin(),
                         [](unsigned char c) { return c == '_' ? ' ' : static_cast<char>(std::tolower(c)); });
  return words;
}

TEST(alert, levels) {
  EXPECT_EQ(to_string(alert_level::warning), "warning");
  EXPECT_EQ(to_string(alert_level::fatal), "fatal");
  EXPECT_EQ(to_string(static_cast<alert_level>(0)), "unknown");
  EXPECT_EQ(to_string(static_cast<alert_level>(3)), "unknown");
}

TEST(alert, known_ones) {
  EXPECT_EQ(to_string(alert_type::close_notify), "close_notify");
  EXPECT_EQ(description(alert_type::close_notify), "close notify");
  EXPECT_EQ(to_string(alert_type::unknown_ca), "unknown_ca");
  EXPECT_EQ(description(alert_type::unknown_ca), "unknown CA");
  EXPECT_EQ(description(alert_type::unknown_psk_identity), "unknown PSK identity");
  EXPECT_EQ(description(alert_type::certificate_required), "certificate required");
  EXPECT_EQ(description(alert_type::no_application_protocol), "no application protocol");
}

TEST(alert, unregistered_ones_are_unknown) {
  for (const int value : {1, 9, 99, 119, 121, 255}) {
    EXPECT_EQ(to_string(static_cast<alert_type>(value)), "unknown") << value;
    EXPECT_EQ(description(static_cast<alert_type>(value)), "unknown") << value;
  }
}

// OpenSSL has no word for some that we have; that it has one where we don't is what this would find.
TEST(alert, descriptions_are_those_of_openssl) {
  const std::set<int> unknown_to_openssl_3_0{86, 109, 116};
  int compared = 0;
  for (int value = 0; value <= 255; ++value) {
    const auto type = static_cast<alert_type>(value);
    const std::string theirs = SSL_alert_desc_string_long(value);
    if (theirs == "unknown" && unknown_to_openssl_3_0.contains(value)) continue;
    // OpenSSL writes "unexpected_message" with its underscore.
    EXPECT_EQ(lower_case_words(description(type)), lower_case_words(theirs)) << value;
    if (theirs != "unknown") ++compared;
  }
  EXPECT_GE(compared, 30);
}

TEST(alert, name_and_description_say_the_same) {
  int known = 0;
  for (int value = 0; value <= 255; ++value) {
    const auto type = static_cast<alert_type>(value);
    EXPECT_EQ(lower_case_words(to_string(type)), lower_case_words(description(type))) << value;
    if (to_string(type) != "unknown") ++known;
  }
  EXPECT_EQ(known, 34);
}

}  // namespace
}  // namespace sallyport
