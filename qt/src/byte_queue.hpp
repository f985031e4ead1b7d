// byte_queue: bytes that wait, in chunks that a thread's sockets share out among themselves.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_BYTE_QUEUE_HPP
#define SALLYPORT_QT_BYTE_QUEUE_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace sallyport::qt {

/// Empty, it holds no memory. Not thread-safe; may be used on another thread than before.
class byte_queue {
 public:
  byte_queue() = default;
  ~byte_queue() { clear(); }
  byte_queue(const byte_queue&) = delete;
  byte_queue& operator=(const byte_queue&) = delete;
  byte_queue(byte_queue&& other) noexcept { *this = std::move(other); }
  byte_queue& operator=(byte_queue&& other) noexcept;

  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }

  void append(std::span<const std::byte> bytes);
  /// Room at the end, never empty; how much of it was used is told by commit(), before anything else happens.
  std::span<std::byte> prepare();
  void commit(std::size_t used) noexcept;

  /// The first bytes, as many as lie together; empty only if the queue is.
  std::span<const std::byte> front() const noexcept;
  /// Not more than there are.
  void consume(std::size_t count) noexcept;
  /// Takes as many as there are and fit.
  std::size_t read(std::span<std::byte> into) noexcept;
  /// How many bytes there are up to and with the first `wanted`; 0 if it isn't among them.
  std::size_t length_through(std::byte wanted) const noexcept;
  void clear() noexcept;

 private:
  friend struct chunk_pool;
  struct chunk;

  chunk* first_ = nullptr;
  chunk* last_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace sallyport::qt

#endif
