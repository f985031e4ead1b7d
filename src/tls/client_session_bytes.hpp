// client_session_bytes: a client's session as bytes that it can be resumed from, by the same client alone.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_CLIENT_SESSION_BYTES_HPP
#define SALLYPORT_TLS_CLIENT_SESSION_BYTES_HPP

#include "openssl.hpp"
#include "resumption_policy.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::detail {

struct kept_session {
  ssl_session_ptr session;  ///< null: none that can be resumed
  std::int64_t good_until = 0;
};

/// `binding` is a hash of all by which the session began; `good_until` the end of what vouches for the server, in
/// seconds since 1970. "" if OpenSSL is out of memory. Throws std::bad_alloc.
std::string bytes_of(SSL_SESSION* session, const policy_digest& binding, std::int64_t good_until);

/// The session, if it began by the same and is still good.
kept_session session_from(std::string_view bytes, const policy_digest& binding) noexcept;

}  // namespace sallyport::detail

#endif
