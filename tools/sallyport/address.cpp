// address: see address.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "address.hpp"

#include "text.hpp"

#include <boost/asio/ip/address.hpp>

#include <sys/un.h>
#include <algorithm>
#include <charconv>
#include <cstddef>

namespace sallyport::tool {
namespace {

constexpr std::string_view unix_prefix = "unix:";
constexpr std::string_view expected = "(expected HOST:PORT, [IPv6]:PORT or unix:PATH)";
constexpr std::size_t max_unix_path = sizeof(sockaddr_un::sun_path) - 1;  // its last byte is a zero

error invalid(const std::string& sentence) {
  return {boost::system::errc::make_error_code(boost::system::errc::invalid_argument), sentence};
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
// Underscores aren't allowed in host names, but many private networks have them.
bool is_host_character(char c) { return is_digit(c) || is_letter(c) || c == '-' || c == '_'; }

// getaddrinfo takes "1.2.3", "127.1" and "0x7f000001" for addresses too, which is hardly what was meant.
bool looks_like_ipv4(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  const std::size_t dot = host.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? host : host.substr(dot + 1);
  return !last.empty() && (std::all_of(last.begin(), last.end(), is_digit) || last.starts_with("0x"));
}

bool is_ipv4(const std::string& host) {
  boost::system::error_code failure;
  boost::asio::ip::make_address_v4(host, failure);
  return !failure;
}

bool is_ipv6(const std::string& host) {
  boost::system::error_code failure;
  boost::asio::ip::make_address_v6(host, failure);
  return !failure;
}

// RFC 1123 section 2.1 and RFC 1035 section 2.3.4.
bool is_host_name(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.empty() || host.size() > 253) return false;
  std::size_t label = 0;
  for (const char c : host) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
    } else if (!is_host_character(c) || ++label > 63) {
      return false;
    }
  }
  return label != 0;
}

result<std::uint16_t> parse_port(std::string_view text, std::string_view port) {
  if (port.empty()) return invalid(in_quotes(text) + " has no port " + std::string(expected));
  std::uint16_t value = 0;
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != port.data() + port.size()) {
    return invalid(in_quotes(text) + ": " + in_quotes(port) + " is not a port number (0 to 65535)");
  }
  return value;
}

result<address> parse_unix(std::string_view text) {
  const std::string_view path = text.substr(unix_prefix.size());
  if (path.empty()) return invalid(in_quotes(text) + " has no path");
  if (path.size() > max_unix_path) {
    return invalid(in_quotes(text) + ": the path of a unix socket has at most " + std::to_string(max_unix_path) +
                   " bytes, this one " + std::to_string(path.size()));
  }
  return address{.path = std::string(path)};
}

result<address> parse_bracketed(std::string_view text) {
  const std::size_t bracket = text.find(']');
  if (bracket == std::string_view::npos) return invalid(in_quotes(text) + " has a \"[\" without its \"]\"");
  const std::string host(text.substr(1, bracket - 1));
  const std::string_view rest = text.substr(bracket + 1);
  if (!is_ipv6(host)) return invalid(in_quotes(text) + ": " + in_quotes(host) + " is not an IPv6 address");
  if (!rest.starts_with(':')) return invalid(in_quotes(text) + " has no port " + std::string(expected));
  const auto port = parse_port(text, rest.substr(1));
  if (port.has_error()) return port.error();
  return address{.host = host, .port = *port};
}

result<address> parse_host_and_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return invalid(in_quotes(text) + " has no port " + std::string(expected));
  const std::string host(text.substr(0, colon));
  if (host.find(':') != std::string::npos) {
    if (is_ipv6(host) || is_ipv6(std::string(text))) {
      return invalid(in_quotes(text) + ": an IPv6 address needs brackets, as in [::1]:8443");
    }
    return invalid(in_quotes(text) + " has too many colons " + std::string(expected));
  }
  const auto port = parse_port(text, text.substr(colon + 1));
  if (port.has_error()) return port.error();
  if (host.empty() || host == "*") return address{.port = *port};
  if (looks_like_ipv4(host)) {
    if (!is_ipv4(host)) return invalid(in_quotes(text) + ": " + in_quotes(host) + " is not an IPv4 address");
  } else if (!is_host_name(host)) {
    return invalid(in_quotes(text) + ": " + in_quotes(host) + " is not a host name");
  }
  return address{.host = host, .port = *port};
}

}  // namespace

result<address> parse_listen_address(std::string_view text) {
  if (text.empty()) return invalid("the address is empty " + std::string(expected));
  if (text.starts_with(unix_prefix)) return parse_unix(text);
  if (text.front() == '[') return parse_bracketed(text);
  return parse_host_and_port(text);
}

result<address> parse_target_address(std::string_view text) {
  auto parsed = parse_listen_address(text);
  if (parsed.has_error() || parsed->is_unix()) return parsed;
  if (parsed->host.empty()) return invalid(in_quotes(text) + " has no host to connect to");
  if (parsed->port == 0) return invalid(in_quotes(text) + ": port 0 can't be connected to");
  return parsed;
}

std::string to_string(const address& address) {
  if (address.is_unix()) return std::string(unix_prefix) + address.path;
  const std::string port = ":" + std::to_string(address.port);
  if (address.host.empty()) return "*" + port;
  if (address.host.find(':') != std::string::npos) return "[" + address.host + "]" + port;
  return address.host + port;
}

}  // namespace sallyport::tool
