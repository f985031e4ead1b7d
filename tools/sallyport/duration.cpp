// duration: see duration.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "duration.hpp"

#include "text.hpp"

#include <array>
#include <charconv>
#include <cstdint>

namespace sallyport::tool {
namespace {

struct unit {
  std::string_view name;
  std::int64_t milliseconds;
};
constexpr std::array<unit, 4> units{{{"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};

error invalid(std::string_view text, std::string_view reason) {
  return {boost::system::errc::make_error_code(boost::system::errc::invalid_argument),
          in_quotes(text) + " " + std::string(reason)};
}

}  // namespace

result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr std::string_view no_duration = "is not a duration (write it like 500ms, 5s, 2m or 1h)";
  const std::string_view digits = text.substr(0, text.find_first_not_of("0123456789"));
  const std::string_view suffix = text.substr(digits.size());
  if (digits.empty()) return invalid(text, no_duration);
  if (suffix.empty()) return invalid(text, "has no unit (write it like 500ms, 5s, 2m or 1h)");

  for (const unit& unit : units) {
    if (unit.name != suffix) continue;
    std::int64_t count = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), count);
    const std::int64_t limit = std::chrono::milliseconds(max_duration).count() / unit.milliseconds;
    if (parsed.ec != std::errc() || count > limit) {
      return invalid(text, "is too long (at most " + std::to_string(max_duration.count()) + "h)");
    }
    return std::chrono::milliseconds(count * unit.milliseconds);
  }
  return invalid(text, no_duration);
}

std::string to_string(std::chrono::milliseconds duration) {
  if (duration.count() == 0) return "0s";
  for (const unit& unit : units) {
    if (duration.count() % unit.milliseconds != 0) continue;
    return std::to_string(duration.count() / unit.milliseconds) + std::string(unit.name);
  }
  return {};  // not reached: the last unit divides everything
}

}  // namespace sallyport::tool
