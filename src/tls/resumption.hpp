// resumption: which sessions may be resumed, how long, and the tickets for it.
//
// A ticket holds all of a session (RFC 5077, RFC 8446 section 4.6.1), the client's certificate included, and a note of
// ours: when the client was authenticated, and until when that counts. Whoever shows a ticket is judged anew by it. If
// the answer is no, a full handshake follows, never a failure.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_RESUMPTION_HPP
#define SALLYPORT_TLS_RESUMPTION_HPP

#include "openssl.hpp"
#include "session_impl.hpp"

#include <cstdint>

namespace sallyport::detail {

/// Tickets, their keys, and under what policy they work: also sets `data`'s tickets and policy. False if OpenSSL fails.
/// Throws std::bad_alloc.
bool set_resumption(context_data& data);

/// When a chain that has just been verified stops being good, in seconds since 1970: the first of its certificates
/// expires, or a revocation list that it was looked up in.
std::int64_t end_of_validity(X509_STORE_CTX* verified, const ssl_configuration& configuration) noexcept;

/// Whether a client that is let in now could be let in by a ticket. Not if somebody has ignored errors of its
/// certificate, and would not be asked then, not if it has a pre-shared key, which may be withdrawn, and not if its
/// certificate is very large.
bool may_be_resumed(const session_impl& session) noexcept;

/// After the handshake: the certificate of a peer whose session has been resumed, which it hasn't shown this time.
/// Throws std::bad_alloc.
void remember_resumed_peer(session_impl& session);

}  // namespace sallyport::detail

#endif
