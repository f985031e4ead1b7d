// The configuration of a running command: what it says again each day.
//
// SPDX-License-Identifier: Apache-2.0
#include "live_configuration.hpp"

#include "support/temporary_directory.hpp"
#include "support/test_pki.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <string>

namespace sallyport::tool {
namespace {

using namespace std::chrono_literals;
using testing::MatchesRegex;

class ToolLiveConfiguration : public testing::Test {
 protected:
  void install_certificate_for(std::chrono::hours left) const {
    const test::credentials made = test::make_self_signed({.names = {"localhost"}, .valid_until = left + 1h});
    directory_.write("server.pem", made.certificate + made.key);
  }

  // Of what `first` does, and of the days behind it. They are of a millisecond, and each handler that runs is the end
  // of one.
  std::string log_of(const std::function<void()>& first, std::size_t days) {
    testing::internal::CaptureStderr();
    first();
    for (std::size_t day = 0; day < days; ++day) EXPECT_EQ(context_.run_one_for(10s), 1u);
    return testing::internal::GetCapturedStderr();
  }

  test::temporary_directory directory_;
  service_options options_{.certificates = {{.certificate = directory_.path() / "server.pem"}}};
  logger log_{log_level::warning, log_format::text};
  boost::asio::io_context context_;
  server_group group_{1, {}};
  live_configuration live_{context_.get_executor(), options_, log_, 1ms};
};

TEST_F(ToolLiveConfiguration, WarnsEachDayOfACertificateThatEndsSoon) {
  const std::string warning =
      "[^\n]* warning configuration detail=\"[^\n]*server.pem: the certificate ends in 13 days[^\n]*\n";
  install_certificate_for(13 * 24h);
  EXPECT_THAT(log_of([this] { live_.start(group_); }, 2), MatchesRegex(warning + warning + warning));
  install_certificate_for(60 * 24h);
  EXPECT_EQ(log_of([this] { live_.reload("test"); }, 2), "");
  install_certificate_for(13 * 24h);
  EXPECT_THAT(log_of([this] { live_.reload("test"); }, 1), MatchesRegex(warning + warning));
  constexpr std::size_t last_handler = 1;
  EXPECT_EQ(log_of([this] { live_.stop(); }, last_handler), "");
  EXPECT_EQ(context_.run(), 0u);
}

}  // namespace
}  // namespace sallyport::tool
