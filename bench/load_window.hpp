// load_window: the buffers that all connections of a thread share, and the BIO through which OpenSSL uses them.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_BENCH_LOAD_WINDOW_HPP
#define SALLYPORT_BENCH_LOAD_WINDOW_HPP

#include <openssl/bio.h>

#include <array>
#include <cstddef>

namespace load {

/// Empty between the steps of a connection: each takes in all that it has received, and sends or keeps all that it
/// made.
struct window {
  /// Room for several records per system call.
  static constexpr std::size_t size = std::size_t{256} * 1024;

  std::array<unsigned char, size> input;
  std::size_t input_begin = 0;
  std::size_t input_end = 0;
  std::array<unsigned char, size> output;
  std::size_t output_size = 0;
  /// For what SSL_read has decrypted.
  std::array<unsigned char, std::size_t{16} * 1024> plaintext;

  std::size_t room() const noexcept { return size - output_size; }
};

/// For one SSL, which owns it then. Null if out of memory.
BIO* make_window_bio(window& window);

}  // namespace load

#endif
