// psk_file: see psk_file.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "psk_file.hpp"

#include "failure.hpp"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

namespace sallyport::tool {
namespace {

// More than the longest identity and key take; a comment has to fit too.
constexpr std::size_t max_line = 4096;

std::string reason_of(int error) { return std::generic_category().message(error); }

// Reads a file line by line. What it has read is wiped when it goes, and nothing of it is left elsewhere: neither
// buffer grows.
class line_reader {
 public:
  explicit line_reader(const std::filesystem::path& file);
  ~line_reader();
  line_reader(const line_reader&) = delete;
  line_reader& operator=(const line_reader&) = delete;

  // False at the end of the file.
  bool next();
  // Without its end, LF or CRLF.
  std::string_view line() const noexcept { return {line_.data(), size_}; }
  std::size_t number() const noexcept { return number_; }
  mode_t permissions() const noexcept { return permissions_; }

  [[noreturn]] void refuse_file(const std::string& reason) const;
  [[noreturn]] void refuse_line(const std::string& reason) const;

 private:
  bool fill();

  const std::filesystem::path& file_;
  int descriptor_;
  mode_t permissions_ = 0;  // of a pipe 0: only its two ends can read it
  std::array<char, 16 * 1024> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::array<char, max_line> line_;
  std::size_t size_ = 0;
  std::size_t number_ = 0;
};

line_reader::line_reader(const std::filesystem::path& file)
    : file_(file), descriptor_(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)) {
  if (descriptor_ < 0) refuse_file(reason_of(errno));
  struct stat status {};
  if (::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode)) permissions_ = status.st_mode & 07777;
}

line_reader::~line_reader() {
  ::explicit_bzero(buffer_.data(), buffer_.size());
  ::explicit_bzero(line_.data(), line_.size());
  ::close(descriptor_);
}

void line_reader::refuse_file(const std::string& reason) const {
  throw startup_failure(exit_usage, "--psk-file: " + file_.string() + ": " + reason);
}

void line_reader::refuse_line(const std::string& reason) const {
  refuse_file("line " + std::to_string(number_) + ": " + reason);
}

bool line_reader::fill() {
  ssize_t size = 0;
  do {
    size = ::read(descriptor_, buffer_.data(), buffer_.size());
  } while (size < 0 && errno == EINTR);
  if (size < 0) refuse_file(reason_of(errno));
  begin_ = 0;
  end_ = static_cast<std::size_t>(size);
  return end_ != 0;
}

bool line_reader::next() {
  size_ = 0;
  ++number_;
  for (;;) {
    if (begin_ == end_ && !fill()) {
      if (size_ == 0) return false;
      break;
    }
    const char byte = buffer_[begin_++];
    if (byte == '\n') break;
    if (size_ == line_.size()) refuse_line("is longer than " + std::to_string(max_line) + " bytes");
    line_[size_++] = byte;
  }
  if (size_ != 0 && line_[size_ - 1] == '\r') --size_;
  return true;
}

std::optional<unsigned> digit_value(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<unsigned>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<unsigned>(digit - 'a') + 10;
  if (digit >= 'A' && digit <= 'F') return static_cast<unsigned>(digit - 'A') + 10;
  return std::nullopt;
}

pre_shared_key parse_key(const line_reader& at, std::string_view text) {
  pre_shared_key_hash hash = pre_shared_key_hash::sha256;
  if (const std::size_t equals = text.find('='); equals != std::string_view::npos) {
    const std::string_view name = text.substr(0, equals);
    if (name == "sha384") {
      hash = pre_shared_key_hash::sha384;
    } else if (name != "sha256") {
      at.refuse_line("before the '=' of the key stands neither sha256 nor sha384");
    }
    text.remove_prefix(equals + 1);
  }
  if (text.empty()) at.refuse_line("the key is empty");
  if (!std::ranges::all_of(text, [](char digit) { return digit_value(digit).has_value(); })) {
    at.refuse_line("the key is not hexadecimal (two digits from 0-9 and a-f for each byte, and nothing else)");
  }
  if (text.size() % 2 != 0) at.refuse_line("the key has an odd number of hexadecimal digits");
  const std::size_t size = text.size() / 2;
  const std::string has = "the key has " + std::to_string(size) + (size == 1 ? " byte" : " bytes");
  if (size < psk_file::min_key_size) {
    at.refuse_line(has + ", at least " + std::to_string(psk_file::min_key_size) + " are needed");
  }
  if (size > psk_file::max_key_size) {
    at.refuse_line(has + ", at most " + std::to_string(psk_file::max_key_size) + " can be used");
  }
  std::array<std::byte, psk_file::max_key_size> bytes;
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>(*digit_value(text[2 * i]) << 4 | *digit_value(text[2 * i + 1]));
  }
  pre_shared_key key(std::span<const std::byte>(bytes).first(size), hash);
  ::explicit_bzero(bytes.data(), bytes.size());
  return key;
}

std::string_view parse_identity(const line_reader& at, std::string_view text) {
  if (text.empty()) at.refuse_line("the identity is empty");
  if (text.size() > psk_file::max_identity_size) {
    at.refuse_line("the identity is longer than " + std::to_string(psk_file::max_identity_size) + " bytes");
  }
  // In TLS 1.2 OpenSSL hands identities on as C strings.
  if (text.find('\0') != std::string_view::npos) at.refuse_line("the identity holds a NUL byte");
  return text;
}

// Empty unless somebody other than its owner may read the file.
std::string permission_warning(const std::filesystem::path& file, mode_t permissions) {
  if ((permissions & (S_IRGRP | S_IROTH)) == 0) return {};
  return fmt::format("{}: the pre-shared keys can be read by {} (mode {:04o}); only its owner should", file.string(),
                     (permissions & S_IROTH) != 0 ? "everybody" : "its group", permissions);
}

}  // namespace

psk_file::psk_file(const std::filesystem::path& file) {
  line_reader reader(file);
  std::map<std::string_view, std::size_t> lines;  // the keys are identities in keys_, which stay where they are
  while (reader.next()) {
    std::string_view line = reader.line();
    // Some editors on Windows start a file with a byte order mark, which would become part of an identity.
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
    if (reader.number() == 1 && line.starts_with(byte_order_mark)) line.remove_prefix(byte_order_mark.size());
    if (line.find_first_not_of(" \t") == std::string_view::npos || line.front() == '#') continue;

    const std::size_t colon = line.rfind(':');
    if (colon == std::string_view::npos) reader.refuse_line("has no ':' between an identity and its key");
    const std::string_view identity = parse_identity(reader, line.substr(0, colon));
    if (const auto first = lines.find(identity); first != lines.end()) {
      reader.refuse_line("the identity is the one of line " + std::to_string(first->second));
    }
    const auto added = keys_.emplace(identity, parse_key(reader, line.substr(colon + 1))).first;
    lines.emplace(added->first, reader.number());
  }
  if (keys_.empty()) reader.refuse_file("holds no key (expected lines such as identity:hexadecimal key)");
  warning_ = permission_warning(file, reader.permissions());
}

const pre_shared_key* psk_file::find(std::string_view identity) const noexcept {
  const auto found = keys_.find(identity);
  return found == keys_.end() ? nullptr : &found->second;
}

}  // namespace sallyport::tool
