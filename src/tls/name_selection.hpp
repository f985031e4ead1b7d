// name_selection: which settings and identities a client gets by the name that it asks for (SNI).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_NAME_SELECTION_HPP
#define SALLYPORT_TLS_NAME_SELECTION_HPP

#include "session_impl.hpp"

#include <string_view>

namespace sallyport::detail {

/// In the client_hello callback, before OpenSSL has done anything with the ClientHello: `asked` is its server_name, ""
/// if there is none. False, with the alert to send, if the client is to be refused. Throws std::bad_alloc.
bool choose_by_name(session_impl& session, std::string_view asked, int& alert);

/// OpenSSL's callback for a full handshake, before it uses a certificate. Returns 0 if that can't be.
int on_certificate_needed(SSL* ssl, void*) noexcept;

}  // namespace sallyport::detail

#endif
