// Contract section 6: the numbers of the enumerations, each by its name in Qt.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/alert.hpp>
#include <sallyport/ssl_error.hpp>

#include <gtest/gtest.h>

#include <openssl/x509_vfy.h>

#include <cctype>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

using number_by_name = std::vector<std::pair<std::string, int>>;

/// "UnableToGetIssuerCertificate" as "unable_to_get_issuer_certificate".
std::string standard_name(std::string_view qt_name) {
  std::string name;
  for (const char letter : qt_name) {
    if (std::isupper(static_cast<unsigned char>(letter)) != 0 && !name.empty()) name += '_';
    name += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  return name;
}

TEST(enumerations, ssl_error_code_has_the_names_and_numbers_of_qt) {
  const number_by_name qt{{"NoError", 0},
                          {"UnableToGetIssuerCertificate", 1},
                          {"UnableToDecryptCertificateSignature", 2},
                          {"UnableToDecodeIssuerPublicKey", 3},
                          {"CertificateSignatureFailed", 4},
                          {"CertificateNotYetValid", 5},
                          {"CertificateExpired", 6},
                          {"InvalidNotBeforeField", 7},
                          {"InvalidNotAfterField", 8},
                          {"SelfSignedCertificate", 9},
                          {"SelfSignedCertificateInChain", 10},
                          {"UnableToGetLocalIssuerCertificate", 11},
                          {"UnableToVerifyFirstCertificate", 12},
                          {"CertificateRevoked", 13},
                          {"InvalidCaCertificate", 14},
                          {"PathLengthExceeded", 15},
                          {"InvalidPurpose", 16},
                          {"CertificateUntrusted", 17},
                          {"CertificateRejected", 18},
                          {"SubjectIssuerMismatch", 19},
                          {"AuthorityIssuerSerialNumberMismatch", 20},
                          {"NoPeerCertificate", 21},
                          {"HostNameMismatch", 22},
                          {"NoSslSupport", 23},
                          {"CertificateBlacklisted", 24},
                          {"CertificateStatusUnknown", 25},
                          {"OcspNoResponseFound", 26},
                          {"OcspMalformedRequest", 27},
                          {"OcspMalformedResponse", 28},
                          {"OcspInternalError", 29},
                          {"OcspTryLater", 30},
                          {"OcspSigRequired", 31},  // Qt's own spelling is OcspSigRequred
                          {"OcspUnauthorized", 32},
                          {"OcspResponseCannotBeTrusted", 33},
                          {"OcspResponseCertIdUnknown", 34},
                          {"OcspResponseExpired", 35},
                          {"OcspStatusUnknown", 36},
                          {"UnspecifiedError", -1}};
  for (const auto& [name, number] : qt)
    EXPECT_EQ(to_string(static_cast<ssl_error_code>(number)), standard_name(name)) << number;
}

TEST(enumerations, x509_errors_map_to_ssl_error_codes_by_name) {
  using enum ssl_error_code;
  const std::map<int, ssl_error_code> by_name{
      {X509_V_OK, no_error},
      {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, unable_to_get_issuer_certificate},
      {X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE, unable_to_decrypt_certificate_signature},
      {X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY, unable_to_decode_issuer_public_key},
      {X509_V_ERR_CERT_SIGNATURE_FAILURE, certificate_signature_failed},
      {X509_V_ERR_CERT_NOT_YET_VALID, certificate_not_yet_valid},
      {X509_V_ERR_CERT_HAS_EXPIRED, certificate_expired},
      {X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD, invalid_not_before_field},
      {X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD, invalid_not_after_field},
      {X509_V_ERR_CERT_REVOKED, certificate_revoked},
      {X509_V_ERR_INVALID_CA, invalid_ca_certificate},
      {X509_V_ERR_PATH_LENGTH_EXCEEDED, path_length_exceeded},
      {X509_V_ERR_INVALID_PURPOSE, invalid_purpose},
      {X509_V_ERR_CERT_UNTRUSTED, certificate_untrusted},
      {X509_V_ERR_CERT_REJECTED, certificate_rejected},
      {X509_V_ERR_SUBJECT_ISSUER_MISMATCH, subject_issuer_mismatch}};
  for (const auto& [number, code] : by_name) EXPECT_EQ(ssl_error_code_of(number), code) << number;
}

TEST(enumerations, x509_errors_whose_names_differ_map_as_in_qt) {
  using enum ssl_error_code;
  EXPECT_EQ(ssl_error_code_of(X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE), unable_to_verify_first_certificate);
  EXPECT_EQ(ssl_error_code_of(X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT), self_signed_certificate);
  EXPECT_EQ(ssl_error_code_of(X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN), self_signed_certificate_in_chain);
  EXPECT_EQ(ssl_error_code_of(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY), unable_to_get_local_issuer_certificate);
}

TEST(enumerations, x509_errors_without_a_counterpart_are_unspecified) {
  EXPECT_EQ(ssl_error_code_of(X509_V_ERR_CERT_CHAIN_TOO_LONG), ssl_error_code::unspecified_error);
  EXPECT_EQ(ssl_error_code_of(X509_V_ERR_OUT_OF_MEM), ssl_error_code::unspecified_error);
  EXPECT_EQ(ssl_error_code_of(-1), ssl_error_code::unspecified_error);
}

TEST(enumerations, alert_type_has_the_names_and_numbers_of_qt) {
  const number_by_name qt{{"CloseNotify", 0},
                          {"UnexpectedMessage", 10},
                          {"BadRecordMac", 20},
                          {"RecordOverflow", 22},
                          {"DecompressionFailure", 30},
                          {"HandshakeFailure", 40},
                          {"NoCertificate", 41},
                          {"BadCertificate", 42},
                          {"UnsupportedCertificate", 43},
                          {"CertificateRevoked", 44},
                          {"CertificateExpired", 45},
                          {"CertificateUnknown", 46},
                          {"IllegalParameter", 47},
                          {"UnknownCa", 48},
                          {"AccessDenied", 49},
                          {"DecodeError", 50},
                          {"DecryptError", 51},
                          {"ExportRestriction", 60},
                          {"ProtocolVersion", 70},
                          {"InsufficientSecurity", 71},
                          {"InternalError", 80},
                          {"InappropriateFallback", 86},
                          {"UserCanceled", 90},  // as the registry spells it; Qt has UserCancelled
                          {"NoRenegotiation", 100},
                          {"MissingExtension", 109},
                          {"UnsupportedExtension", 110},
                          {"CertificateUnobtainable", 111},
                          {"UnrecognizedName", 112},
                          {"BadCertificateStatusResponse", 113},
                          {"BadCertificateHashValue", 114},
                          {"UnknownPskIdentity", 115},
                          {"CertificateRequired", 116},
                          {"NoApplicationProtocol", 120}};
  for (const auto& [name, number] : qt)
    EXPECT_EQ(to_string(static_cast<alert_type>(number)), standard_name(name)) << number;
}

// Qt's UnknownAlertMessage 255: here a number without a name stays what it is.
TEST(enumerations, an_alert_without_a_name_keeps_its_number_and_is_called_unknown) {
  EXPECT_EQ(to_string(static_cast<alert_type>(255)), "unknown");
  EXPECT_EQ(description(static_cast<alert_type>(255)), "unknown");
}

// Qt counts Warning 0, Fatal 1, Unknown 2.
TEST(enumerations, alert_level_has_the_numbers_of_the_wire_rather_than_those_of_qt) {
  EXPECT_EQ(static_cast<int>(alert_level::warning), 1);
  EXPECT_EQ(static_cast<int>(alert_level::fatal), 2);
}

TEST(enumerations, descriptions_are_openssls_words) {
  EXPECT_EQ(description(alert_type::close_notify), "close notify");
  EXPECT_EQ(description(alert_type::unknown_ca), "unknown CA");
}

}  // namespace
}  // namespace sallyport::test
