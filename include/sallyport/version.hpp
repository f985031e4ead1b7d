// version: of this library, and of the OpenSSL below it.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_VERSION_HPP
#define SALLYPORT_VERSION_HPP

#include <string>
#include <string_view>

namespace sallyport {

/// "0.1.0" (semantic versioning).
std::string_view version() noexcept;

/// The OpenSSL that this library was compiled against, and the one that is loaded: "OpenSSL 3.0.19 27 Jan 2026".
std::string_view openssl_build_version() noexcept;
std::string_view openssl_runtime_version() noexcept;

}  // namespace sallyport

#endif
