// identity_data: what an identity is on the inside.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_IDENTITY_DATA_HPP
#define SALLYPORT_TLS_IDENTITY_DATA_HPP

#include "openssl.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::detail {

struct free_x509_stack {
  void operator()(STACK_OF(X509) * stack) const noexcept { sk_X509_pop_free(stack, X509_free); }
};
using x509_stack_ptr = std::unique_ptr<STACK_OF(X509), free_x509_stack>;

struct identity_data {
  x509_ptr certificate;    ///< the server's own
  x509_stack_ptr issuers;  ///< the rest of the chain as it is sent; may be empty, is never null
  pkey_ptr key;
  std::string name;  ///< what sentences call it: the certificate's file, or "certificate chain"
  std::vector<std::string> warnings;

  /// identity::matches(). Leaves OpenSSL's error queue as it was, since it is also called within a handshake.
  bool matches(std::string_view host) const;
};

}  // namespace sallyport::detail

#endif
