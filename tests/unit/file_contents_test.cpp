// file_contents: reading files and pipes, and wiping what was in them.
//
// SPDX-License-Identifier: Apache-2.0
#include "tls/file_contents.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>

#include "support/child_process.hpp"
#include "support/refused.hpp"
#include "support/temporary_directory.hpp"

namespace sallyport {
namespace {

using detail::read_file;
using test::accepted;
using test::refused;
using enum configuration_error;

constexpr std::size_t limit = std::size_t{1} << 20;

std::ptrdiff_t count_open_descriptors() {
  return std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, std::filesystem::directory_iterator{});
}

long long bytes_read_by_this_process() {
  std::ifstream io{"/proc/self/io"};
  std::string name;
  long long value = 0;
  while (io >> name >> value) {
    if (name == "rchar:") return value;
  }
  throw std::runtime_error("no rchar in /proc/self/io");
}

TEST(read_file, reads_text_and_permissions) {
  const test::temporary_directory directory;
  const auto file = directory.write("a.pem", "text", 0640);
  const auto contents = read_file(file, limit);
  ASSERT_TRUE(accepted(contents));
  EXPECT_EQ(contents->text.view(), "text");
  EXPECT_EQ(contents->permissions, mode_t{0640});
}

TEST(read_file, refuses_what_is_not_there) {
  const test::temporary_directory directory;
  const std::string file = directory.path() / "missing.pem";
  EXPECT_TRUE(refused(read_file(file, limit), unreadable_file, file + ": no such file"));
  EXPECT_TRUE(refused(read_file("", limit), unreadable_file, ": no such file"));
}

TEST(read_file, refuses_a_directory) {
  const test::temporary_directory directory;
  EXPECT_TRUE(
      refused(read_file(directory.path(), limit), unreadable_file, directory.path().string() + ": is a directory"));
}

TEST(read_file, refuses_a_path_through_a_file) {
  const test::temporary_directory directory;
  const std::string file = directory.write("a.pem", "text") / "b.pem";
  EXPECT_TRUE(refused(read_file(file, limit), unreadable_file, file + ": cannot be read: Not a directory"));
}

TEST(read_file, refuses_a_device) {
  EXPECT_TRUE(refused(read_file("/dev/zero", limit), unreadable_file, "/dev/zero: is neither a file nor a pipe"));
}

// Root may read everything, so this is tried as somebody else.
TEST(read_file, refuses_a_file_without_permission) {
  const test::temporary_directory directory;
  std::filesystem::permissions(directory.path(), std::filesystem::perms{0755});
  const std::string file = directory.write("secret.key", "text", 0000);
  const std::string sentence = test::run_unprivileged([&] {
    const auto contents = read_file(file, limit);
    if (contents) return std::string("was accepted");
    return std::string(to_string(static_cast<configuration_error>(contents.error().code.value()))) + " " +
           contents.error().detail;
  });
  EXPECT_EQ(sentence, "unreadable_file " + file + ": permission denied");
}

TEST(read_file, accepts_exactly_the_limit_and_no_byte_more) {
  const test::temporary_directory directory;
  const std::string file = directory.write("a.pem", std::string(limit, 'x'));
  const auto contents = read_file(file, limit);
  ASSERT_TRUE(accepted(contents));
  EXPECT_EQ(contents->text.view().size(), limit);
  directory.write("a.pem", std::string(limit + 1, 'x'));
  EXPECT_TRUE(
      refused(read_file(file, limit), file_too_large, file + ": larger than 1 MiB, which no PEM certificate is"));
}

TEST(read_file, refuses_100_megabytes_without_reading_them) {
  const test::temporary_directory directory;
  const std::string file = directory.write("large.pem", "");
  std::filesystem::resize_file(file, 100'000'000);
  const long long before = bytes_read_by_this_process();
  EXPECT_TRUE(
      refused(read_file(file, limit), file_too_large, file + ": larger than 1 MiB, which no PEM certificate is"));
  EXPECT_LT(bytes_read_by_this_process() - before, 2'000'000);
}

TEST(read_file, reads_a_pipe) {
  std::array<int, 2> pipe;
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const std::string text(100'000, 'x');  // more than a pipe holds at once
  std::thread writer{[&] {
    EXPECT_EQ(::write(pipe[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ::close(pipe[1]);
  }};
  const auto contents = read_file("/dev/fd/" + std::to_string(pipe[0]), limit);
  writer.join();
  ::close(pipe[0]);
  ASSERT_TRUE(accepted(contents));
  EXPECT_EQ(contents->text.view(), text);
  EXPECT_EQ(contents->permissions, mode_t{0});
}

TEST(read_file, refuses_an_endless_pipe) {
  const test::temporary_directory directory;
  const std::string file = directory.path() / "pipe";
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  std::thread writer{[&] {
    const int descriptor = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
    const std::string chunk(64 * 1024, 'x');
    while (::write(descriptor, chunk.data(), chunk.size()) > 0) {
    }
    ::close(descriptor);
  }};
  const auto previous = ::signal(SIGPIPE, SIG_IGN);
  const auto contents = read_file(file, limit);
  writer.join();
  ::signal(SIGPIPE, previous);
  EXPECT_TRUE(refused(contents, file_too_large, file + ": larger than 1 MiB, which no PEM certificate is"));
}

TEST(read_file, leaves_no_descriptor_open) {
  const test::temporary_directory directory;
  const auto file = directory.write("a.pem", "text");
  const auto before = count_open_descriptors();
  for (int i = 0; i < 10; ++i) {
    static_cast<void>(read_file(file, limit));
    static_cast<void>(read_file(file, 1));
    static_cast<void>(read_file(directory.path(), limit));
  }
  EXPECT_EQ(count_open_descriptors(), before);
}

TEST(secret_text, keeps_its_text_when_moved) {
  for (const std::string& text : {std::string("short"), std::string(1000, 'x')}) {
    std::string given = text;
    detail::secret_text first{std::move(given)};
    EXPECT_EQ(first.view(), text);
    detail::secret_text second{std::move(first)};
    EXPECT_EQ(second.view(), text);
    detail::secret_text third;
    third = std::move(second);
    EXPECT_EQ(third.view(), text);
  }
}

TEST(secret_text, leaves_nothing_in_what_it_was_made_from) {
  std::string given = "short";
  const char* bytes = given.data();
  const detail::secret_text secret{std::move(given)};
  EXPECT_EQ(std::string(bytes, 5), std::string(5, '\0'));
}

}  // namespace
}  // namespace sallyport
