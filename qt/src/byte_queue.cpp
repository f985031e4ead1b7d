// byte_queue: see byte_queue.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "byte_queue.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sallyport::qt {

struct byte_queue::chunk {
  // Two records; with its head a chunk is a bit less than 32 KiB.
  static constexpr std::size_t capacity = 32 * 1024 - 64;

  chunk* next = nullptr;
  std::size_t begin = 0;
  std::size_t end = 0;
  std::byte bytes[capacity];  // not initialised

  chunk() {}  // NOLINT(modernize-use-equals-default): that one would fill `bytes`
  std::size_t size() const noexcept { return end - begin; }
  std::size_t room() const noexcept { return capacity - end; }
};

/// Chunks that nobody uses, a few: an echo neither allocates nor frees.
struct chunk_pool {
  static constexpr int max_count = 16;

  byte_queue::chunk* first = nullptr;
  int count = 0;

  ~chunk_pool() {
    is_gone = true;
    while (first != nullptr) delete std::exchange(first, first->next);
  }

  byte_queue::chunk* take() {
    if (first == nullptr) return new byte_queue::chunk;
    --count;
    byte_queue::chunk* const taken = std::exchange(first, first->next);
    taken->next = nullptr;
    taken->begin = taken->end = 0;
    return taken;
  }

  void put(byte_queue::chunk* unused) noexcept {
    if (count == max_count) {
      delete unused;
      return;
    }
    ++count;
    unused->next = std::exchange(first, unused);
  }

  /// Static sockets are destroyed after it.
  static thread_local bool is_gone;
};

thread_local bool chunk_pool::is_gone = false;
namespace {
thread_local chunk_pool pool;
}  // namespace

std::span<std::byte> byte_queue::prepare() {
  constexpr std::size_t least = 1024;
  if (last_ == nullptr || last_->room() < least) {
    chunk* const added = chunk_pool::is_gone ? new chunk : pool.take();
    (last_ == nullptr ? first_ : last_->next) = added;
    last_ = added;
  }
  return {last_->bytes + last_->end, last_->room()};
}

void byte_queue::commit(std::size_t used) noexcept {
  last_->end += used;
  size_ += used;
  if (size_ == 0) clear();
}

byte_queue& byte_queue::operator=(byte_queue&& other) noexcept {
  if (this == &other) return *this;
  clear();
  first_ = std::exchange(other.first_, nullptr);
  last_ = std::exchange(other.last_, nullptr);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

void byte_queue::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto room = prepare();
    const std::size_t count = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), count);
    commit(count);
    bytes = bytes.subspan(count);
  }
}

std::span<const std::byte> byte_queue::front() const noexcept {
  if (first_ == nullptr) return {};
  return {first_->bytes + first_->begin, first_->size()};
}

void byte_queue::consume(std::size_t count) noexcept {
  size_ -= count;
  while (count > 0 || (first_ != nullptr && first_->size() == 0)) {
    const std::size_t here = std::min(count, first_->size());
    first_->begin += here;
    count -= here;
    if (first_->size() > 0) return;
    chunk* const used_up = std::exchange(first_, first_->next);
    if (first_ == nullptr) last_ = nullptr;
    if (chunk_pool::is_gone)
      delete used_up;
    else
      pool.put(used_up);
  }
}

std::size_t byte_queue::read(std::span<std::byte> into) noexcept {
  std::size_t count = 0;
  while (count < into.size() && size_ > 0) {
    const auto bytes = front().first(std::min(front().size(), into.size() - count));
    std::memcpy(into.data() + count, bytes.data(), bytes.size());
    count += bytes.size();
    consume(bytes.size());
  }
  return count;
}

std::size_t byte_queue::length_through(std::byte wanted) const noexcept {
  std::size_t before = 0;
  for (const chunk* each = first_; each != nullptr; each = each->next) {
    const auto* const begin = each->bytes + each->begin;
    if (const void* const found =
            each->size() == 0 ? nullptr : std::memchr(begin, static_cast<int>(wanted), each->size()))
      return before + static_cast<std::size_t>(static_cast<const std::byte*>(found) - begin) + 1;
    before += each->size();
  }
  return 0;
}

void byte_queue::clear() noexcept {
  if (first_ == nullptr) return;
  first_->begin = first_->end;
  size_ = 0;
  while (first_ != nullptr) {
    first_->begin = first_->end;
    consume(0);
  }
}

}  // namespace sallyport::qt
