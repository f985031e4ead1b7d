// revocation_lists: which certificates have been revoked (CRLs, RFC 5280 section 5).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_REVOCATION_LISTS_HPP
#define SALLYPORT_REVOCATION_LISTS_HPP

#include <sallyport/error.hpp>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace sallyport {

namespace detail {
struct revocation_lists_data;
}

/// A set of certificate revocation lists. One that exists holds at least one, and all of them have been parsed; whether
/// each one's issuer has signed it is checked when a certificate is looked up. Immutable; copies share the same data;
/// use from any thread.
class revocation_lists {
 public:
  /// Every X509 CRL block of a PEM text, or one list in DER. Errors: configuration_error; also for lists that don't
  /// stand for themselves: delta lists, indirect ones, and those for some reasons of revocation alone.
  static result<revocation_lists> from_bytes(std::string_view lists);

  /// The same from a file of at most 64 MiB; every error and warning names the file.
  static result<revocation_lists> from_file(const std::filesystem::path& file);

  /// Every file in a directory whose name ends in .pem or .crl, or is a hash as `openssl rehash` makes them (.r0); not
  /// in its subdirectories. A file among them that doesn't parse is an error; so is a directory without any list.
  static result<revocation_lists> from_directory(const std::filesystem::path& directory);

  /// Number of lists.
  std::size_t size() const noexcept;

  /// When the first of them is out of date; none if they don't say.
  std::optional<std::chrono::system_clock::time_point> next_update() const;

  /// What is odd but not refused, a sentence each: a list that is out of date or not yet valid, two lists of the same
  /// issuer.
  std::span<const std::string> warnings() const noexcept;

  /// For the library's own use.
  const detail::revocation_lists_data& data() const noexcept { return *data_; }

 private:
  explicit revocation_lists(std::shared_ptr<const detail::revocation_lists_data> data) noexcept
      : data_(std::move(data)) {}

  std::shared_ptr<const detail::revocation_lists_data> data_;
};

}  // namespace sallyport

#endif
