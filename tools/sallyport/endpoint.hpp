// endpoint: an address that has been looked up, as the kernel wants it.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_ENDPOINT_HPP
#define SALLYPORT_TOOL_ENDPOINT_HPP

#include "address.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <optional>
#include <string>
#include <vector>

namespace sallyport::tool {

using stream_endpoint = boost::asio::generic::stream_protocol::endpoint;

/// The endpoint of an address that needs no lookup: a unix socket's, or a literal IPv4 or IPv6 address.
std::optional<stream_endpoint> literal_endpoint(const address& address);

/// What to try to listen on, best first. Blocks while a name is looked up; an unknown one throws startup_failure
/// (exit_usage).
std::vector<stream_endpoint> listen_endpoints(const address& listen);

/// Blocks while the name in `address` is looked up; an unknown one throws startup_failure (exit_usage).
std::vector<boost::asio::ip::tcp::endpoint> look_up(const std::string& option, const address& address);

/// "127.0.0.1:8443", "[::1]:8443".
std::string to_string(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace sallyport::tool

#endif
