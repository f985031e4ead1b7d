// file_contents: what was read from a file, which may be secret.
//
// SPDX-License-Identifier: Apache-2.0
#include "file_contents.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::detail {

namespace {

// Also the bytes beyond size(): a short string is copied when it is moved, and the copy stays behind in there.
void wipe(std::string& text) noexcept {
  text.resize(text.capacity());
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

class file_descriptor {
 public:
  explicit file_descriptor(int value) noexcept : value_(value) {}
  file_descriptor(const file_descriptor&) = delete;
  file_descriptor& operator=(const file_descriptor&) = delete;
  ~file_descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const noexcept { return value_; }

 private:
  int value_;
};

std::string reason_of(int system_error) {
  switch (system_error) {
    case ENOENT:
      return "no such file";
    case EACCES:
    case EPERM:
      return "permission denied";
    case EISDIR:
      return "is a directory";
    default:
      return "cannot be read: " + std::generic_category().message(system_error);
  }
}

std::string size_of(std::size_t bytes) {
  constexpr std::size_t mebibyte = std::size_t{1} << 20;
  if (bytes % mebibyte == 0) return std::to_string(bytes / mebibyte) + " MiB";
  return std::to_string(bytes) + " bytes";
}

}  // namespace

secret_text::secret_text(std::string&& text) noexcept : text_(std::move(text)) { wipe(text); }

secret_text::secret_text(secret_text&& other) noexcept : secret_text(std::move(other.text_)) {}

secret_text& secret_text::operator=(secret_text&& other) noexcept {
  text_.swap(other.text_);  // the old text is wiped when `other` goes
  return *this;
}

secret_text::~secret_text() { wipe(text_); }

result<file_contents> read_file(const std::filesystem::path& file, std::size_t limit, std::string_view what) {
  const std::string name = file.string();
  const auto refuse = [&](configuration_error why, const std::string& reason) {
    return error{why, name + ": " + reason};
  };
  // A named pipe is waited for until its other end opens it, as every tool does. O_NOCTTY: a terminal named by
  // mistake must not become ours.
  const file_descriptor descriptor{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
  if (descriptor.get() < 0) return refuse(configuration_error::unreadable_file, reason_of(errno));
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) return refuse(configuration_error::unreadable_file, reason_of(errno));
  if (S_ISDIR(status.st_mode)) return refuse(configuration_error::unreadable_file, reason_of(EISDIR));
  const bool regular = S_ISREG(status.st_mode);
  // A terminal would be a prompt, and /dev/zero never ends.
  if (!regular && !S_ISFIFO(status.st_mode)) {
    return refuse(configuration_error::unreadable_file, "is neither a file nor a pipe");
  }
  const auto too_large = [&] {
    return refuse(configuration_error::file_too_large,
                  "larger than " + size_of(limit) + ", which no " + std::string(what) + " is");
  };
  if (regular && status.st_size > 0 && static_cast<std::size_t>(status.st_size) > limit) return too_large();

  std::string text;
  const auto told = static_cast<std::size_t>(status.st_size);  // 0 for a pipe, and for files of the kernel's
  text.reserve(told > 0 ? told + 1 : limit + 1);
  std::array<char, 16 * 1024> chunk;
  int failure = 0;
  while (text.size() <= limit) {
    const ssize_t count = ::read(descriptor.get(), chunk.data(), std::min(chunk.size(), limit + 1 - text.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) failure = errno;
    if (count <= 0) break;
    const auto bytes = static_cast<std::size_t>(count);
    if (text.size() + bytes > text.capacity()) {  // it grows: no copy of a key may stay behind in the heap
      std::string larger;
      larger.reserve(limit + 1);
      larger.append(text);
      text.swap(larger);
      wipe(larger);
    }
    text.append(chunk.data(), bytes);
  }
  OPENSSL_cleanse(chunk.data(), chunk.size());
  file_contents contents{secret_text{std::move(text)}, regular ? status.st_mode & 07777 : 0};
  if (failure != 0) return refuse(configuration_error::unreadable_file, reason_of(failure));
  if (contents.text.view().size() > limit) return too_large();
  return contents;
}

}  // namespace sallyport::detail
