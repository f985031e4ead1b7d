// file_watch: whether files have changed, told by looking at them from time to time.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_FILE_WATCH_HPP
#define SALLYPORT_TOOL_FILE_WATCH_HPP

#include <sys/stat.h>
#include <time.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace sallyport::tool {

/// Files, and directories with the files in them and in their subdirectories (but for hidden ones). It is their content
/// that counts, and not when it was written or what the links on the way to it are: so a symbolic link that points
/// elsewhere (as Kubernetes swaps ..data) is a change if the new file says something else. A file that is missing, or
/// can't be read, is another content. What is no file (a pipe) never changes.
class file_watch {
 public:
  explicit file_watch(std::vector<std::filesystem::path> paths) : paths_(std::move(paths)) {}

  /// Looks, and takes what is there for what is known. Call it before the files are read: what changes later is a
  /// change then, even if it was read already.
  void take();

  /// Looks. True if what is there isn't what was taken, and is the same as at the look before: somebody who replaces a
  /// certificate and then its key is given the time between two looks. Then it is taken.
  bool has_settled_change();

 private:
  struct content {
    int failure = 0;  // errno
    std::uint64_t size = 0;
    std::uint64_t hash = 0;

    friend bool operator==(const content&, const content&) = default;
  };
  // What is found at a path, and the status by which it is known again without reading it.
  struct entry {
    content found{};
    struct stat status {};
    bool is_fresh = true;  // changed so shortly before it was read that another change may leave the status as it is
  };
  using contents = std::map<std::string, content>;

  contents look();
  void look_at(const std::string& path, int depth, const timespec& now, contents& to);
  content content_of(const std::string& path, const struct stat& status, const timespec& now);

  std::vector<std::filesystem::path> paths_;
  contents taken_{};
  contents last_look_{};
  std::map<std::string, entry> known_{};  // by the last look
  std::map<std::string, entry> next_{};   // by the one that goes on
};

}  // namespace sallyport::tool

#endif
