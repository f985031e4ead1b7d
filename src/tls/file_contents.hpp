// file_contents: what was read from a file, which may be secret.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_FILE_CONTENTS_HPP
#define SALLYPORT_TLS_FILE_CONTENTS_HPP

#include <sallyport/error.hpp>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace sallyport::detail {

/// A text that may hold a key or a passphrase: wiped when it goes.
class secret_text {
 public:
  secret_text() = default;
  explicit secret_text(std::string&& text) noexcept;
  secret_text(secret_text&& other) noexcept;
  secret_text& operator=(secret_text&& other) noexcept;
  ~secret_text();

  std::string_view view() const noexcept { return text_; }

 private:
  std::string text_;
};

struct file_contents {
  secret_text text;
  /// A regular file's permission bits; 0 for a pipe, which only its two ends can read.
  mode_t permissions = 0;
};

/// Reads a whole file or pipe (such as /dev/fd/63) of at most `limit` bytes, as each `what` is; never more than that is
/// read.
result<file_contents> read_file(const std::filesystem::path& file, std::size_t limit,
                                std::string_view what = "PEM certificate");

}  // namespace sallyport::detail

#endif
