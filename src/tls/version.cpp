// version: of this library, and of the OpenSSL below it.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/version.hpp>

#include <openssl/crypto.h>
#include <openssl/opensslv.h>

namespace sallyport {

// SALLYPORT_VERSION comes from CMakeLists.txt, the one place where the number is written.
std::string_view version() noexcept { return SALLYPORT_VERSION; }

std::string_view openssl_build_version() noexcept { return OPENSSL_VERSION_TEXT; }

std::string_view openssl_runtime_version() noexcept { return OpenSSL_version(OPENSSL_VERSION); }

}  // namespace sallyport
