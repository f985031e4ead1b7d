// file_watch: see file_watch.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "file_watch.hpp"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

namespace sallyport::tool {
namespace {

// Times of files come in steps of a clock's tick, or of two seconds on the coarsest file systems.
constexpr time_t coarsest_tick = 2;

// A directory, and its subdirectories: that is where --cert finds certificates.
constexpr int max_depth = 2;

// Keys are among these files.
class read_buffer {
 public:
  read_buffer() = default;
  ~read_buffer() { ::explicit_bzero(bytes_.data(), bytes_.size()); }
  read_buffer(const read_buffer&) = delete;
  read_buffer& operator=(const read_buffer&) = delete;

  // As read().
  ssize_t fill(int descriptor) {
    ssize_t size = 0;
    do {
      size = ::read(descriptor, bytes_.data(), bytes_.size());
    } while (size < 0 && errno == EINTR);
    return size;
  }
  std::string_view first(ssize_t size) const { return {bytes_.data(), static_cast<std::size_t>(size)}; }

 private:
  std::array<char, 64 * 1024> bytes_;
};

bool is_same(const timespec& one, const timespec& other) {
  return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

bool is_same(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino && one.st_size == other.st_size &&
         is_same(one.st_mtim, other.st_mtim) && is_same(one.st_ctim, other.st_ctim);
}

}  // namespace

void file_watch::take() {
  taken_ = look();
  last_look_ = taken_;
}

bool file_watch::has_settled_change() {
  contents now = look();
  const bool is_settled = now == last_look_;
  last_look_ = std::move(now);
  if (!is_settled || last_look_ == taken_) return false;
  taken_ = last_look_;
  return true;
}

file_watch::contents file_watch::look() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  contents all;
  next_.clear();
  for (const std::filesystem::path& path : paths_) look_at(path.string(), 0, now, all);
  known_ = std::move(next_);
  return all;
}

void file_watch::look_at(const std::string& path, int depth, const timespec& now, contents& to) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {  // a link that leads nowhere, for instance
    to[path].failure = errno;
  } else if (S_ISREG(status.st_mode)) {
    to[path] = content_of(path, status, now);
  } else if (S_ISDIR(status.st_mode) && depth < max_depth) {
    std::error_code failure;
    std::filesystem::directory_iterator at(path, failure);
    for (; !failure && at != std::filesystem::directory_iterator(); at.increment(failure)) {
      // Kubernetes keeps its versions in hidden directories, and a new one there is no change until it is linked to.
      const bool is_hidden = at->path().filename().string().starts_with('.');
      look_at(at->path().string(), is_hidden ? max_depth : depth + 1, now, to);
    }
    if (failure) to[path].failure = failure.value();
  }
}

file_watch::content file_watch::content_of(const std::string& path, const struct stat& status, const timespec& now) {
  if (const auto known = known_.find(path);
      known != known_.end() && !known->second.is_fresh && is_same(known->second.status, status)) {
    return next_.emplace(path, known->second).first->second.found;
  }
  entry& read = next_[path];
  read.status = status;
  read.is_fresh = status.st_ctim.tv_sec + coarsest_tick >= now.tv_sec;

  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (descriptor < 0) {
    read.found.failure = errno;
    return read.found;
  }
  // Nobody gains by a collision but whoever may write the file anyway, so a quick hash will do.
  const auto buffer = std::make_unique<read_buffer>();
  ssize_t size = 0;
  while ((size = buffer->fill(descriptor)) > 0) {
    read.found.size += static_cast<std::uint64_t>(size);
    read.found.hash = read.found.hash * 0x9E3779B97F4A7C15u + std::hash<std::string_view>()(buffer->first(size));
  }
  if (size < 0) read.found.failure = errno;
  ::close(descriptor);
  return read.found;
}

}  // namespace sallyport::tool
