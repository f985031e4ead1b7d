// fixed_world: the same time and the same random numbers in every run, so that a recorded handshake can be replayed.
//
// SPDX-License-Identifier: Apache-2.0

// RAND_METHOD is the only way to replace the random numbers of all of OpenSSL 3.0 without a provider of our own.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "fixed_world.hpp"

#include "require.hpp"

#include <openssl/rand.h>

#include <ctime>

// OpenSSL looks certificates' dates and tickets' ages up against this. The dynamic linker prefers it to the C
// library's.
extern "C" std::time_t time(std::time_t* out) noexcept {
  constexpr std::time_t new_year_2030 = 1'893'456'000;
  if (out != nullptr) *out = new_year_2030;
  return new_year_2030;
}

namespace sallyport::fuzz {
namespace {

std::uint64_t state = 0;

// SplitMix64.
std::uint64_t next() noexcept {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

int fill(unsigned char* out, int size) noexcept {
  for (int i = 0; i < size; ++i) out[i] = static_cast<unsigned char>(next());
  return 1;
}

int is_seeded() noexcept { return 1; }

}  // namespace

fixed_randomness::fixed_randomness(std::uint64_t seed) noexcept : outer_(state) {
  static const RAND_METHOD method = {
      .seed = nullptr, .bytes = fill, .cleanup = nullptr, .add = nullptr, .pseudorand = fill, .status = is_seeded};
  static const bool installed = RAND_set_rand_method(&method) == 1;
  require(installed, "the random numbers can be replaced");
  state = seed;
}

fixed_randomness::~fixed_randomness() { state = outer_; }

}  // namespace sallyport::fuzz
