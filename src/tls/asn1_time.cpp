// asn1_time: see asn1_time.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "asn1_time.hpp"

#include <ctime>

namespace sallyport::detail {

std::optional<std::chrono::system_clock::time_point> time_of(const ASN1_TIME* time) noexcept {
  std::tm parts{};
  if (time == nullptr) return std::nullopt;  // OpenSSL takes it for now
  ERR_set_mark();
  const bool readable = ASN1_TIME_to_tm(time, &parts) == 1;
  ERR_pop_to_mark();
  if (!readable) return std::nullopt;
  return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

}  // namespace sallyport::detail
