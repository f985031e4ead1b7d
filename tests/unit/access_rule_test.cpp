// access_rule: what can be said with one, and whom it lets in.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/access_rule.hpp>
#include <sallyport/certificate.hpp>

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "support/refused.hpp"
#include "support/test_pki.hpp"
#include "tls/access_rule_data.hpp"
#include "tls/certificate_data.hpp"

namespace sallyport {
namespace {

using namespace std::string_literals;
using test::accepted;
using test::name_kind;
using test::refused;
using enum configuration_error;

access_rule rule(std::string_view text) { return access_rule::parse(text).value(); }

// As it comes from a client: with extensions that certificate::from_pem would refuse.
certificate make(const test::certificate_options& options) {
  const std::string der = test::certificate_to_der(test::make_self_signed(options).certificate);
  const auto* in = reinterpret_cast<const unsigned char*>(der.data());
  const detail::x509_ptr parsed{d2i_X509(nullptr, &in, static_cast<long>(der.size()))};
  if (!parsed) throw std::runtime_error("the certificate doesn't parse");
  return detail::certificate_of(parsed.get());
}

certificate with_name(name_kind kind, const std::string& name) {
  return make({.common_name = "", .other_names = {{kind, name}}});
}

bool matches(const access_rule& one, const certificate& client) {
  const bool matched = one.matches(client);
  EXPECT_EQ(ERR_peek_error(), 0U);
  return matched;
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string all;
  while (times-- > 0) all += text;
  return all;
}

// ---- what can be said ----

struct refusal {
  std::string rule;
  std::string sentence;
};

void expect_refusals(const std::vector<refusal>& refusals) {
  for (const refusal& each : refusals) {
    EXPECT_TRUE(
        refused(access_rule::parse(each.rule), invalid_value, "access rule \"" + each.rule + "\": " + each.sentence))
        << each.rule;
  }
}

TEST(access_rule, keeps_its_text) {
  for (const std::string text : {"dns=client.example.org",
                                 "dns=*.Example.org",
                                 "dns=xn--bcher-kva.example",
                                 "dns=_service.host",
                                 "dns=localhost",
                                 "email=Alice@Example.org",
                                 "email=o'brien+tag@example.org",
                                 "cn=alice",
                                 "cn= Zoë, \"x\" = y ",
                                 "cn=*",
                                 "ou=Ops",
                                 "uri=spiffe://example.org",
                                 "uri=spiffe://example.org/web",
                                 "uri=spiffe://example.org/*",
                                 "uri=spiffe://example.org/*/web/*",
                                 "uri=spiffe://example.org/**",
                                 "uri=spiffe://example.org/*/**",
                                 "uri=https://[2001:db8::1]:8443/a%20b/?q=%41#f",
                                 "uri=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
                                 "uri=spiffe://example.org/../x",
                                 "uri=spiffe://example.org/web/"}) {
    const auto parsed = access_rule::parse(text);
    ASSERT_TRUE(accepted(parsed)) << text;
    EXPECT_EQ(parsed->text(), text);
  }
}

TEST(access_rule, has_a_kind_and_a_value) {
  const std::string none = "begins with none of dns=, uri=, email=, cn=, ou= and spki=";
  const std::string empty = "has nothing behind the =";
  expect_refusals({{"", "is empty"},
                   {"client.example.org", "has no =, as in dns=client.example.org"},
                   {"=client.example.org", none},
                   {"DNS=client.example.org", none},
                   {" dns=client.example.org", none},
                   {"dns =client.example.org", none},
                   {"dnsname=client.example.org", none},
                   {"ip=192.0.2.1", none},
                   {"dns=", empty},
                   {"uri=", empty},
                   {"email=", empty},
                   {"cn=", empty},
                   {"ou=", empty},
                   {"spki=", empty}});
}

TEST(access_rule, is_a_text_that_can_be_shown) {
  const auto refuses = [](const std::string& text, const std::string& shown) {
    return refused(access_rule::parse(text), invalid_value,
                   "access rule \"" + shown + "\": has control characters, or isn't UTF-8");
  };
  EXPECT_TRUE(refuses("cn=alice\n", "cn=alice?"));
  EXPECT_TRUE(refuses("cn=alice\0"s, "cn=alice?"));
  EXPECT_TRUE(refuses("cn=\x1b[31m", "cn=?[31m"));
  EXPECT_TRUE(refuses("cn=al\xffice", "cn=al?ice"));
  EXPECT_TRUE(refuses("cn=\u202e", "cn=???"));
  EXPECT_TRUE(refuses("dns=a.example\r", "dns=a.example?"));
  EXPECT_TRUE(refuses("\n", "?"));
}

TEST(access_rule, that_is_long_is_cut_where_it_is_shown) {
  const std::string text = "dns=" + repeated("a", 64);
  EXPECT_TRUE(refused(access_rule::parse(text), invalid_value,
                      "access rule \"" + text.substr(0, 64) + "...\": is no DNS name"));
}

TEST(access_rule, dns_is_a_name_or_one_label_before_one) {
  const std::string place = "has a wildcard that isn't the whole first label";
  const std::string few = "needs two labels or more behind the wildcard";
  const std::string no_name = "is no DNS name";
  expect_refusals({{"dns=*", few},
                   {"dns=*.", few},
                   {"dns=*.com", few},
                   {"dns=*.com.", no_name},
                   {"dns=a.*.com", place},
                   {"dns=*.*.example.com", place},
                   {"dns=a*.example.com", place},
                   {"dns=*a.example.com", place},
                   {"dns=**.example.com", place},
                   {"dns=example.*", place},
                   {"dns=.example.com", no_name},
                   {"dns=a..example.com", no_name},
                   {"dns=*..example.com", no_name},
                   {"dns=a b.example.com", no_name},
                   {"dns=192.0.2.1", no_name},
                   {"dns=*.0.2.1", no_name},
                   {"dns=2001:db8::1", no_name},
                   {"dns=https://example.com", no_name}});
  EXPECT_TRUE(refused(access_rule::parse("dns=bücher.example"), invalid_value,
                      "access rule \"dns=b??cher.example\": "
                      "has letters that aren't ASCII: write them as A-labels (xn--...)"));
}

TEST(access_rule, uri_is_whole_with_wildcards_for_whole_segments) {
  const std::string scheme = "has no scheme, as in spiffe://example.org/web";
  const std::string character = "has a character that must be escaped in a URI (RFC 3986)";
  const std::string outside = "has a wildcard outside of a path";
  const std::string part = "has a wildcard that is only a part of a segment";
  const std::string rest = "has a wildcard, and a query or fragment";
  const std::string never = "has a wildcard, and a dot segment or an escaped character, which none matches";
  const std::string empty = "has a wildcard, and an empty segment, which none matches";
  const std::string end = "has a ** that isn't at its end";
  expect_refusals({{"uri=example.org/web", scheme},
                   {"uri=//example.org/web", scheme},
                   {"uri=/web", scheme},
                   {"uri=*://example.org/web", scheme},
                   {"uri=1a://example.org", scheme},
                   {"uri=://example.org", scheme},
                   {"uri=spiffe:", "has nothing behind its scheme"},
                   {"uri=spiffe:///web", "has nothing between // and the path"},
                   {"uri=spiffe://", "has nothing between // and the path"},
                   {"uri=https://alice@example.org/", "has a user before the host"},
                   {"uri=spiffe://example.org/a b", character},
                   {"uri=spiffe://example.org/a\\b", character},
                   {"uri=spiffe://example.org/a%2", character},
                   {"uri=spiffe://example.org/a%2g", character},
                   {"uri=spiffe://*/web", outside},
                   {"uri=spiffe://*.example.org/web", outside},
                   {"uri=spiffe://example.org*", outside},
                   {"uri=spiffe://example.org/web?a=*", outside},
                   {"uri=spiffe://example.org?*", outside},
                   {"uri=urn:*", outside},
                   {"uri=urn:a/*", outside},
                   {"uri=spiffe:/web/*", "has a wildcard, and no authority as in spiffe://example.org"},
                   {"uri=spiffe://example.org/*?a=b", rest},
                   {"uri=spiffe://example.org/*#a", rest},
                   {"uri=spiffe://example.org/**/web", end},
                   {"uri=spiffe://example.org/**/**", end},
                   {"uri=spiffe://example.org/**/", end},
                   {"uri=spiffe://example.org/***", part},
                   {"uri=spiffe://example.org/web-*", part},
                   {"uri=spiffe://example.org/*x/web", part},
                   {"uri=spiffe://example.org/web**", part},
                   {"uri=spiffe://example.org/*/", empty},
                   {"uri=spiffe://example.org//*", empty},
                   {"uri=spiffe://example.org/../*", never},
                   {"uri=spiffe://example.org/./*", never},
                   {"uri=spiffe://example.org/%2e%2E/*", never},
                   {"uri=spiffe://example.org/a%2fb/*", never}});
  EXPECT_TRUE(refused(access_rule::parse("uri=spiffe://example.org/ä"), invalid_value,
                      "access rule \"uri=spiffe://example.org/??\": " + character));
}

TEST(access_rule, email_is_an_address) {
  const std::string no_address = "is no address as in alice@example.org";
  expect_refusals({{"email=alice", no_address},
                   {"email=@example.org", no_address},
                   {"email=alice@", no_address},
                   {"email=alice@b@example.org", no_address},
                   {"email=al ice@example.org", no_address},
                   {"email=\"alice\"@example.org", no_address},
                   {"email=alice@[192.0.2.1]", no_address},
                   {"email=alice@192.0.2.1", no_address},
                   {"email=Alice <alice@example.org>", no_address},
                   {"email=*@example.org", "has a wildcard, which there is none of for email"},
                   {"email=alice@*.example.org", "has a wildcard, which there is none of for email"}});
}

TEST(access_rule, spki_is_a_whole_sha256_digest) {
  const std::string hex = repeated("0a", 32);
  const std::string base64 = repeated("AAAA", 10) + "AAA=";
  EXPECT_TRUE(accepted(access_rule::parse("spki=sha256:" + hex)));
  EXPECT_TRUE(accepted(access_rule::parse("spki=sha256:" + base64)));
  const std::string bad = "has no SHA-256 digest: 64 hexadecimal digits, or 44 characters of Base64";
  std::string with_colons = "0a" + repeated(":0a", 31);
  for (const std::string& digest :
       {""s, hex + "0", hex.substr(1), hex.substr(2), hex + "0a", hex.substr(1) + "g", " " + hex.substr(1), with_colons,
        base64.substr(0, 43), base64 + "=", repeated("AAAA", 10) + "AA==", repeated("AAAA", 11),
        repeated("AAAA", 10) + "AAB=", repeated("AAAA", 10) + "A-_=", " " + base64.substr(1),
        base64.substr(0, 20) + "=" + base64.substr(21), repeated("AAAA", 10) + "====", repeated("=", 44)}) {
    const std::string text = "spki=sha256:" + digest;
    const auto parsed = access_rule::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, invalid_value) << text;
    EXPECT_TRUE(parsed.error().detail.ends_with(": " + bad)) << parsed.error().detail;
    EXPECT_EQ(ERR_peek_error(), 0U) << text;
  }
  const std::string prefix = "must begin with spki=sha256:";
  expect_refusals({{"spki=sha1:0a", prefix}, {"spki=SHA256:0a", prefix}, {"spki=sha256", prefix}, {"spki=0a", prefix}});
}

// ---- whom it lets in ----

struct comparison {
  std::string rule;
  std::string name;
  bool matches;
};

void expect_comparisons(name_kind kind, const std::vector<comparison>& comparisons) {
  for (const comparison& each : comparisons) {
    EXPECT_EQ(matches(rule(each.rule), with_name(kind, each.name)), each.matches)
        << each.rule << " and " << testing::PrintToString(each.name);
  }
}

TEST(access_rule_dns, matches_the_same_name_in_any_case) {
  expect_comparisons(name_kind::dns, {{"dns=client.example.org", "client.example.org", true},
                                      {"dns=Client.example.ORG", "cLIENT.Example.org", true},
                                      {"dns=xn--bcher-kva.example", "XN--bcher-kva.example", true},
                                      {"dns=client.example.org", "client.example.org.", true},
                                      {"dns=client.example.org", "client.example.com", false},
                                      {"dns=client.example.org", "a.client.example.org", false},
                                      {"dns=client.example.org", "example.org", false},
                                      {"dns=client.example.org", "", false},
                                      {"dns=client.example.org", "client.example.org\0"s, false},
                                      {"dns=client.example.org", "client.example.org\0.evil.example"s, false},
                                      {"dns=client.example.org", "client.example.org ", false},
                                      {"dns=client.example.org", " client.example.org", false},
                                      {"dns=client.example.org", ".client.example.org", false},
                                      {"dns=client.example.org", "client.example.org\n", false}});
}

TEST(access_rule_dns, wildcard_stands_for_one_label) {
  expect_comparisons(name_kind::dns, {{"dns=*.example.org", "client.example.org", true},
                                      {"dns=*.example.org", "CLIENT.Example.Org", true},
                                      {"dns=*.example.org", "xn--bcher-kva.example.org", true},
                                      {"dns=*.example.org", "example.org", false},
                                      {"dns=*.example.org", ".example.org", false},
                                      {"dns=*.example.org", "a.client.example.org", false},
                                      {"dns=*.example.org", "client.example.com", false},
                                      {"dns=*.example.org", "clientexample.org", false},
                                      {"dns=*.example.org", "client.evilexample.org", false},
                                      {"dns=*.example.org", "cli\0ent.example.org"s, false},
                                      {"dns=*.example.org", "\0.example.org"s, false},
                                      {"dns=*.example.org", "cli ent.example.org", false},
                                      {"dns=*.example.org", "evil/.example.org", false},
                                      {"dns=*.example.org", "\xff.example.org", false}});
}

TEST(access_rule_dns, wildcard_of_the_certificate_is_only_itself) {
  expect_comparisons(name_kind::dns, {{"dns=*.example.org", "*.example.org", true},
                                      {"dns=*.example.org", "*.EXAMPLE.org", true},
                                      {"dns=client.example.org", "*.example.org", false},
                                      {"dns=*.example.org", "c*.example.org", false},
                                      {"dns=*.example.org", "*", false},
                                      {"dns=*.client.example.org", "*.*.example.org", false},
                                      {"dns=a.example.org", "*", false}});
}

TEST(access_rule_dns, looks_at_dns_names_alone) {
  for (const std::string text : {"dns=client.example.org", "dns=*.example.org"}) {
    const access_rule one = rule(text);
    const std::string name = "client.example.org";
    EXPECT_TRUE(matches(one, make({.common_name = "x", .names = {"other.example", name}}))) << text;
    EXPECT_FALSE(matches(one, make({.common_name = name}))) << text;
    EXPECT_FALSE(matches(one, make({.common_name = name, .names = {"other.example"}}))) << text;
    EXPECT_FALSE(matches(one, with_name(name_kind::uri, name))) << text;
    EXPECT_FALSE(matches(one, with_name(name_kind::email, name))) << text;
    EXPECT_FALSE(matches(one, with_name(name_kind::ip, "\xc0\0\x02\x01"s))) << text;
  }
  // An address that says it is a name.
  EXPECT_FALSE(matches(rule("dns=*.example.org"), with_name(name_kind::dns, "192.0.2.1")));
}

TEST(access_rule_uri, is_compared_as_it_is_written) {
  const std::string web = "uri=spiffe://example.org/web";
  expect_comparisons(name_kind::uri, {{web, "spiffe://example.org/web", true},
                                      {web, "SPIFFE://Example.ORG/web", true},
                                      {"uri=Spiffe://EXAMPLE.org/web", "spiffe://example.org/web", true},
                                      {web, "spiffe://example.org/Web", false},
                                      {web, "spiffe://example.org/web/", false},
                                      {web, "spiffe://example.org//web", false},
                                      {web, "spiffe://example.org/./web", false},
                                      {web, "spiffe://example.org/x/../web", false},
                                      {web, "spiffe://example.org/%77eb", false},
                                      {web, "spiffe://example.org/web?", false},
                                      {web, "spiffe://example.org/web#", false},
                                      {web, "spiffe://user@example.org/web", false},
                                      {web, "spiffe://example.org:443/web", false},
                                      {web, "spiffe://example.org.evil.example/web", false},
                                      {web, "spiffe://example.org/web\0"s, false},
                                      {web, "spiffe://example.org\0/web"s, false},
                                      {web, "spiffe:/example.org/web", false},
                                      {web, "spiffe:example.org/web", false},
                                      {web, "https://example.org/web", false},
                                      {web, "//example.org/web", false},
                                      {web, "", false},
                                      {web, ":", false},
                                      {web, "spiffe://example.org/*", false},
                                      {web, "spiffe://example.org/**", false},
                                      {"uri=spiffe://example.org", "spiffe://example.org", true},
                                      {"uri=spiffe://example.org", "spiffe://example.org/", false},
                                      {"uri=spiffe://example.org/", "spiffe://example.org", false},
                                      {"uri=https://example.org/a?b#c", "https://example.org/a?b#c", true},
                                      {"uri=https://example.org/a?b#c", "https://example.org/a?b#C", false},
                                      {"uri=urn:uuid:0Af", "URN:uuid:0Af", true},
                                      {"uri=urn:uuid:0Af", "urn:UUID:0Af", false},
                                      {"uri=urn:uuid:0Af", "urn:uuid:0aF", false}});
}

TEST(access_rule_uri, star_is_one_segment) {
  const std::string last = "uri=spiffe://example.org/ns/*", middle = "uri=spiffe://example.org/ns/*/sa/*";
  expect_comparisons(name_kind::uri, {{last, "spiffe://example.org/ns/web", true},
                                      {last, "Spiffe://example.ORG/ns/web", true},
                                      {last, "spiffe://example.org/ns/a-b._~!$&'()+,;=:@", true},
                                      {last, "spiffe://example.org/ns/...", true},
                                      {last, "spiffe://example.org/ns/a%20%c3%a4", true},
                                      {last, "spiffe://example.org/ns", false},
                                      {last, "spiffe://example.org/ns/", false},
                                      {last, "spiffe://example.org/ns/web/", false},
                                      {last, "spiffe://example.org/ns/web/api", false},
                                      {last, "spiffe://example.org/NS/web", false},
                                      {last, "spiffe://example.org/x/ns/web", false},
                                      {last, "spiffe://example.com/ns/web", false},
                                      {last, "spiffe://example.org.evil.example/ns/web", false},
                                      {last, "https://example.org/ns/web", false},
                                      {last, "spiffe:/ns/web", false},
                                      {last, "spiffe:example.org/ns/web", false},
                                      {middle, "spiffe://example.org/ns/shop/sa/web", true},
                                      {middle, "spiffe://example.org/ns/shop/x/sa/web", false},
                                      {middle, "spiffe://example.org/ns//sa/web", false},
                                      {middle, "spiffe://example.org/ns/shop/sb/web", false}});
}

TEST(access_rule_uri, two_stars_are_all_segments_at_the_end) {
  const std::string all = "uri=spiffe://example.org/**", shop = "uri=spiffe://example.org/*/shop/**";
  expect_comparisons(name_kind::uri, {{all, "spiffe://example.org/web", true},
                                      {all, "spiffe://example.org/a/b/c", true},
                                      {all, "spiffe://example.org", false},
                                      {all, "spiffe://example.org/", false},
                                      {all, "spiffe://example.org/a/", false},
                                      {all, "spiffe://example.org//a", false},
                                      {all, "spiffe://example.com/a", false},
                                      {shop, "spiffe://example.org/eu/shop/web", true},
                                      {shop, "spiffe://example.org/eu/shop/web/api", true},
                                      {shop, "spiffe://example.org/eu/shop", false},
                                      {shop, "spiffe://example.org/eu/shop/", false},
                                      {shop, "spiffe://example.org/shop/web", false},
                                      {shop, "spiffe://example.org/eu/x/shop/web", false}});
}

// Whatever a program behind us could take for another path than we do.
TEST(access_rule_uri, wildcard_matches_no_path_that_can_be_read_in_two_ways) {
  for (const std::string text : {"uri=spiffe://example.org/ns/**", "uri=spiffe://example.org/ns/*"}) {
    const access_rule one = rule(text);
    ASSERT_TRUE(matches(one, with_name(name_kind::uri, "spiffe://example.org/ns/web")));
    for (const std::string& segment :
         {".."s,       "."s,   ""s,     "%2e%2e"s, "%2E"s,     ".%2e"s, "a%2fb"s, "a%2Fb"s, "a%5cb"s, "a\\b"s,
          "a%00"s,     "a\0"s, "a%0a"s, "a%7f"s,   "a%252fb"s, "a%"s,   "a%2"s,   "a%2g"s,  "a b"s,   "a\n"s,
          "\xc3\xa4"s, "a?b"s, "a?"s,   "a#b"s,    "a#"s,      "a*"s,   "a[b"s,   "a|b"s,   "\x7f"s}) {
      EXPECT_FALSE(matches(one, with_name(name_kind::uri, "spiffe://example.org/ns/" + segment)))
          << text << " " << testing::PrintToString(segment);
      EXPECT_FALSE(matches(one, with_name(name_kind::uri, "spiffe://example.org/ns/a/" + segment)))
          << text << " " << testing::PrintToString(segment);
      EXPECT_FALSE(matches(one, with_name(name_kind::uri, "spiffe://example.org/ns/" + segment + "/a")))
          << text << " " << testing::PrintToString(segment);
    }
    for (const std::string uri : {"spiffe://user@example.org/ns/web", "spiffe://@example.org/ns/web",
                                  "spiffe://example.org@evil.example/ns/web", "spiffe://example.org:80/ns/web"}) {
      EXPECT_FALSE(matches(one, with_name(name_kind::uri, uri))) << text << " " << uri;
    }
  }
}

TEST(access_rule_uri, wildcard_of_the_certificate_is_only_itself) {
  expect_comparisons(name_kind::uri, {{"uri=spiffe://example.org/*", "spiffe://example.org/*", true},
                                      {"uri=spiffe://example.org/*", "spiffe://example.org/**", false},
                                      {"uri=spiffe://example.org/**", "spiffe://example.org/**", true},
                                      {"uri=spiffe://example.org/**", "spiffe://example.org/*", false},
                                      {"uri=spiffe://example.org/**", "spiffe://example.org/a/*", false}});
}

TEST(access_rule_uri, looks_at_uris_alone) {
  const access_rule one = rule("uri=spiffe://example.org/web");
  EXPECT_TRUE(matches(one, make({.other_names = {{name_kind::uri, "https://example.org/"},
                                                 {name_kind::uri, "spiffe://example.org/web"}}})));
  EXPECT_FALSE(matches(one, with_name(name_kind::dns, "spiffe://example.org/web")));
  EXPECT_FALSE(matches(one, make({.common_name = "spiffe://example.org/web"})));
}

TEST(access_rule_email, keeps_the_case_of_the_mailbox_alone) {
  const std::string alice = "email=Alice@Example.org";
  expect_comparisons(name_kind::email, {{alice, "Alice@example.org", true},
                                        {alice, "Alice@EXAMPLE.ORG", true},
                                        {alice, "alice@example.org", false},
                                        {alice, "Alice@sub.example.org", false},
                                        {alice, "Alice@example.org\0"s, false},
                                        {alice, "Alice\0@example.org"s, false},
                                        {alice, "Alice@example.org\0.evil.example"s, false},
                                        {alice, "Alice", false},
                                        {alice, "@example.org", false},
                                        {alice, "", false},
                                        {alice, "Alice@evil.example@example.org", false},
                                        {alice, "\"Alice\"@example.org", false},
                                        {alice, "<Alice@example.org>", false},
                                        {alice, "*@example.org", false}});
  const access_rule one = rule(alice);
  EXPECT_FALSE(matches(one, with_name(name_kind::dns, "Alice@example.org")));
  EXPECT_FALSE(matches(one, make({.common_name = "Alice@example.org"})));
  EXPECT_FALSE(matches(
      one,
      make({.subject = {{.type = "emailAddress", .value = "Alice@example.org", .encoding = test::text_type::ia5}}})));
}

certificate with_subject(std::vector<test::name_attribute> attributes) {
  return make({.common_name = "", .subject = std::move(attributes)});
}

TEST(access_rule_subject, is_the_same_text) {
  EXPECT_TRUE(matches(rule("cn=alice"), make({.common_name = "alice"})));
  EXPECT_TRUE(matches(rule("cn=Zoë"), make({.common_name = "Zoë"})));
  EXPECT_TRUE(matches(rule("cn=a=b, c"), make({.common_name = "a=b, c"})));
  for (const std::string& other :
       {"Alice"s, "alice "s, " alice"s, "alic"s, "alicex"s, "alice\0"s, "alice\0x"s, "\0alice"s, "*"s, "alice\n"s}) {
    EXPECT_FALSE(matches(rule("cn=alice"), make({.common_name = other}))) << testing::PrintToString(other);
  }
  EXPECT_FALSE(matches(rule("cn=*"), make({.common_name = "alice"})));
  EXPECT_FALSE(matches(rule("cn=alice"), make({.common_name = ""})));
  EXPECT_FALSE(matches(rule("cn=alice"), with_subject({{.type = "OU", .value = "alice"}})));
  EXPECT_FALSE(matches(rule("ou=alice"), make({.common_name = "alice"})));
  EXPECT_FALSE(matches(rule("cn=alice"), make({.common_name = "x", .names = {"alice"}})));
  // Not by Unicode's equivalence: e with a diaeresis that is a character of its own.
  EXPECT_FALSE(matches(rule("cn=Zoë"), make({.common_name = "Zoe\u0308"})));
}

TEST(access_rule_subject, is_any_of_several) {
  const certificate two = with_subject({{.type = "CN", .value = "alice"},
                                        {.type = "OU", .value = "Ops"},
                                        {.type = "OU", .value = "Night shift", .with_previous = true},
                                        {.type = "CN", .value = "bob"}});
  for (const std::string text : {"cn=alice", "cn=bob", "ou=Ops", "ou=Night shift"}) {
    EXPECT_TRUE(matches(rule(text), two)) << text;
  }
  for (const std::string text : {"cn=Ops", "ou=alice", "cn=alice,bob", "ou=OpsNight shift"}) {
    EXPECT_FALSE(matches(rule(text), two)) << text;
  }
  const certificate with_nul = with_subject({{.type = "CN", .value = "alice\0"s}, {.type = "CN", .value = "bob"}});
  EXPECT_FALSE(matches(rule("cn=alice"), with_nul));
  EXPECT_TRUE(matches(rule("cn=bob"), with_nul));
}

TEST(access_rule_subject, is_compared_as_utf_8_whatever_its_encoding) {
  using enum test::text_type;
  const access_rule zoe = rule("cn=Zoë");
  EXPECT_TRUE(matches(zoe, with_subject({{.type = "CN", .value = "Zo\xeb", .encoding = teletex}})));
  EXPECT_TRUE(matches(zoe, with_subject({{.type = "CN", .value = "\0Z\0o\0\xeb"s, .encoding = bmp}})));
  EXPECT_TRUE(matches(rule("ou=Ops"), with_subject({{.type = "OU", .value = "Ops", .encoding = printable}})));
  EXPECT_FALSE(matches(rule("ou=Ops"), with_subject({{.type = "OU", .value = "\0O\0p\0s\0\0"s, .encoding = bmp}})));
}

// The digest by other ways than the rule's.
std::array<unsigned char, 32> digest_of(const certificate& one) {
  EVP_PKEY* key = X509_get0_pubkey(one.data().certificate.get());
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  std::array<unsigned char, 32> digest{};
  EXPECT_NE(SHA256(der, static_cast<std::size_t>(size), digest.data()), nullptr);
  OPENSSL_free(der);
  return digest;
}

std::string hexadecimal(std::span<const unsigned char> bytes, std::string_view digits) {
  std::string text;
  for (const unsigned char byte : bytes) text += {digits[byte >> 4], digits[byte & 15]};
  return text;
}

TEST(access_rule_spki, is_the_digest_of_the_public_key) {
  const std::vector<test::key_type> types{test::key_type::ec_p256, test::key_type::rsa_2048, test::key_type::ed25519};
  const certificate other = make({});
  for (const test::key_type type : types) {
    const certificate client = make({.key = type});
    const auto digest = digest_of(client);
    std::array<unsigned char, 45> base64{};
    ASSERT_EQ(EVP_EncodeBlock(base64.data(), digest.data(), 32), 44);
    for (const std::string& text : {hexadecimal(digest, "0123456789abcdef"), hexadecimal(digest, "0123456789ABCDEF"),
                                    std::string(reinterpret_cast<const char*>(base64.data()))}) {
      const access_rule one = rule("spki=sha256:" + text);
      EXPECT_TRUE(matches(one, client)) << text;
      EXPECT_FALSE(matches(one, other)) << text;
    }
  }
}

// ---- hostile certificates ----

std::vector<access_rule> rules_about(const certificate& client) {
  const std::string digest = hexadecimal(digest_of(client), "0123456789abcdef");
  return {rule("dns=a.example"), rule("uri=spiffe://a.example/**"), rule("email=a@a.example"), rule("cn=a"),
          rule("ou=a"),          rule("spki=sha256:" + digest)};
}

// A sequence of one or several names, all short.
std::string name(char tag, const std::string& value) {
  return tag + std::string(1, static_cast<char>(value.size())) + value;
}
std::string names(const std::string& all) { return name('\x30', all); }

constexpr char email_tag = '\x81', dns_tag = '\x82', uri_tag = '\x86';

certificate with_raw_names(std::vector<std::string> raw) {
  return make({.common_name = "a", .subject = {{.type = "OU", .value = "a"}}, .raw_alternative_names = std::move(raw)});
}

TEST(access_rule, matches_a_certificate_with_everything) {
  const certificate good = with_raw_names(
      {names(name(dns_tag, "a.example") + name(uri_tag, "spiffe://a.example/b") + name(email_tag, "a@a.example"))});
  for (const access_rule& one : rules_about(good)) EXPECT_TRUE(matches(one, good)) << one.text();
}

TEST(access_rule, matches_nothing_of_a_certificate_whose_names_do_not_parse) {
  const std::string good =
      name(dns_tag, "a.example") + name(uri_tag, "spiffe://a.example/b") + name(email_tag, "a@a.example");
  const std::vector<std::vector<std::string>> bad{
      {""},                  // nothing at all
      {"garbage"},           //
      {name('\x31', good)},  // no sequence
      {names(good) + "x"},   // something behind the end
      {names(good + "\x82\x7f"
                    "a.example"s)},       // a length beyond the end
      {names(good + name('\x8f', "x"))},  // a kind of name that there isn't
      {names(good), names(good)},         // twice
      {names(good), names(name(dns_tag, "b.example"))},
      {names(good), "garbage"},
  };
  for (const auto& raw : bad) {
    const certificate client = with_raw_names(raw);
    for (const access_rule& one : rules_about(client)) {
      EXPECT_FALSE(matches(one, client)) << one.text() << " " << testing::PrintToString(raw);
    }
  }
}

TEST(access_rule, does_without_names_where_it_can) {
  const certificate none = with_raw_names({});
  const certificate empty = with_raw_names({names("")});
  for (const certificate& client : {none, empty}) {
    std::string matched;
    for (const access_rule& one : rules_about(client)) {
      if (matches(one, client)) matched += one.text().substr(0, 2) + " ";
    }
    EXPECT_EQ(matched, "cn ou sp ");
  }
}

TEST(access_rule, first_that_matches_is_the_one) {
  const certificate client = make({.common_name = "alice", .names = {"a.example"}});
  const std::vector<access_rule> rules{rule("cn=bob"), rule("dns=a.example"), rule("cn=alice")};
  EXPECT_EQ(detail::first_match(rules, client), &rules[1]);
  EXPECT_EQ(detail::first_match(std::span(rules).first(1), client), nullptr);
  EXPECT_EQ(detail::first_match({}, client), nullptr);
}

}  // namespace
}  // namespace sallyport
