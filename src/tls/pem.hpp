// pem: certificates, revocation lists and private keys, from files and from text.
//
// Every refusal is one sentence that starts with the name of what was read. Nothing here asks on the terminal, and
// nothing is left in OpenSSL's error queue.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_PEM_HPP
#define SALLYPORT_TLS_PEM_HPP

#include "openssl.hpp"

#include <sallyport/error.hpp>
#include <sallyport/identity.hpp>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

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

/// A text, and what the sentences call it: a file's name, or "private key" for one that came from memory.
struct named_text {
  std::string_view text;
  std::string name;
  bool is_file = false;
};

/// Every CERTIFICATE block of a text, at least one.
result<std::vector<x509_ptr>> certificates_from_pem(const named_text& source);

/// Every X509 CRL block of a text, at least one; or one list in DER.
result<std::vector<crl_ptr>> revocation_lists_from(const named_text& source);

/// The first private key of a text. `passphrase` is asked only if that key is encrypted; what it throws is passed on.
result<pkey_ptr> private_key_from_pem(const named_text& source, const passphrase_source& passphrase);

/// OpenSSL's error about a missing algorithm ("unsupported"), for which no other passphrase can help; empty if its
/// queue holds none. Empties the queue.
std::string take_unsupported_error();

/// The certificate as PEM; empty if OpenSSL is out of memory.
std::string to_pem(const X509& certificate);

/// "2026-01-31 12:00:00 UTC", or "an unreadable date".
std::string to_string(const ASN1_TIME* time);

/// "CN = Example CA", fit for a log.
std::string to_string(const X509_NAME* name);

/// For sentences: what the validity period of `certificate` says against it now, such as
/// "expired on 2026-01-31 12:00:00 UTC"; empty if it is valid.
std::string validity_problem(const X509& certificate);

}  // namespace sallyport::detail

#endif
