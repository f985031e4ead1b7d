// temporary_directory: files for the length of a test.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_TEMPORARY_DIRECTORY_HPP
#define SALLYPORT_TESTS_SUPPORT_TEMPORARY_DIRECTORY_HPP

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sallyport::test {

class temporary_directory {
 public:
  temporary_directory() {
    std::string name = (std::filesystem::temp_directory_path() / "sallyport-test-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;
  ~temporary_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }

  /// Writes a file, by default as a private key should be: for its owner alone.
  std::filesystem::path write(const std::string& name, std::string_view contents, mode_t mode = 0600) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::remove(file);  // an old one may be read-only
    std::ofstream out{file, std::ios::binary};
    out.write(contents.data(), static_cast<std::streamsize>(contents.size()));
    out.close();
    if (!out || ::chmod(file.c_str(), mode) != 0) throw std::runtime_error("cannot write " + file.string());
    return file;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace sallyport::test

#endif
