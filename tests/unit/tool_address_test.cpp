// Addresses on the command line: what is taken, and what is said of the rest.
//
// SPDX-License-Identifier: Apache-2.0
#include "address.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::tool {
namespace {

const std::string expected = " (expected HOST:PORT, [IPv6]:PORT or unix:PATH)";

struct good {
  std::string_view text;
  address parsed;
};

struct bad {
  std::string text;
  std::string message;
};

const std::string long_path(107, 'p');

const std::vector<good> listen_addresses{
    {"127.0.0.1:8443", {.host = "127.0.0.1", .port = 8443}},
    {"127.0.0.1:0", {.host = "127.0.0.1", .port = 0}},
    {"127.0.0.1:65535", {.host = "127.0.0.1", .port = 65535}},
    {"0.0.0.0:443", {.host = "0.0.0.0", .port = 443}},
    {"localhost:8443", {.host = "localhost", .port = 8443}},
    {"server.example.com.:8443", {.host = "server.example.com.", .port = 8443}},
    {"my_service:80", {.host = "my_service", .port = 80}},
    {"3com.example:80", {.host = "3com.example", .port = 80}},
    {"[::1]:8443", {.host = "::1", .port = 8443}},
    {"[::]:0", {.host = "::", .port = 0}},
    {"[2001:db8::192.0.2.1]:1", {.host = "2001:db8::192.0.2.1", .port = 1}},
    {"[fe80::1%lo]:1", {.host = "fe80::1%lo", .port = 1}},
    {"*:8443", {.host = "", .port = 8443}},
    {":8443", {.host = "", .port = 8443}},
    {":0", {.host = "", .port = 0}},
    {"unix:/run/app.sock", {.path = "/run/app.sock"}},
    {"unix:relative", {.path = "relative"}},
    {"unix:a:b", {.path = "a:b"}},
};

TEST(ToolAddress, TakesWhatIsWellFormed) {
  for (const good& row : listen_addresses) {
    SCOPED_TRACE(row.text);
    const auto parsed = parse_listen_address(row.text);
    ASSERT_FALSE(parsed.has_error()) << parsed.error().detail;
    EXPECT_EQ(*parsed, row.parsed);
  }
}

TEST(ToolAddress, TakesAUnixPathAsLongAsTheKernelDoes) {
  const auto parsed = parse_listen_address("unix:" + long_path);
  ASSERT_FALSE(parsed.has_error()) << parsed.error().detail;
  EXPECT_EQ(parsed->path, long_path);
}

TEST(ToolAddress, SaysWhatIsWrong) {
  const std::vector<bad> rows{
      {"", "the address is empty" + expected},
      {"localhost", "\"localhost\" has no port" + expected},
      {"localhost:", "\"localhost:\" has no port" + expected},
      {"8443", "\"8443\" has no port" + expected},
      {":", "\":\" has no port" + expected},
      {"localhost:https", R"("localhost:https": "https" is not a port number (0 to 65535))"},
      {"localhost:65536", R"("localhost:65536": "65536" is not a port number (0 to 65535))"},
      {"localhost:99999999999999999999",
       R"("localhost:99999999999999999999": "99999999999999999999" is not a port number (0 to 65535))"},
      {"localhost:-1", R"("localhost:-1": "-1" is not a port number (0 to 65535))"},
      {"localhost:+1", R"("localhost:+1": "+1" is not a port number (0 to 65535))"},
      {"localhost: 1", R"("localhost: 1": " 1" is not a port number (0 to 65535))"},
      {"localhost:1 ", R"("localhost:1 ": "1 " is not a port number (0 to 65535))"},
      {"localhost:0x50", R"("localhost:0x50": "0x50" is not a port number (0 to 65535))"},
      {"::1", "\"::1\": an IPv6 address needs brackets, as in [::1]:8443"},
      {"::1:8443", "\"::1:8443\": an IPv6 address needs brackets, as in [::1]:8443"},
      {"2001:db8::1:80", "\"2001:db8::1:80\": an IPv6 address needs brackets, as in [::1]:8443"},
      {"::", "\"::\": an IPv6 address needs brackets, as in [::1]:8443"},
      {"http://localhost:80", "\"http://localhost:80\" has too many colons" + expected},
      {"a:b:1", "\"a:b:1\" has too many colons" + expected},
      {"[::1", "\"[::1\" has a \"[\" without its \"]\""},
      {"[::1]", "\"[::1]\" has no port" + expected},
      {"[::1]:", "\"[::1]:\" has no port" + expected},
      {"[::1]8443", "\"[::1]8443\" has no port" + expected},
      {"[::1]:x", R"("[::1]:x": "x" is not a port number (0 to 65535))"},
      {"[]:1", R"("[]:1": "" is not an IPv6 address)"},
      {"[localhost]:1", R"("[localhost]:1": "localhost" is not an IPv6 address)"},
      {"[127.0.0.1]:1", R"("[127.0.0.1]:1": "127.0.0.1" is not an IPv6 address)"},
      {"127.0.0.256:1", R"("127.0.0.256:1": "127.0.0.256" is not an IPv4 address)"},
      {"127.1:1", R"("127.1:1": "127.1" is not an IPv4 address)"},
      {"1.2.3.4.5:1", R"("1.2.3.4.5:1": "1.2.3.4.5" is not an IPv4 address)"},
      {"0x7f000001:1", R"("0x7f000001:1": "0x7f000001" is not an IPv4 address)"},
      {"under the sea:1", R"("under the sea:1": "under the sea" is not a host name)"},
      {"a..b:1", R"("a..b:1": "a..b" is not a host name)"},
      {".:1", R"(".:1": "." is not a host name)"},
      {"a/b:1", R"("a/b:1": "a/b" is not a host name)"},
      {"a\nb:1", R"("a\nb:1": "a\nb" is not a host name)"},
      {"unix:", "\"unix:\" has no path"},
      {"unix:" + long_path + "p",
       "\"unix:" + long_path + "p\": the path of a unix socket has at most 107 bytes, this one 108"},
  };
  for (const bad& row : rows) {
    SCOPED_TRACE(row.text);
    const auto parsed = parse_listen_address(row.text);
    ASSERT_TRUE(parsed.has_error());
    EXPECT_EQ(parsed.error().detail, row.message);
    EXPECT_TRUE(parsed.error().code.failed());
  }
}

TEST(ToolAddress, RefusesNamesAndLabelsThatAreTooLong) {
  const std::string label(63, 'a');
  EXPECT_FALSE(parse_listen_address(label + ":1").has_error());
  EXPECT_TRUE(parse_listen_address(label + "a:1").has_error());
  const std::string name = label + "." + label + "." + label + "." + std::string(61, 'a');  // 253
  EXPECT_FALSE(parse_listen_address(name + ":1").has_error());
  EXPECT_TRUE(parse_listen_address(name + "a:1").has_error());
}

TEST(ToolAddress, ATargetNeedsAHostAndAPort) {
  EXPECT_EQ(*parse_target_address("127.0.0.1:80"), (address{.host = "127.0.0.1", .port = 80}));
  EXPECT_EQ(*parse_target_address("unix:/run/app.sock"), (address{.path = "/run/app.sock"}));
  const std::vector<bad> rows{
      {"127.0.0.1:0", "\"127.0.0.1:0\": port 0 can't be connected to"},
      {":80", "\":80\" has no host to connect to"},
      {"*:80", "\"*:80\" has no host to connect to"},
      {"localhost", "\"localhost\" has no port" + expected},
  };
  for (const bad& row : rows) {
    SCOPED_TRACE(row.text);
    const auto parsed = parse_target_address(row.text);
    ASSERT_TRUE(parsed.has_error());
    EXPECT_EQ(parsed.error().detail, row.message);
  }
}

TEST(ToolAddress, IsWrittenAsItIsRead) {
  for (const good& row : listen_addresses) {
    SCOPED_TRACE(row.text);
    const std::string written = to_string(row.parsed);
    EXPECT_EQ(*parse_listen_address(written), row.parsed) << written;
  }
  EXPECT_EQ(to_string(address{.host = "::1", .port = 1}), "[::1]:1");
  EXPECT_EQ(to_string(address{.port = 1}), "*:1");
}

}  // namespace
}  // namespace sallyport::tool
