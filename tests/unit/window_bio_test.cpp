// window_bio: the BIO between OpenSSL and the caller's window.
//
// SPDX-License-Identifier: Apache-2.0
#include "tls/window_bio.hpp"

#include <gtest/gtest.h>

#include <array>
#include <span>
#include <string>
#include <string_view>

namespace sallyport::test {
namespace {

class window_bio : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(bio_, nullptr); }

  /// What a read of `size` bytes brings; "" if none.
  std::string read(std::size_t size) {
    std::string data(size, '?');
    std::size_t bytes = 0;
    if (BIO_read_ex(bio_.get(), data.data(), size, &bytes) != 1) return "";
    return data.substr(0, bytes);
  }

  /// The number of bytes written.
  std::size_t write(std::string_view data) {
    std::size_t bytes = 0;
    return BIO_write_ex(bio_.get(), data.data(), data.size(), &bytes) == 1 ? bytes : 0;
  }

  void lend(std::string_view input) {
    window_ = {.input = std::as_bytes(std::span(input)), .output = std::as_writable_bytes(std::span(output_))};
    state_.window = &window_;
  }

  std::string_view written() const { return {output_.data(), window_.produced}; }

  std::array<char, 8> output_{};
  io_window window_;
  detail::window_bio state_;
  detail::bio_ptr bio_ = state_.make_bio();
};

TEST_F(window_bio, reads_from_the_front_of_the_input) {
  lend("abcdef");
  EXPECT_EQ(read(2), "ab");
  EXPECT_EQ(window_.input.size(), 4U);
  EXPECT_EQ(read(100), "cdef");
  EXPECT_TRUE(window_.input.empty());
}

TEST_F(window_bio, an_empty_input_is_worth_a_retry) {
  lend("");
  EXPECT_EQ(read(1), "");
  EXPECT_TRUE(BIO_should_read(bio_.get()));
  EXPECT_TRUE(BIO_should_retry(bio_.get()));
  EXPECT_FALSE(BIO_should_write(bio_.get()));

  lend("x");
  EXPECT_EQ(read(1), "x");
  EXPECT_FALSE(BIO_should_retry(bio_.get()));
}

TEST_F(window_bio, writes_as_much_as_there_is_room_for) {
  lend("");
  EXPECT_EQ(write("abc"), 3U);
  EXPECT_EQ(written(), "abc");
  EXPECT_EQ(write("defghijk"), 5U);
  EXPECT_EQ(written(), "abcdefgh");
  EXPECT_EQ(write("i"), 0U);
  EXPECT_TRUE(BIO_should_write(bio_.get()));
  EXPECT_TRUE(BIO_should_retry(bio_.get()));
  EXPECT_FALSE(BIO_should_read(bio_.get()));

  lend("");
  EXPECT_EQ(write("i"), 1U);
  EXPECT_FALSE(BIO_should_retry(bio_.get()));
  EXPECT_EQ(written(), "i");
}

TEST_F(window_bio, no_room_and_no_input_at_all) {
  window_ = {};
  state_.window = &window_;
  EXPECT_EQ(read(1), "");
  EXPECT_TRUE(BIO_should_read(bio_.get()));
  EXPECT_EQ(write("a"), 0U);
  EXPECT_TRUE(BIO_should_write(bio_.get()));
}

// Between steps there is nothing to read from: a call there is a mistake, and not worth a retry.
TEST_F(window_bio, without_a_window_fails) {
  lend("abc");
  state_.window = nullptr;
  EXPECT_EQ(read(1), "");
  EXPECT_FALSE(BIO_should_retry(bio_.get()));
  EXPECT_EQ(write("a"), 0U);
  EXPECT_FALSE(BIO_should_retry(bio_.get()));
}

TEST_F(window_bio, cut_off_gives_no_more_input_and_still_takes_output) {
  lend("abc");
  state_.cut_off = true;
  EXPECT_EQ(read(1), "");
  EXPECT_FALSE(BIO_should_retry(bio_.get()));
  EXPECT_EQ(window_.input.size(), 3U);
  EXPECT_EQ(write("alert"), 5U);
  EXPECT_EQ(written(), "alert");
}

TEST_F(window_bio, flushing_has_nothing_to_do_and_succeeds) {
  lend("");
  EXPECT_EQ(BIO_flush(bio_.get()), 1);
  EXPECT_EQ(BIO_eof(bio_.get()), 0);
}

TEST_F(window_bio, two_have_windows_of_their_own) {
  detail::window_bio other_state;
  const detail::bio_ptr other = other_state.make_bio();
  io_window other_window{.input = std::as_bytes(std::span("other", 5))};
  other_state.window = &other_window;
  lend("mine");
  EXPECT_EQ(read(100), "mine");
  EXPECT_EQ(other_window.input.size(), 5U);
}

}  // namespace
}  // namespace sallyport::test
