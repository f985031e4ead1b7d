// identity_names: the names that a server with many identities has, and its client asks for.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_BENCH_IDENTITY_NAMES_HPP
#define SALLYPORT_BENCH_IDENTITY_NAMES_HPP

#include <cstddef>
#include <string>

inline std::string name_of_identity(std::size_t number) { return "host" + std::to_string(number) + ".example"; }

#endif
