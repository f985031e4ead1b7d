// What an attacker, or an operator without luck, has found in names, tickets and revocation lists.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/revisit.hpp"
#include "support/session_steps.hpp"
#include "support/test_clock.hpp"
#include "support/test_pki.hpp"
#include "support/test_revocation.hpp"
#include "support/test_servers.hpp"
#include "tls/context_data.hpp"
#include "tls/openssl.hpp"

#include <sallyport/revocation_lists.hpp>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <ctime>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace sallyport::test {
namespace {

using namespace std::chrono_literals;

// ---- names ----

name_settings verifying(const std::string& name) {
  name_settings settings;
  settings.names = {name};
  settings.verify_mode = peer_verify_mode::verify;
  settings.ca_certificates = trust_store::from_pem(test_ca().certificate).value();
  return settings;
}

// OpenSSL collects a ClientHello's extensions in an array with a place for each of the first SSL_CTX's custom ones.
// With more of them on the SSL_CTX that is chosen by the name it reads, and writes, behind the array's end.
TEST(adversary_names, the_settings_of_a_name_have_no_more_custom_extensions_than_those_of_all) {
  constexpr unsigned chosen_alert_extension = 0xff53;
  ssl_configuration configuration = basic_configuration();
  configuration.for_names = {verifying("strict.example")};
  const context server = make_context(configuration);
  const detail::context_data& all = server.data();
  ASSERT_EQ(all.of_names.size(), 1u);
  EXPECT_EQ(SSL_CTX_has_client_custom_ext(all.ssl_ctx.get(), chosen_alert_extension),
            SSL_CTX_has_client_custom_ext(all.of_names[0]->ssl_ctx.get(), chosen_alert_extension));
}

// ---- tickets ----

TEST(adversary_tickets, a_cipher_suite_that_was_removed_is_not_resumed_either) {
  const test_clock clock;
  ssl_configuration configuration = basic_configuration();
  configuration.tickets = random_keys(clock);
  configuration.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384";
  const context before = make_context(configuration);
  configuration.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
  const context after = make_context(configuration);

  memory_client_options client{.version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"};
  const visit_outcome first = visit(before, client);
  ASSERT_EQ(first.tickets.size(), 1u);
  client.resumed = first.tickets.front();
  EXPECT_FALSE(visit(after, client).let_in);
}

// Of two lists of one issuer the one that is of today counts. Once the other one is, who is on it must not resume.
TEST(adversary_tickets, a_list_that_begins_later_ends_what_may_be_resumed) {
  const credentials alice = issue(test_ca(), {.common_name = "alice"});
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    test_clock clock;
    ssl_configuration configuration = client_certificate_configuration();
    configuration.tickets = random_keys(clock);
    const list_options later{.revoked = {alice.certificate}, .this_update = 1h, .next_update = 48h};
    configuration.revocation = revocation_lists::from_bytes(make_list(test_ca()) + make_list(test_ca(), later)).value();
    const context server = make_context(configuration);

    memory_client_options client{.version = version, .certificate = alice};
    const visit_outcome first = visit(server, client);
    ASSERT_TRUE(first.let_in) << first.why;
    ASSERT_EQ(first.tickets.size(), 1u);
    client.resumed = first.tickets.front();
    clock.forward(2h);
    EXPECT_FALSE(visit(server, client).resumed) << version;
  }
}

// ---- revocation lists ----

template <auto Free>
struct freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using bio_pointer = std::unique_ptr<BIO, freed<BIO_free>>;
using x509_pointer = std::unique_ptr<X509, freed<X509_free>>;
using time_pointer = std::unique_ptr<ASN1_TIME, freed<ASN1_TIME_free>>;
using integer_pointer = std::unique_ptr<ASN1_INTEGER, freed<ASN1_INTEGER_free>>;

bio_pointer bio_of(const std::string& text) {
  return bio_pointer(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

x509_pointer certificate_from(const std::string& pem) {
  return x509_pointer(PEM_read_bio_X509(bio_of(pem).get(), nullptr, nullptr, nullptr));
}

/// PEM of a list with many numbers that nobody has.
std::string make_long_list(const credentials& issuer, std::uint64_t numbers) {
  const x509_pointer certificate = certificate_from(issuer.certificate);
  const std::unique_ptr<EVP_PKEY, freed<EVP_PKEY_free>> key(
      PEM_read_bio_PrivateKey(bio_of(issuer.key).get(), nullptr, nullptr, nullptr));
  const std::unique_ptr<X509_CRL, freed<X509_CRL_free>> list(X509_CRL_new());
  const time_pointer begin(X509_gmtime_adj(nullptr, -3600)), end(X509_gmtime_adj(nullptr, 86400));
  X509_CRL_set_version(list.get(), 1);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(certificate.get()));
  X509_CRL_set1_lastUpdate(list.get(), begin.get());
  X509_CRL_set1_nextUpdate(list.get(), end.get());
  for (std::uint64_t i = 0; i < numbers; ++i) {
    X509_REVOKED* const revoked = X509_REVOKED_new();
    const integer_pointer serial(ASN1_INTEGER_new());
    ASN1_INTEGER_set_uint64(serial.get(), (std::uint64_t{7} << 60) + i);
    X509_REVOKED_set_serialNumber(revoked, serial.get());
    X509_REVOKED_set_revocationDate(revoked, begin.get());
    X509_CRL_add0_revoked(list.get(), revoked);
  }
  const bio_pointer pem(BIO_new(BIO_s_mem()));
  if (X509_CRL_sign(list.get(), key.get(), EVP_sha256()) <= 0 || PEM_write_bio_X509_CRL(pem.get(), list.get()) != 1)
    throw std::runtime_error("long revocation list");
  char* text = nullptr;
  const long size = BIO_get_mem_data(pem.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

/// This thread's time for a client whom nobody knows, with a chain of CAs of its own making that all have one name.
std::chrono::nanoseconds time_for_stranger(const context& server, const std::string& name_of_cas) {
  const auto now = [] {
    std::timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  std::vector<credentials> cas{make_ca("Nobody")};
  for (int i = 0; i < 9; ++i) cas.push_back(issue(cas.back(), {.common_name = name_of_cas, .is_ca = true}));
  const credentials own = issue(cas.back(), {.common_name = "mallory"});

  session_steps steps(server, {.version = TLS1_3_VERSION, .certificate = own});
  for (auto ca = cas.rbegin(); ca != cas.rend(); ++ca)
    SSL_add1_chain_cert(steps.client().native(), certificate_from(ca->certificate).get());
  steps.client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
  const auto begin = now();
  EXPECT_EQ(steps.run([&](io_window& window) { return steps.server().handshake(window); }).what, progress::want_answer);
  return now() - begin;
}

// Chains are looked up before their signatures are verified, and a list of an intermediate CA, which clients send, is
// verified with whatever key the client says is that CA's.
TEST(adversary_lists, a_stranger_does_not_make_a_long_list_be_verified) {
  const credentials intermediate = issue(test_ca(), {.common_name = "Intermediate", .is_ca = true});
  ssl_configuration configuration = client_certificate_configuration();
  configuration.revocation =
      revocation_lists::from_bytes(make_list(test_ca()) + make_long_list(intermediate, 200'000)).value();
  const context server = make_context(configuration);
  const auto usual = time_for_stranger(server, "Somebody"), longer = time_for_stranger(server, "Intermediate");
  EXPECT_LT(longer.count(), 10 * usual.count());
}

}  // namespace
}  // namespace sallyport::test
