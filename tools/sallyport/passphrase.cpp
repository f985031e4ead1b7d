// passphrase: see passphrase.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "passphrase.hpp"

#include "failure.hpp"

#include <string.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <system_error>

namespace sallyport::tool {
namespace {

constexpr std::size_t max_passphrase = 1024;  // OpenSSL's own limit

[[noreturn]] void refuse_passphrase_file(const std::filesystem::path& file, const std::string& reason) {
  throw startup_failure(exit_usage, "--passphrase-file: " + file.string() + ": " + reason);
}

std::string read_first_line(const std::filesystem::path& file) {
  const auto reason = [] { return std::generic_category().message(errno); };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream(std::fopen(file.c_str(), "rbe"), &std::fclose);
  if (!stream) refuse_passphrase_file(file, reason());
  // Without a buffer of its own, which would keep a copy of the passphrase.
  std::setvbuf(stream.get(), nullptr, _IONBF, 0);

  std::string line;
  line.reserve(max_passphrase + 2);  // growing would leave copies behind
  int byte = 0;
  while ((byte = std::fgetc(stream.get())) != EOF && byte != '\n') {
    line.push_back(static_cast<char>(byte));
    if (line.size() > max_passphrase + 1) break;
  }
  if (std::ferror(stream.get()) != 0) refuse_passphrase_file(file, reason());
  if (line.ends_with('\r')) line.pop_back();
  if (line.empty()) refuse_passphrase_file(file, "its first line is empty");
  if (line.size() > max_passphrase) {
    refuse_passphrase_file(file, "its first line is longer than " + std::to_string(max_passphrase) + " bytes");
  }
  return line;
}

}  // namespace

passphrase::passphrase(const std::filesystem::path& file) : text_(read_first_line(file)) {}

passphrase::~passphrase() { ::explicit_bzero(text_.data(), text_.size()); }

}  // namespace sallyport::tool
