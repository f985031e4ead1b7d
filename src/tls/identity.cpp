// identity: who the server is, a certificate chain with its private key.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/identity.hpp>

#include "certificate_data.hpp"
#include "checked_identity.hpp"
#include "file_contents.hpp"
#include "identity_data.hpp"
#include "pem.hpp"
#include "permission_warning.hpp"
#include "pkcs12.hpp"
#include "self_signed.hpp"

#include <openssl/x509v3.h>

#include <utility>

namespace sallyport {

namespace {

using detail::identity_data;
using detail::identity_file_limit;
using detail::named_text;
using detail::permission_warning;

result<std::shared_ptr<identity_data>> make_data(const named_text& chain, const named_text& key_text,
                                                 const passphrase_source& passphrase) {
  auto certificates = detail::certificates_from_pem(chain);
  if (!certificates) return certificates.error();
  auto key = detail::private_key_from_pem(key_text, passphrase);
  if (!key) return key.error();
  return detail::checked_identity(std::move(*certificates), std::move(*key),
                                  {.chain = chain.name, .key = key_text.name, .chain_is_named = chain.is_file});
}

result<std::shared_ptr<identity_data>> make_data_from_pkcs12(const named_text& source,
                                                             const passphrase_source& passphrase) {
  auto contents = detail::contents_of_pkcs12(source, passphrase);
  if (!contents) return contents.error();
  auto data = detail::checked_identity(std::move(contents->certificates), std::move(contents->key),
                                       {.chain = source.name, .key = source.name, .chain_is_named = source.is_file});
  if (!data) return data.error();
  (*data)->warnings.insert((*data)->warnings.end(), contents->warnings.begin(), contents->warnings.end());
  return data;
}

}  // namespace

result<identity> identity::from_pem(std::string_view chain, std::string_view key, const passphrase_source& passphrase) {
  auto data = make_data({.text = chain, .name = "certificate chain"}, {.text = key, .name = "private key"}, passphrase);
  if (!data) return data.error();
  return identity{std::move(*data)};
}

result<identity> identity::from_pem_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                                          const passphrase_source& passphrase) {
  const auto chain_file = detail::read_file(chain, identity_file_limit);
  if (!chain_file) return chain_file.error();
  const named_text chain_text{.text = chain_file->text.view(), .name = chain.string(), .is_file = true};

  // One file with both in it is read once, as it may be a pipe.
  if (key == chain) {
    auto data = make_data(chain_text, chain_text, passphrase);
    if (!data) return data.error();
    const std::string warning = permission_warning(chain.string(), "private key", chain_file->permissions);
    if (!warning.empty()) (*data)->warnings.push_back(warning);
    return identity{std::move(*data)};
  }

  const auto key_file = detail::read_file(key, identity_file_limit);
  if (!key_file) return key_file.error();
  auto data = make_data(chain_text, {.text = key_file->text.view(), .name = key.string(), .is_file = true}, passphrase);
  if (!data) return data.error();
  const std::string warning = permission_warning(key.string(), "private key", key_file->permissions);
  if (!warning.empty()) (*data)->warnings.push_back(warning);
  return identity{std::move(*data)};
}

result<identity> identity::from_pkcs12(std::string_view bytes, const passphrase_source& passphrase) {
  auto data = make_data_from_pkcs12({.text = bytes, .name = "PKCS#12"}, passphrase);
  if (!data) return data.error();
  return identity{std::move(*data)};
}

result<identity> identity::from_pkcs12_file(const std::filesystem::path& file, const passphrase_source& passphrase) {
  const auto contents = detail::read_file(file, identity_file_limit, "PKCS#12 file");
  if (!contents) return contents.error();
  auto data =
      make_data_from_pkcs12({.text = contents->text.view(), .name = file.string(), .is_file = true}, passphrase);
  if (!data) return data.error();
  const std::string warning = permission_warning(file.string(), "private key", contents->permissions);
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

certificate identity::leaf_certificate() const { return detail::certificate_of(data_->certificate.get()); }

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
