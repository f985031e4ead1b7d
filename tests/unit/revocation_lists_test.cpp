// revocation_lists: what is accepted, what is warned of, and what is refused with which sentence.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/revocation_lists.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "support/refused.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_revocation.hpp"
#include "tls/revocation_lists_data.hpp"

namespace sallyport {
namespace {

using std::chrono::hours;
using test::accepted;
using test::make_list;
using test::refused;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::MatchesRegex;
using enum configuration_error;

const std::string a_date = "20..-..-.. ..:..:.. UTC";

TEST(revocation_lists, are_every_block_of_a_pem_text) {
  const auto first = test::make_ca("First");
  const auto second = test::make_ca("Second");
  const auto made = revocation_lists::from_bytes(make_list(first) + first.certificate + make_list(second));
  ASSERT_TRUE(accepted(made));
  EXPECT_EQ(made->size(), 2U);
  EXPECT_THAT(made->warnings(), IsEmpty());
}

TEST(revocation_lists, may_be_one_in_der) {
  const std::string list = make_list(test::make_ca());
  const auto made = revocation_lists::from_bytes(test::list_to_der(list));
  ASSERT_TRUE(accepted(made));
  EXPECT_EQ(made->size(), 1U);
  EXPECT_EQ(made->data().lists[0].digest, revocation_lists::from_bytes(list)->data().lists[0].digest);
}

TEST(revocation_lists, are_the_same_in_whatever_order_they_come) {
  const std::string one = make_list(test::make_ca("One"));
  const std::string two = make_list(test::make_ca("Two"));
  const auto made = revocation_lists::from_bytes(one + two + one);
  const auto reversed = revocation_lists::from_bytes(two + one);
  ASSERT_TRUE(accepted(made));
  ASSERT_TRUE(accepted(reversed));
  ASSERT_EQ(made->size(), 2U);
  ASSERT_EQ(reversed->size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(made->data().lists[i].digest, reversed->data().lists[i].digest);
}

TEST(revocation_lists, know_when_the_first_is_out_of_date) {
  const auto now = std::chrono::system_clock::now();
  const auto made = revocation_lists::from_bytes(make_list(test::make_ca("Late"), {.next_update = hours{72}}) +
                                                 make_list(test::make_ca("Early"), {.next_update = hours{5}}) +
                                                 make_list(test::make_ca("Never"), {.next_update = std::nullopt}));
  ASSERT_TRUE(accepted(made));
  ASSERT_TRUE(made->data().next_update);
  EXPECT_LT(*made->data().next_update, now + hours{5} + std::chrono::minutes{1});
  EXPECT_GT(*made->data().next_update, now + hours{5} - std::chrono::minutes{1});
}

// Later than what system_clock can hold.
TEST(revocation_lists, may_be_good_for_longer_than_centuries) {
  const auto now = std::chrono::system_clock::now();
  const std::string endless = make_list(test::make_ca("Endless"), {.next_update = hours{24 * 365 * 500}});
  const auto alone = revocation_lists::from_bytes(endless);
  ASSERT_TRUE(accepted(alone));
  EXPECT_EQ(alone->next_update(), std::chrono::system_clock::time_point::max());
  EXPECT_THAT(alone->warnings(), IsEmpty());
  const auto both = revocation_lists::from_bytes(endless + make_list(test::make_ca("CA"), {.next_update = hours{5}}));
  ASSERT_TRUE(accepted(both));
  EXPECT_GT(both->next_update(), now + hours{4});
  EXPECT_LT(both->next_update(), now + hours{6});
}

TEST(revocation_lists, are_found_by_their_issuer) {
  const auto ca = test::make_ca("Wanted");
  std::string all;
  for (const char* other : {"A", "Z", "Wante", "wanted-", "Other"}) all += make_list(test::make_ca(other));
  const auto made = revocation_lists::from_bytes(all + make_list(ca) + make_list(ca, {.this_update = -hours{2}}));
  ASSERT_TRUE(accepted(made));
  const auto one = revocation_lists::from_bytes(make_list(ca));
  EXPECT_EQ(made->data().of(one->data().lists[0].issuer()).size(), 2U);
  const auto stranger = revocation_lists::from_bytes(make_list(test::make_ca("Stranger")));
  EXPECT_EQ(made->data().of(stranger->data().lists[0].issuer()).size(), 0U);
}

TEST(revocation_lists, warn_of_what_is_odd) {
  const auto ca = test::make_ca("CA");
  const auto warnings_of = [](const std::string& lists) {
    const auto made = revocation_lists::from_bytes(lists);
    return made ? std::vector<std::string>(made->warnings().begin(), made->warnings().end())
                : std::vector<std::string>{made.error().detail};
  };
  const std::string name = R"(revocation lists: list 1 \(CN = CA\) )";
  EXPECT_THAT(warnings_of(make_list(ca, {.this_update = -hours{48}, .next_update = -hours{24}})),
              ElementsAre(MatchesRegex(name + "has been out of date since " + a_date)));
  EXPECT_THAT(warnings_of(make_list(ca, {.this_update = hours{1}})),
              ElementsAre(MatchesRegex(name + "is not valid before " + a_date)));
  EXPECT_THAT(warnings_of(make_list(ca, {.next_update = std::nullopt})),
              ElementsAre("revocation lists: list 1 (CN = CA) doesn't say until when it is good, and will never count "
                          "as out of date"));
  EXPECT_THAT(warnings_of(make_list(ca) + make_list(ca, {.this_update = -hours{2}})),
              ElementsAre("revocation lists: list 2 (CN = CA) is of the same issuer as revocation lists: list 1 "
                          "(CN = CA): the later one counts"));
  // Two that share out the issuer's certificates.
  EXPECT_THAT(warnings_of(make_list(ca, {.extensions = {{"issuingDistributionPoint", "critical,onlyuser:TRUE"}}}) +
                          make_list(ca, {.extensions = {{"issuingDistributionPoint", "critical,onlyCA:TRUE"}}})),
              IsEmpty());
}

TEST(revocation_lists, must_be_there_and_parse) {
  const auto ca = test::make_ca();
  const auto says = [](const std::string& lists, const std::string& sentence) {
    return refused(revocation_lists::from_bytes(lists), bad_revocation_list, "revocation lists: " + sentence);
  };
  EXPECT_TRUE(says("", "is empty"));
  EXPECT_TRUE(says("garbage", "is not PEM: it has no -----BEGIN line"));
  EXPECT_TRUE(says(ca.certificate + ca.key, "no X509 CRL block (found 1 CERTIFICATE, 1 PRIVATE KEY)"));
  EXPECT_TRUE(says(make_list(ca) + make_list(ca).substr(0, 200), "PEM block 2 is damaged (bad end line)"));
  EXPECT_TRUE(says(make_list(ca) + "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n",
                   "list 2 doesn't parse (field missing)"));
  const auto not_a_list = revocation_lists::from_bytes(test::certificate_to_der(ca.certificate));
  ASSERT_FALSE(not_a_list);
  EXPECT_EQ(not_a_list.error().code, bad_revocation_list);
  EXPECT_THAT(not_a_list.error().detail, testing::StartsWith("revocation lists: list 1 doesn't parse ("));
  EXPECT_TRUE(refused(not_a_list, bad_revocation_list, not_a_list.error().detail));  // and leaves no error behind
}

// OpenSSL would take a delta list for a complete one.
TEST(revocation_lists, must_be_complete) {
  const auto ca = test::make_ca("CA");
  const auto says = [&](const test::list_extension& extension, const std::string& sentence) {
    return refused(revocation_lists::from_bytes(make_list(ca, {.extensions = {extension}})), bad_revocation_list,
                   "revocation lists: list 1 (CN = CA) " + sentence);
  };
  EXPECT_TRUE(says({"deltaCRL", "critical,DER:02:01:01"},
                   "is a delta list, which only says what has changed: give the complete one"));
  EXPECT_TRUE(says({"issuingDistributionPoint", "critical,indirectCRL:TRUE"},
                   "is an indirect list, for certificates of several issuers: these aren't supported"));
  EXPECT_TRUE(says({"issuingDistributionPoint", "critical,onlysomereasons:keyCompromise"},
                   "is only for some reasons of revocation: such lists aren't supported"));
  EXPECT_TRUE(says({"issuingDistributionPoint", "critical,onlyAA:TRUE"}, "is only for attribute certificates"));
  EXPECT_TRUE(says({"issuingDistributionPoint", "critical,DER:02:01:01"},
                   "has an issuing distribution point that can't be read"));
  EXPECT_TRUE(
      says({"nsComment", "critical,DER:16:01:41"}, "has a critical extension that isn't supported (Netscape Comment)"));
  EXPECT_TRUE(accepted(revocation_lists::from_bytes(make_list(ca, {.extensions = {{"nsComment", "hello"}}}))));
}

TEST(revocation_lists, name_the_file_that_is_refused) {
  const test::temporary_directory directory;
  const std::string missing = directory.path() / "missing.crl";
  EXPECT_TRUE(refused(revocation_lists::from_file(missing), unreadable_file, missing + ": no such file"));
  const std::string key = directory.write("ca.key", test::make_ca().key);
  EXPECT_TRUE(refused(revocation_lists::from_file(key), bad_revocation_list,
                      key + ": no X509 CRL block (found 1 PRIVATE KEY)"));
  const std::string large = directory.write("large.crl", "");
  std::filesystem::resize_file(large, 100'000'000);
  EXPECT_TRUE(refused(revocation_lists::from_file(large), file_too_large,
                      large + ": larger than 64 MiB, which no revocation list is"));

  const std::string old = directory.write(
      "old.crl", make_list(test::make_ca("Old"), {.this_update = -hours{48}, .next_update = -hours{1}}));
  const auto made = revocation_lists::from_file(old);
  ASSERT_TRUE(accepted(made));
  ASSERT_EQ(made->warnings().size(), 1U);
  EXPECT_THAT(made->warnings()[0], testing::StartsWith(old + ": list 1 (CN = Old) has been out of date since "));
}

TEST(revocation_lists_directory, is_read_by_its_files_names) {
  const test::temporary_directory directory;
  directory.write("a.pem", make_list(test::make_ca("A")) + make_list(test::make_ca("B")));
  directory.write("c.crl", test::list_to_der(make_list(test::make_ca("C"))));
  directory.write("0123abcd.r0", make_list(test::make_ca("D")));
  directory.write("0123abcd.r17", make_list(test::make_ca("E")));
  std::filesystem::create_symlink("c.crl", directory.path() / "89abcdef.r0");
  for (const char* other : {"README", "a.crl.bak", "0123abcd.0", "0123abcd.r", "0123ABCD.r0", "0123abcd.rx"}) {
    directory.write(other, "garbage");
  }
  std::filesystem::create_directories(directory.path() / "more.crl");
  const auto made = revocation_lists::from_directory(directory.path());
  ASSERT_TRUE(accepted(made));
  EXPECT_EQ(made->size(), 5U);
  EXPECT_THAT(made->warnings(), IsEmpty());
}

TEST(revocation_lists_directory, is_refused_with_a_file_that_does_not_parse) {
  const test::temporary_directory directory;
  directory.write("a.crl", make_list(test::make_ca()));
  const std::string file = directory.write("b.crl", "");
  EXPECT_TRUE(refused(revocation_lists::from_directory(directory.path()), bad_revocation_list, file + ": is empty"));
  std::filesystem::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_TRUE(
      refused(revocation_lists::from_directory(directory.path()), unreadable_file, file + ": is not a regular file"));
}

TEST(revocation_lists_directory, must_be_one_and_hold_a_list) {
  const test::temporary_directory directory;
  const std::string path = directory.path();
  EXPECT_TRUE(refused(revocation_lists::from_directory(path), bad_revocation_list,
                      path + ": holds no revocation lists (looked for names that end in .pem or .crl, and for hashes "
                             "as `openssl rehash` makes them)"));
  EXPECT_TRUE(refused(revocation_lists::from_directory(path + "/nowhere"), unreadable_file,
                      path + "/nowhere: no such directory"));
}

}  // namespace
}  // namespace sallyport
