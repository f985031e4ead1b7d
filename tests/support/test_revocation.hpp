// test_revocation: revocation lists and OCSP responses made on the spot, for tests.
//
//   const auto lists = revocation_lists::from_bytes(test::make_list(ca, {.revoked = {client.certificate}}));
//
// A failure of OpenSSL throws std::runtime_error, which fails the test.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_TEST_REVOCATION_HPP
#define SALLYPORT_TESTS_SUPPORT_TEST_REVOCATION_HPP

#include "test_pki.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::test {

/// An extension in the syntax of OpenSSL's configuration files: {"issuingDistributionPoint", "critical,onlyCA:TRUE"}.
struct list_extension {
  std::string name;
  std::string value;
};

struct list_options {
  std::vector<std::string> revoked{};                        ///< certificates, PEM
  std::chrono::seconds this_update{std::chrono::hours{-1}};  ///< relative to now
  /// None: the list doesn't say until when it is good.
  std::optional<std::chrono::seconds> next_update{std::chrono::hours{24}};
  std::vector<list_extension> extensions{};
  bool names_key = true;  ///< authorityKeyIdentifier: which of several keys of that name has signed it
};

/// PEM, with the issuer's name and signed with the issuer's key.
std::string make_list(const credentials& issuer, const list_options& options = {});

std::string list_to_der(const std::string& pem);

enum class ocsp_status { good, revoked, unknown };

struct ocsp_options {
  ocsp_status status = ocsp_status::good;
  std::chrono::seconds this_update{std::chrono::hours{-1}};  ///< relative to now
  std::optional<std::chrono::seconds> next_update{std::chrono::hours{24}};
  /// Who signs instead of the issuer.
  std::optional<credentials> delegate{};
};

/// DER: what `issuer` says about a certificate (PEM).
std::string make_ocsp_response(const credentials& issuer, const std::string& certificate,
                               const ocsp_options& options = {});

/// A responder's refusal, as "try later" (3).
std::string make_ocsp_refusal(int status);

}  // namespace sallyport::test

#endif
