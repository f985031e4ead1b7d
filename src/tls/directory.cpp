// directory: see directory.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "directory.hpp"

#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

namespace sallyport::detail {
namespace {

error unreadable_directory(const std::filesystem::path& directory, const std::error_code& why) {
  std::string reason = "cannot be read: " + why.message();
  if (why == std::errc::no_such_file_or_directory) reason = "no such directory";
  if (why == std::errc::not_a_directory) reason = "is not a directory";
  if (why == std::errc::permission_denied) reason = "permission denied";
  return {configuration_error::unreadable_file, directory.string() + ": " + reason};
}

// Each file once: `openssl rehash` makes a link beside each, and sentences name the file rather than the link.
std::vector<std::filesystem::path> each_once(std::vector<std::filesystem::path> files) {
  std::ranges::sort(files, {}, [](const std::filesystem::path& file) {
    std::error_code ignored;
    return std::pair{std::filesystem::is_symlink(file, ignored), file};
  });
  std::set<std::filesystem::path> seen;
  std::vector<std::filesystem::path> once;
  for (std::filesystem::path& file : files) {
    std::error_code failure;
    const std::filesystem::path target = std::filesystem::canonical(file, failure);
    // A link that leads nowhere is kept: reading it tells so.
    if (failure || seen.insert(target).second) once.push_back(std::move(file));
  }
  std::ranges::sort(once);
  return once;
}

}  // namespace

bool is_hash_name(std::string_view name, std::string_view before_number) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (name.size() < 10 || !std::ranges::all_of(name.substr(0, 8), is_hex)) return false;
  const std::string_view end = name.substr(8);
  if (!end.starts_with(before_number)) return false;
  const std::string_view number = end.substr(before_number.size());
  return !number.empty() && std::ranges::all_of(number, is_digit);
}

result<std::vector<std::filesystem::path>> files_of(const std::filesystem::path& directory,
                                                    const std::function<bool(const std::string&)>& is_wanted) {
  std::vector<std::filesystem::path> files;
  std::error_code failure;
  for (std::filesystem::directory_iterator entry{directory, failure}, end; !failure && entry != end;
       entry.increment(failure)) {
    std::error_code ignored;
    const auto type = entry->status(ignored).type();
    if (!is_wanted(entry->path().filename().string())) continue;
    if (type == std::filesystem::file_type::directory) continue;
    // A pipe, above all, would be waited for.
    if (type != std::filesystem::file_type::regular && type != std::filesystem::file_type::not_found) {
      return error{configuration_error::unreadable_file, entry->path().string() + ": is not a regular file"};
    }
    files.push_back(entry->path());
  }
  if (failure) return unreadable_directory(directory, failure);
  return each_once(std::move(files));
}

}  // namespace sallyport::detail
