// fixed_world: the same time and the same random numbers in every run, so that a recorded handshake can be replayed.
//
// With real random numbers no recorded client would come further than its first flight: its signature and Finished
// cover what the server said. Linking this file also replaces time() for the whole program.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_FUZZ_FIXED_WORLD_HPP
#define SALLYPORT_FUZZ_FIXED_WORLD_HPP

#include <cstdint>

namespace sallyport::fuzz {

/// For its lifetime OpenSSL's random numbers follow from `seed` alone. They nest: the outer one goes on afterwards.
class fixed_randomness {
 public:
  explicit fixed_randomness(std::uint64_t seed) noexcept;
  ~fixed_randomness();
  fixed_randomness(const fixed_randomness&) = delete;
  fixed_randomness& operator=(const fixed_randomness&) = delete;

 private:
  std::uint64_t outer_;
};

}  // namespace sallyport::fuzz

#endif
