// access_rule_data: what a rule is on the inside, and many rules at once.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_ACCESS_RULE_DATA_HPP
#define SALLYPORT_TLS_ACCESS_RULE_DATA_HPP

#include "certificate_facts.hpp"

#include <sallyport/access_rule.hpp>

#include <span>
#include <string>

namespace sallyport::detail {

enum class rule_kind { dns, uri, email, cn, ou, spki };

struct access_rule_data {
  std::string text;  ///< as it was given
  rule_kind kind{};
  std::string value;  ///< normalized; of a public key, the digest's 32 bytes

  bool matches(const certificate_facts& client) const;
};

/// The first rule that matches, null if none does. The certificate is looked at once for all of them.
const access_rule* first_match(std::span<const access_rule> rules, const certificate& client);

}  // namespace sallyport::detail

#endif
