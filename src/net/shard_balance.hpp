// shard_balance: how many connections each shard of a server_group has, and which should get the next one; pure
// bookkeeping.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_SHARD_BALANCE_HPP
#define SALLYPORT_NET_SHARD_BALANCE_HPP

#include <atomic>
#include <cstddef>
#include <optional>
#include <vector>

namespace sallyport::detail {

/// The kernel spreads connections by a hash: evenly only when there are many, and it doesn't know which have ended. So
/// a shard that has clearly more than the one with the fewest passes a new one on to it. From any thread. The numbers
/// may be a moment old, so shards that decide at the same time may each go one too far.
class shard_balance {
 public:
  /// A shard keeps a new connection until it has that many more than the one with the fewest, and an eighth of its
  /// number. The constant keeps shards from passing on each other's every connection when few come and go at once; the
  /// share, when many do and their numbers swing by themselves.
  static constexpr std::size_t tolerance = 4;
  static constexpr std::size_t tolerated_share = 8;

  explicit shard_balance(std::size_t shards) : shards_(shards) {}

  std::size_t size() const noexcept { return shards_.size(); }

  /// `shard` has one more or less: open, or passed on to it and not arrived yet.
  void add(std::size_t shard) noexcept { shards_[shard].connections.fetch_add(1, std::memory_order_relaxed); }
  void remove(std::size_t shard) noexcept { shards_[shard].connections.fetch_sub(1, std::memory_order_relaxed); }
  std::size_t connections(std::size_t shard) const noexcept {
    return shards_[shard].connections.load(std::memory_order_relaxed);
  }

  /// Whether `shard` takes new connections; false until it says so. One that doesn't gets none passed on.
  void set_accepting(std::size_t shard, bool accepting) noexcept;

  /// Who should get a new connection that `shard` has been given; nothing if it may keep it.
  std::optional<std::size_t> better_than(std::size_t shard) const noexcept;

 private:
  // Each has its cache line: others only look when they accept.
  struct alignas(64) one_shard {
    std::atomic<std::size_t> connections{0};
    std::atomic<bool> accepting{false};
  };
  std::vector<one_shard> shards_;
};

}  // namespace sallyport::detail

#endif
