// protocol_settings: what both sides of TLS agree on is taken from, the same for servers and clients: versions, cipher
// suites, groups, signature algorithms, application protocols.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_PROTOCOL_SETTINGS_HPP
#define SALLYPORT_TLS_PROTOCOL_SETTINGS_HPP

#include "context_data.hpp"

namespace sallyport::detail {

/// Sets all of them on `data.ssl_ctx` from `data.configuration`, which has been checked; also sets `data.groups`, and
/// warns of groups that are missing. Of ALPN only `data.alpn_wire`: each side has its own call. False if OpenSSL fails.
/// Throws std::bad_alloc.
bool set_protocol(context_data& data);

}  // namespace sallyport::detail

#endif
