// identity_table: see identity_table.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "identity_table.hpp"

#include "certificate_data.hpp"
#include "identity_data.hpp"

#include <algorithm>

namespace sallyport::detail {
namespace {

int type_of_key(const identity& one) noexcept { return EVP_PKEY_get_base_id(one.data().key.get()); }

bool has_type_of_key(const identity_choice& choice, int type) noexcept {
  return std::ranges::any_of(choice, [type](const identity& each) { return type_of_key(each) == type; });
}

std::vector<std::string> names_of(const identity& one) {
  std::vector<std::string> names;
  for (const std::string& name : certificate_of(one.data().certificate.get()).dns_names()) {
    if (std::string pattern = normalized_pattern(name); !pattern.empty()) names.push_back(std::move(pattern));
  }
  return names;
}

}  // namespace

identity_table::identity_table(std::span<const identity> identities) {
  for (std::size_t i = 0; i < identities.size(); ++i) {
    const identity& added = identities[i];
    const int type = type_of_key(added);
    const std::vector<std::string> names = names_of(added);
    std::size_t taken = 0;
    for (const std::string& name : names) {
      const std::size_t at = by_name_.at(name, choices_.size());
      if (at == choices_.size()) choices_.emplace_back();
      identity_choice& choice = choices_[at];
      if (has_type_of_key(choice, type)) {
        ++taken;
      } else {
        choice.push_back(added);
      }
    }
    if (i == 0 || taken < names.size()) continue;
    warnings_.push_back(added.data().name + (names.empty() ? ": has no DNS name that a client could ask for"
                                                           : ": certificates before it have all its names"));
  }
  if (identities.empty()) return;

  default_.push_back(identities.front());
  const std::vector<std::string> names = names_of(identities.front());
  if (names.empty()) return;
  for (const identity& other : choices_[by_name_.at(names.front(), 0)]) {
    const bool has_all = std::ranges::all_of(names, [&](const std::string& name) {
      const identity_choice& choice = choices_[by_name_.at(name, 0)];
      return std::ranges::any_of(choice, [&](const identity& each) { return &each.data() == &other.data(); });
    });
    if (has_all && !has_type_of_key(default_, type_of_key(other))) default_.push_back(other);
  }
}

const identity_choice* identity_table::find(std::string_view name) const noexcept {
  const std::size_t* const found = by_name_.find(name);
  return found == nullptr ? nullptr : &choices_[*found];
}

bool use_identities(SSL* ssl, const identity_choice& choice) noexcept {
  SSL_certs_clear(ssl);
  return std::ranges::all_of(choice, [ssl](const identity& each) {
    const identity_data& data = each.data();
    return SSL_use_cert_and_key(ssl, data.certificate.get(), data.key.get(), data.issuers.get(), 1) == 1;
  });
}

}  // namespace sallyport::detail
