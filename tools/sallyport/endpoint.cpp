// endpoint: see endpoint.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "endpoint.hpp"

#include "failure.hpp"
#include "text.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <algorithm>

namespace sallyport::tool {

namespace asio = boost::asio;
using asio::ip::tcp;

std::optional<stream_endpoint> literal_endpoint(const address& address) {
  if (address.is_unix()) return stream_endpoint(asio::local::stream_protocol::endpoint(address.path));
  boost::system::error_code not_an_address;
  const asio::ip::address ip = asio::ip::make_address(address.host, not_an_address);
  if (not_an_address) return std::nullopt;
  return stream_endpoint(tcp::endpoint(ip, address.port));
}

std::vector<tcp::endpoint> look_up(const std::string& option, const address& address) {
  asio::io_context context;
  boost::system::error_code failure;
  // Without Asio's default, address_configured: it hides ::1 from machines that have no IPv6 network.
  const auto found = tcp::resolver(context).resolve(address.host, std::to_string(address.port),
                                                    tcp::resolver::numeric_service, failure);
  if (failure) {
    throw startup_failure(exit_usage, option + ": " + in_quotes(to_string(address)) +
                                          ": the name can't be looked up: " + failure.message());
  }
  return {found.begin(), found.end()};
}

std::vector<stream_endpoint> listen_endpoints(const address& listen) {
  // [::] takes IPv4 clients too; the other is for machines whose kernel has no IPv6.
  if (!listen.is_unix() && listen.host.empty()) {
    return {tcp::endpoint(tcp::v6(), listen.port), tcp::endpoint(tcp::v4(), listen.port)};
  }
  if (const auto literal = literal_endpoint(listen)) return {*literal};
  const std::vector<tcp::endpoint> found = look_up("--listen", listen);
  const auto is_v4 = [](const tcp::endpoint& endpoint) { return endpoint.address().is_v4(); };
  const auto v4 = std::find_if(found.begin(), found.end(), is_v4);
  return {v4 != found.end() ? *v4 : found.front()};
}

std::string to_string(const tcp::endpoint& endpoint) {
  const std::string ip = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + ip + "]" : ip) + ":" + std::to_string(endpoint.port());
}

}  // namespace sallyport::tool
