// port_probe: whether somebody else has a port, before servers that share it (SO_REUSEPORT) take it.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_PORT_PROBE_HPP
#define SALLYPORT_NET_PORT_PROBE_HPP

#include <sallyport/error.hpp>

#include <boost/asio/generic/stream_protocol.hpp>

namespace sallyport::detail {

/// What listening on `where` (TCP) without SO_REUSEPORT would fail with; no error if it is free. With SO_REUSEPORT it
/// would succeed beside another program of the same user that has set it too, and each would get some of the clients.
error_code probe_port(const boost::asio::generic::stream_protocol::endpoint& where, bool v6_only);

}  // namespace sallyport::detail

#endif
