// asn1_time: points in time as certificates, revocation lists and OCSP responses write them.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_ASN1_TIME_HPP
#define SALLYPORT_TLS_ASN1_TIME_HPP

#include "openssl.hpp"

#include <chrono>
#include <optional>

namespace sallyport::detail {

/// None for null and for what can't be read. Leaves OpenSSL's error queue as it was.
std::optional<std::chrono::system_clock::time_point> time_of(const ASN1_TIME* time) noexcept;

}  // namespace sallyport::detail

#endif
