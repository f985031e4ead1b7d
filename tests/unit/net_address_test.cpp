// address: what the kernel's socket addresses mean.
//
// SPDX-License-Identifier: Apache-2.0
#include "net/address.hpp"

#include <gtest/gtest.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <string>

namespace sallyport::detail {
namespace {

using boost::asio::ip::make_address;
using boost::asio::ip::tcp;

any_endpoint endpoint(const std::string& address, unsigned short port = 4711) {
  return tcp::endpoint(make_address(address), port);
}
any_endpoint unix_endpoint() { return boost::asio::local::stream_protocol::endpoint("/run/server.socket"); }

TEST(address, text) {
  EXPECT_EQ(to_text(endpoint("192.0.2.1")), "192.0.2.1:4711");
  EXPECT_EQ(to_text(endpoint("2001:db8::1")), "[2001:db8::1]:4711");
  EXPECT_EQ(to_text(endpoint("::ffff:192.0.2.1")), "192.0.2.1:4711");
  EXPECT_EQ(to_text(unix_endpoint()), "unix");
}

TEST(address, tcp_endpoint) {
  EXPECT_EQ(to_tcp(endpoint("192.0.2.1")), tcp::endpoint(make_address("192.0.2.1"), 4711));
  EXPECT_EQ(to_tcp(endpoint("2001:db8::1")), tcp::endpoint(make_address("2001:db8::1"), 4711));
  EXPECT_EQ(to_tcp(endpoint("::ffff:192.0.2.1")), tcp::endpoint(make_address("192.0.2.1"), 4711));
  EXPECT_EQ(to_tcp(unix_endpoint()), tcp::endpoint());
  EXPECT_EQ(to_tcp(any_endpoint()), tcp::endpoint());
}

TEST(address, an_ipv4_client_is_one_address) {
  EXPECT_EQ(share_of(endpoint("192.0.2.1", 1)), share_of(endpoint("192.0.2.1", 2)));
  EXPECT_NE(share_of(endpoint("192.0.2.1")), share_of(endpoint("192.0.2.2")));
  EXPECT_EQ(share_of(endpoint("192.0.2.1")), share_of(endpoint("::ffff:192.0.2.1")));
}

TEST(address, an_ipv6_client_is_a_64_network) {
  EXPECT_EQ(share_of(endpoint("2001:db8:0:1::1")), share_of(endpoint("2001:db8:0:1:ffff:ffff:ffff:ffff")));
  EXPECT_NE(share_of(endpoint("2001:db8:0:1::1")), share_of(endpoint("2001:db8:0:2::1")));
  EXPECT_NE(share_of(endpoint("::1")), share_of(endpoint("0.0.0.0")));
}

TEST(address, a_unix_client_has_no_share) { EXPECT_EQ(share_of(unix_endpoint()), std::nullopt); }

}  // namespace
}  // namespace sallyport::detail
