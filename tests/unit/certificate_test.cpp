// certificate: what it says about itself, also where a client has put something odd into it.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/certificate.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/err.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "support/refused.hpp"
#include "support/test_pki.hpp"
#include "tls/certificate_data.hpp"
#include "tls/pem.hpp"

namespace sallyport {
namespace {

using namespace std::string_literals;
using std::chrono::hours;
using std::chrono::system_clock;
using test::accepted;
using test::name_kind;
using test::refused;
using test::text_type;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::StartsWith;
using enum configuration_error;

certificate make(const test::certificate_options& options) {
  return certificate::from_pem(test::make_self_signed(options).certificate).value();
}

// A subject of nothing but these attributes.
std::string subject_of(std::vector<test::name_attribute> attributes) {
  return make({.common_name = "", .subject = std::move(attributes)}).subject();
}

std::string subject_of(const std::string& common_name, text_type encoding = text_type::utf8) {
  return subject_of({{.type = "CN", .value = common_name, .encoding = encoding}});
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span{text}); }

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// ---- where it comes from ----

TEST(certificate, is_the_first_of_a_pem_text) {
  const auto ca = test::make_ca("Example CA");
  const auto alice = test::issue(ca, {.common_name = "alice"});
  const auto made = certificate::from_pem("a comment\n" + alice.key + alice.certificate + ca.certificate);
  ASSERT_TRUE(accepted(made));
  EXPECT_EQ(made->subject(), "CN=alice");
  EXPECT_EQ(made->issuer(), "CN=Example CA");
  EXPECT_EQ(made->pem(), alice.certificate);
  EXPECT_EQ(text_of(made->der()), test::certificate_to_der(alice.certificate));
}

TEST(certificate, refuses_what_is_no_pem_certificate) {
  const auto ca = test::make_ca();
  EXPECT_TRUE(refused(certificate::from_pem(""), not_pem, "certificate: is empty"));
  EXPECT_TRUE(refused(certificate::from_pem("garbage"), not_pem, "certificate: is not PEM: it has no -----BEGIN line"));
  EXPECT_TRUE(refused(certificate::from_pem(ca.key), no_certificate,
                      "certificate: no CERTIFICATE block (found 1 PRIVATE KEY)"));
  EXPECT_TRUE(refused(certificate::from_pem(ca.certificate.substr(0, 200)), bad_certificate,
                      "certificate: PEM block 1 is damaged (bad end line)"));
}

TEST(certificate, comes_from_der) {
  const auto alice = test::make_self_signed({.common_name = "alice"});
  const auto made = certificate::from_der(bytes_of(test::certificate_to_der(alice.certificate)));
  ASSERT_TRUE(accepted(made));
  EXPECT_EQ(made->subject(), "CN=alice");
  EXPECT_EQ(made->pem(), alice.certificate);
}

TEST(certificate, refuses_what_is_not_exactly_one_certificate_in_der) {
  const auto alice = test::make_self_signed({});
  const std::string der = test::certificate_to_der(alice.certificate);
  const auto from = [](const std::string& text) { return certificate::from_der(bytes_of(text)); };
  EXPECT_TRUE(refused(from(""), bad_certificate, "certificate: is empty"));
  EXPECT_TRUE(refused(from(alice.certificate), bad_certificate, "certificate: is PEM, not DER"));
  EXPECT_TRUE(refused(from("garbage"), bad_certificate, "certificate: doesn't parse (too long)"));
  EXPECT_TRUE(refused(from(der + "xyz"), bad_certificate, "certificate: has 3 more bytes after its end"));
  EXPECT_TRUE(refused(from(der + der), bad_certificate,
                      "certificate: has " + std::to_string(der.size()) + " more bytes after its end"));
  for (const std::size_t size : {std::size_t{1}, std::size_t{4}, der.size() / 2, der.size() - 1}) {
    const auto cut = from(der.substr(0, size));
    ASSERT_FALSE(cut) << size;
    EXPECT_EQ(cut.error().code, bad_certificate) << size;
    EXPECT_THAT(cut.error().detail, StartsWith("certificate: doesn't parse (")) << size;
  }
}

// ---- names ----

TEST(certificate_name, is_written_as_rfc_4514_does) {
  EXPECT_EQ(subject_of({{.type = "C", .value = "DE", .encoding = text_type::printable},
                        {.type = "O", .value = "Example"},
                        {.type = "CN", .value = "alice"}}),
            "CN=alice,O=Example,C=DE");
  EXPECT_EQ(make({.common_name = ""}).subject(), "");
  EXPECT_THAT(subject_of({{.type = "O", .value = "Example"},
                          {.type = "CN", .value = "alice"},
                          {.type = "OU", .value = "1", .with_previous = true}}),
              MatchesRegex("(CN=alice.OU=1|OU=1.CN=alice),O=Example"));
}

TEST(certificate_name, escapes_what_means_something) {
  EXPECT_EQ(subject_of("a,b"), "CN=a\\,b");
  EXPECT_EQ(subject_of("bob,O=Example"), "CN=bob\\,O=Example");
  EXPECT_EQ(subject_of("a+b\"c\\d<e>f;g"), "CN=a\\+b\\\"c\\\\d\\<e\\>f\\;g");
  EXPECT_EQ(subject_of("#1"), "CN=\\#1");
  EXPECT_EQ(subject_of("a#1=2"), "CN=a#1=2");
  EXPECT_EQ(subject_of(" two  words "), "CN=\\ two  words\\ ");
  EXPECT_EQ(subject_of(" "), "CN=\\ ");
  EXPECT_EQ(subject_of({{.type = "O", .value = ""}}), "O=");
}

TEST(certificate_name, escapes_control_characters_and_what_reorders_a_line) {
  EXPECT_EQ(subject_of("a\nb\r\x1b[31m\x7f\t"), "CN=a\\0Ab\\0D\\1B[31m\\7F\\09");
  EXPECT_EQ(subject_of("alice\0.evil"s), "CN=alice\\00.evil");
  EXPECT_EQ(subject_of("\u009b1m"), "CN=\\C2\\9B1m");
  EXPECT_EQ(subject_of("a\u2028b\u202ec\u2066d\u200fe"), "CN=a\\E2\\80\\A8b\\E2\\80\\AEc\\E2\\81\\A6d\\E2\\80\\8Fe");
}

TEST(certificate_name, keeps_utf_8) { EXPECT_EQ(subject_of("Zoë Müller 日本 🐙"), "CN=Zoë Müller 日本 🐙"); }

TEST(certificate_name, converts_other_string_types) {
  EXPECT_EQ(subject_of("alice", text_type::printable), "CN=alice");
  EXPECT_EQ(subject_of("Zo\xeb", text_type::teletex), "CN=Zoë");
  EXPECT_EQ(subject_of("\x65\xe5\x67\x2c\0,"s, text_type::bmp), "CN=日本\\,");
  EXPECT_EQ(subject_of("\0\x01\xf4\x19"s, text_type::universal), "CN=🐙");
}

TEST(certificate_name, shows_an_unknown_attribute_in_hexadecimal) {
  EXPECT_EQ(subject_of({{.type = "1.2.3.4", .value = "x"}}), "1.2.3.4=#0C0178");
}

// The DER of a certificate whose name holds `value`, a string of the type `tag`.
std::string with_common_name(char tag, const std::string& value) {
  const std::string placeholder(value.size(), '!');
  std::string der = test::certificate_to_der(test::make_self_signed({.common_name = placeholder}).certificate);
  const std::string length(1, static_cast<char>(value.size()));
  for (std::size_t at = 0; (at = der.find("\x0c" + length + placeholder, at)) != std::string::npos; ++at) {
    der.replace(at, 2 + value.size(), tag + length + value);
  }
  return der;
}

TEST(certificate_name, that_is_not_the_text_it_says_is_refused) {
  EXPECT_TRUE(accepted(certificate::from_der(bytes_of(with_common_name('\x0c', "alice")))));
  EXPECT_TRUE(refused(certificate::from_der(bytes_of(with_common_name('\x0c', "alice\xff"))), bad_certificate,
                      "certificate: doesn't parse (invalid utf8string)"));
  EXPECT_TRUE(refused(certificate::from_der(bytes_of(with_common_name('\x1e', "\0a\xd8\0"s))), bad_certificate,
                      "certificate: doesn't parse (illegal characters)"));
}

// What a client sends must neither throw nor come out raw, whatever type it gives its name.
TEST(certificate_name, can_be_shown_whatever_its_type) {
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  int parsed = 0;
  for (int tag = 0; tag < 256; ++tag) {
    const auto made = certificate::from_der(bytes_of(with_common_name(static_cast<char>(tag), "\x01\x02\n\x7f")));
    EXPECT_EQ(ERR_peek_error(), 0UL) << tag;
    if (!made) continue;
    ++parsed;
    EXPECT_TRUE(std::ranges::none_of(made->subject(), is_control)) << tag;
    EXPECT_THAT(made->subject(), testing::MatchesRegex("CN=.+")) << tag;
    EXPECT_NO_THROW(made->common_name()) << tag;
    EXPECT_EQ(ERR_peek_error(), 0UL) << tag;
  }
  EXPECT_GE(parsed, 8);
}

TEST(certificate, common_name_is_the_last_one_whole) {
  EXPECT_EQ(make({.common_name = "first", .subject = {{.type = "CN", .value = "last"}, {.type = "O", .value = "x"}}})
                .common_name(),
            "last");
  EXPECT_EQ(make({.common_name = "", .subject = {{.type = "O", .value = "x"}}}).common_name(), "");
  EXPECT_EQ(make({.common_name = "alice\0.evil\n"s}).common_name(), "alice\0.evil\n"s);
  EXPECT_EQ(make({.common_name = "Zoë, x"}).common_name(), "Zoë, x");
  EXPECT_EQ(make({.common_name = "", .subject = {{.type = "CN", .value = "Zo\xeb", .encoding = text_type::teletex}}})
                .common_name(),
            "Zoë");
}

TEST(certificate, issuer_is_the_one_who_signed) {
  const auto ca = test::make_self_signed({.common_name = "CA\n", .is_ca = true});
  const auto made = certificate::from_pem(test::issue(ca, {.common_name = "alice"}).certificate).value();
  EXPECT_EQ(made.issuer(), "CN=CA\\0A");
  EXPECT_EQ(made.subject(), "CN=alice");
}

// ---- serial number and dates ----

TEST(certificate, serial_number_is_whole_bytes) {
  EXPECT_EQ(make({.serial = "4a2"}).serial_number(), "04A2");
  EXPECT_EQ(make({.serial = "-4a2"}).serial_number(), "-04A2");
  EXPECT_EQ(make({.serial = "0"}).serial_number(), "00");
  EXPECT_EQ(make({.serial = "ff00000000000000000000000000000000000001"}).serial_number(),
            "FF00000000000000000000000000000000000001");
}

TEST(certificate, dates) {
  using namespace std::chrono;
  const certificate made = make({.not_before = "700101000000Z", .not_after = "20260131120001Z"});
  EXPECT_EQ(made.not_before(), system_clock::time_point{});
  EXPECT_EQ(made.not_after(), sys_days{2026y / 1 / 31} + 12h + 1s);
  const certificate old = make({.not_before = "500101000000Z", .not_after = "491231235959Z"});
  EXPECT_EQ(old.not_before(), sys_days{1950y / 1 / 1});
  EXPECT_EQ(old.not_after(), sys_days{2049y / 12 / 31} + 23h + 59min + 59s);
}

TEST(certificate, dates_beyond_the_clock_are_its_ends) {
  const certificate endless = make({.not_before = "00000101000000Z", .not_after = "99991231235959Z"});
  EXPECT_EQ(endless.not_before(), system_clock::time_point::min());
  EXPECT_EQ(endless.not_after(), system_clock::time_point::max());
  using namespace std::chrono;
  const certificate last = make({.not_before = "16780101000000Z", .not_after = "22620101000000Z"});
  EXPECT_EQ(last.not_before(), sys_days{1678y / 1 / 1});
  EXPECT_EQ(last.not_after(), sys_days{2262y / 1 / 1});
}

TEST(certificate, is_never_valid_with_dates_that_cannot_be_read) {
  const certificate made = make({.not_before = "yesterday", .not_after = "20261331000000Z"});
  EXPECT_EQ(made.not_before(), system_clock::time_point::max());
  EXPECT_EQ(made.not_after(), system_clock::time_point::min());
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

// ---- alternative names ----

TEST(certificate, alternative_names_by_kind) {
  const certificate made = make({.names = {"b.example", "192.0.2.1", "*.a.example", "2001:db8::1"},
                                 .other_names = {{name_kind::uri, "spiffe://example/alice"},
                                                 {name_kind::email, "alice@example.org"},
                                                 {name_kind::dns, "c.example"},
                                                 {name_kind::uri, "urn:x"}}});
  EXPECT_THAT(made.dns_names(), ElementsAre("b.example", "*.a.example", "c.example"));
  EXPECT_THAT(made.ip_addresses(), ElementsAre("192.0.2.1", "2001:db8::1"));
  EXPECT_THAT(made.uris(), ElementsAre("spiffe://example/alice", "urn:x"));
  EXPECT_THAT(made.email_addresses(), ElementsAre("alice@example.org"));
}

TEST(certificate, has_no_alternative_names_without_the_extension) {
  const certificate made = make({.common_name = "alice.example"});
  EXPECT_THAT(made.dns_names(), IsEmpty());
  EXPECT_THAT(made.ip_addresses(), IsEmpty());
  EXPECT_THAT(made.uris(), IsEmpty());
  EXPECT_THAT(made.email_addresses(), IsEmpty());
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(certificate, alternative_names_are_whole) {
  const certificate made = make({.other_names = {{name_kind::dns, "good.example\0.evil.example"s},
                                                 {name_kind::dns, ""},
                                                 {name_kind::uri, "spiffe://good\0/evil\n"s},
                                                 {name_kind::email, "a@b\0c"s},
                                                 {name_kind::ip, "12345"},
                                                 {name_kind::ip, ""},
                                                 {name_kind::ip, "\x7f\0\0\x01"s}}});
  EXPECT_THAT(made.dns_names(), ElementsAre("good.example\0.evil.example"s, ""));
  EXPECT_THAT(made.uris(), ElementsAre("spiffe://good\0/evil\n"s));
  EXPECT_THAT(made.email_addresses(), ElementsAre("a@b\0c"s));
  EXPECT_THAT(made.ip_addresses(), ElementsAre("127.0.0.1"));
}

TEST(certificate, has_no_alternative_names_if_they_do_not_parse) {
  std::string der = test::certificate_to_der(test::make_self_signed({.names = {"good.example"}}).certificate);
  const std::size_t at = der.find("\x82\x0cgood.example");
  ASSERT_NE(at, std::string::npos);
  der[at + 1] = '\x0d';  // one byte more than there is
  const auto made = certificate::from_der(bytes_of(der));
  // OpenSSL may notice at once, or when it is asked.
  if (made) {
    EXPECT_THAT(made->dns_names(), IsEmpty());
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

// ---- the whole ----

TEST(certificate, fingerprint_is_sha256_of_the_der) {
  const auto alice = test::make_self_signed({.common_name = "alice"});
  const std::string der = test::certificate_to_der(alice.certificate);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  ASSERT_EQ(EVP_Digest(der.data(), der.size(), digest, &size, EVP_sha256(), nullptr), 1);
  std::string expected;
  for (unsigned int i = 0; i < size; ++i) {
    expected += "0123456789abcdef"[digest[i] / 16];
    expected += "0123456789abcdef"[digest[i] % 16];
  }
  const auto made = certificate::from_pem(alice.certificate).value();
  EXPECT_EQ(made.sha256_fingerprint(), expected);
  EXPECT_EQ(made.sha256_fingerprint().size(), 64U);
}

TEST(certificate, is_equal_to_one_of_the_same_bytes) {
  const auto alice = test::make_self_signed({.common_name = "alice", .serial = "1"});
  const auto one = certificate::from_pem(alice.certificate).value();
  const auto same = certificate::from_der(one.der()).value();
  const auto other = make({.common_name = "alice", .serial = "1"});
  EXPECT_TRUE(one == same);
  EXPECT_TRUE(one == certificate(one));
  EXPECT_FALSE(one == other);
  EXPECT_TRUE(one != other);
}

TEST(certificate, with_another_signature_is_another_one) {
  const auto one = make({});
  std::vector<std::byte> der = one.der();
  der.back() ^= std::byte{1};
  const auto other = certificate::from_der(der);
  ASSERT_TRUE(accepted(other));
  EXPECT_FALSE(one == *other);
  EXPECT_NE(one.sha256_fingerprint(), other->sha256_fingerprint());
}

TEST(certificate, shares_the_x509_that_it_is_made_of) {
  const auto alice = test::make_self_signed({.common_name = "alice"});
  auto parsed = detail::certificates_from_pem({.text = alice.certificate, .name = "test"}).value();
  X509* x509 = parsed.front().get();
  const certificate made = detail::certificate_of(x509);
  parsed.clear();
  EXPECT_EQ(made.data().certificate.get(), x509);
  EXPECT_EQ(made.subject(), "CN=alice");
  EXPECT_EQ(made.pem(), alice.certificate);
}

// A slot may look at certificates while a handshake's own errors are on the queue.
TEST(certificate, leaves_the_error_queue_as_it_was) {
  const certificate made = make({.common_name = "", .other_names = {{name_kind::ip, "12345"}}, .not_before = "never"});
  const certificate other = make({});
  ERR_clear_error();
  ERR_raise(ERR_LIB_USER, 7);
  const unsigned long before = ERR_peek_error();
  made.subject();
  made.issuer();
  made.common_name();
  made.serial_number();
  made.not_before();
  made.not_after();
  made.dns_names();
  made.ip_addresses();
  made.sha256_fingerprint();
  made.pem();
  made.der();
  EXPECT_FALSE(made == other);
  EXPECT_EQ(ERR_peek_last_error(), before);
  EXPECT_EQ(ERR_get_error(), before);
  EXPECT_EQ(ERR_get_error(), 0UL);
}

}  // namespace
}  // namespace sallyport
