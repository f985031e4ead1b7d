// pem: certificates, revocation lists and private keys, from text.
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

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::detail {

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

/// "CN = Example CA", fit for a log.
std::string to_string(const X509_NAME* name);

}  // namespace sallyport::detail

#endif
