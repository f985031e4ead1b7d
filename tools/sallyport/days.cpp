// days: see days.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "days.hpp"

#include <spdlog/fmt/fmt.h>

namespace sallyport::tool {
namespace {

std::string counted(std::int64_t count, const char* unit) {
  return fmt::format("{} {}{}", count, unit, count == 1 ? "" : "s");
}

}  // namespace

std::int64_t whole_days(std::chrono::system_clock::duration duration) {
  return std::chrono::floor<std::chrono::days>(duration).count();
}

std::string days_text(std::chrono::system_clock::duration duration) {
  if (const std::int64_t days = whole_days(duration); days > 0) return counted(days, "day");
  const std::int64_t hours = std::chrono::floor<std::chrono::hours>(duration).count();
  return hours > 0 ? counted(hours, "hour") : "less than an hour";
}

std::string date_text(std::chrono::system_clock::time_point time) {
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(time));
  return fmt::format("{:04d}-{:02d}-{:02d}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

std::string time_text(std::chrono::system_clock::time_point time) {
  const auto minutes = std::chrono::floor<std::chrono::minutes>(time - std::chrono::floor<std::chrono::days>(time));
  return fmt::format("{} {:02d}:{:02d} UTC", date_text(time), minutes.count() / 60, minutes.count() % 60);
}

}  // namespace sallyport::tool
