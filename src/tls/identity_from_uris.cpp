// identity_from_uris: certificates and keys that are named by URIs, also those that never leave an HSM.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/identity.hpp>

#include "checked_identity.hpp"
#include "file_contents.hpp"
#include "key_store.hpp"
#include "object_uri.hpp"
#include "pem.hpp"
#include "permission_warning.hpp"

#include <functional>
#include <map>
#include <utility>

#include <sys/stat.h>

namespace sallyport {

namespace {

using detail::pkey_ptr;
using detail::x509_ptr;

// Certificates and key may be in one file, which is opened once for each.
class remembering {
 public:
  explicit remembering(const passphrase_source& source) : source_(source) {}

  std::string operator()(std::string_view name) {
    const auto known = answers_.find(std::string(name));
    if (known != answers_.end()) return std::string(known->second.view());
    detail::secret_text answer{source_(name)};
    return std::string(answers_.emplace(name, std::move(answer)).first->second.view());
  }

 private:
  const passphrase_source& source_;
  std::map<std::string, detail::secret_text> answers_;
};

result<std::vector<x509_ptr>> certificates_of(std::string_view chain, const passphrase_source& passphrase) {
  if (!detail::scheme_of(chain).empty()) return detail::certificates_from_uri(std::string(chain), passphrase);
  const auto file = detail::read_file(chain, detail::identity_file_limit);
  if (!file) return file.error();
  return detail::certificates_from_pem({.text = file->text.view(), .name = std::string(chain), .is_file = true});
}

result<pkey_ptr> key_of(std::string_view key, const passphrase_source& passphrase) {
  if (!detail::scheme_of(key).empty()) return detail::private_key_from_uri(std::string(key), passphrase);
  const auto file = detail::read_file(key, detail::identity_file_limit);
  if (!file) return file.error();
  return detail::private_key_from_pem({.text = file->text.view(), .name = std::string(key), .is_file = true},
                                      passphrase);
}

std::string warning_of_file(std::string_view key) {
  const std::string scheme = detail::scheme_of(key);
  const std::string file = scheme.empty() ? std::string(key) : detail::file_of(key);
  struct stat status {};
  if (file.empty() || ::stat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  return detail::permission_warning(file, "private key", status.st_mode);
}

}  // namespace

result<identity> identity::from_uris(std::string_view chain, std::string_view key,
                                     const passphrase_source& passphrase) {
  // For OpenSSL a text ends at its first zero byte.
  for (const std::string_view name : {chain, key}) {
    if (name.empty() || name.find('\0') != std::string_view::npos) {
      return error{configuration_error::invalid_value, (name.empty() ? "an empty text" : detail::without_pin(name)) +
                                                           " is neither a URI nor the name of a file"};
    }
  }
  remembering answers{passphrase};
  const passphrase_source once = passphrase ? passphrase_source{std::ref(answers)} : passphrase_source{};

  // The key first: what it takes to get at it, a token's login, may be what its certificate needs too.
  auto private_key = key_of(key, once);
  if (!private_key) return private_key.error();
  auto certificates = certificates_of(chain, once);
  if (!certificates) return certificates.error();
  const detail::identity_names names{
      .chain = detail::without_pin(chain), .key = detail::without_pin(key), .chain_is_named = true};
  const std::string scheme = detail::scheme_of(chain);
  if (!scheme.empty() && scheme != "file") {  // a store without an order
    std::vector<x509_ptr> ordered = detail::take_chain_of(*certificates, private_key->get());
    if (!ordered.empty()) certificates = std::move(ordered);
  }

  auto data = detail::checked_identity(std::move(*certificates), std::move(*private_key), names);
  if (!data) return data.error();
  if (const auto problem = detail::signing_problem((*data)->key.get(), (*data)->certificate.get()); !problem.empty()) {
    return error{configuration_error::bad_private_key, names.key + ": " + problem};
  }
  if (const std::string warning = warning_of_file(key); !warning.empty()) (*data)->warnings.push_back(warning);
  return identity{std::move(*data)};
}

}  // namespace sallyport
