// identity: who a server (or a client) is, a certificate chain with its private key.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_IDENTITY_HPP
#define SALLYPORT_IDENTITY_HPP

#include <sallyport/error.hpp>

#include <chrono>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sallyport {

class certificate;

namespace detail {
struct identity_data;
}

/// Asked for the passphrase of an encrypted key, with the name of the file (or "private key" for one in memory).
/// Called at most once for each encrypted key, while the identity is made. An empty function: encrypted keys are
/// refused. Nothing here ever asks on the terminal.
using passphrase_source = std::function<std::string(std::string_view name)>;

/// A certificate chain and its private key. One that exists has been parsed, its key matches its first certificate,
/// and both meet OpenSSL's security level 2 (112 bits). Immutable; copies share the same data; use from any thread.
class identity {
 public:
  /// `chain` is PEM: its own certificate first, then each certificate that issued the one before it (the root
  /// may be left out). `key` is PEM: PKCS#8 (encrypted or not) or a traditional RSA or EC key. Both may be the same
  /// text. Other PEM blocks in between are skipped. Errors: configuration_error.
  static result<identity> from_pem(std::string_view chain, std::string_view key,
                                   const passphrase_source& passphrase = {});

  /// The same from files of at most 1 MiB each; every error and warning names the file.
  static result<identity> from_pem_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                                         const passphrase_source& passphrase = {});

  /// PKCS#12 (RFC 7292): one key, its certificate, and others that issued it, in any order. `passphrase` is asked only
  /// if neither no passphrase nor an empty one opens it. Errors: configuration_error.
  static result<identity> from_pkcs12(std::string_view bytes, const passphrase_source& passphrase = {});
  static result<identity> from_pkcs12_file(const std::filesystem::path& file, const passphrase_source& passphrase = {});

  /// Certificates and key wherever OpenSSL's OSSL_STORE finds them: URIs such as "file:/etc/tls/key.pem" or
  /// "pkcs11:token=web;object=key" (RFC 7512), by a provider or an engine that the system has. A key may stay where it
  /// is (in an HSM) and only sign, which is tried here. Either may also be the name of a PEM file. A PIN that a URI
  /// doesn't have is asked of `passphrase`; in sentences URIs stand without their PIN.
  /// The first URI that isn't "file:" takes OpenSSL's questions off the terminal for the whole process
  /// (UI_set_default_method()), unless the program has done so itself, which it should before there are threads.
  static result<identity> from_uris(std::string_view chain, std::string_view key,
                                    const passphrase_source& passphrase = {});

  /// The same identity, which staples an OCSP response (RFC 6066 section 8): DER, for its first certificate, good, and
  /// signed by that one's issuer, if it is in the chain, or by a delegate of it. From when it is out of date it isn't
  /// sent any more; one that isn't in force now is no error but a warning. It replaces the response before it, if any.
  /// Errors: configuration_error::bad_ocsp_response.
  result<identity> with_ocsp_response(std::string_view response) const;

  /// The same from a file of at most 1 MiB. Errors also: unreadable_file and file_too_large.
  result<identity> with_ocsp_response_file(const std::filesystem::path& file) const;

  /// When its OCSP response is out of date; none if it has none.
  std::optional<std::chrono::system_clock::time_point> ocsp_response_end() const;

  /// For development: a fresh ECDSA P-256 key and a certificate for `names` (DNS names and IP addresses) that is
  /// valid from an hour ago for 30 days and signed by itself, so that clients trust it only when told to.
  static result<identity> self_signed(std::span<const std::string> names);
  static result<identity> self_signed(std::initializer_list<std::string> names) {
    return self_signed(std::span<const std::string>(names.begin(), names.size()));
  }

  /// What is odd but not refused, a sentence each: expired or not yet valid, a chain out of order, a key file that
  /// others may read. Empty when all is well.
  std::span<const std::string> warnings() const noexcept;

  /// The chain as PEM, its own certificate first: what a client needs to trust a self-signed identity.
  std::string certificate_pem() const;

  /// The first one: its own.
  certificate leaf_certificate() const;

  /// True if the first certificate is for this DNS name or IP address (its subjectAltName; wildcards as in RFC 6125).
  bool matches(std::string_view name) const;

  /// For the library's own use.
  const detail::identity_data& data() const noexcept { return *data_; }

 private:
  explicit identity(std::shared_ptr<const detail::identity_data> data) noexcept : data_(std::move(data)) {}

  std::shared_ptr<const detail::identity_data> data_;
};

}  // namespace sallyport

#endif
