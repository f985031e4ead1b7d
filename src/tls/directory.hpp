// directory: the files of a directory that hold certificates or revocation lists.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_DIRECTORY_HPP
#define SALLYPORT_TLS_DIRECTORY_HPP

#include <sallyport/error.hpp>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::detail {

/// The names under which OpenSSL looks in a directory: "5ed36f99.0" for a certificate; for a revocation list, with ".r"
/// before the number, "5ed36f99.r0".
bool is_hash_name(std::string_view name, std::string_view before_number = ".");

/// Sorted, and each one once, by its own name rather than by a link's. Not in subdirectories. What is wanted and can't
/// be read as a file is an error.
result<std::vector<std::filesystem::path>> files_of(const std::filesystem::path& directory,
                                                    const std::function<bool(const std::string&)>& is_wanted);

}  // namespace sallyport::detail

#endif
