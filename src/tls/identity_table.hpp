// identity_table: which identities serve the clients that ask for a name.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_IDENTITY_TABLE_HPP
#define SALLYPORT_TLS_IDENTITY_TABLE_HPP

#include "openssl.hpp"
#include "server_names.hpp"

#include <sallyport/identity.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::detail {

/// Identities for the same name, the one to name them all by first: at most one of each type of key. OpenSSL has a
/// place for each type, and takes the one that the client can verify.
using identity_choice = std::vector<identity>;

class identity_table {
 public:
  /// Throws std::bad_alloc.
  explicit identity_table(std::span<const identity> identities);

  /// For clients that ask for none or for an unknown name: the first identity, and those of other types of key that
  /// have all its names. Empty if there are no identities.
  const identity_choice& default_choice() const noexcept { return default_; }

  /// Null if no identity has this name (normalized).
  const identity_choice* find(std::string_view name) const noexcept;

  /// True if an identity has this name (a wildcard: one that it stands for, or the same wildcard).
  bool has_name_in(std::string_view pattern) const noexcept { return by_name_.has_any_in(pattern); }

  /// Identities that no client will ever be shown, a sentence each.
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

 private:
  identity_choice default_;
  std::vector<identity_choice> choices_;
  name_table by_name_;
  std::vector<std::string> warnings_;
};

/// Puts these in place of those that `ssl` has. False if OpenSSL refuses one.
bool use_identities(SSL* ssl, const identity_choice& choice) noexcept;

}  // namespace sallyport::detail

#endif
