// Files of pre-shared keys: what is read from them, and the sentence about one that is wrong, which never tells a key.
//
// SPDX-License-Identifier: Apache-2.0
#include "failure.hpp"
#include "psk_file.hpp"

#include "support/temporary_directory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::tool {
namespace {

using namespace std::string_literals;

const std::string a_key = "000102030405060708090a0b0c0d0e0f";

class ToolPskFile : public testing::Test {
 protected:
  psk_file read(std::string_view text, mode_t mode = 0600) { return psk_file(directory_.write("keys", text, mode)); }

  // What is said of a file with this text, without its name; or "accepted".
  std::string complaint(std::string_view text) {
    const std::string name = (directory_.path() / "keys").string();
    try {
      read(text);
      return "accepted";
    } catch (const startup_failure& failure) {
      EXPECT_EQ(failure.status(), exit_usage);
      const std::string sentence = failure.what();
      const std::string begin = "--psk-file: " + name + ": ";
      EXPECT_TRUE(sentence.starts_with(begin)) << sentence;
      return sentence.substr(begin.size());
    }
  }

  test::temporary_directory directory_{};
};

// In hexadecimal, with its hash; "" if there is none.
std::string key_of(const psk_file& file, std::string_view identity) {
  const pre_shared_key* key = file.find(identity);
  if (key == nullptr) return {};
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text = key->hash() == pre_shared_key_hash::sha384 ? "sha384=" : "sha256=";
  for (const std::byte byte : key->bytes()) {
    text += digits[std::to_integer<std::size_t>(byte) >> 4];
    text += digits[std::to_integer<std::size_t>(byte) & 15];
  }
  return text;
}

TEST_F(ToolPskFile, ReadsIdentitiesAndKeys) {
  const psk_file file = read("alice:" + a_key + "\nbob:FFfe0102030405060708090A0b0c0d0E0f\n");
  EXPECT_EQ(file.size(), 2u);
  EXPECT_EQ(key_of(file, "alice"), "sha256=" + a_key);
  EXPECT_EQ(key_of(file, "bob"), "sha256=fffe0102030405060708090a0b0c0d0e0f");
  EXPECT_EQ(file.find("carol"), nullptr);
  EXPECT_EQ(file.find("Alice"), nullptr);
  EXPECT_EQ(file.find(""), nullptr);
  EXPECT_EQ(file.warning(), "");
}

TEST_F(ToolPskFile, SkipsCommentsAndBlankLines) {
  const psk_file file = read("# keys of the office\n\n  \t\n#bob:" + a_key + "\nalice:" + a_key + "\n\n");
  EXPECT_EQ(file.size(), 1u);
  EXPECT_NE(file.find("alice"), nullptr);
}

TEST_F(ToolPskFile, ReadsEveryEndOfALine) {
  for (const std::string& text : {"alice:" + a_key, "alice:" + a_key + "\n", "alice:" + a_key + "\r\n",
                                  "\r\nalice:" + a_key + "\r\n\r\n", "\xEF\xBB\xBF" + ("alice:" + a_key)}) {
    const psk_file file = read(text);
    EXPECT_EQ(file.size(), 1u) << text;
    EXPECT_EQ(key_of(file, "alice"), "sha256=" + a_key) << text;
  }
}

TEST_F(ToolPskFile, AnIdentityMayHoldAnythingElse) {
  const std::string longest(psk_file::max_identity_size, 'x');
  for (const std::string& identity :
       {"urn:dev:1"s, ":"s, " spaces around "s, "a#b"s, "sha384=x"s, "\xff\xfe"s, longest}) {
    const psk_file file = read(identity + ":" + a_key + "\n");
    EXPECT_EQ(key_of(file, identity), "sha256=" + a_key) << identity;
    EXPECT_EQ(file.size(), 1u) << identity;
  }
}

TEST_F(ToolPskFile, TheHashStandsBeforeTheKey) {
  const psk_file file = read("a:sha256=" + a_key + "\nb:sha384=" + a_key + "\nc:sha384:" + a_key + "\n");
  EXPECT_EQ(key_of(file, "a"), "sha256=" + a_key);
  EXPECT_EQ(key_of(file, "b"), "sha384=" + a_key);
  EXPECT_EQ(key_of(file, "c:sha384"), "sha256=" + a_key) << "a colon belongs to the identity";
}

TEST_F(ToolPskFile, KeysOfEveryPossibleSize) {
  for (const std::size_t size : {psk_file::min_key_size, std::size_t{17}, std::size_t{48}, psk_file::max_key_size}) {
    const std::string key(2 * size, 'e');
    EXPECT_EQ(key_of(read("alice:" + key), "alice"), "sha256=" + key);
  }
}

TEST_F(ToolPskFile, ReadsMoreThanABufferful) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "client " + std::to_string(i) + ":" + a_key + "\n";
  const psk_file file = read(text);
  EXPECT_EQ(file.size(), 2000u);
  for (int i = 0; i < 2000; ++i) EXPECT_EQ(key_of(file, "client " + std::to_string(i)), "sha256=" + a_key) << i;
}

TEST_F(ToolPskFile, SaysWhatIsWrongAndWhere) {
  struct row {
    std::string text;
    std::string message;
  };
  const std::string hexadecimal =
      "the key is not hexadecimal (two digits from 0-9 and a-f for each byte, and nothing else)";
  const std::vector<row> rows{
      {"", "holds no key (expected lines such as identity:hexadecimal key)"},
      {"# nothing\n\n", "holds no key (expected lines such as identity:hexadecimal key)"},
      {"# one\n\nalice" + a_key, "line 3: has no ':' between an identity and its key"},
      {":" + a_key, "line 1: the identity is empty"},
      {std::string(257, 'x') + ":" + a_key, "line 1: the identity is longer than 256 bytes"},
      {"al\0ice:"s + a_key, "line 1: the identity holds a NUL byte"},
      {"alice:", "line 1: the key is empty"},
      {"alice:sha384=", "line 1: the key is empty"},
      {"alice:md5=" + a_key, "line 1: before the '=' of the key stands neither sha256 nor sha384"},
      {"alice:=" + a_key, "line 1: before the '=' of the key stands neither sha256 nor sha384"},
      {"alice:" + a_key + "0", "line 1: the key has an odd number of hexadecimal digits"},
      {"alice:" + a_key + "0g", "line 1: " + hexadecimal},
      {"alice: " + a_key, "line 1: " + hexadecimal},
      {"alice:" + a_key + " ", "line 1: " + hexadecimal},
      {"alice:0x" + a_key, "line 1: " + hexadecimal},
      {"alice:oaP4EishaeSaishei6rio6xeeph3az", "line 1: " + hexadecimal},
      {"alice:00", "line 1: the key has 1 byte, at least 16 are needed"},
      {"alice:" + a_key.substr(2), "line 1: the key has 15 bytes, at least 16 are needed"},
      {"alice:" + std::string(1026, '0'), "line 1: the key has 513 bytes, at most 512 can be used"},
      {"alice:" + a_key + "\n\nbob:" + a_key + "\nalice:" + a_key, "line 4: the identity is the one of line 1"},
      {"bob:" + a_key + "\r\nalice:00\r\n", "line 2: the key has 1 byte, at least 16 are needed"},
      {"#" + std::string(5000, '#') + "\n", "line 1: is longer than 4096 bytes"},
  };
  for (const row& row : rows) EXPECT_EQ(complaint(row.text), row.message) << row.text;
}

TEST_F(ToolPskFile, NoSentenceTellsAnythingOfALine) {
  const std::string secret = "5ec4e75ec4e75ec4e75ec4e75ec4e75ec4e7";
  for (const std::string& text :
       {secret, secret + ":alice", "alice:" + secret + "x", "alice:" + secret + "0", "alice:" + secret + "=" + secret,
        secret + ":", "alice:" + secret.substr(0, 30), secret + ":" + a_key + "\n" + secret + ":" + a_key}) {
    const std::string said = complaint(text);
    EXPECT_NE(said, "accepted") << text;
    EXPECT_EQ(said.find("5ec4e7"), std::string::npos) << said;
    EXPECT_EQ(said.find("alice"), std::string::npos) << said;
  }
}

TEST_F(ToolPskFile, SaysWhyAFileCannotBeRead) {
  const auto said = [](const std::filesystem::path& file) {
    try {
      const psk_file read(file);
      return "accepted"s;
    } catch (const startup_failure& failure) {
      EXPECT_EQ(failure.status(), exit_usage);
      return std::string(failure.what());
    }
  };
  const std::filesystem::path missing = directory_.path() / "missing";
  EXPECT_EQ(said(missing), "--psk-file: " + missing.string() + ": No such file or directory");
  EXPECT_EQ(said(directory_.path()), "--psk-file: " + directory_.path().string() + ": Is a directory");
  EXPECT_EQ(said("/dev/zero"), "--psk-file: /dev/zero: line 1: is longer than 4096 bytes");
}

TEST_F(ToolPskFile, WarnsIfOthersMayReadIt) {
  const std::string name = (directory_.path() / "keys").string();
  const std::string text = "alice:" + a_key;
  EXPECT_EQ(read(text, 0400).warning(), "");
  EXPECT_EQ(read(text, 0644).warning(),
            name + ": the pre-shared keys can be read by everybody (mode 0644); only its owner should");
  EXPECT_EQ(read(text, 0640).warning(),
            name + ": the pre-shared keys can be read by its group (mode 0640); only its owner should");
}

}  // namespace
}  // namespace sallyport::tool
