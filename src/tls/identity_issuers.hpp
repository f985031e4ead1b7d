// identity_issuers: the chains above identities' own certificates, each once however many identities have it.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_IDENTITY_ISSUERS_HPP
#define SALLYPORT_TLS_IDENTITY_ISSUERS_HPP

#include "identity_data.hpp"

#include <memory>

namespace sallyport::detail {

/// The same certificates in the same order, byte by byte: those of another identity that is still there, or else these.
/// A server's certificates are often by the same issuer, whose own needs more memory than theirs; and what all
/// handshakes use stays in the processor's cache. From any thread. The certificates' extensions are decoded already.
/// Throws std::bad_alloc.
std::shared_ptr<STACK_OF(X509)> shared_issuers(x509_stack_ptr issuers);

}  // namespace sallyport::detail

#endif
