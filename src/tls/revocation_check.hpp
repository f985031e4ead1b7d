// revocation_check: how OpenSSL comes by the revocation lists when it verifies a peer's certificate.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_REVOCATION_CHECK_HPP
#define SALLYPORT_TLS_REVOCATION_CHECK_HPP

#include "openssl.hpp"

#include <sallyport/revocation_lists.hpp>
#include <sallyport/ssl_configuration.hpp>
#include <sallyport/trust_store.hpp>

#include <string>
#include <vector>

namespace sallyport::detail {

/// A store with the same certificates, for which every certificate of a chain must have its issuer's list. Null if
/// OpenSSL is out of memory. Throws std::bad_alloc.
x509_store_ptr store_with(const trust_store& trust, const revocation_lists& lists, revocation_policy missing);

/// In the callback of a verification that has found an error: true if that is only that there is no list, or none of
/// today, and it counts for nothing.
bool is_tolerated(X509_STORE_CTX* verification) noexcept;

/// True for X509_V_ERR_* that say that the lists, and not the certificate, are what is wrong.
bool is_about_lists(int x509_error) noexcept;

/// What is odd about these lists together with this trust store, a sentence each: one that a CA is named by and hasn't
/// signed.
std::vector<std::string> warnings_about(const trust_store& trust, const revocation_lists& lists);

}  // namespace sallyport::detail

#endif
