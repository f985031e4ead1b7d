// tls_version: the versions of TLS that are spoken here.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_VERSION_HPP
#define SALLYPORT_TLS_VERSION_HPP

#include <string_view>

namespace sallyport {

/// By their numbers on the wire. Older ones are broken and never spoken (RFC 8996).
enum class tls_version { unknown = 0, tls_1_2 = 0x0303, tls_1_3 = 0x0304 };

/// "TLSv1.2", "TLSv1.3", or "unknown".
std::string_view to_string(tls_version version) noexcept;

}  // namespace sallyport

#endif
