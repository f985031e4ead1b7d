// resumption_policy: all that decides who is let in, as a hash. A session is resumed only where it is the same as where
// the session began.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_RESUMPTION_POLICY_HPP
#define SALLYPORT_TLS_RESUMPTION_POLICY_HPP

#include "openssl.hpp"

#include <sallyport/ssl_configuration.hpp>

#include <array>
#include <initializer_list>
#include <optional>
#include <string_view>

namespace sallyport::detail {

struct context_data;
struct identity_data;

/// The size of OpenSSL's session id context.
using policy_digest = std::array<unsigned char, 32>;

/// Its bytes.
inline std::string_view text_of(const policy_digest& digest) noexcept {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

/// What a configuration asks of clients. It doesn't depend on the process or the host, nor on the order of what has no
/// order. Throws std::bad_alloc; none if OpenSSL is out of memory.
std::optional<policy_digest> policy_of(const ssl_configuration& configuration);

/// The names that a certificate is for: one that is renewed has the same ones. Throws std::bad_alloc; none if OpenSSL
/// is out of memory.
std::optional<policy_digest> digest_of_names(const X509* certificate);

/// One of several, in their order. Throws std::bad_alloc; none if OpenSSL is out of memory.
std::optional<policy_digest> digest_of_parts(std::initializer_list<std::string_view> parts);

/// In the client_hello callback, when it is known what the client is offered: which sessions it may resume. They began
/// under the same settings, with an identity of the same names (null: none), and the client asked for the same name
/// (RFC 6066 section 3). False if OpenSSL is out of memory.
bool enter_policy(SSL* ssl, const context_data& chosen, const identity_data* identity,
                  std::string_view server_name) noexcept;

}  // namespace sallyport::detail

#endif
