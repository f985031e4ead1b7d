// client_side: what a session is on the inside beyond others, if it is a client's.
//
// What it is told and finds out about the server's certificate and a pre-shared key is in peer_authentication, as for
// the server's side about its client.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_CLIENT_SIDE_HPP
#define SALLYPORT_TLS_CLIENT_SIDE_HPP

#include "failure_reason.hpp"
#include "openssl.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace sallyport::detail {

struct context_data;
struct session_impl;

struct client_side {
  std::string to_resume;        ///< bytes as session::resumable_session() gives them, or anything else
  bool is_answered = false;     ///< the server's first bytes have been looked at
  bool names_server = false;    ///< the server's name is one that a certificate can be for
  bool offers_session = false;  ///< in the ClientHello
  std::int64_t offer_good_until = 0;

  // --- the pre-shared key ---
  bool was_asked = false;   ///< for TLS 1.3
  bool offers_key = false;  ///< in the ClientHello, TLS 1.3
  std::string hint;         ///< the server's, TLS 1.2

  bool sent_certificate = false;
  bool got_ticket = false;  ///< on this connection; TLS 1.2: it may be an empty one
};

/// Makes the new SSL a client's: the name, what the certificate must be for, the session to resume. False if OpenSSL is
/// out of memory. Throws std::bad_alloc.
bool start_client_side(session_impl& session);

/// Why the server can't be talked to, going by the first bytes that came.
std::optional<failure> odd_first_answer(session_impl& session, std::span<const std::byte> input);

/// A handshake message was sent or came, the whole of it.
void note_message_of_client_side(session_impl& session, bool sent, std::span<const unsigned char> message,
                                 bool is_empty_certificate) noexcept;

/// OpenSSL has completed the handshake. Why that isn't enough, if so. Throws std::bad_alloc.
std::optional<failure> finish_client_side(session_impl& session);

/// Why OpenSSL has given up the handshake.
failure why_client_side_failed(const session_impl& session);

/// The callbacks that belong to a client's session.
void install_client_callbacks(SSL_CTX* ssl_ctx, bool pre_shared_keys) noexcept;

/// How a client gets its own pre-shared key. In client_pre_shared_key.cpp.
void install_client_key_callbacks(SSL_CTX* ssl_ctx) noexcept;

}  // namespace sallyport::detail

#endif
