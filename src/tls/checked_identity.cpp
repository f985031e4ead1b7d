// checked_identity: a chain and a key, wherever they came from, become an identity or are refused.
//
// SPDX-License-Identifier: Apache-2.0
#include "checked_identity.hpp"

#include "asn1_time.hpp"
#include "identity_issuers.hpp"
#include "identity_key.hpp"

#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

namespace sallyport::detail {

namespace {

constexpr int least_security_bits = 112;  // what OpenSSL's security level 2 means

std::string number(std::size_t index) { return "certificate " + std::to_string(index + 1); }

std::string describe_key(const EVP_PKEY* key) {
  const char* type = EVP_PKEY_get0_type_name(key);
  return std::string(type ? type : "unknown") + " of " + std::to_string(EVP_PKEY_get_bits(key)) + " bits";
}

bool is_self_signed(X509* certificate) { return (X509_get_extension_flags(certificate) & EXFLAG_SS) != 0; }

// The same tests as OpenSSL makes when it takes the certificate; here they give a sentence that says what is weak.
std::string weakness(X509* certificate) {
  const EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (!key) return "has a public key that this OpenSSL can't use";
  if (EVP_PKEY_get_security_bits(key) < least_security_bits) {
    return "has a key that is too weak (" + describe_key(key) + "): RSA needs 2048, elliptic curves 224";
  }
  int digest = NID_undef;
  int security_bits = -1;
  if (is_self_signed(certificate)) return {};
  if (X509_get_signature_info(certificate, &digest, nullptr, &security_bits, nullptr) != 1) security_bits = -1;
  if (security_bits < least_security_bits) {
    const char* name = digest == NID_undef ? nullptr : OBJ_nid2sn(digest);
    return std::string("is signed with ") + (name ? name : "an unknown digest") +
           ", which is too weak: have it issued again with SHA-256";
  }
  return {};
}

// Keys of other types (DH, X25519, DSA) parse, but no handshake of ours can use them.
bool can_sign_in_tls(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
    case EVP_PKEY_EC:
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
      return true;
    default:
      return false;
  }
}

// Why `key` isn't the first certificate's, with a hint where it belongs to another one of the chain.
error mismatch(const std::vector<x509_ptr>& certificates, const EVP_PKEY* key, const identity_names& names) {
  const std::string of_chain =
      names.key == names.chain ? "" : " of " + (names.chain_is_named ? names.chain : "the certificate chain");
  std::string reason = "the key does not belong to the first certificate" + of_chain;
  for (std::size_t i = 1; i < certificates.size(); ++i) {
    if (!is_key_of(certificates[i].get(), key)) continue;
    reason = "the key belongs to certificate " + std::to_string(i + 1) + of_chain +
             ": the server's certificate must come first";
    break;
  }
  return {configuration_error::key_mismatch, names.key + ": " + reason};
}

std::vector<std::string> chain_warnings(const std::vector<x509_ptr>& certificates, const std::string& name) {
  std::vector<std::string> warnings;
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    if (const std::string problem = validity_problem(*certificates[i]); !problem.empty()) {
      warnings.push_back(name + ": " + number(i) + " " + problem);
    }
    if (i > 0 && X509_check_issued(certificates[i].get(), certificates[i - 1].get()) != X509_V_OK) {
      warnings.push_back(name + ": chain out of order: " + number(i) + " is not the issuer of " + number(i - 1));
    }
  }
  return warnings;
}

// Also makes OpenSSL decode the extensions now, and not when threads share the certificate.
bool has_good_extensions(X509* certificate) { return (X509_get_extension_flags(certificate) & EXFLAG_INVALID) == 0; }

}  // namespace

bool is_key_of(const X509* certificate, const EVP_PKEY* key) {
  const EVP_PKEY* public_key = X509_get0_pubkey(certificate);
  return public_key && EVP_PKEY_eq(public_key, key) == 1;
}

std::vector<x509_ptr> take_chain_of(std::vector<x509_ptr>& certificates, const EVP_PKEY* key) {
  std::vector<x509_ptr> chain;
  const auto take = [&](auto is_wanted) {
    const auto found = std::ranges::find_if(certificates, [&](const x509_ptr& one) { return is_wanted(one.get()); });
    if (found == certificates.end()) return false;
    chain.push_back(std::move(*found));
    certificates.erase(found);
    return true;
  };
  // A renewed certificate may be there beside the old one for the same key.
  const bool found = take([&](X509* one) { return is_key_of(one, key) && validity_problem(*one).empty(); }) ||
                     take([&](X509* one) { return is_key_of(one, key); });
  if (!found) return chain;
  while ((X509_get_extension_flags(chain.back().get()) & EXFLAG_SS) == 0 &&
         take([&](X509* one) { return X509_check_issued(one, chain.back().get()) == X509_V_OK; })) {
  }
  ERR_clear_error();
  return chain;
}

result<std::shared_ptr<identity_data>> checked_identity(std::vector<x509_ptr> certificates, pkey_ptr key,
                                                        const identity_names& names) {
  ERR_clear_error();
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    if (has_good_extensions(certificates[i].get())) continue;
    ERR_clear_error();
    return error{configuration_error::bad_certificate,
                 names.chain + ": " + number(i) + " has extensions that don't parse"};
  }
  if (!can_sign_in_tls(key.get())) {
    ERR_clear_error();
    return error{configuration_error::bad_private_key, names.key + ": a key of this type can't sign (" +
                                                           describe_key(key.get()) + "): TLS needs RSA, EC or EdDSA"};
  }
  if (!is_key_of(certificates.front().get(), key.get())) {
    ERR_clear_error();
    error refusal = mismatch(certificates, key.get(), names);
    ERR_clear_error();
    return refusal;
  }
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    const std::string reason = weakness(certificates[i].get());
    ERR_clear_error();
    if (!reason.empty()) {
      return error{configuration_error::weak_key, names.chain + ": " + number(i) + " " + reason};
    }
  }

  auto data = std::make_shared<identity_data>();
  data->name = names.chain;
  data->warnings = chain_warnings(certificates, names.chain);
  data->certificate = with_shared_key(std::move(certificates.front()), key.get());
  x509_stack_ptr issuers{sk_X509_new_null()};
  const error out_of_memory{configuration_error::internal, names.chain + ": out of memory"};
  if (!data->certificate || !issuers) {
    ERR_clear_error();
    return out_of_memory;
  }
  data->names_digest = digest_of_names(data->certificate.get());
  data->key = std::move(key);
  for (std::size_t i = 1; i < certificates.size(); ++i) {
    if (sk_X509_push(issuers.get(), certificates[i].get()) == 0) {
      ERR_clear_error();
      return out_of_memory;
    }
    certificates[i].release();  // the stack owns it now
  }
  data->issuers = shared_issuers(std::move(issuers));
  ERR_clear_error();
  return data;
}

}  // namespace sallyport::detail
