// address: where to listen, or what to connect to, as it is written on the command line.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_ADDRESS_HPP
#define SALLYPORT_TOOL_ADDRESS_HPP

#include <sallyport/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::tool {

/// A TCP address or the path of a unix socket. Nothing has been looked up: `host` may be a name.
struct address {
  std::string host{};      ///< a name, or an IPv4 or IPv6 address without brackets; empty: every address there is
  std::uint16_t port = 0;  ///< 0: any free one
  std::string path{};      ///< of a unix socket; host and port mean nothing then

  bool is_unix() const noexcept { return !path.empty(); }
  bool operator==(const address&) const = default;
};

/// "HOST:PORT", "[IPv6]:PORT", "*:PORT", ":PORT", or "unix:PATH". Errors: a sentence that quotes what is wrong.
result<address> parse_listen_address(std::string_view text);

/// The same for something to connect to: it needs a host, and a port other than 0.
result<address> parse_target_address(std::string_view text);

/// The form that was parsed: "[::1]:8443", "unix:/run/app.sock"; "*:8443" for every address.
std::string to_string(const address& address);

}  // namespace sallyport::tool

#endif
