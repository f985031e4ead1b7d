// identity_data: what an identity is on the inside.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_IDENTITY_DATA_HPP
#define SALLYPORT_TLS_IDENTITY_DATA_HPP

#include "openssl.hpp"
#include "resumption_policy.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::detail {

struct free_x509_stack {
  void operator()(STACK_OF(X509) * stack) const noexcept { sk_X509_pop_free(stack, X509_free); }
};
using x509_stack_ptr = std::unique_ptr<STACK_OF(X509), free_x509_stack>;

struct ocsp_response;

/// Copies share the certificates and the key.
struct identity_data {
  std::shared_ptr<X509> certificate;        ///< the identity's own
  std::shared_ptr<STACK_OF(X509)> issuers;  ///< the rest of the chain as it is sent; may be empty, is never null
  std::shared_ptr<EVP_PKEY> key;
  std::shared_ptr<const ocsp_response> staple;  ///< null: none. `certificate` has it too: ocsp_stapling
  std::string name;  ///< what sentences call it: the certificate's file, or "certificate chain"
  std::vector<std::string> warnings;
  std::optional<policy_digest>
      names_digest;  ///< digest_of_names(), once; where it is missing, each connection makes it

  /// identity::matches(). Leaves OpenSSL's error queue as it was, since it is also called within a handshake.
  bool matches(std::string_view host) const;
};

}  // namespace sallyport::detail

#endif
