// passphrase: the first line of --passphrase-file.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_PASSPHRASE_HPP
#define SALLYPORT_TOOL_PASSPHRASE_HPP

#include <filesystem>
#include <string>

namespace sallyport::tool {

/// Erases what it holds, so that no core dump tells it later.
class passphrase {
 public:
  /// Throws startup_failure (exit_usage) with a sentence that names the file.
  explicit passphrase(const std::filesystem::path& file);
  ~passphrase();
  passphrase(const passphrase&) = delete;
  passphrase& operator=(const passphrase&) = delete;

  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

}  // namespace sallyport::tool

#endif
