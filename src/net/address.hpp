// address: what the kernel's socket addresses mean to people and to the shares of clients.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_ADDRESS_HPP
#define SALLYPORT_NET_ADDRESS_HPP

#include "places.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <optional>
#include <string>

namespace sallyport::detail {

using any_endpoint = boost::asio::generic::stream_protocol::endpoint;

/// The unspecified endpoint for anything but TCP. An IPv4 client of a dual-stack listener is shown as IPv4.
boost::asio::ip::tcp::endpoint to_tcp(const any_endpoint& endpoint);

/// "192.0.2.1:4711", "[2001:db8::1]:4711", "unix".
std::string to_text(const any_endpoint& endpoint);

/// Whose share of the places a client uses; none for a unix socket.
std::optional<client_address> share_of(const any_endpoint& endpoint);

}  // namespace sallyport::detail

#endif
