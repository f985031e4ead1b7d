// target: the one function that each fuzz target is, called by libFuzzer or by replay.cpp.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_FUZZ_TARGET_HPP
#define SALLYPORT_FUZZ_TARGET_HPP

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

#endif
