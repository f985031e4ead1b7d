// ssl_error: OpenSSL's numbers as QSslError's codes, and a sentence for each.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/ssl_error.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "support/test_pki.hpp"
#include "tls/certificate_data.hpp"

namespace sallyport {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;
using enum ssl_error_code;

certificate make(const test::certificate_options& options) {
  return certificate::from_pem(test::make_self_signed(options).certificate).value();
}

const certificate& alice() {
  static const certificate made =
      certificate::from_pem(
          test::issue(test::make_ca("Example CA"),
                      {.common_name = "alice", .not_before = "20250131120000Z", .not_after = "20260131120000Z"})
              .certificate)
          .value();
  return made;
}

ssl_error about_alice(int x509_error) {
  return {.code = ssl_error_code_of(x509_error), .depth = 0, .certificate = alice(), .x509_error = x509_error};
}

const std::map<int, ssl_error_code>& mapping() {
  static const std::map<int, ssl_error_code> all{
      {X509_V_OK, no_error},
      {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, unable_to_get_issuer_certificate},
      {X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE, unable_to_decrypt_certificate_signature},
      {X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY, unable_to_decode_issuer_public_key},
      {X509_V_ERR_CERT_SIGNATURE_FAILURE, certificate_signature_failed},
      {X509_V_ERR_CERT_NOT_YET_VALID, certificate_not_yet_valid},
      {X509_V_ERR_CERT_HAS_EXPIRED, certificate_expired},
      {X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD, invalid_not_before_field},
      {X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD, invalid_not_after_field},
      {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, self_signed_certificate},
      {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, self_signed_certificate_in_chain},
      {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, unable_to_get_local_issuer_certificate},
      {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, unable_to_verify_first_certificate},
      {X509_V_ERR_CERT_REVOKED, certificate_revoked},
      {X509_V_ERR_INVALID_CA, invalid_ca_certificate},
      {X509_V_ERR_PATH_LENGTH_EXCEEDED, path_length_exceeded},
      {X509_V_ERR_INVALID_PURPOSE, invalid_purpose},
      {X509_V_ERR_CERT_UNTRUSTED, certificate_untrusted},
      {X509_V_ERR_CERT_REJECTED, certificate_rejected},
      {X509_V_ERR_SUBJECT_ISSUER_MISMATCH, subject_issuer_mismatch},
      {X509_V_ERR_AKID_SKID_MISMATCH, authority_issuer_serial_number_mismatch},
      {X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH, authority_issuer_serial_number_mismatch},
      {X509_V_ERR_HOSTNAME_MISMATCH, host_name_mismatch},
      {X509_V_ERR_IP_ADDRESS_MISMATCH, host_name_mismatch},
  };
  return all;
}

TEST(ssl_error_code, values_are_those_of_qt) {
  EXPECT_EQ(static_cast<int>(unspecified_error), -1);
  EXPECT_EQ(static_cast<int>(no_error), 0);
  EXPECT_EQ(static_cast<int>(unable_to_get_issuer_certificate), 1);
  EXPECT_EQ(static_cast<int>(certificate_expired), 6);
  EXPECT_EQ(static_cast<int>(self_signed_certificate), 9);
  EXPECT_EQ(static_cast<int>(unable_to_get_local_issuer_certificate), 11);
  EXPECT_EQ(static_cast<int>(certificate_revoked), 13);
  EXPECT_EQ(static_cast<int>(no_peer_certificate), 21);
  EXPECT_EQ(static_cast<int>(host_name_mismatch), 22);
  EXPECT_EQ(static_cast<int>(ocsp_status_unknown), 36);
}

TEST(ssl_error_code, follows_from_every_number_of_openssl) {
  for (int number = -1; number <= 100; ++number) {
    const auto known = mapping().find(number);
    EXPECT_EQ(ssl_error_code_of(number), known == mapping().end() ? unspecified_error : known->second) << number;
  }
  EXPECT_EQ(ssl_error_code_of(1'000'000), unspecified_error);
}

TEST(ssl_error_code, each_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  for (int value = -1; value <= 36; ++value) {
    const std::string_view name = to_string(static_cast<ssl_error_code>(value));
    EXPECT_NE(name, "unknown") << value;
    names.insert(name);
  }
  EXPECT_THAT(names, SizeIs(38));
  EXPECT_EQ(to_string(certificate_expired), "certificate_expired");
  EXPECT_EQ(to_string(unspecified_error), "unspecified_error");
  EXPECT_EQ(to_string(static_cast<ssl_error_code>(37)), "unknown");
  EXPECT_EQ(to_string(static_cast<ssl_error_code>(-2)), "unknown");
}

// ---- sentences ----

TEST(ssl_error, sentences) {
  const std::map<int, std::string> sentences{
      {X509_V_OK, "nothing is wrong with certificate 0 (CN=alice)"},
      {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
       "certificate 0 (CN=alice): its issuer (CN=Example CA) is not in the trust store"},
      {X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE,
       "certificate 0 (CN=alice) has a signature that cannot be decrypted"},
      {X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY, "certificate 0 (CN=alice) has a public key that cannot be read"},
      {X509_V_ERR_CERT_SIGNATURE_FAILURE, "certificate 0 (CN=alice) has a wrong signature"},
      {X509_V_ERR_CERT_NOT_YET_VALID, "certificate 0 (CN=alice) is not valid before 2025-01-31 12:00:00 UTC"},
      {X509_V_ERR_CERT_HAS_EXPIRED, "certificate 0 (CN=alice) expired on 2026-01-31 12:00:00 UTC"},
      {X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD,
       "certificate 0 (CN=alice) has an unreadable date of the beginning of its validity"},
      {X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD,
       "certificate 0 (CN=alice) has an unreadable date of the end of its validity"},
      {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "certificate 0 (CN=alice) is self-signed and not in the trust store"},
      {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
       "certificate 0 (CN=alice) is the self-signed root of the chain and not in the trust store"},
      {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
       "certificate 0 (CN=alice): its issuer (CN=Example CA) is not in the trust store"},
      {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
       "certificate 0 (CN=alice) came without its issuer (CN=Example CA), so its signature cannot be verified"},
      {X509_V_ERR_CERT_REVOKED, "certificate 0 (CN=alice) is revoked"},
      {X509_V_ERR_INVALID_CA, "certificate 0 (CN=alice) is not a CA's, but another one of the chain is signed with it"},
      {X509_V_ERR_PATH_LENGTH_EXCEEDED,
       "certificate 0 (CN=alice) does not allow as many CAs below it as the chain has (path length)"},
      {X509_V_ERR_INVALID_PURPOSE,
       "certificate 0 (CN=alice) is not meant for this side of TLS (see its key usage and extended key usage)"},
      {X509_V_ERR_CERT_UNTRUSTED, "certificate 0 (CN=alice) is not trusted for this side of TLS"},
      {X509_V_ERR_CERT_REJECTED, "certificate 0 (CN=alice) is marked as rejected for this side of TLS"},
      {X509_V_ERR_SUBJECT_ISSUER_MISMATCH,
       "certificate 0 (CN=alice) names another issuer than the next one of the chain"},
      {X509_V_ERR_AKID_SKID_MISMATCH,
       "certificate 0 (CN=alice) names another key or serial number of its issuer than the next one of the chain has"},
      {X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH,
       "certificate 0 (CN=alice) names another key or serial number of its issuer than the next one of the chain has"},
      {X509_V_ERR_HOSTNAME_MISMATCH, "certificate 0 (CN=alice) is for another host name"},
      {X509_V_ERR_IP_ADDRESS_MISMATCH, "certificate 0 (CN=alice) is for another host name"},
  };
  ASSERT_EQ(sentences.size(), mapping().size());
  for (const auto& [number, sentence] : sentences) EXPECT_EQ(about_alice(number).error_string(), sentence) << number;
}

TEST(ssl_error, names_the_place_in_the_chain) {
  ssl_error problem = about_alice(X509_V_ERR_CERT_REVOKED);
  problem.depth = 2;
  EXPECT_EQ(problem.error_string(), "certificate 2 (CN=alice) is revoked");
}

TEST(ssl_error, without_a_certificate) {
  EXPECT_EQ(ssl_error{.code = no_peer_certificate}.error_string(), "the client sent no certificate");
  EXPECT_EQ(
      (ssl_error{.code = certificate_expired, .depth = 1, .x509_error = X509_V_ERR_CERT_HAS_EXPIRED}).error_string(),
      "certificate 1 expired");
  EXPECT_EQ((ssl_error{.code = certificate_not_yet_valid, .x509_error = X509_V_ERR_CERT_NOT_YET_VALID}).error_string(),
            "certificate 0 is not valid before its date");
  EXPECT_EQ((ssl_error{.code = unable_to_get_local_issuer_certificate}).error_string(),
            "certificate 0: its issuer is not in the trust store");
}

TEST(ssl_error, others_have_openssls_words) {
  EXPECT_EQ(about_alice(X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION).error_string(),
            "certificate 0 (CN=alice): unhandled critical extension");
  EXPECT_EQ(about_alice(X509_V_ERR_CERT_CHAIN_TOO_LONG).error_string(),
            "certificate 0 (CN=alice): certificate chain too long");
  EXPECT_EQ(about_alice(1'000'000).error_string(), "certificate 0 (CN=alice): unknown certificate verification error");
}

TEST(ssl_error, every_number_and_every_code_gives_a_line_of_text) {
  const auto is_plain = [](const std::string& text) {
    return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
  };
  for (int number = 0; number <= 100; ++number) {
    const std::string sentence = about_alice(number).error_string();
    EXPECT_THAT(sentence, HasSubstr("certificate 0 (CN=alice)")) << number;
    EXPECT_GT(sentence.size(), std::string_view("certificate 0 (CN=alice): ").size()) << number;
    EXPECT_TRUE(is_plain(sentence)) << number;
  }
  for (int value = -2; value <= 40; ++value) {
    ssl_error problem{.code = static_cast<ssl_error_code>(value), .certificate = alice()};
    EXPECT_THAT(problem.error_string(), Not(testing::IsEmpty())) << value;
    EXPECT_TRUE(is_plain(problem.error_string())) << value;
  }
  EXPECT_EQ((ssl_error{.code = ocsp_try_later, .certificate = alice()}).error_string(),
            "certificate 0 (CN=alice): ocsp try later");
}

TEST(ssl_error, is_fit_for_a_log_whatever_the_client_calls_itself) {
  const ssl_error problem{.code = certificate_revoked, .certificate = make({.common_name = "a\n\x1b[31m\u009b\0b"s})};
  EXPECT_EQ(problem.error_string(), "certificate 0 (CN=a\\0A\\1B[31m\\C2\\9B\\00b) is revoked");
  const ssl_error nameless{.code = certificate_revoked, .certificate = make({.common_name = ""})};
  EXPECT_EQ(nameless.error_string(), "certificate 0 (without a subject) is revoked");
}

TEST(ssl_error, cuts_very_long_names) {
  const ssl_error exact{.code = certificate_revoked, .certificate = make({.common_name = std::string(125, 'x')})};
  EXPECT_EQ(exact.error_string(), "certificate 0 (CN=" + std::string(125, 'x') + ") is revoked");
  const ssl_error longer{.code = certificate_revoked, .certificate = make({.common_name = std::string(126, 'x')})};
  EXPECT_EQ(longer.error_string(), "certificate 0 (CN=" + std::string(125, 'x') + "...) is revoked");
  const ssl_error half{.code = certificate_revoked, .certificate = make({.common_name = std::string(124, 'x') + "ëë"})};
  EXPECT_EQ(half.error_string(), "certificate 0 (CN=" + std::string(124, 'x') + "...) is revoked");
  const ssl_error issuer{.code = unable_to_get_local_issuer_certificate,
                         .certificate = make({.common_name = std::string(50'000, 'x')})};
  EXPECT_EQ(issuer.error_string(), "certificate 0 (CN=" + std::string(125, 'x') + "...): its issuer (CN=" +
                                       std::string(125, 'x') + "...) is not in the trust store");
}

TEST(ssl_error, with_dates_that_cannot_be_read) {
  const certificate odd = make({.common_name = "odd", .not_before = "never", .not_after = "20261331000000Z"});
  ERR_clear_error();
  ERR_raise(ERR_LIB_USER, 7);
  const unsigned long before = ERR_peek_error();
  EXPECT_EQ((ssl_error{.code = certificate_expired, .certificate = odd}).error_string(),
            "certificate 0 (CN=odd) expired on an unreadable date");
  EXPECT_EQ((ssl_error{.code = certificate_not_yet_valid, .certificate = odd}).error_string(),
            "certificate 0 (CN=odd) is not valid before an unreadable date");
  // Slots ask for sentences while the queue may hold a handshake's own errors.
  EXPECT_EQ(ERR_get_error(), before);
  EXPECT_EQ(ERR_get_error(), 0UL);
}

TEST(ssl_error, is_equal_with_the_same_code_about_the_same_certificate) {
  ssl_error one = about_alice(X509_V_ERR_AKID_SKID_MISMATCH);
  ssl_error other = about_alice(X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH);
  other.depth = 3;
  EXPECT_TRUE(one == other);
  other.code = certificate_expired;
  EXPECT_FALSE(one == other);
  other = one;
  other.certificate = make({.common_name = "alice"});
  EXPECT_FALSE(one == other);
  other.certificate.reset();
  EXPECT_FALSE(one == other);
  one.certificate.reset();
  EXPECT_TRUE(one == other);
}

}  // namespace
}  // namespace sallyport
