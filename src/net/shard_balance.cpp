// shard_balance: how many connections each shard of a server_group has, and which should get the next one.
//
// SPDX-License-Identifier: Apache-2.0
#include "shard_balance.hpp"

namespace sallyport::detail {

void shard_balance::set_accepting(std::size_t shard, bool accepting) noexcept {
  auto& current = shards_[shard].accepting;
  // It is told for each connection, and a line that isn't written to needn't be fetched again by the others.
  if (current.load(std::memory_order_relaxed) != accepting) current.store(accepting, std::memory_order_relaxed);
}

std::optional<std::size_t> shard_balance::better_than(std::size_t shard) const noexcept {
  const std::size_t own = connections(shard);
  if (own <= tolerance) return std::nullopt;
  std::optional<std::size_t> fewest;
  std::size_t least = own;
  // From the next one on, so that of several equal ones not all take the same.
  for (std::size_t step = 1; step < size(); ++step) {
    const std::size_t other = (shard + step) % size();
    if (!shards_[other].accepting.load(std::memory_order_relaxed)) continue;
    if (const std::size_t its = connections(other); its < least) {
      fewest = other;
      least = its;
    }
  }
  if (own <= least + tolerance + least / tolerated_share) return std::nullopt;
  return fewest;
}

}  // namespace sallyport::detail
