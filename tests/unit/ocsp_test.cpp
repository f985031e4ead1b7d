// OCSP responses: which are accepted for an identity, and what clients get of them.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/refused.hpp"
#include "support/session_steps.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_revocation.hpp"
#include "support/test_servers.hpp"

#include <sallyport/identity.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ocsp.h>
#include <openssl/tls1.h>

#include <optional>
#include <string>
#include <vector>

namespace sallyport::test {
namespace {

using std::chrono::hours;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::MatchesRegex;
using enum configuration_error;

const credentials& server() {
  static const credentials made = issue(test_ca(), {.common_name = "server", .names = {"localhost"}});
  return made;
}
const credentials& rsa_server() {
  static const credentials made =
      issue(test_ca(), {.common_name = "rsa", .names = {"localhost"}, .key = key_type::rsa_2048});
  return made;
}

/// Its chain holds the issuer, too.
identity identity_of(const credentials& both) {
  return identity::from_pem(both.certificate + test_ca().certificate, both.key).value();
}
identity without_issuer(const credentials& both) { return identity::from_pem(both.certificate, both.key).value(); }

std::string response_for(const credentials& both, const ocsp_options& options = {}) {
  return make_ocsp_response(test_ca(), both.certificate, options);
}

TEST(ocsp_response, is_accepted_and_known_until_when) {
  const auto now = std::chrono::system_clock::now();
  const identity bare = identity_of(server());
  EXPECT_EQ(bare.ocsp_response_end(), std::nullopt);
  const auto made = bare.with_ocsp_response(response_for(server(), {.next_update = hours{5}}));
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(made->warnings(), IsEmpty());
  ASSERT_TRUE(made->ocsp_response_end());
  EXPECT_LT(*made->ocsp_response_end(), now + hours{5} + std::chrono::minutes{1});
  EXPECT_GT(*made->ocsp_response_end(), now + hours{5} - std::chrono::minutes{1});
  EXPECT_EQ(bare.ocsp_response_end(), std::nullopt);
  EXPECT_EQ(made->certificate_pem(), bare.certificate_pem());
  EXPECT_TRUE(made->matches("localhost"));
}

TEST(ocsp_response, may_be_signed_by_a_delegate) {
  const auto delegate =
      issue(test_ca(), {.common_name = "responder", .extended_key_usage = "OCSPSigning", .valid_until = hours{2}});
  const auto made = identity_of(server()).with_ocsp_response(response_for(server(), {.delegate = delegate}));
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(made->warnings(), IsEmpty());
  // No longer than the delegate's own certificate.
  EXPECT_LT(*made->ocsp_response_end(), std::chrono::system_clock::now() + hours{3});
}

TEST(ocsp_response, must_be_signed_by_the_issuer_or_a_delegate) {
  const identity bare = identity_of(server());
  const auto not_signed = [&](const ocsp_options& options) {
    const auto made = bare.with_ocsp_response(response_for(server(), options));
    EXPECT_FALSE(made);
    EXPECT_EQ(ERR_peek_error(), 0U);
    return made ? "" : made.error().detail;
  };
  const std::string sentence = R"(OCSP response: isn't signed by the certificate's issuer, nor by a delegate of it.*)";
  EXPECT_THAT(not_signed({.delegate = make_ca("Test CA")}), MatchesRegex(sentence));
  EXPECT_THAT(not_signed({.delegate = issue(test_ca(), {.common_name = "no delegate"})}), MatchesRegex(sentence));
  EXPECT_THAT(not_signed({.delegate = issue(make_ca("Other"), {.extended_key_usage = "OCSPSigning"})}),
              MatchesRegex(sentence));
  EXPECT_THAT(not_signed({.delegate = server()}), MatchesRegex(sentence));
}

TEST(ocsp_response, must_say_that_this_certificate_is_good) {
  const identity bare = identity_of(server());
  const auto says = [&](const std::string& response, const std::string& sentence) {
    return refused(bare.with_ocsp_response(response), bad_ocsp_response, "OCSP response: " + sentence);
  };
  EXPECT_TRUE(says("", "is empty"));
  EXPECT_TRUE(says(server().certificate, "is PEM, and OCSP responses are DER"));
  EXPECT_TRUE(says("garbage", "doesn't parse as an OCSP response (too long)"));
  EXPECT_TRUE(says(response_for(server()) + "x", "doesn't parse as an OCSP response"));
  EXPECT_TRUE(says(make_ocsp_refusal(OCSP_RESPONSE_STATUS_TRYLATER),
                   "holds no answer but an error of the responder (trylater)"));
  EXPECT_TRUE(says(response_for(rsa_server()), "is for another certificate"));
  EXPECT_TRUE(says(make_ocsp_response(make_ca("Test CA"), server().certificate), "is for another certificate"));
  EXPECT_TRUE(says(response_for(server(), {.status = ocsp_status::unknown}),
                   "says that the responder doesn't know the certificate"));
  EXPECT_TRUE(says(response_for(server(), {.next_update = std::nullopt}),
                   "doesn't say until when it is good (nextUpdate), and would be stapled for ever"));
  const auto revoked = bare.with_ocsp_response(response_for(server(), {.status = ocsp_status::revoked}));
  ASSERT_FALSE(revoked);
  EXPECT_THAT(revoked.error().detail, MatchesRegex(R"(OCSP response: says that the certificate was revoked on )"
                                                   R"(20..-..-.. ..:..:.. UTC \(keyCompromise\))"));
}

TEST(ocsp_response, without_the_issuer_is_compared_as_far_as_possible) {
  const identity bare = without_issuer(server());
  const auto made = bare.with_ocsp_response(response_for(server()));
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(made->warnings(), ElementsAre("OCSP response: can't be verified, as the certificate's issuer isn't in "
                                            "the chain of certificate chain"));
  EXPECT_TRUE(refused(bare.with_ocsp_response(response_for(rsa_server())), bad_ocsp_response,
                      "OCSP response: is for another certificate"));
  // The same serial number, of another issuer.
  const credentials other = make_ca("Other CA");
  const std::string ours = issue(test_ca(), {.common_name = "ours", .serial = "4711"}).certificate;
  const credentials theirs = issue(other, {.common_name = "theirs", .serial = "4711"});
  EXPECT_TRUE(refused(without_issuer(theirs).with_ocsp_response(make_ocsp_response(test_ca(), ours)), bad_ocsp_response,
                      "OCSP response: is for another certificate"));
  EXPECT_TRUE(accepted(without_issuer(theirs).with_ocsp_response(make_ocsp_response(other, theirs.certificate))));
}

TEST(ocsp_response, of_another_day_is_warned_of) {
  const auto warnings_of = [](const ocsp_options& options) {
    const auto made = identity_of(server()).with_ocsp_response(response_for(server(), options));
    return made ? std::vector<std::string>(made->warnings().begin(), made->warnings().end())
                : std::vector<std::string>{made.error().detail};
  };
  EXPECT_THAT(warnings_of({.this_update = -hours{48}, .next_update = -hours{24}}),
              ElementsAre(MatchesRegex("OCSP response: has been out of date since 20..-..-.. ..:..:.. UTC, and isn't "
                                       "stapled")));
  EXPECT_THAT(warnings_of({.this_update = hours{1}, .next_update = hours{24}}),
              ElementsAre(MatchesRegex("OCSP response: is not valid before 20..-..-.. ..:..:.. UTC, and isn't stapled "
                                       "until then")));
}

TEST(ocsp_response, takes_its_warnings_with_it_when_it_is_replaced) {
  const credentials old = issue(test_ca(), {.valid_from = -hours{48}, .valid_until = -hours{24}});
  const identity bare = identity_of(old);
  ASSERT_EQ(bare.warnings().size(), 1U);
  const identity first =
      bare.with_ocsp_response(response_for(old, {.this_update = -hours{48}, .next_update = -hours{24}})).value();
  EXPECT_EQ(first.warnings().size(), 2U);
  EXPECT_THAT(first.with_ocsp_response(response_for(old))->warnings(), ElementsAre(bare.warnings()[0]));
}

// What has no end says 9999, which is more than system_clock can hold.
TEST(ocsp_response, may_be_signed_by_who_has_no_end) {
  const credentials endless =
      make_self_signed({.common_name = "endless", .is_ca = true, .not_after = "99991231235959Z"});
  const credentials delegate =
      issue(endless, {.common_name = "responder", .extended_key_usage = "OCSPSigning", .not_after = "99991231235959Z"});
  const credentials leaf = issue(endless, {.common_name = "leaf"});
  const identity bare = identity::from_pem(leaf.certificate + endless.certificate, leaf.key).value();
  for (const ocsp_options& options : {ocsp_options{}, ocsp_options{.delegate = delegate}}) {
    const auto made = bare.with_ocsp_response(make_ocsp_response(endless, leaf.certificate, options));
    ASSERT_TRUE(accepted(made));
    EXPECT_THAT(made->warnings(), IsEmpty());
    EXPECT_GT(*made->ocsp_response_end(), std::chrono::system_clock::now() + hours{23});
  }
}

TEST(ocsp_response, may_come_from_a_file) {
  const temporary_directory directory;
  const identity bare = identity_of(server());
  EXPECT_TRUE(accepted(bare.with_ocsp_response_file(directory.write("good.der", response_for(server())))));
  const std::string other = directory.write("other.der", response_for(rsa_server()));
  EXPECT_TRUE(refused(bare.with_ocsp_response_file(other), bad_ocsp_response, other + ": is for another certificate"));
  const std::string missing = directory.path() / "missing.der";
  EXPECT_TRUE(refused(bare.with_ocsp_response_file(missing), unreadable_file, missing + ": no such file"));
  const auto large = bare.with_ocsp_response_file(directory.write("large.der", std::string((1 << 20) + 1, 'x')));
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, file_too_large);
}

TEST(ocsp_response, of_a_self_signed_certificate_is_its_own) {
  const credentials self = make_self_signed({.common_name = "self", .names = {"localhost"}});
  const identity bare = without_issuer(self);
  const auto made = bare.with_ocsp_response(make_ocsp_response(self, self.certificate));
  ASSERT_TRUE(accepted(made));
  EXPECT_THAT(made->warnings(), IsEmpty());
}

// ---- stapling ----

class ocsp_stapling : public testing::TestWithParam<int> {
 protected:
  /// What a client gets that asks, or not: "" for nothing. `algorithms`: which certificates it can verify.
  static std::string staple_of(const context& from, bool asks = true, const std::string& algorithms = "") {
    session_steps steps(from, {.version = GetParam(),
                               .server_name = "localhost",
                               .signature_algorithms = algorithms,
                               .trusted = test_ca().certificate});
    SSL* const client = steps.client().native();
    if (asks) SSL_set_tlsext_status_type(client, TLSEXT_STATUSTYPE_ocsp);
    steps.client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .client_handshake()
        .handshake(progress::done, {})
        .client_is_connected();
    const unsigned char* response = nullptr;
    const long size = SSL_get_tlsext_status_ocsp_resp(client, &response);
    return size <= 0 ? "" : std::string(reinterpret_cast<const char*>(response), static_cast<std::size_t>(size));
  }

  static context server_with(std::vector<identity> identities) {
    ssl_configuration configuration;
    configuration.identities = std::move(identities);
    return make_context(configuration);
  }
};
INSTANTIATE_TEST_SUITE_P(versions, ocsp_stapling, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

TEST_P(ocsp_stapling, is_for_clients_that_ask) {
  const std::string response = response_for(server());
  const context with = server_with({identity_of(server()).with_ocsp_response(response).value()});
  EXPECT_EQ(staple_of(with), response);
  EXPECT_EQ(staple_of(with, false), "");
  EXPECT_EQ(staple_of(server_with({identity_of(server())})), "");
}

TEST_P(ocsp_stapling, is_of_the_certificate_that_is_shown) {
  const std::string of_ecdsa = response_for(server());
  const std::string of_rsa = response_for(rsa_server());
  const identity ecdsa = identity_of(server());
  const identity rsa = identity_of(rsa_server());
  const context both =
      server_with({ecdsa.with_ocsp_response(of_ecdsa).value(), rsa.with_ocsp_response(of_rsa).value()});
  EXPECT_EQ(staple_of(both, true, "ECDSA+SHA256"), of_ecdsa);
  EXPECT_EQ(staple_of(both, true, "rsa_pss_rsae_sha256:RSA+SHA256"), of_rsa);
  const context one = server_with({ecdsa, rsa.with_ocsp_response(of_rsa).value()});
  EXPECT_EQ(staple_of(one, true, "ECDSA+SHA256"), "");
  EXPECT_EQ(staple_of(one, true, "rsa_pss_rsae_sha256:RSA+SHA256"), of_rsa);
}

TEST_P(ocsp_stapling, is_of_the_name_that_is_asked_for) {
  const credentials other = issue(test_ca(), {.common_name = "other", .names = {"other.example"}});
  const std::string response = response_for(server());
  const context two = server_with({identity_of(other).with_ocsp_response(response_for(other)).value(),
                                   identity_of(server()).with_ocsp_response(response).value()});
  EXPECT_EQ(staple_of(two), response);
}

TEST_P(ocsp_stapling, ends_with_the_response) {
  const ocsp_options stale{.this_update = -hours{48}, .next_update = -std::chrono::seconds{1}};
  const ocsp_options early{.this_update = hours{1}, .next_update = hours{24}};
  for (const ocsp_options& options : {stale, early}) {
    const auto made = identity_of(server()).with_ocsp_response(response_for(server(), options));
    ASSERT_TRUE(accepted(made));
    EXPECT_EQ(staple_of(server_with({*made})), "");
  }
}

TEST_P(ocsp_stapling, is_the_identitys_own) {
  const identity bare = identity_of(server());
  const std::string first = response_for(server());
  const std::string second = response_for(server(), {.this_update = -hours{2}});
  const identity with_first = bare.with_ocsp_response(first).value();
  const identity with_second = with_first.with_ocsp_response(second).value();
  EXPECT_EQ(staple_of(server_with({with_second})), second);
  EXPECT_EQ(staple_of(server_with({with_first})), first);
  EXPECT_EQ(staple_of(server_with({bare})), "");
}

TEST_P(ocsp_stapling, is_also_for_an_identity_that_the_application_answers) {
  const std::string response = response_for(server());
  ssl_configuration configuration;
  const credentials other = issue(test_ca(), {.common_name = "other", .names = {"other.example"}});
  configuration.identities = {identity_of(other)};
  configuration.ask_about_unknown_names = true;
  session_steps steps(make_context(configuration), {.version = GetParam(), .server_name = "localhost"});
  SSL* const client = steps.client().native();
  SSL_set_tlsext_status_type(client, TLSEXT_STATUSTYPE_ocsp);
  steps.client_handshake().asks(handshake_question::unknown_server_name, {"started", "client_hello"});
  steps.server().use_identity(identity_of(server()).with_ocsp_response(response).value());
  steps.handshake(progress::want_input, {}).client_handshake().handshake(progress::done, {});
  const unsigned char* got = nullptr;
  EXPECT_EQ(SSL_get_tlsext_status_ocsp_resp(client, &got), static_cast<long>(response.size()));
}

}  // namespace
}  // namespace sallyport::test
