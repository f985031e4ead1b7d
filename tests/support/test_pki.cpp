// test_pki: certificates and keys made on the spot, for tests.
//
// SPDX-License-Identifier: Apache-2.0
#include "test_pki.hpp"

#include "openssl_objects.hpp"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>

#include <array>
#include <memory>
#include <stdexcept>

namespace sallyport::test {

namespace {

pkey_ptr generate_rsa_pss(const EVP_MD* only) {
  const std::unique_ptr<EVP_PKEY_CTX, openssl_free<EVP_PKEY_CTX_free>> context{
      EVP_PKEY_CTX_new_id(EVP_PKEY_RSA_PSS, nullptr)};
  EVP_PKEY* key = nullptr;
  require(context && EVP_PKEY_keygen_init(context.get()) == 1 &&
              EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), 2048) == 1 &&
              EVP_PKEY_CTX_set_rsa_pss_keygen_md(context.get(), only) == 1 &&
              EVP_PKEY_CTX_set_rsa_pss_keygen_mgf1_md(context.get(), only) == 1 &&
              EVP_PKEY_CTX_set_rsa_pss_keygen_saltlen(context.get(), EVP_MD_get_size(only)) == 1 &&
              EVP_PKEY_generate(context.get(), &key) == 1,
          "make RSA-PSS key");
  return pkey_ptr{key};
}

pkey_ptr generate(key_type type) {
  pkey_ptr key;
  switch (type) {
    case key_type::ec_p256:
      key.reset(EVP_EC_gen("P-256"));
      break;
    case key_type::ec_p384:
      key.reset(EVP_EC_gen("P-384"));
      break;
    case key_type::ec_p192:
      key.reset(EVP_EC_gen("P-192"));
      break;
    case key_type::ed25519:
      key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
      break;
    case key_type::x25519:
      key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"));
      break;
    case key_type::rsa_2048:
      key.reset(EVP_RSA_gen(2048));
      break;
    case key_type::rsa_pss_sha384:
      key = generate_rsa_pss(EVP_sha384());
      break;
    case key_type::rsa_pss_sha512:
      key = generate_rsa_pss(EVP_sha512());
      break;
    case key_type::rsa_1024:
      key.reset(EVP_RSA_gen(1024));
      break;
  }
  require(key != nullptr, "make key");
  return key;
}

std::string to_pem(EVP_PKEY* key) {
  const bio_ptr bio = new_bio();
  require(PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1, "write key");
  return contents_of(bio);
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, openssl_free<X509_EXTENSION_free>> extension{
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str())};
  require(extension && X509_add_ext(certificate, extension.get(), -1) == 1, "add extension");
}

int asn1_type(text_type type) {
  switch (type) {
    case text_type::utf8:
      return V_ASN1_UTF8STRING;
    case text_type::printable:
      return V_ASN1_PRINTABLESTRING;
    case text_type::teletex:
      return V_ASN1_T61STRING;
    case text_type::ia5:
      return V_ASN1_IA5STRING;
    case text_type::bmp:
      return V_ASN1_BMPSTRING;
    case text_type::universal:
      return V_ASN1_UNIVERSALSTRING;
  }
  throw std::runtime_error("test_pki: no such text_type");
}

// Given a type of ASN.1, OpenSSL takes the bytes as they are.
void add_attribute(X509_NAME* name, const name_attribute& attribute) {
  const std::unique_ptr<ASN1_OBJECT, openssl_free<ASN1_OBJECT_free>> type{OBJ_txt2obj(attribute.type.c_str(), 0)};
  require(type && X509_NAME_add_entry_by_OBJ(name, type.get(), asn1_type(attribute.encoding),
                                             reinterpret_cast<const unsigned char*>(attribute.value.data()),
                                             static_cast<int>(attribute.value.size()), -1,
                                             attribute.with_previous ? -1 : 0) == 1,
          "subject");
}

// "192.0.2.1" is an address, anything else a DNS name.
alternative_name guess_kind(const std::string& name) {
  std::array<char, 16> address;
  if (inet_pton(AF_INET, name.c_str(), address.data()) == 1) return {name_kind::ip, {address.data(), 4}};
  if (inet_pton(AF_INET6, name.c_str(), address.data()) == 1) return {name_kind::ip, {address.data(), 16}};
  return {name_kind::dns, name};
}

int general_name_type(name_kind kind) {
  switch (kind) {
    case name_kind::dns:
      return GEN_DNS;
    case name_kind::ip:
      return GEN_IPADD;
    case name_kind::uri:
      return GEN_URI;
    case name_kind::email:
      return GEN_EMAIL;
  }
  throw std::runtime_error("test_pki: no such name_kind");
}

void add_alternative_names(X509* certificate, const std::vector<alternative_name>& names) {
  const general_names_ptr all{GENERAL_NAMES_new()};
  require(all != nullptr, "GENERAL_NAMES_new");
  for (const alternative_name& name : names) {
    const bool is_address = name.kind == name_kind::ip;
    GENERAL_NAME* entry = GENERAL_NAME_new();
    require(entry && sk_GENERAL_NAME_push(all.get(), entry) > 0, "GENERAL_NAME_new");
    ASN1_STRING* value = is_address ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    require(value && ASN1_STRING_set(value, name.bytes.data(), static_cast<int>(name.bytes.size())) == 1, "SAN");
    GENERAL_NAME_set0_value(entry, general_name_type(name.kind), value);
  }
  require(X509_add1_ext_i2d(certificate, NID_subject_alt_name, all.get(), 0, 0) == 1, "subjectAltName");
}

void add_raw_alternative_names(X509* certificate, const std::string& bytes) {
  const std::unique_ptr<ASN1_OCTET_STRING, openssl_free<ASN1_OCTET_STRING_free>> value{ASN1_OCTET_STRING_new()};
  require(value && ASN1_STRING_set(value.get(), bytes.data(), static_cast<int>(bytes.size())) == 1, "SAN");
  const std::unique_ptr<X509_EXTENSION, openssl_free<X509_EXTENSION_free>> extension{
      X509_EXTENSION_create_by_NID(nullptr, NID_subject_alt_name, 0, value.get())};
  require(extension && X509_add_ext(certificate, extension.get(), -1) == 1, "subjectAltName");
}

void set_time(ASN1_TIME* time, std::chrono::seconds from_now, const std::string& text) {
  if (text.empty()) {
    require(X509_gmtime_adj(time, static_cast<long>(from_now.count())) != nullptr, "time");
    return;
  }
  constexpr std::size_t length_of_utc_time = 13;
  require(ASN1_STRING_set(time, text.data(), static_cast<int>(text.size())) == 1, "time");
  time->type = text.size() == length_of_utc_time ? V_ASN1_UTCTIME : V_ASN1_GENERALIZEDTIME;
}

void set_serial(X509* certificate, const std::string& hexadecimal) {
  BIGNUM* number = nullptr;
  if (hexadecimal.empty()) {
    number = BN_new();
    require(number && BN_rand(number, 100, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1, "serial number");
  } else {
    require(BN_hex2bn(&number, hexadecimal.c_str()) > 0, "serial number");
  }
  const std::unique_ptr<BIGNUM, openssl_free<BN_free>> owned{number};
  require(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr, "serial number");
}

// Signed by `issuer` with `issuer_key`; by itself if there is none.
credentials make(const certificate_options& options, X509* issuer, EVP_PKEY* issuer_key) {
  const pkey_ptr key = generate(options.key);
  const x509_ptr certificate{X509_new()};
  require(certificate != nullptr, "X509_new");
  X509* x509 = certificate.get();
  if (!issuer) {
    issuer = x509;
    issuer_key = key.get();
  }

  set_serial(x509, options.serial);
  set_time(X509_getm_notBefore(x509), options.valid_from, options.not_before);
  set_time(X509_getm_notAfter(x509), options.valid_until, options.not_after);
  require(X509_set_version(x509, X509_VERSION_3) == 1 && X509_set_pubkey(x509, key.get()) == 1, "fill certificate");
  X509_NAME* subject = X509_get_subject_name(x509);
  if (!options.common_name.empty()) add_attribute(subject, {.type = "CN", .value = options.common_name});
  for (const name_attribute& attribute : options.subject) add_attribute(subject, attribute);
  require(X509_set_issuer_name(x509, X509_get_subject_name(issuer)) == 1, "issuer");
  add_extension(x509, issuer, NID_basic_constraints, options.is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  const std::string usual_key_usage = options.is_ca ? "critical,keyCertSign,cRLSign" : "digitalSignature";
  add_extension(x509, issuer, NID_key_usage, options.key_usage.empty() ? usual_key_usage : options.key_usage);
  add_extension(x509, issuer, NID_subject_key_identifier, "hash");
  if (issuer != x509) add_extension(x509, issuer, NID_authority_key_identifier, "keyid");
  std::vector<alternative_name> names;
  for (const std::string& name : options.names) names.push_back(guess_kind(name));
  names.insert(names.end(), options.other_names.begin(), options.other_names.end());
  if (!names.empty()) add_alternative_names(x509, names);
  for (const std::string& bytes : options.raw_alternative_names) add_raw_alternative_names(x509, bytes);
  if (!options.extended_key_usage.empty()) {
    add_extension(x509, issuer, NID_ext_key_usage, options.extended_key_usage);
  }

  // Ed25519 brings its own digest.
  const bool own_digest = EVP_PKEY_get_base_id(issuer_key) == EVP_PKEY_ED25519;
  const EVP_MD* digest = own_digest ? nullptr : EVP_get_digestbyname(options.digest.c_str());
  require((own_digest || digest) && X509_sign(x509, issuer_key, digest) > 0, "sign");

  const bio_ptr bio = new_bio();
  require(PEM_write_bio_X509(bio.get(), x509) == 1, "write certificate");
  return {contents_of(bio), to_pem(key.get())};
}

}  // namespace

std::string make_key(key_type type) { return to_pem(generate(type).get()); }

credentials make_ca(const std::string& common_name) {
  return make_self_signed({.common_name = common_name, .is_ca = true});
}

credentials make_self_signed(const certificate_options& options) { return make(options, nullptr, nullptr); }

credentials issue(const credentials& issuer, const certificate_options& options) {
  const x509_ptr certificate = parse_certificate(issuer.certificate);
  const pkey_ptr key = parse_key(issuer.key);
  return make(options, certificate.get(), key.get());
}

std::string encode_key(const std::string& key, key_format format, const std::string& passphrase) {
  const pkey_ptr parsed = parse_key(key);
  const bio_ptr bio = new_bio();
  const EVP_CIPHER* cipher = passphrase.empty() ? nullptr : EVP_aes_256_cbc();
  if (format == key_format::pkcs8) {
    require(PEM_write_bio_PKCS8PrivateKey(bio.get(), parsed.get(), cipher, passphrase.data(),
                                          static_cast<int>(passphrase.size()), nullptr, nullptr) == 1,
            "write key");
  } else {
    require(PEM_write_bio_PrivateKey_traditional(bio.get(), parsed.get(), cipher,
                                                 reinterpret_cast<const unsigned char*>(passphrase.data()),
                                                 static_cast<int>(passphrase.size()), nullptr, nullptr) == 1,
            "write key");
  }
  return contents_of(bio);
}

std::string certificate_to_der(const std::string& pem) {
  const bio_ptr bio = new_bio();
  require(i2d_X509_bio(bio.get(), parse_certificate(pem).get()) == 1, "write certificate");
  return contents_of(bio);
}

std::string key_to_der(const std::string& pem) {
  const bio_ptr bio = new_bio();
  require(i2d_PrivateKey_bio(bio.get(), parse_key(pem).get()) == 1, "write key");
  return contents_of(bio);
}

std::string to_pkcs12(const credentials& both, const std::string& passphrase) {
  const std::unique_ptr<PKCS12, openssl_free<PKCS12_free>> bundle{
      PKCS12_create(passphrase.c_str(), "test", parse_key(both.key).get(), parse_certificate(both.certificate).get(),
                    nullptr, 0, 0, 0, 0, 0)};
  const bio_ptr bio = new_bio();
  require(bundle && i2d_PKCS12_bio(bio.get(), bundle.get()) == 1, "write PKCS#12");
  return contents_of(bio);
}

}  // namespace sallyport::test
