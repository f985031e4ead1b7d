// replay: gives the files in directories to a fuzz target, once each. What makes the seeds and old crashes into tests.
//
// SPDX-License-Identifier: Apache-2.0
#include "target.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

namespace {

std::vector<std::uint8_t> contents_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  in.exceptions(std::ios::badbit | std::ios::failbit);
  // vector's own allocation is as long as the input, so that AddressSanitizer sees what reads past it.
  std::vector<std::uint8_t> bytes(std::filesystem::file_size(file));
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

}  // namespace

int main(int count, char** arguments) try {
  std::size_t replayed = 0;
  for (int i = 1; i < count; ++i) {
    if (!std::filesystem::exists(arguments[i])) continue;  // nothing was found yet
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(arguments[i])) files.push_back(entry.path());
    std::ranges::sort(files);
    for (const std::filesystem::path& file : files) {
      std::printf("%s\n", file.c_str());
      std::fflush(stdout);  // the last line names the one that crashed
      const std::vector<std::uint8_t> bytes = contents_of(file);
      LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
      ++replayed;
    }
  }
  std::printf("%zu inputs\n", replayed);
  return replayed > 0 ? 0 : 1;
} catch (const std::exception& failure) {
  std::fprintf(stderr, "replay: %s\n", failure.what());
  return 1;
}
