// trust_store: by whom a peer's certificate must be signed.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TRUST_STORE_HPP
#define SALLYPORT_TRUST_STORE_HPP

#include <sallyport/error.hpp>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace sallyport {

namespace detail {
struct trust_store_data;
}

/// A set of CA certificates. One that exists holds at least one certificate, and all of them have been parsed.
/// Immutable; copies share the same data; use from any thread.
class trust_store {
 public:
  /// Every CERTIFICATE block of a PEM text. Errors: configuration_error.
  static result<trust_store> from_pem(std::string_view certificates);

  /// Every CERTIFICATE block of a PEM file of at most 16 MiB; every error and warning names the file.
  static result<trust_store> from_pem_file(const std::filesystem::path& file);

  /// Every file in a directory whose name ends in .pem, .crt or .cer, or is a hash as `openssl rehash` makes them; not
  /// in its subdirectories. It is read now, and not again. A file among them that doesn't parse is an error; without
  /// any certificate it is configuration_error::no_certificate.
  static result<trust_store> from_directory(const std::filesystem::path& directory);

  /// The operating system's CA certificates, as OpenSSL finds them. This lets in everybody who has a certificate of
  /// any public CA: it is seldom what a server wants.
  static result<trust_store> system_default();

  /// Number of CA certificates.
  std::size_t size() const noexcept;

  /// What is odd but not refused, a sentence each: an expired CA, a certificate that isn't a CA's.
  std::span<const std::string> warnings() const noexcept;

  /// For the library's own use.
  const detail::trust_store_data& data() const noexcept { return *data_; }

 private:
  explicit trust_store(std::shared_ptr<const detail::trust_store_data> data) noexcept : data_(std::move(data)) {}

  std::shared_ptr<const detail::trust_store_data> data_;
};

}  // namespace sallyport

#endif
