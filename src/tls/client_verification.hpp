// client_verification: the verdict on a client's certificate.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_CLIENT_VERIFICATION_HPP
#define SALLYPORT_TLS_CLIENT_VERIFICATION_HPP

#include "session_impl.hpp"

namespace sallyport::detail {

/// The client has shown no certificate though verify_mode is verify. True if it may come in all the same: somebody was
/// asked and ignores the error.
bool accepts_missing_certificate(session_impl& session) noexcept;

}  // namespace sallyport::detail

#endif
