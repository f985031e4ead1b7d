// load_options: what the load generator is to do.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_BENCH_LOAD_OPTIONS_HPP
#define SALLYPORT_BENCH_LOAD_OPTIONS_HPP

#include <netinet/in.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace load {

using steady = std::chrono::steady_clock;
using time_point = steady::time_point;

enum class mode { handshake, resume, echo, bulk, idle };

struct load_options {
  sockaddr_in server{};
  load::mode mode = mode::handshake;
  std::string mode_name{};
  bool plain = false;
  int tls_version = 0;  ///< TLS1_2_VERSION or TLS1_3_VERSION
  std::string ciphersuites{};
  std::string ciphers{};
  std::string group{};
  std::size_t names = 0;  ///< each connection asks for one of so many, by chance (SNI); 0: for none
  std::size_t size = 0;
  std::size_t connections = 0;
  std::size_t threads = 0;
  std::size_t sources = 0;
  steady::duration warmup{};
  steady::duration duration{};  ///< of the measurement; with count, what it may take
  std::uint64_t count = 0;      ///< 0: as many as there are in the duration
  double rate = 0;              ///< operations per second in all; 0: a closed loop

  /// Each operation is a connection of its own.
  bool connects_each_time() const noexcept { return mode == mode::handshake || mode == mode::resume; }
  std::size_t bytes_per_operation() const noexcept { return connects_each_time() ? 0 : size; }
};

/// Ends the program with status 2 and a sentence on standard error if the command line is wrong.
load_options parse_load_options(int argc, char** argv);

/// What is sent: `size` bytes from any offset below pattern_offsets, so that neither the bytes of another connection
/// nor those of the operation before can be taken for the right ones.
constexpr std::size_t pattern_offsets = 4096;
std::vector<unsigned char> make_pattern(std::size_t size);

}  // namespace load

#endif
