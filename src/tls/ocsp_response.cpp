// ocsp_response: see ocsp_response.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "ocsp_response.hpp"

#include "asn1_time.hpp"
#include "pem.hpp"

#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

namespace sallyport::detail {
namespace {

using response_ptr = std::unique_ptr<OCSP_RESPONSE, openssl_free<OCSP_RESPONSE_free>>;
using basic_ptr = std::unique_ptr<OCSP_BASICRESP, openssl_free<OCSP_BASICRESP_free>>;
using id_ptr = std::unique_ptr<OCSP_CERTID, openssl_free<OCSP_CERTID_free>>;

std::string in_parentheses(const std::string& reason) { return reason.empty() ? "" : " (" + reason + ")"; }

/// Null if the chain doesn't hold it.
X509* issuer_in(const identity_data& of) noexcept {
  X509* const own = of.certificate.get();
  for (int i = 0; i < sk_X509_num(of.issuers.get()); ++i) {
    X509* const candidate = sk_X509_value(of.issuers.get(), i);
    if (X509_check_issued(candidate, own) == X509_V_OK) return candidate;
  }
  return (X509_get_extension_flags(own) & EXFLAG_SS) != 0 ? own : nullptr;
}

/// Whether an answer is about a certificate. Without its issuer the issuer's name is compared, and not its key.
bool is_about(const OCSP_SINGLERESP* answer, const X509* own, const X509* issuer) noexcept {
  auto* const id = const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(answer));
  ASN1_OCTET_STRING* name_hash = nullptr;
  ASN1_OBJECT* algorithm = nullptr;
  ASN1_INTEGER* serial = nullptr;
  OCSP_id_get0_info(&name_hash, &algorithm, nullptr, &serial, id);
  if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(own)) != 0) return false;
  const EVP_MD* const digest = EVP_get_digestbyobj(algorithm);
  if (digest == nullptr) return false;
  if (issuer != nullptr) {
    const id_ptr expected{OCSP_cert_to_id(digest, own, issuer)};
    return expected && OCSP_id_cmp(expected.get(), id) == 0;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash;
  unsigned int size = 0;
  return X509_NAME_digest(X509_get_issuer_name(own), digest, hash.data(), &size) == 1 &&
         std::ranges::equal(
             std::span(hash).first(size),
             std::span(ASN1_STRING_get0_data(name_hash), static_cast<std::size_t>(ASN1_STRING_length(name_hash))));
}

/// Signed by the issuer, or by somebody whose certificate the issuer has signed for this (RFC 6960 section 4.2.2.2).
bool is_signed(OCSP_BASICRESP* basic, const identity_data& of, X509* issuer) noexcept {
  const x509_store_ptr store{X509_STORE_new()};
  // The times that count are the response's own.
  return store && X509_STORE_add_cert(store.get(), issuer) == 1 &&
         X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME) == 1 &&
         OCSP_basic_verify(basic, of.issuers.get(), store.get(), OCSP_NOEXPLICIT) == 1;
}

/// Takes what the answers about a certificate say into `made`. The reason if that can't be stapled.
std::string take_answers(OCSP_BASICRESP* basic, const X509* own, const X509* issuer, ocsp_response& made) {
  bool found = false;
  for (int i = 0; i < OCSP_resp_count(basic); ++i) {
    OCSP_SINGLERESP* const answer = OCSP_resp_get0(basic, i);
    if (!is_about(answer, own, issuer)) continue;
    int why = -1;
    ASN1_GENERALIZEDTIME* revoked = nullptr;
    ASN1_GENERALIZEDTIME* this_update = nullptr;
    ASN1_GENERALIZEDTIME* next_update = nullptr;
    const int status = OCSP_single_get0_status(answer, &why, &revoked, &this_update, &next_update);
    if (status == V_OCSP_CERTSTATUS_REVOKED) {
      return "says that the certificate was revoked on " + to_string(revoked) +
             in_parentheses(why < 0 ? "" : OCSP_crl_reason_str(why));
    }
    if (status != V_OCSP_CERTSTATUS_GOOD) return "says that the responder doesn't know the certificate";
    if (next_update == nullptr) return "doesn't say until when it is good (nextUpdate), and would be stapled for ever";
    const auto begin = time_of(this_update);
    const auto end = time_of(next_update);
    if (!begin || !end) return "has a date that can't be read";
    made.begin = found ? std::max(made.begin, *begin) : *begin;
    made.end = found ? std::min(made.end, *end) : *end;
    found = true;
  }
  return found ? "" : "is for another certificate";
}

/// What isn't in force now, and isn't stapled; empty for what is.
std::string problem_of_time(const ocsp_response& made) {
  const auto now = std::chrono::system_clock::now();
  const auto text_of = [](std::chrono::system_clock::time_point time) {
    const std::unique_ptr<ASN1_TIME, openssl_free<ASN1_TIME_free>> value{
        ASN1_TIME_set(nullptr, std::chrono::system_clock::to_time_t(time))};
    return to_string(value.get());
  };
  if (now < made.begin) return "is not valid before " + text_of(made.begin) + ", and isn't stapled until then";
  if (now >= made.end) return "has been out of date since " + text_of(made.end) + ", and isn't stapled";
  return {};
}

}  // namespace

result<ocsp_response> parse_ocsp_response(std::string_view der, const std::string& name, const identity_data& of) {
  const auto refuse = [&](const std::string& reason) {
    ERR_clear_error();
    return error{configuration_error::bad_ocsp_response, name + ": " + reason};
  };
  if (der.empty()) return refuse("is empty");
  if (der.starts_with("-----BEGIN")) return refuse("is PEM, and OCSP responses are DER");

  ERR_clear_error();
  const auto* const begin = reinterpret_cast<const unsigned char*>(der.data());
  const unsigned char* in = begin;
  const response_ptr response{d2i_OCSP_RESPONSE(nullptr, &in, static_cast<long>(der.size()))};
  if (!response || in != begin + der.size()) {
    return refuse("doesn't parse as an OCSP response" + in_parentheses(take_openssl_error()));
  }
  if (const int status = OCSP_response_status(response.get()); status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    return refuse("holds no answer but an error of the responder" + in_parentheses(OCSP_response_status_str(status)));
  }
  const basic_ptr basic{OCSP_response_get1_basic(response.get())};
  if (!basic) return refuse("doesn't parse as a basic OCSP response" + in_parentheses(take_openssl_error()));

  ocsp_response made{.der = std::string(der), .begin = {}, .end = {}, .warnings = {}};
  X509* const issuer = issuer_in(of);
  if (std::string problem = take_answers(basic.get(), of.certificate.get(), issuer, made); !problem.empty()) {
    return refuse(problem);
  }
  if (issuer == nullptr) {
    made.warnings.push_back(name + ": can't be verified, as the certificate's issuer isn't in the chain of " + of.name);
  } else if (!is_signed(basic.get(), of, issuer)) {
    return refuse("isn't signed by the certificate's issuer, nor by a delegate of it" +
                  in_parentheses(take_openssl_error()));
  }
  // Clients don't take it from a delegate whose own certificate has expired.
  X509* signer = nullptr;
  if (OCSP_resp_get0_signer(basic.get(), &signer, of.issuers.get()) == 1 && signer != nullptr) {
    if (const auto end = time_of(X509_get0_notAfter(signer))) made.end = std::min(made.end, *end);
  }
  if (std::string problem = problem_of_time(made); !problem.empty()) made.warnings.push_back(name + ": " + problem);
  ERR_clear_error();
  return made;
}

}  // namespace sallyport::detail
