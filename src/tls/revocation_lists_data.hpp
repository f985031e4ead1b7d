// revocation_lists_data: what a set of revocation lists is on the inside.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_REVOCATION_LISTS_DATA_HPP
#define SALLYPORT_TLS_REVOCATION_LISTS_DATA_HPP

#include "openssl.hpp"

#include <array>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sallyport::detail {

struct revocation_list {
  crl_ptr crl;
  std::array<unsigned char, 32> digest;  ///< SHA-256 of its DER
  std::string name;                      ///< for sentences: "ca.crl: list 1 (CN = Example CA)"

  const X509_NAME* issuer() const noexcept { return X509_CRL_get_issuer(crl.get()); }
};

struct revocation_lists_data {
  /// Each one once, by their issuers and then their digests: the same whatever order the files were in.
  std::vector<revocation_list> lists;
  /// The first point in time at which one of them is out of date; none if they don't say.
  std::optional<std::chrono::system_clock::time_point> next_update;
  std::vector<std::string> warnings;

  /// Those that name this issuer, whoever has signed them.
  std::span<const revocation_list> of(const X509_NAME* issuer) const noexcept;
};

}  // namespace sallyport::detail

#endif
