// address: what the kernel's socket addresses mean to people and to the shares of clients.
//
// SPDX-License-Identifier: Apache-2.0
#include "address.hpp"

#include <sys/socket.h>

#include <boost/asio/ip/address.hpp>

#include <cstring>
#include <sstream>

namespace sallyport::detail {

boost::asio::ip::tcp::endpoint to_tcp(const any_endpoint& endpoint) {
  boost::asio::ip::tcp::endpoint tcp;
  const int family = endpoint.protocol().family();
  if ((family != AF_INET && family != AF_INET6) || endpoint.size() == 0 || endpoint.size() > tcp.capacity()) return tcp;
  std::memcpy(tcp.data(), endpoint.data(), endpoint.size());
  tcp.resize(endpoint.size());
  if (tcp.address().is_v6() && tcp.address().to_v6().is_v4_mapped())
    tcp.address(boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, tcp.address().to_v6()));
  return tcp;
}

std::string to_text(const any_endpoint& endpoint) {
  if (endpoint.protocol().family() == AF_UNIX) return "unix";
  std::ostringstream text;
  text << to_tcp(endpoint);
  return text.str();
}

std::optional<client_address> share_of(const any_endpoint& endpoint) {
  const int family = endpoint.protocol().family();
  if (family != AF_INET && family != AF_INET6) return std::nullopt;
  const auto address = to_tcp(endpoint).address();
  if (address.is_v4()) return client_address{address.to_v4().to_uint(), true};
  const auto bytes = address.to_v6().to_bytes();
  client_address client;
  for (std::size_t i = 0; i < sizeof client.network; ++i) client.network = client.network << 8 | bytes[i];
  return client;
}

}  // namespace sallyport::detail
