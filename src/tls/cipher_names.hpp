// cipher_names: checks of lists of ciphers, cipher suites and groups, name by name.
//
// OpenSSL ignores an unknown name in such a list as long as another one is known, so that a typing error weakens or
// empties the list without a word.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_CIPHER_NAMES_HPP
#define SALLYPORT_TLS_CIPHER_NAMES_HPP

#include <string>
#include <vector>

namespace sallyport::detail {

/// Each returns a sentence about the first name that can't be used, or "" if all can. Ciphers that need a pre-shared
/// key count only where there are some.
std::string problem_of_ciphers(const std::string& list, bool pre_shared_keys);
std::string problem_of_ciphersuites(const std::string& list);
std::string problem_of_groups(const std::string& list);

/// Post-quantum groups are in every new list and in no old OpenSSL: those that are missing here are left out, and are a
/// problem only if there is no other group.
struct usable_groups {
  std::string list;
  std::vector<std::string> missing;
};
/// Of a list without problem, or of one that has a group which every OpenSSL knows. Throws std::bad_alloc.
usable_groups usable_groups_of(const std::string& list);

}  // namespace sallyport::detail

#endif
