// asn1_time: points in time as certificates, revocation lists and OCSP responses write them.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_ASN1_TIME_HPP
#define SALLYPORT_TLS_ASN1_TIME_HPP

#include "openssl.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace sallyport::detail {

/// Since 1970. None for null and for what can't be read. Leaves OpenSSL's error queue as it was.
std::optional<std::chrono::seconds> seconds_of(const ASN1_TIME* time) noexcept;

/// The same for what system_clock can hold: its nanoseconds end in 2262, and what has no end says 9999. Other times
/// become its nearest point.
std::optional<std::chrono::system_clock::time_point> time_of(const ASN1_TIME* time) noexcept;

/// "2026-01-31 12:00:00 UTC", or "an unreadable date".
std::string to_string(const ASN1_TIME* time);

/// For sentences: what the validity period of `certificate` says against it now, such as
/// "expired on 2026-01-31 12:00:00 UTC"; empty if it is valid.
std::string validity_problem(const X509& certificate);

}  // namespace sallyport::detail

#endif
