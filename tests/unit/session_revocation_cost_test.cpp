// How often revocation lists are hashed, which may be as large as 64 MiB: never for strangers, and once for a CA.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/openssl_objects.hpp"
#include "support/session_steps.hpp"
#include "support/test_revocation.hpp"
#include "support/test_servers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

using std::chrono::hours;
using testing::HasSubstr;
using enum revocation_policy;

int hashed = 0;  ///< lists, since the last look

int verify_and_count(X509_CRL* list, EVP_PKEY* key) {
  ++hashed;
  const crl_ptr copy(X509_CRL_dup(list));  // with OpenSSL's own methods
  return copy ? X509_CRL_verify(copy.get(), key) : -1;
}
int find_nothing(X509_CRL*, X509_REVOKED**, const ASN1_INTEGER*, const X509_NAME*) { return 0; }

/// Lists that are empty, and counted when their signature is verified, by OpenSSL or by us.
revocation_lists counted(const std::string& lists) {
  static X509_CRL_METHOD* const method = X509_CRL_METHOD_new(nullptr, nullptr, find_nothing, verify_and_count);
  X509_CRL_set_default_method(method);
  auto made = revocation_lists::from_bytes(lists);
  X509_CRL_set_default_method(nullptr);
  return made.value();
}

/// What the issuer is named by is true, and its signature isn't.
credentials with_broken_signature(const credentials& good) {
  const x509_ptr certificate = parse_certificate(good.certificate);
  const ASN1_BIT_STRING* signature = nullptr;
  X509_get0_signature(&signature, nullptr, certificate.get());
  const_cast<unsigned char*>(ASN1_STRING_get0_data(signature))[ASN1_STRING_length(signature) - 1] ^= 1;
  const bio_ptr bio = new_bio();
  PEM_write_bio_X509(bio.get(), certificate.get());
  return {contents_of(bio), good.key};
}

credentials good() { return issue(test_ca(), {.common_name = "good"}); }
const credentials& middle() {
  static const credentials made = issue(test_ca(), {.common_name = "Middle", .is_ca = true});
  return made;
}
std::string list_of(const credentials& issuer, std::vector<list_extension> extensions = {}) {
  return make_list(issuer, {.extensions = std::move(extensions)});
}
const list_extension for_clients{"issuingDistributionPoint", "critical,onlyuser:TRUE"};

ssl_configuration configuration_with(const std::string& lists, revocation_policy missing = hard_fail) {
  ssl_configuration configuration = client_certificate_configuration();
  configuration.ca_certificates = trust_store::from_pem(test_ca().certificate).value();
  configuration.revocation = counted(lists);
  configuration.missing_revocation_list = missing;
  return configuration;
}
context server_with(const std::string& lists, revocation_policy missing = hard_fail) {
  return make_context(configuration_with(lists, missing));
}

struct outcome {
  bool is_in;
  int hashed;
  std::string first_error;

  bool operator==(const outcome&) const = default;
};
void PrintTo(const outcome& made, std::ostream* to) {
  *to << (made.is_in ? "in" : "out") << ", " << made.hashed << " hashed: " << made.first_error;
}

class session_revocation_cost : public testing::TestWithParam<int> {
 protected:
  static outcome visit(const context& server, const credentials& certificate,
                       const std::vector<std::string>& sent = {}) {
    session_steps steps(server, {.version = GetParam(), .certificate = certificate});
    for (const std::string& pem : sent) {
      EXPECT_EQ(SSL_add1_chain_cert(steps.client().native(), parse_certificate(pem).get()), 1);
    }
    steps.client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
    hashed = 0;
    const auto made = steps.run([&](io_window& window) { return steps.server().handshake(window); });
    const auto errors = steps.server().ssl_handshake_errors();
    return {.is_in = made.what == progress::done,
            .hashed = hashed,
            .first_error = errors.empty() ? steps.server().error_detail() : errors[0].error_string()};
  }
};
INSTANTIATE_TEST_SUITE_P(versions, session_revocation_cost, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

TEST_P(session_revocation_cost, is_paid_for_the_trust_stores_cas_when_the_context_is_made) {
  hashed = 0;
  const context server = server_with(list_of(test_ca()));
  EXPECT_GE(hashed, 1);
  EXPECT_EQ(visit(server, good()), (outcome{true, 0, ""}));
}

// Not even one that the CA hasn't signed: that is known as well.
TEST_P(session_revocation_cost, is_not_paid_for_lists_of_others_with_the_cas_name) {
  const std::string other = make_list(make_ca("Test CA"), {.names_key = false});
  EXPECT_EQ(visit(server_with(other + list_of(test_ca())), good()), (outcome{true, 0, ""}));
}

TEST_P(session_revocation_cost, is_not_paid_for_who_takes_the_cas_name) {
  const credentials forged = make_self_signed({.common_name = "Test CA", .is_ca = true});
  const credentials below = issue(forged, {.common_name = "Test CA", .is_ca = true});
  const credentials leaf = issue(below, {.common_name = "stranger"});
  for (const auto policy : {hard_fail, soft_fail}) {
    for (const std::string& lists : {list_of(test_ca()), list_of(test_ca(), {for_clients})}) {
      const context server = server_with(lists, policy);
      for (const outcome& made :
           {visit(server, forged), visit(server, leaf, {below.certificate, forged.certificate}), visit(server, leaf),
            visit(server, leaf, {below.certificate, test_ca().certificate})}) {
        EXPECT_FALSE(made.is_in);
        EXPECT_EQ(made.hashed, 0);
      }
    }
  }
}

// Of lists for some certificates alone OpenSSL verifies the signature each time.
TEST_P(session_revocation_cost, is_not_paid_for_who_is_not_signed_by_the_ca_that_it_names) {
  for (const auto policy : {hard_fail, soft_fail}) {
    const context server = server_with(list_of(test_ca(), {for_clients}), policy);
    const outcome made = visit(server, with_broken_signature(good()));
    EXPECT_FALSE(made.is_in);
    EXPECT_EQ(made.hashed, 0);
    EXPECT_TRUE(visit(server, good()).is_in);
  }
}

TEST_P(session_revocation_cost, is_not_paid_for_who_is_no_ca) {
  const credentials client = issue(test_ca(), {.common_name = "Middle", .key_usage = "critical,cRLSign,keyCertSign"});
  const credentials below = issue(client, {.common_name = "below"});
  const outcome made = visit(server_with(list_of(test_ca()) + list_of(middle())), below, {client.certificate});
  EXPECT_FALSE(made.is_in);
  EXPECT_EQ(made.hashed, 0);
}

TEST_P(session_revocation_cost, is_paid_once_for_a_ca_that_clients_send) {
  const context server = server_with(list_of(test_ca()) + list_of(middle()));
  const auto below = [] { return issue(middle(), {.common_name = "below"}); };
  EXPECT_EQ(visit(server, below(), {middle().certificate}), (outcome{true, 1, ""}));
  EXPECT_EQ(visit(server, below(), {middle().certificate}), (outcome{true, 0, ""}));
  EXPECT_EQ(visit(server, below(), {middle().certificate}), (outcome{true, 0, ""}));
}

// Each of these CAs is named by a list, and has come by way of the trust store's.
TEST_P(session_revocation_cost, has_a_limit_for_each_client) {
  for (const auto policy : {hard_fail, soft_fail}) {
    ssl_configuration configuration = configuration_with(list_of(test_ca()) + list_of(middle()), policy);
    configuration.verify_depth = 40;
    const context server = make_context(configuration);
    std::vector<std::string> sent{middle().certificate};
    credentials last = middle();
    for (int i = 0; i < 20; ++i) {
      last = issue(last, {.common_name = "Middle", .is_ca = true});
      sent.insert(sent.begin(), last.certificate);
    }
    const outcome made = visit(server, issue(last, {.common_name = "leaf"}), sent);
    EXPECT_FALSE(made.is_in) << "what couldn't be looked for doesn't count as missing";
    EXPECT_GT(made.hashed, 0);
    EXPECT_LE(made.hashed, 8);
    EXPECT_THAT(made.first_error, HasSubstr("can't be looked up"));
  }
}

}  // namespace
}  // namespace sallyport::test
