// test_clock: the time by which ticket keys change and tickets are judged, for tests to set.
//
//   test::test_clock clock;
//   const ticket_keys keys = test::random_keys(clock);
//   clock.forward(13h);
//
// It begins at the real time, since OpenSSL judges certificates by that.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_TEST_CLOCK_HPP
#define SALLYPORT_TESTS_SUPPORT_TEST_CLOCK_HPP

#include "tls/ticket_keys_data.hpp"

#include <sallyport/ticket_keys.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace sallyport::test {

class test_clock {
 public:
  /// Both the clock that hosts agree on and the one that nobody sets.
  void forward(std::chrono::seconds by) {
    *system_ += by;
    *monotonic_ += by;
  }
  void set_system(std::chrono::seconds since_1970) { *system_ = since_1970; }
  void set_monotonic(std::chrono::seconds since_whenever) { *monotonic_ = since_whenever; }

  /// As a certificate has it, to the second, whatever the real time is by now.
  std::string date(std::chrono::seconds from_now) const {
    const std::time_t at = (*system_ + from_now).count();
    std::tm utc{};
    std::array<char, sizeof "20260131120000Z"> text{};
    std::strftime(text.data(), text.size(), "%Y%m%d%H%M%SZ", ::gmtime_r(&at, &utc));
    return text.data();
  }

  detail::ticket_clocks clocks() const {
    detail::ticket_clocks clocks;
    clocks.system = [at = system_] { return at->count(); };
    clocks.monotonic = [at = monotonic_] { return at->count(); };
    return clocks;
  }

 private:
  using shared_time = std::shared_ptr<std::chrono::seconds>;
  shared_time system_ = std::make_shared<std::chrono::seconds>(std::time(nullptr));
  shared_time monotonic_ = std::make_shared<std::chrono::seconds>(1000);
};

inline ticket_keys random_keys(const test_clock& clock) {
  return ticket_keys(std::make_shared<detail::ticket_keys_data>(clock.clocks()));
}

/// As another process or host has them.
inline ticket_keys keys_from(std::string_view secret, const test_clock& clock) {
  return ticket_keys(std::make_shared<detail::ticket_keys_data>(
      std::span(reinterpret_cast<const unsigned char*>(secret.data()), secret.size()), clock.clocks()));
}

}  // namespace sallyport::test

#endif
