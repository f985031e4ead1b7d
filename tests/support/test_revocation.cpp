// test_revocation: revocation lists and OCSP responses made on the spot, for tests.
//
// SPDX-License-Identifier: Apache-2.0
#include "test_revocation.hpp"

#include "openssl_objects.hpp"

#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>

namespace sallyport::test {
namespace {

using time_ptr = std::unique_ptr<ASN1_TIME, openssl_free<ASN1_TIME_free>>;
using response_ptr = std::unique_ptr<OCSP_RESPONSE, openssl_free<OCSP_RESPONSE_free>>;

time_ptr in(std::chrono::seconds from_now) {
  time_ptr time{X509_gmtime_adj(nullptr, static_cast<long>(from_now.count()))};
  require(time != nullptr, "time");
  return time;
}

// OCSP has no other type of time.
std::unique_ptr<ASN1_GENERALIZEDTIME, openssl_free<ASN1_GENERALIZEDTIME_free>> generalized(const time_ptr& time) {
  return std::unique_ptr<ASN1_GENERALIZEDTIME, openssl_free<ASN1_GENERALIZEDTIME_free>>(
      time ? ASN1_TIME_to_generalizedtime(time.get(), nullptr) : nullptr);
}

void add_extension(X509_CRL* list, X509* issuer, const list_extension& extension) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, nullptr, nullptr, list, 0);
  const int nid = OBJ_txt2nid(extension.name.c_str());
  const std::unique_ptr<X509_EXTENSION, openssl_free<X509_EXTENSION_free>> made{
      X509V3_EXT_conf_nid(nullptr, &context, nid, extension.value.c_str())};
  require(made && X509_CRL_add_ext(list, made.get(), -1) == 1, "add extension");
}

int number_of(ocsp_status status) {
  switch (status) {
    case ocsp_status::good:
      return V_OCSP_CERTSTATUS_GOOD;
    case ocsp_status::revoked:
      return V_OCSP_CERTSTATUS_REVOKED;
    case ocsp_status::unknown:
      return V_OCSP_CERTSTATUS_UNKNOWN;
  }
  throw std::runtime_error("test_revocation: no such ocsp_status");
}

std::string to_der(OCSP_RESPONSE* response) {
  unsigned char* der = nullptr;
  const int size = i2d_OCSP_RESPONSE(response, &der);
  require(size > 0, "write response");
  std::string bytes(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

}  // namespace

std::string make_list(const credentials& issuer, const list_options& options) {
  const x509_ptr certificate = parse_certificate(issuer.certificate);
  const crl_ptr list{X509_CRL_new()};
  const time_ptr begin = in(options.this_update);
  require(list && X509_CRL_set_version(list.get(), X509_CRL_VERSION_2) == 1 &&
              X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(certificate.get())) == 1 &&
              X509_CRL_set1_lastUpdate(list.get(), begin.get()) == 1,
          "fill list");
  if (options.next_update) require(X509_CRL_set1_nextUpdate(list.get(), in(*options.next_update).get()) == 1, "time");
  for (const std::string& pem : options.revoked) {
    const x509_ptr revoked = parse_certificate(pem);
    X509_REVOKED* entry = X509_REVOKED_new();
    require(entry && X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked.get())) == 1 &&
                X509_REVOKED_set_revocationDate(entry, begin.get()) == 1 &&
                X509_CRL_add0_revoked(list.get(), entry) == 1,
            "revoke");
  }
  if (options.names_key) add_extension(list.get(), certificate.get(), {"authorityKeyIdentifier", "keyid"});
  for (const list_extension& extension : options.extensions) {
    add_extension(list.get(), certificate.get(), extension);
  }
  require(X509_CRL_sort(list.get()) == 1 && X509_CRL_sign(list.get(), parse_key(issuer.key).get(), EVP_sha256()) > 0,
          "sign list");
  const bio_ptr bio = new_bio();
  require(PEM_write_bio_X509_CRL(bio.get(), list.get()) == 1, "write list");
  return contents_of(bio);
}

std::string list_to_der(const std::string& pem) {
  const crl_ptr list{PEM_read_bio_X509_CRL(new_bio(pem).get(), nullptr, nullptr, nullptr)};
  const bio_ptr bio = new_bio();
  require(list && i2d_X509_CRL_bio(bio.get(), list.get()) == 1, "write list");
  return contents_of(bio);
}

std::string make_ocsp_response(const credentials& issuer, const std::string& certificate, const ocsp_options& options) {
  const std::unique_ptr<OCSP_BASICRESP, openssl_free<OCSP_BASICRESP_free>> basic{OCSP_BASICRESP_new()};
  const std::unique_ptr<OCSP_CERTID, openssl_free<OCSP_CERTID_free>> id{
      OCSP_cert_to_id(nullptr, parse_certificate(certificate).get(), parse_certificate(issuer.certificate).get())};
  const time_ptr begin = in(options.this_update);
  const time_ptr end = options.next_update ? in(*options.next_update) : nullptr;
  const bool revoked = options.status == ocsp_status::revoked;
  require(basic && id &&
              OCSP_basic_add1_status(basic.get(), id.get(), number_of(options.status),
                                     revoked ? OCSP_REVOKED_STATUS_KEYCOMPROMISE : 0, revoked ? begin.get() : nullptr,
                                     generalized(begin).get(), generalized(end).get()) != nullptr,
          "fill response");
  const credentials& signer = options.delegate ? *options.delegate : issuer;
  require(OCSP_basic_sign(basic.get(), parse_certificate(signer.certificate).get(), parse_key(signer.key).get(),
                          EVP_sha256(), nullptr, 0) == 1,
          "sign response");
  const response_ptr response{OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get())};
  require(response != nullptr, "make response");
  return to_der(response.get());
}

std::string make_ocsp_refusal(int status) {
  const response_ptr response{OCSP_response_create(status, nullptr)};
  require(response != nullptr, "make response");
  return to_der(response.get());
}

}  // namespace sallyport::test
