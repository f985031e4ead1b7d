// Whether files have changed: what counts as a change, and when it is told.
//
// SPDX-License-Identifier: Apache-2.0
#include "file_watch.hpp"
#include "support/temporary_directory.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace sallyport::tool {
namespace {

namespace fs = std::filesystem;

class ToolFileWatch : public testing::Test {
 protected:
  fs::path path(const std::string& name) const { return directory_.path() / name; }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::trunc) << text;
  }

  // Looks twice, which is what a change takes.
  static bool changes(file_watch& watch) {
    const bool first = watch.has_settled_change();
    const bool second = watch.has_settled_change();
    EXPECT_FALSE(first && second) << "one change is told once";
    return first || second;
  }

 private:
  sallyport::test::temporary_directory directory_{};
};

TEST_F(ToolFileWatch, NothingIsNoChange) {
  write("a", "one");
  file_watch watch({path("a"), path("missing")});
  watch.take();
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(watch.has_settled_change());
}

TEST_F(ToolFileWatch, AChangeIsToldAtTheSecondLookAndOnce) {
  write("a", "one");
  file_watch watch({path("a")});
  watch.take();
  write("a", "two");
  EXPECT_FALSE(watch.has_settled_change());
  EXPECT_TRUE(watch.has_settled_change());
  EXPECT_FALSE(watch.has_settled_change());
}

TEST_F(ToolFileWatch, WhatGoesOnChangingIsNotTold) {
  write("a", "one");
  write("b", "one");
  file_watch watch({path("a"), path("b")});
  watch.take();
  write("a", "two");
  EXPECT_FALSE(watch.has_settled_change());
  write("b", "two");
  EXPECT_FALSE(watch.has_settled_change());
  EXPECT_TRUE(watch.has_settled_change());
}

TEST_F(ToolFileWatch, WhatIsAsItWasIsNoChange) {
  write("a", "one");
  file_watch watch({path("a")});
  watch.take();
  write("a", "two");
  EXPECT_FALSE(watch.has_settled_change());
  write("a", "one");  // another time of change, the same content
  EXPECT_FALSE(changes(watch));
}

TEST_F(ToolFileWatch, TheSameTextInANewFileIsNoChange) {
  write("a", "one");
  file_watch watch({path("a")});
  watch.take();
  write("new", "one");
  fs::rename(path("new"), path("a"));
  EXPECT_FALSE(changes(watch));
  write("new", "two");
  fs::rename(path("new"), path("a"));
  EXPECT_TRUE(changes(watch));
}

TEST_F(ToolFileWatch, ChangesWithinATickOfTheClockAreSeen) {
  write("a", "0");
  file_watch watch({path("a")});
  watch.take();
  // As long, and as quick, as the last one.
  for (int i = 1; i < 10; ++i) {
    write("a", std::to_string(i));
    EXPECT_TRUE(changes(watch)) << i;
  }
}

TEST_F(ToolFileWatch, FilesThatComeAndGoAreChanges) {
  write("a", "one");
  file_watch watch({path("a")});
  watch.take();
  fs::remove(path("a"));
  EXPECT_TRUE(changes(watch));
  write("a", "one");
  EXPECT_TRUE(changes(watch));
}

TEST_F(ToolFileWatch, ALinkThatPointsElsewhereIsAChange) {
  // As Kubernetes has it: the file is a link through ..data, which is swapped.
  fs::create_directory(path("v1"));
  fs::create_directory(path("v2"));
  write("v1/tls.crt", "one");
  write("v2/tls.crt", "two");
  fs::create_directory_symlink("v1", path("..data"));
  fs::create_symlink("..data/tls.crt", path("tls.crt"));
  file_watch watch({path("tls.crt")});
  watch.take();
  fs::create_directory_symlink("v2", path("..data_tmp"));
  fs::rename(path("..data_tmp"), path("..data"));
  EXPECT_TRUE(changes(watch));
  fs::create_directory_symlink("gone", path("..data_tmp"));
  fs::rename(path("..data_tmp"), path("..data"));
  EXPECT_TRUE(changes(watch));
}

TEST_F(ToolFileWatch, TheFilesInADirectoryCount) {
  fs::create_directory(path("pairs"));
  write("pairs/a", "one");
  file_watch watch({path("pairs")});
  watch.take();
  write("pairs/b", "one");
  EXPECT_TRUE(changes(watch));
  write("pairs/a", "two");
  EXPECT_TRUE(changes(watch));
  fs::remove(path("pairs/b"));
  EXPECT_TRUE(changes(watch));
  fs::create_directory(path("pairs/.hidden"));
  write("pairs/.hidden/c", "one");
  EXPECT_FALSE(changes(watch));
  fs::create_directories(path("pairs/deep/deeper"));
  write("pairs/deep/deeper/c", "one");
  EXPECT_FALSE(changes(watch));
  write("pairs/deep/c", "one");
  EXPECT_TRUE(changes(watch));
  fs::remove_all(path("pairs"));
  EXPECT_TRUE(changes(watch));
}

TEST_F(ToolFileWatch, LongFilesAreReadToTheirEnd) {
  std::string text(200'000, 'x');
  write("a", text);
  file_watch watch({path("a")});
  watch.take();
  text.back() = 'y';
  write("a", text);
  EXPECT_TRUE(changes(watch));
}

TEST_F(ToolFileWatch, WhatIsTakenIsKnown) {
  write("a", "one");
  file_watch watch({path("a")});
  watch.take();
  write("a", "two");
  EXPECT_FALSE(watch.has_settled_change());
  watch.take();
  EXPECT_FALSE(changes(watch));
}

}  // namespace
}  // namespace sallyport::tool
