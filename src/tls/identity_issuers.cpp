// identity_issuers: see identity_issuers.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "identity_issuers.hpp"

#include "der_encoding.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace sallyport::detail {
namespace {

/// Empty if OpenSSL is out of memory.
std::string der_of(const STACK_OF(X509) * issuers) {
  std::string all;
  for (int i = 0; i < sk_X509_num(issuers); ++i) {
    const der_encoding each(sk_X509_value(issuers, i));
    if (each.bytes().empty()) return {};
    all += each.bytes();
  }
  return all;
}

struct known_issuers {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<STACK_OF(X509)>> by_der;
  std::size_t next_sweep = 16;
};

known_issuers& all_known() {
  static auto* const known = new known_issuers;  // identities may be made and destroyed after static objects
  return *known;
}

}  // namespace

std::shared_ptr<STACK_OF(X509)> shared_issuers(x509_stack_ptr issuers) {
  std::string der = der_of(issuers.get());
  std::shared_ptr<STACK_OF(X509)> ours{std::move(issuers)};
  if (der.empty()) return ours;
  known_issuers& known = all_known();
  const std::scoped_lock lock(known.mutex);
  std::weak_ptr<STACK_OF(X509)>& place = known.by_der[std::move(der)];
  if (auto found = place.lock()) return found;
  place = ours;
  // Those of identities that are gone. Seldom enough that it costs nothing, often enough that they don't pile up.
  if (known.by_der.size() >= known.next_sweep) {
    std::erase_if(known.by_der, [](const auto& each) { return each.second.expired(); });
    known.next_sweep = std::max<std::size_t>(16, 2 * known.by_der.size());
  }
  return ours;
}

}  // namespace sallyport::detail
