// days: points in time as people plan by them.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_DAYS_HPP
#define SALLYPORT_TOOL_DAYS_HPP

#include <chrono>
#include <cstdint>
#include <string>

namespace sallyport::tool {

/// Whole days, rounded down: of 23 hours 0, of an hour ago -1.
std::int64_t whole_days(std::chrono::system_clock::duration duration);

/// "13 days", "1 day", "5 hours", "less than an hour".
std::string days_text(std::chrono::system_clock::duration duration);

/// In UTC: "2026-12-22".
std::string date_text(std::chrono::system_clock::time_point time);

/// "2026-12-22 13:05 UTC".
std::string time_text(std::chrono::system_clock::time_point time);

}  // namespace sallyport::tool

#endif
