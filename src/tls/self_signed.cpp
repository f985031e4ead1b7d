// self_signed: a fresh key and a certificate signed by itself, for development.
//
// SPDX-License-Identifier: Apache-2.0
#include "self_signed.hpp"

#include "printable.hpp"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace sallyport::detail {

namespace {

using bignum_ptr = std::unique_ptr<BIGNUM, openssl_free<BN_free>>;
using general_name_ptr = std::unique_ptr<GENERAL_NAME, openssl_free<GENERAL_NAME_free>>;
using ia5_string_ptr = std::unique_ptr<ASN1_IA5STRING, openssl_free<ASN1_IA5STRING_free>>;
using octet_string_ptr = std::unique_ptr<ASN1_OCTET_STRING, openssl_free<ASN1_OCTET_STRING_free>>;

constexpr long backdated_by = 60L * 60;  // for clients whose clock is slow
constexpr long valid_for = 30L * 24 * 60 * 60;
constexpr std::size_t longest_common_name = 64;  // RFC 5280, ub-common-name

bool is_usual_label(std::string_view label) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::ranges::all_of(label, is_allowed);
}

// RFC 1123's host names, with underscores as they are in use, and a wildcard as the whole first label.
bool is_dns_name(std::string_view name) {
  if (name.size() > 253) return false;
  if (name.starts_with("*.")) name.remove_prefix(2);
  std::string_view label;
  while (true) {
    const std::size_t dot = name.find('.');
    label = name.substr(0, dot);
    if (!is_usual_label(label)) return false;
    if (dot == std::string_view::npos) break;
    name.remove_prefix(dot + 1);
  }
  // No top-level domain is a number: this is a mistyped IP address.
  return !std::ranges::all_of(label, [](char c) { return c >= '0' && c <= '9'; });
}

octet_string_ptr parse_ip_address(const std::string& name) {
  if (name.find('\0') != std::string::npos) return nullptr;  // OpenSSL would read only what comes before
  octet_string_ptr address{a2i_IPADDRESS(name.c_str())};
  ERR_clear_error();
  return address;
}

general_name_ptr make_general_name(const std::string& name) {
  general_name_ptr general{GENERAL_NAME_new()};
  if (!general) return nullptr;
  if (octet_string_ptr address = parse_ip_address(name)) {
    GENERAL_NAME_set0_value(general.get(), GEN_IPADD, address.release());
    return general;
  }
  ia5_string_ptr text{ASN1_IA5STRING_new()};
  if (!text || ASN1_STRING_set(text.get(), name.data(), static_cast<int>(name.size())) != 1) return nullptr;
  GENERAL_NAME_set0_value(general.get(), GEN_DNS, text.release());
  return general;
}

// Built as objects and not from OpenSSL's configuration syntax, in which a name could smuggle in more names.
bool add_subject_alternative_names(X509* certificate, std::span<const std::string> names) {
  const general_names_ptr general_names{GENERAL_NAMES_new()};
  if (!general_names) return false;
  for (const std::string& name : names) {
    general_name_ptr general = make_general_name(name);
    if (!general || sk_GENERAL_NAME_push(general_names.get(), general.get()) == 0) return false;
    general.release();
  }
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, general_names.get(), 0, X509V3_ADD_DEFAULT) == 1;
}

bool add_extension(X509* certificate, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  const bool added = extension && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

bool set_random_serial_number(X509* certificate) {
  const bignum_ptr number{BN_new()};
  // The highest of the 128 bits stays clear: it would be the sign.
  return number && BN_rand(number.get(), 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_subject_and_issuer(X509* certificate, const std::string& first_name) {
  const std::string common_name = first_name.size() <= longest_common_name ? first_name : "self-signed";
  X509_NAME* subject = X509_get_subject_name(certificate);
  return X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(common_name.data()),
                                    static_cast<int>(common_name.size()), -1, 0) == 1 &&
         X509_set_issuer_name(certificate, subject) == 1;
}

bool fill_and_sign(X509* certificate, EVP_PKEY* key, std::span<const std::string> names) {
  return X509_set_version(certificate, X509_VERSION_3) == 1 && set_random_serial_number(certificate) &&
         X509_gmtime_adj(X509_getm_notBefore(certificate), -backdated_by) &&
         X509_gmtime_adj(X509_getm_notAfter(certificate), valid_for) &&
         set_subject_and_issuer(certificate, names.front()) && X509_set_pubkey(certificate, key) == 1 &&
         add_subject_alternative_names(certificate, names) &&
         add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
         add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
         add_extension(certificate, NID_subject_key_identifier, "hash") &&
         X509_sign(certificate, key, EVP_sha256()) > 0;
}

}  // namespace

result<std::shared_ptr<identity_data>> make_self_signed(std::span<const std::string> names) {
  if (names.empty()) {
    return error{configuration_error::invalid_value,
                 "self-signed certificate: no names are given; name the host or address that clients connect to"};
  }
  for (const std::string& name : names) {
    if (!parse_ip_address(name) && !is_dns_name(name)) {
      return error{configuration_error::invalid_value,
                   "self-signed certificate: \"" + printable(name) + "\" is neither a DNS name nor an IP address"};
    }
  }

  ERR_clear_error();
  auto data = std::make_shared<identity_data>();
  data->name = "self-signed certificate";
  data->key = pkey_ptr(EVP_EC_gen("P-256"));
  data->certificate = x509_ptr(X509_new());
  data->issuers = x509_stack_ptr(sk_X509_new_null());
  if (!data->key || !data->certificate || !data->issuers ||
      !fill_and_sign(data->certificate.get(), data->key.get(), names)) {
    return error{configuration_error::internal, "self-signed certificate: " + take_openssl_error()};
  }
  X509_check_purpose(data->certificate.get(), -1, 0);  // decodes the extensions now, not when threads share it
  data->names_digest = digest_of_names(data->certificate.get());
  ERR_clear_error();
  return data;
}

}  // namespace sallyport::detail
