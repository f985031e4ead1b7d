// test_pki: certificates and keys made on the spot, for tests.
//
//   const auto ca = test::make_ca("Test CA");
//   const auto server = test::issue(ca, {.common_name = "server", .names = {"localhost", "127.0.0.1"}});
//   auto identity = identity::from_pem(server.certificate, server.key);
//
// Nothing is read from disk. Each call makes a new key unless told which. A failure of OpenSSL throws
// std::runtime_error, which fails the test.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_TEST_PKI_HPP
#define SALLYPORT_TESTS_SUPPORT_TEST_PKI_HPP

#include <chrono>
#include <string>
#include <vector>

namespace sallyport::test {

enum class key_type { ec_p256, ec_p384, ed25519, rsa_2048, rsa_1024, rsa_pss_sha384, rsa_pss_sha512, ec_p192, x25519 };

/// Encodings of a private key.
enum class key_format { pkcs8, traditional };

/// A certificate and its private key, both PEM (the key PKCS#8, not encrypted).
struct credentials {
  std::string certificate;
  std::string key;
};

/// String types of ASN.1.
enum class text_type { utf8, printable, teletex, ia5, bmp, universal };

/// An attribute of a subject, with any bytes in it, also some that its type doesn't allow.
struct name_attribute {
  std::string type;  ///< "O", or "1.2.3.4"
  std::string value;
  text_type encoding = text_type::utf8;
  bool with_previous = false;  ///< in one set with the attribute before
};

enum class name_kind { dns, ip, uri, email };

/// An entry of a subjectAltName, with any bytes in it: an IP address is its 4 or 16 bytes.
struct alternative_name {
  name_kind kind;
  std::string bytes;
};

struct certificate_options {
  std::string common_name = "test";             ///< empty: none
  std::vector<name_attribute> subject{};        ///< after the common name
  std::vector<std::string> names{};             ///< subjectAltName: DNS names and IP addresses
  std::vector<alternative_name> other_names{};  ///< after those
  /// More subjectAltName extensions, of these bytes, whatever they are.
  std::vector<std::string> raw_alternative_names{};
  bool is_ca = false;
  std::string key_usage{};           ///< empty: what a CA or (not a CA) a signer needs
  std::string extended_key_usage{};  ///< "serverAuth", "clientAuth"; empty: none, which means any
  key_type key = key_type::ec_p256;
  std::chrono::seconds valid_from{std::chrono::hours{-1}};  ///< relative to now
  std::chrono::seconds valid_until{std::chrono::hours{24}};
  /// As ASN.1 writes them, "20260131120000Z" or something unreadable; empty: valid_from and valid_until.
  std::string not_before{};
  std::string not_after{};
  std::string serial{};  ///< hexadecimal; empty: a random one
  std::string digest = "SHA256";
};

/// A new private key as PKCS#8 PEM.
std::string make_key(key_type type);

/// A CA that signs itself.
credentials make_ca(const std::string& common_name = "Test CA");

/// A certificate that signs itself, as the options say.
credentials make_self_signed(const certificate_options& options);

/// A certificate with a new key, signed by `issuer`.
credentials issue(const credentials& issuer, const certificate_options& options);

/// The same key, encrypted with AES-256 under `passphrase`, or (empty passphrase) not.
std::string encode_key(const std::string& key, key_format format, const std::string& passphrase = {});

/// The first certificate or key of a PEM text as DER.
std::string certificate_to_der(const std::string& pem);
std::string key_to_der(const std::string& pem);

/// Certificate and key as PKCS#12.
std::string to_pkcs12(const credentials& both, const std::string& passphrase);

}  // namespace sallyport::test

#endif
