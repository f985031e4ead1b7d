// server_offer: what this server offers, for the sentence that says why a client and it have nothing in common.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_SERVER_OFFER_HPP
#define SALLYPORT_TLS_SERVER_OFFER_HPP

#include "context_data.hpp"
#include "openssl.hpp"

#include <sallyport/error.hpp>

#include <string>

namespace sallyport::detail {

/// The counterpart of client_offer::describe(). `ssl` has the settings of the connection.
std::string describe_server_offer(SSL* ssl, const context_data& context, handshake_error lacking);

}  // namespace sallyport::detail

#endif
