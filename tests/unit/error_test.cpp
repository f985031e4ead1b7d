// error: codes, names and sentences.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/error.hpp>

#include <gtest/gtest.h>
#include <boost/system/system_error.hpp>

#include <set>
#include <string>

namespace sallyport {
namespace {

template <class Enum>
void expect_complete(Enum last, const std::string& category) {
  std::set<std::string> names;
  std::set<std::string> sentences;
  for (int value = 1; value <= static_cast<int>(last); ++value) {
    const error_code code = static_cast<Enum>(value);
    EXPECT_EQ(code.category().name(), category);
    EXPECT_EQ(code.value(), value);
    EXPECT_TRUE(code.failed());
    const std::string sentence = code.message();
    EXPECT_TRUE(sentence.ends_with('.')) << sentence;
    EXPECT_NE(sentence, "Unknown error.") << value;
    EXPECT_TRUE(sentences.insert(sentence).second) << "twice: " << sentence;
    const std::string name{to_string(static_cast<Enum>(value))};
    EXPECT_NE(name, "unknown") << value;
    EXPECT_TRUE(names.insert(name).second) << "twice: " << name;
  }
  for (const int value : {-1, 0, static_cast<int>(last) + 1}) {
    EXPECT_EQ(to_string(static_cast<Enum>(value)), "unknown");
    EXPECT_EQ(make_error_code(static_cast<Enum>(value)).message(), "Unknown error.");
  }
}

TEST(error, every_value_has_a_name_and_a_sentence) {
  expect_complete(configuration_error::internal, "sallyport.configuration");
  expect_complete(handshake_error::internal, "sallyport.handshake");
  expect_complete(stream_error::message_flood, "sallyport.stream");
}

TEST(error, names_are_the_enumerators) {
  EXPECT_EQ(to_string(configuration_error::unreadable_file), "unreadable_file");
  EXPECT_EQ(to_string(configuration_error::wrong_passphrase), "wrong_passphrase");
  EXPECT_EQ(to_string(handshake_error::timeout_in_handshake), "timeout_in_handshake");
  EXPECT_EQ(to_string(handshake_error::evicted), "evicted");
  EXPECT_EQ(to_string(stream_error::truncated), "truncated");
}

TEST(error, categories_differ) {
  EXPECT_NE(error_code(configuration_error::internal), error_code(handshake_error::internal));
  EXPECT_NE(error_code(handshake_error::protocol_violation), error_code(stream_error::protocol_violation));
  EXPECT_EQ(error_code(stream_error::truncated), stream_error::truncated);
}

TEST(error, all_handshake_errors_are_in_the_enums_order) {
  const auto all = all_handshake_errors();
  ASSERT_EQ(all.size(), static_cast<std::size_t>(handshake_error::internal));
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(static_cast<std::size_t>(all[i]), i + 1);
}

TEST(error, value_of_a_refused_result_throws_the_code_with_the_sentence) {
  const result<int> refused = error{configuration_error::no_private_key, "server.key: no PRIVATE KEY block"};
  try {
    static_cast<void>(refused.value());
    FAIL() << "nothing was thrown";
  } catch (const boost::system::system_error& thrown) {
    EXPECT_EQ(thrown.code(), configuration_error::no_private_key);
    EXPECT_EQ(std::string(thrown.what()).find("server.key: no PRIVATE KEY block"), 0U) << thrown.what();
  }
}

}  // namespace
}  // namespace sallyport
