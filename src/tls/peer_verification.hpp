// peer_verification: the verdict on the peer's certificate. What is here is for servers alone: a server without a
// certificate is OpenSSL's to refuse.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_PEER_VERIFICATION_HPP
#define SALLYPORT_TLS_PEER_VERIFICATION_HPP

#include "session_impl.hpp"

namespace sallyport::detail {

/// The client shows no certificate though verify_mode is verify, as it has a pre-shared key. True if it may come in all
/// the same: somebody was asked and ignores the error.
bool accepts_missing_certificate(session_impl& session) noexcept;

/// The client has neither. True if OpenSSL is to go on without a certificate: the error is ignored, and there are no
/// rules or the client is told later that they don't let it in.
bool accepts_empty_certificate(session_impl& session) noexcept;

}  // namespace sallyport::detail

#endif
