// psk_file: the pre-shared keys of --psk-file.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_PSK_FILE_HPP
#define SALLYPORT_TOOL_PSK_FILE_HPP

#include <sallyport/pre_shared_key.hpp>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace sallyport::tool {

/// One key per line, as in stunnel's PSKsecrets:
///
///   # a comment
///   identity:hexadecimal key
///   identity:sha384=hexadecimal key
///
/// The last colon of a line is the one that counts: an identity may hold colons, a key doesn't. Nothing is trimmed but
/// the line's end (LF or CRLF). The hash matters in TLS 1.3 only; without one it is sha256.
class psk_file {
 public:
  static constexpr std::size_t min_key_size = 16;
  static constexpr std::size_t max_key_size = pre_shared_key::max_size;
  static constexpr std::size_t max_identity_size = 256;  ///< OpenSSL's own limit, of TLS 1.2

  /// Reads the whole file. Throws startup_failure (exit_usage) with a sentence that names the file, the line and the
  /// reason, and never repeats anything of the line: whoever takes key and identity for each other shouldn't find the
  /// key in a log.
  explicit psk_file(const std::filesystem::path& file);

  /// Null if there is none of this identity.
  const pre_shared_key* find(std::string_view identity) const noexcept;
  std::size_t size() const noexcept { return keys_.size(); }

  /// A sentence if others than its owner may read the file, otherwise "".
  const std::string& warning() const noexcept { return warning_; }

 private:
  std::map<std::string, pre_shared_key, std::less<>> keys_{};
  std::string warning_{};
};

}  // namespace sallyport::tool

#endif
