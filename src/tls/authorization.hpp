// authorization: whom the rules (ssl_configuration::allow) let in.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_AUTHORIZATION_HPP
#define SALLYPORT_TLS_AUTHORIZATION_HPP

#include "session_impl.hpp"

#include <string>

namespace sallyport::detail {

/// True if there are no rules, or if one matches the client's certificate, which then is the session's matched_rule().
/// Null, a client that has shown none, matches no rule. Whoever isn't let in here may be judged anew: a full handshake
/// comes after a ticket that is no longer good.
bool authorize(session_impl& session, X509* leaf) noexcept;

/// When OpenSSL has completed the handshake: true if the certificate that it holds for the client's is the one that
/// authorize() has let in, if there are no rules, or if the client is authenticated by a pre-shared key.
bool is_authorized(session_impl& session) noexcept;

/// Who it is that no rule lets in.
std::string denial(const session_impl& session);

}  // namespace sallyport::detail

#endif
