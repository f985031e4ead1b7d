// certificate: an X.509 certificate, to look at.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_CERTIFICATE_HPP
#define SALLYPORT_CERTIFICATE_HPP

#include <sallyport/error.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport {

namespace detail {
struct certificate_data;
}

/// An X.509 certificate (RFC 5280). That one exists says nothing about whether it can be trusted: what a peer sends
/// is its own word until it has been verified. Immutable; copies share the same data; use from any thread.
///
/// The texts are UTF-8 as the certificate has them and may hold anything, NUL and line ends too: escape them before
/// they go to a log or a terminal.
class certificate {
 public:
  /// The first CERTIFICATE block of a PEM text. Errors: configuration_error.
  static result<certificate> from_pem(std::string_view pem);
  /// DER, exactly one certificate. Errors: configuration_error::bad_certificate.
  static result<certificate> from_der(std::span<const std::byte> der);

  /// Distinguished names as RFC 4514 writes them: "CN=alice,O=Example". Control characters, those that reorder a line
  /// where it is shown, and bytes that aren't UTF-8 are escaped, so these two are safe to log.
  std::string subject() const;
  std::string issuer() const;
  /// The subject's last common name, "" if it has none or one that isn't a valid text.
  std::string common_name() const;

  /// Upper-case hexadecimal of whole bytes, "04A2"; negative ones with a "-".
  std::string serial_number() const;

  /// What system_clock can't hold (it ends in 2262) is its first or last point. With a date that can't be read,
  /// not_before() is the last and not_after() the first: such a certificate is never valid.
  std::chrono::system_clock::time_point not_before() const;
  std::chrono::system_clock::time_point not_after() const;

  /// The subjectAltName's entries of each kind, in its order; IP addresses as text. None if it doesn't parse.
  std::vector<std::string> dns_names() const;
  std::vector<std::string> ip_addresses() const;
  std::vector<std::string> uris() const;
  std::vector<std::string> email_addresses() const;

  /// The public key's type and size: "RSA 2048", "EC P-256", "ED25519"; "" if it can't be read.
  std::string key_type() const;

  /// Of the whole certificate (DER), 64 lower-case hexadecimal digits.
  std::string sha256_fingerprint() const;

  std::string pem() const;
  std::vector<std::byte> der() const;

  /// The same DER.
  friend bool operator==(const certificate& one, const certificate& other) noexcept;

  /// For the library's own use.
  explicit certificate(std::shared_ptr<const detail::certificate_data> data) noexcept : data_(std::move(data)) {}
  const detail::certificate_data& data() const noexcept { return *data_; }

 private:
  std::shared_ptr<const detail::certificate_data> data_;
};

}  // namespace sallyport

#endif
