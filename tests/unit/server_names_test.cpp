// server_names: what is a name, and what it stands for.
//
// SPDX-License-Identifier: Apache-2.0
#include "tls/server_names.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::detail {
namespace {

const std::string label_of_63(63, 'a');

TEST(server_names, are_normalized) {
  EXPECT_EQ(normalized_name("example.org"), "example.org");
  EXPECT_EQ(normalized_name("Example.ORG"), "example.org");
  EXPECT_EQ(normalized_name("example.org."), "example.org");
  EXPECT_EQ(normalized_name("localhost"), "localhost");
  EXPECT_EQ(normalized_name("_sip._tls.example.org"), "_sip._tls.example.org");
  EXPECT_EQ(normalized_name("XN--Bcher-KVA.example"), "xn--bcher-kva.example");
  EXPECT_EQ(normalized_name("1.example"), "1.example");
  EXPECT_EQ(normalized_name("1e1"), "1e1");
  EXPECT_EQ(normalized_name(label_of_63 + ".example"), label_of_63 + ".example");
}

TEST(server_names, are_never_something_else) {
  const std::string no_names[] = {"",
                                  ".",
                                  "..",
                                  ".example.org",
                                  "example..org",
                                  "example.org..",
                                  "192.0.2.1",
                                  "192.0.2.1.",
                                  "3221225985",
                                  "2001:db8::1",
                                  "[2001:db8::1]",
                                  "*.example.org",
                                  "exa mple.org",
                                  "example.org/",
                                  "b\xc3\xbc"
                                  "cher.example",
                                  std::string("example.org\0.evil", 17),
                                  "a" + label_of_63 + ".example",
                                  label_of_63 + "." + label_of_63 + "." + label_of_63 + "." + label_of_63};
  for (const std::string& name : no_names) EXPECT_EQ(normalized_name(name), "") << name;
}

TEST(server_names, may_be_wildcards_for_one_label) {
  EXPECT_EQ(normalized_pattern("*.Example.org"), "*.example.org");
  EXPECT_EQ(normalized_pattern("Example.org."), "example.org");
  for (const char* pattern :
       {"*", "*.", "*.org", "*.*.org", "a.*.org", "f*.example.org", "**.example.org", "*.192.0.2.1"})
    EXPECT_EQ(normalized_pattern(pattern), "") << pattern;
}

TEST(server_names, are_found_by_themselves_before_a_wildcard) {
  name_table table;
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(table.at("*.example.org", 0), 0U);
  EXPECT_EQ(table.at("a.example.org", 1), 1U);
  EXPECT_EQ(table.at("a.example.org", 2), 1U) << "it stays";
  const auto found = [&](std::string_view name) {
    const std::size_t* const at = table.find(name);
    return at == nullptr ? -1 : static_cast<int>(*at);
  };
  EXPECT_EQ(found("a.example.org"), 1);
  EXPECT_EQ(found("b.example.org"), 0);
  EXPECT_EQ(found("b.a.example.org"), -1) << "one label";
  EXPECT_EQ(found("example.org"), -1);
  EXPECT_EQ(found(""), -1);
  EXPECT_EQ(found("org"), -1);
}

TEST(server_names, are_known_to_be_there) {
  name_table table;
  table.at("*.wild.example", 0);
  table.at("www.example.org", 0);
  for (const char* there : {"*.wild.example", "a.wild.example", "www.example.org", "*.example.org"})
    EXPECT_TRUE(table.has_any_in(there)) << there;
  for (const char* missing : {"wild.example", "*.example", "example.org", "*.org.example", "*.www.example.org"})
    EXPECT_FALSE(table.has_any_in(missing)) << missing;
}

}  // namespace
}  // namespace sallyport::detail
