// pre_shared_key: what it holds, that it wipes it, and which keys an authenticator takes.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/pre_shared_key.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <vector>

namespace sallyport {
namespace {

using enum pre_shared_key_hash;

std::vector<std::byte> some_bytes(std::size_t size, int seed = 1) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 + static_cast<std::size_t>(seed));
  return bytes;
}

bool holds(const pre_shared_key& key, const std::vector<std::byte>& bytes) {
  return std::ranges::equal(key.bytes(), bytes);
}

// This process's memory as the kernel sees it: also what has been freed, which the language doesn't allow to look at.
class process_memory {
 public:
  process_memory() : descriptor_(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0) throw std::runtime_error("/proc/self/mem can't be opened");
  }
  process_memory(const process_memory&) = delete;
  process_memory& operator=(const process_memory&) = delete;
  ~process_memory() { ::close(descriptor_); }

  // Without allocating: the place that is looked at must not be given to somebody else.
  std::array<std::byte, 64> at(std::uintptr_t address) const {
    std::array<std::byte, 64> bytes{};
    if (::pread(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(address)) != 64) {
      throw std::runtime_error("/proc/self/mem can't be read");
    }
    return bytes;
  }

 private:
  int descriptor_;
};

// True if four bytes in a row of `key` are left in `memory`: allocators write only at the beginning of what is freed.
bool has_part_of(const std::array<std::byte, 64>& memory, const std::vector<std::byte>& key) {
  for (std::size_t i = 0; i + 4 <= memory.size(); ++i) {
    if (std::equal(memory.begin() + static_cast<std::ptrdiff_t>(i), memory.begin() + static_cast<std::ptrdiff_t>(i + 4),
                   key.begin() + static_cast<std::ptrdiff_t>(i))) {
      return true;
    }
  }
  return false;
}

std::uintptr_t address_of(const pre_shared_key& key) { return reinterpret_cast<std::uintptr_t>(key.bytes().data()); }

TEST(pre_shared_key, holds_bytes_and_hash) {
  const auto bytes = some_bytes(32);
  const pre_shared_key key{bytes, sha384};
  EXPECT_TRUE(holds(key, bytes));
  EXPECT_EQ(key.hash(), sha384);
  EXPECT_FALSE(key.empty());
  EXPECT_EQ(pre_shared_key(bytes).hash(), sha256);
  EXPECT_TRUE(pre_shared_key().empty());
  EXPECT_TRUE(pre_shared_key(std::span<const std::byte>{}).empty());
}

TEST(pre_shared_key, moves_and_leaves_nothing_behind) {
  static_assert(!std::is_copy_constructible_v<pre_shared_key> && !std::is_copy_assignable_v<pre_shared_key>);
  const auto bytes = some_bytes(32);
  pre_shared_key first{bytes, sha384};
  pre_shared_key second{std::move(first)};
  EXPECT_TRUE(first.empty());
  EXPECT_TRUE(holds(second, bytes));
  EXPECT_EQ(second.hash(), sha384);
  pre_shared_key third{some_bytes(16, 2)};
  third = std::move(second);
  EXPECT_TRUE(second.empty());
  EXPECT_TRUE(holds(third, bytes));
  EXPECT_EQ(third.hash(), sha384);
}

TEST(pre_shared_key, can_be_moved_to_itself) {
  const auto bytes = some_bytes(32);
  pre_shared_key key{bytes};
  pre_shared_key& same = key;
  key = std::move(same);
  EXPECT_TRUE(holds(key, bytes));
}

TEST(pre_shared_key, is_wiped_when_it_goes) {
  const process_memory memory;
  const auto bytes = some_bytes(64);
  std::optional<pre_shared_key> key{std::in_place, bytes};
  const std::uintptr_t address = address_of(*key);
  ASSERT_TRUE(has_part_of(memory.at(address), bytes));
  key.reset();
  const auto after = memory.at(address);
  EXPECT_FALSE(has_part_of(after, bytes));
}

TEST(pre_shared_key, is_wiped_when_it_is_assigned_over) {
  const process_memory memory;
  const auto bytes = some_bytes(64);
  pre_shared_key key{bytes};
  pre_shared_key other{some_bytes(64, 3)};
  const std::uintptr_t address = address_of(key);
  ASSERT_TRUE(has_part_of(memory.at(address), bytes));
  key = std::move(other);
  const auto after = memory.at(address);
  EXPECT_FALSE(has_part_of(after, bytes));
}

TEST(pre_shared_key, is_wiped_when_an_authenticator_refuses_it_or_goes) {
  const process_memory memory;
  const auto bytes = some_bytes(64);
  std::optional<ssl_pre_shared_key_authenticator> authenticator{std::in_place, "alice", ""};
  pre_shared_key key{bytes};
  std::uintptr_t address = address_of(key);
  ASSERT_TRUE(authenticator->set_pre_shared_key(std::move(key)));
  ASSERT_TRUE(has_part_of(memory.at(address), bytes));  // it moved, and wasn't copied
  authenticator.reset();
  const auto gone = memory.at(address);
  EXPECT_FALSE(has_part_of(gone, bytes));

  const auto too_long = some_bytes(pre_shared_key::max_size + 1);
  authenticator.emplace("alice", "");
  pre_shared_key long_key{too_long};
  address = address_of(long_key);
  ASSERT_TRUE(has_part_of(memory.at(address), too_long));
  const bool taken = authenticator->set_pre_shared_key(std::move(long_key));
  const auto refused = memory.at(address);
  EXPECT_FALSE(taken);
  EXPECT_FALSE(has_part_of(refused, too_long));
}

// ---- the authenticator ----

TEST(ssl_pre_shared_key_authenticator, tells_who_asks) {
  const ssl_pre_shared_key_authenticator authenticator{std::string("alice\0\n", 7), "hint"};
  EXPECT_EQ(authenticator.identity(), std::string("alice\0\n", 7));
  EXPECT_EQ(authenticator.identity_hint(), "hint");
  EXPECT_EQ(authenticator.maximum_pre_shared_key_length(), 512U);
  EXPECT_FALSE(authenticator.has_pre_shared_key());
}

TEST(ssl_pre_shared_key_authenticator, hands_over_the_key_once) {
  const auto bytes = some_bytes(48);
  ssl_pre_shared_key_authenticator authenticator{"alice", ""};
  EXPECT_TRUE(authenticator.set_pre_shared_key(bytes, sha384));
  EXPECT_TRUE(authenticator.has_pre_shared_key());
  const pre_shared_key taken = authenticator.take_pre_shared_key();
  EXPECT_TRUE(holds(taken, bytes));
  EXPECT_EQ(taken.hash(), sha384);
  EXPECT_FALSE(authenticator.has_pre_shared_key());
  EXPECT_TRUE(authenticator.take_pre_shared_key().empty());
}

TEST(ssl_pre_shared_key_authenticator, takes_up_to_512_bytes) {
  ssl_pre_shared_key_authenticator authenticator{"alice", ""};
  EXPECT_TRUE(authenticator.set_pre_shared_key(some_bytes(1)));
  EXPECT_TRUE(authenticator.set_pre_shared_key(some_bytes(512)));
  EXPECT_EQ(authenticator.take_pre_shared_key().bytes().size(), 512U);
  EXPECT_TRUE(authenticator.set_pre_shared_key(pre_shared_key(some_bytes(512))));
  EXPECT_EQ(authenticator.take_pre_shared_key().bytes().size(), 512U);
}

TEST(ssl_pre_shared_key_authenticator, has_no_key_after_one_that_it_refused) {
  const auto good = some_bytes(32);
  const auto too_long = some_bytes(513);
  ssl_pre_shared_key_authenticator authenticator{"alice", ""};
  ASSERT_TRUE(authenticator.set_pre_shared_key(good));
  EXPECT_FALSE(authenticator.set_pre_shared_key(too_long));
  EXPECT_FALSE(authenticator.has_pre_shared_key());
  ASSERT_TRUE(authenticator.set_pre_shared_key(good));
  EXPECT_FALSE(authenticator.set_pre_shared_key(pre_shared_key(too_long)));
  EXPECT_FALSE(authenticator.has_pre_shared_key());
  ASSERT_TRUE(authenticator.set_pre_shared_key(good));
  EXPECT_FALSE(authenticator.set_pre_shared_key(pre_shared_key()));
  EXPECT_FALSE(authenticator.has_pre_shared_key());
  ASSERT_TRUE(authenticator.set_pre_shared_key(good));
  EXPECT_FALSE(authenticator.set_pre_shared_key(std::span<const std::byte>{}));
  EXPECT_FALSE(authenticator.has_pre_shared_key());
  EXPECT_TRUE(authenticator.set_pre_shared_key(good));
  EXPECT_TRUE(authenticator.has_pre_shared_key());
}

}  // namespace
}  // namespace sallyport
