// first_record: what a client's first bytes are, before OpenSSL is given any memory for it.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_FIRST_RECORD_HPP
#define SALLYPORT_TLS_FIRST_RECORD_HPP

#include <cstddef>
#include <span>

namespace sallyport::detail {

enum class first_record {
  undecided,     ///< so far it could be TLS; more bytes are needed
  client_hello,  ///< the header of a handshake record that begins a ClientHello
  plain_http,    ///< an HTTP request line
  not_tls,       ///< anything else
  oversized,     ///< a ClientHello that claims to be longer than max_client_hello_size
};

/// OpenSSL allocates as much as the header claims before the bytes are there. No real ClientHello comes near this
/// (about 2 KiB with a post-quantum key share, plus a session ticket).
inline constexpr std::size_t max_client_hello_size = 32 * 1024;

/// Decides on the first bytes of a connection; nine always suffice. Bytes that can't be TLS are told at the first
/// one that shows it.
first_record inspect_first_record(std::span<const std::byte> bytes) noexcept;

}  // namespace sallyport::detail

#endif
