// access_rule: which clients get in, told by their certificates.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_ACCESS_RULE_HPP
#define SALLYPORT_ACCESS_RULE_HPP

#include <sallyport/error.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace sallyport {

class certificate;

namespace detail {
struct access_rule_data;
}

/// One thing that a client's certificate may have, in one of these forms:
///
///   dns=NAME             a DNS name of its subjectAltName, case-insensitive; NAME may be *.example.com, for one label
///   uri=URI              a URI of its subjectAltName (SPIFFE); * is one segment of the path, ** at the end any number
///   email=ADDRESS        an rfc822Name of its subjectAltName; the part behind @ is case-insensitive
///   cn=TEXT, ou=TEXT     a common name or organizational unit of its subject, exactly
///   spki=sha256:DIGEST   its public key (SubjectPublicKeyInfo), by SHA-256, in hexadecimal or Base64
///
/// Immutable; copies share the same data; use from any thread.
class access_rule {
 public:
  /// Error: configuration_error::invalid_value, with a sentence that repeats the rule and says what is wrong with it.
  static result<access_rule> parse(std::string_view text);

  /// As it was given.
  const std::string& text() const noexcept;

  /// A wildcard in the certificate matches no rule but the same wildcard. Malformed certificates match nothing.
  bool matches(const certificate& client) const;

  /// For the library's own use.
  const detail::access_rule_data& data() const noexcept { return *data_; }

 private:
  explicit access_rule(std::shared_ptr<const detail::access_rule_data> data) noexcept : data_(std::move(data)) {}

  std::shared_ptr<const detail::access_rule_data> data_;
};

}  // namespace sallyport

#endif
