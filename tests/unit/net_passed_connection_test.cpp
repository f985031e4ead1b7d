// passed_connection: a connection on its way between shards is counted, and never lost.
//
// SPDX-License-Identifier: Apache-2.0
#include "net/passed_connection.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <utility>

namespace sallyport::detail {
namespace {

class a_passed_connection : public testing::Test {
 protected:
  a_passed_connection() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0); }
  ~a_passed_connection() override {
    if (is_open()) ::close(pair[0]);
    ::close(pair[1]);
  }
  bool is_open() const { return ::fcntl(pair[0], F_GETFD) >= 0; }

  std::array<int, 2> pair{};
  shard_balance balance{2};
};

TEST_F(a_passed_connection, counts_where_it_goes_until_it_is_gone) {
  {
    passed_connection passed({pair[0], {}}, balance, 1);
    EXPECT_EQ(balance.connections(0), 0U);
    EXPECT_EQ(balance.connections(1), 1U);
    EXPECT_EQ(passed.release().descriptor, pair[0]);
    EXPECT_EQ(balance.connections(1), 1U) << "until the shard has counted it by itself";
  }
  EXPECT_EQ(balance.connections(1), 0U);
  EXPECT_TRUE(is_open());
}

TEST_F(a_passed_connection, is_closed_if_it_never_arrives) {
  { const passed_connection passed({pair[0], {}}, balance, 1); }
  EXPECT_FALSE(is_open());
  EXPECT_EQ(balance.connections(1), 0U);
}

TEST_F(a_passed_connection, is_one_however_often_it_is_moved) {
  {
    passed_connection first({pair[0], {}}, balance, 1);
    passed_connection second(std::move(first));
    { const passed_connection third(std::move(second)); }
    EXPECT_FALSE(is_open());
    EXPECT_EQ(balance.connections(1), 0U);
  }
  EXPECT_EQ(balance.connections(1), 0U);
}

}  // namespace
}  // namespace sallyport::detail
