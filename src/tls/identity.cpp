// identity: who the server is, a certificate chain with its private key.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/identity.hpp>

#include "identity_data.hpp"
#include "pem.hpp"
#include "self_signed.hpp"

#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstdio>
#include <utility>

#include <sys/stat.h>

namespace sallyport {

namespace {

using detail::identity_data;
using detail::named_text;

constexpr std::size_t file_limit = std::size_t{1} << 20;
constexpr int least_security_bits = 112;  // what OpenSSL's security level 2 means

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

bool is_key_of(const X509* certificate, const EVP_PKEY* key) {
  const EVP_PKEY* public_key = X509_get0_pubkey(certificate);
  return public_key && EVP_PKEY_eq(public_key, key) == 1;
}

// Why `key` isn't the first certificate's, with a hint where it belongs to another one of the chain.
error mismatch(const std::vector<detail::x509_ptr>& certificates, const EVP_PKEY* key, const named_text& chain,
               const named_text& key_text) {
  const std::string of_chain =
      key_text.name == chain.name ? "" : " of " + (chain.is_file ? chain.name : "the certificate chain");
  std::string reason = "the key does not belong to the first certificate" + of_chain;
  for (std::size_t i = 1; i < certificates.size(); ++i) {
    if (!is_key_of(certificates[i].get(), key)) continue;
    reason = "the key belongs to certificate " + std::to_string(i + 1) + of_chain +
             ": the server's certificate must come first";
    break;
  }
  return {configuration_error::key_mismatch, key_text.name + ": " + reason};
}

std::vector<std::string> chain_warnings(const std::vector<detail::x509_ptr>& certificates, const std::string& name) {
  std::vector<std::string> warnings;
  const auto number = [](std::size_t index) { return "certificate " + std::to_string(index + 1); };
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    if (const std::string problem = detail::validity_problem(*certificates[i]); !problem.empty()) {
      warnings.push_back(name + ": " + number(i) + " " + problem);
    }
    if (i > 0 && X509_check_issued(certificates[i].get(), certificates[i - 1].get()) != X509_V_OK) {
      warnings.push_back(name + ": chain out of order: " + number(i) + " is not the issuer of " + number(i - 1));
    }
  }
  return warnings;
}

result<std::shared_ptr<identity_data>> make_data(const named_text& chain, const named_text& key_text,
                                                 const passphrase_source& passphrase) {
  auto certificates = detail::certificates_from_pem(chain);
  if (!certificates) return certificates.error();
  auto key = detail::private_key_from_pem(key_text, passphrase);
  if (!key) return key.error();
  ERR_clear_error();

  if (!can_sign_in_tls(key->get())) {
    return error{configuration_error::bad_private_key, key_text.name + ": a key of this type can't sign (" +
                                                           describe_key(key->get()) + "): TLS needs RSA, EC or EdDSA"};
  }
  if (!is_key_of(certificates->front().get(), key->get())) {
    ERR_clear_error();
    error refusal = mismatch(*certificates, key->get(), chain, key_text);
    ERR_clear_error();
    return refusal;
  }
  for (std::size_t i = 0; i < certificates->size(); ++i) {
    const std::string reason = weakness((*certificates)[i].get());
    ERR_clear_error();
    if (!reason.empty()) {
      return error{configuration_error::weak_key, chain.name + ": certificate " + std::to_string(i + 1) + " " + reason};
    }
  }

  auto data = std::make_shared<identity_data>();
  data->name = chain.name;
  data->warnings = chain_warnings(*certificates, chain.name);
  data->certificate = std::move(certificates->front());
  data->issuers.reset(sk_X509_new_null());
  data->key = std::move(*key);
  for (std::size_t i = 1; i < certificates->size(); ++i) {
    if (!data->issuers || sk_X509_push(data->issuers.get(), (*certificates)[i].get()) == 0) {
      ERR_clear_error();
      return error{configuration_error::internal, chain.name + ": out of memory"};
    }
    (*certificates)[i].release();  // the stack owns it now
  }
  ERR_clear_error();
  return data;
}

// Empty unless somebody other than its owner may read a key's file.
std::string permission_warning(const std::string& name, mode_t permissions) {
  if ((permissions & (S_IRGRP | S_IROTH)) == 0) return {};
  std::array<char, 8> mode{};
  std::snprintf(mode.data(), mode.size(), "%04o", static_cast<unsigned>(permissions & 07777));
  const char* who = (permissions & S_IROTH) != 0 ? "everybody" : "its group";
  return name + ": the private key can be read by " + who + " (mode " + mode.data() + "); only its owner should";
}

}  // namespace

result<identity> identity::from_pem(std::string_view chain, std::string_view key, const passphrase_source& passphrase) {
  auto data = make_data({.text = chain, .name = "certificate chain"}, {.text = key, .name = "private key"}, passphrase);
  if (!data) return data.error();
  return identity{std::move(*data)};
}

result<identity> identity::from_pem_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                                          const passphrase_source& passphrase) {
  const auto chain_file = detail::read_file(chain, file_limit);
  if (!chain_file) return chain_file.error();
  const named_text chain_text{.text = chain_file->text.view(), .name = chain.string(), .is_file = true};

  // One file with both in it is read once, as it may be a pipe.
  if (key == chain) {
    auto data = make_data(chain_text, chain_text, passphrase);
    if (!data) return data.error();
    const std::string warning = permission_warning(chain.string(), chain_file->permissions);
    if (!warning.empty()) (*data)->warnings.push_back(warning);
    return identity{std::move(*data)};
  }

  const auto key_file = detail::read_file(key, file_limit);
  if (!key_file) return key_file.error();
  auto data = make_data(chain_text, {.text = key_file->text.view(), .name = key.string(), .is_file = true}, passphrase);
  if (!data) return data.error();
  const std::string warning = permission_warning(key.string(), key_file->permissions);
  if (!warning.empty()) (*data)->warnings.push_back(warning);
  return identity{std::move(*data)};
}

result<identity> identity::self_signed(std::span<const std::string> names) {
  auto data = detail::make_self_signed(names);
  if (!data) return data.error();
  return identity{std::move(*data)};
}

std::span<const std::string> identity::warnings() const noexcept { return data_->warnings; }

std::string identity::certificate_pem() const {
  std::string pem = detail::to_pem(*data_->certificate);
  for (int i = 0; i < sk_X509_num(data_->issuers.get()); ++i) {
    pem += detail::to_pem(*sk_X509_value(data_->issuers.get(), i));
  }
  return pem;
}

bool identity::matches(std::string_view name) const { return data_->matches(name); }

bool detail::identity_data::matches(std::string_view host) const {
  // X509_check_host takes an empty name for one that ends with a zero byte, and a leading dot for "any subdomain".
  if (host.empty() || host.front() == '.' || host.find('\0') != std::string_view::npos) return false;
  ERR_set_mark();
  // The subject's common name is no host name (RFC 9525 section 2).
  constexpr unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
  const bool matched = X509_check_host(certificate.get(), host.data(), host.size(), flags, nullptr) == 1 ||
                       X509_check_ip_asc(certificate.get(), std::string(host).c_str(), 0) == 1;
  ERR_pop_to_mark();
  return matched;
}

}  // namespace sallyport
