// pre_shared_key_callbacks: how OpenSSL gets a client's key.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_PRE_SHARED_KEY_CALLBACKS_HPP
#define SALLYPORT_TLS_PRE_SHARED_KEY_CALLBACKS_HPP

#include "session_impl.hpp"

namespace sallyport::detail {

/// What OpenSSL wants of a key for TLS 1.3: a session that it could resume. Null if it is out of memory.
ssl_session_ptr session_of_key(SSL* ssl, const pre_shared_key& key) noexcept;

/// Inside the client_hello callback: if the client offers pre-shared keys in TLS 1.3, asks for them. False if the
/// handshake must end, with `alert`. Throws std::bad_alloc.
bool ask_for_offered_keys(session_impl& session, int& alert);

}  // namespace sallyport::detail

#endif
