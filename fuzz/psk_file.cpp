// psk_file: the command's file of pre-shared keys. Each line that it took is read again here, in a simpler way.
//
// SPDX-License-Identifier: Apache-2.0
#include "psk_file.hpp"

#include "byte_reader.hpp"
#include "failure.hpp"
#include "require.hpp"
#include "target.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <string>

namespace sallyport::fuzz {
namespace {

/// A file in memory, with a name by which it can be opened.
class memory_file {
 public:
  explicit memory_file(std::string_view contents) : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    require(descriptor_ >= 0 &&
                ::write(descriptor_, contents.data(), contents.size()) == static_cast<ssize_t>(contents.size()),
            "there is a file in memory");
  }
  ~memory_file() { ::close(descriptor_); }
  memory_file(const memory_file&) = delete;
  memory_file& operator=(const memory_file&) = delete;

  std::string name() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

std::string hexadecimal(std::span<const std::byte> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += digits[std::to_integer<unsigned>(byte) >> 4];
    text += digits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

void check_line(const tool::psk_file& file, std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.find_first_not_of(" \t") == std::string_view::npos || line.starts_with('#')) return;
  const std::size_t colon = line.rfind(':');
  require(colon != std::string_view::npos && colon > 0, "every line has an identity");
  const pre_shared_key* const key = file.find(line.substr(0, colon));
  require(key != nullptr, "every line's identity has a key");
  std::string digits{line.substr(colon + 1)};
  const bool sha384 = digits.starts_with("sha384=");
  if (sha384 || digits.starts_with("sha256=")) digits.erase(0, 7);
  std::ranges::transform(digits, digits.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  require(hexadecimal(key->bytes()) == digits, "the key is the one of the line");
  require((key->hash() == pre_shared_key_hash::sha384) == sha384, "the hash is the one of the line");
  require(key->bytes().size() >= tool::psk_file::min_key_size && key->bytes().size() <= tool::psk_file::max_key_size,
          "the key has an allowed length");
}

}  // namespace
}  // namespace sallyport::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  using namespace sallyport::fuzz;
  std::string_view text = byte_reader(data, size).text();
  const memory_file contents(text);
  try {
    const tool::psk_file file(contents.name());
    require(file.size() > 0, "a file holds a key");
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      check_line(file, text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  } catch (const tool::startup_failure& refusal) {
    require(refusal.status() == tool::exit_usage, "a bad file is an error of usage");
    // What is told is the same whatever the line says, so it can't hold a key.
    require_sentence(refusal.what(), 256);
  }
  return 0;
}
