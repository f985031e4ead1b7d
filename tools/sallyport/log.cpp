// log: see log.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "log.hpp"

#include <poll.h>
#include <unistd.h>

#include "text.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cmath>
#include <ctime>
#include <type_traits>
#include <utility>

namespace sallyport::tool {
namespace {

std::string timestamp(std::chrono::system_clock::time_point time) {
  const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(time);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(milliseconds);
  const std::time_t since_epoch = std::chrono::system_clock::to_time_t(seconds);
  std::tm utc{};
  gmtime_r(&since_epoch, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, (milliseconds - seconds).count());
}

// logfmt: a value stands bare if nothing in it could be taken for the end of it.
std::string text_value(const std::string& value) {
  std::string safe = in_quotes(value);
  const bool unchanged = safe.size() == value.size() + 2;
  const bool bare = unchanged && !value.empty() && value.find_first_of(" =") == std::string::npos;
  return bare ? value : safe;
}

std::string number(double value) { return std::isfinite(value) ? fmt::format("{:.3f}", value) : "0"; }

std::string value_of(const log_field& field, log_format format) {
  return std::visit(
      [format](const auto& value) -> std::string {
        using type = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<type, std::string>) {
          return format == log_format::json ? json_string(value) : text_value(value);
        } else if constexpr (std::is_same_v<type, bool>) {
          return value ? "true" : "false";
        } else if constexpr (std::is_same_v<type, double>) {
          return number(value);
        } else {
          return std::to_string(value);
        }
      },
      field.value);
}

spdlog::level::level_enum spdlog_level(log_level level) {
  switch (level) {
    case log_level::trace:
      return spdlog::level::trace;
    case log_level::debug:
      return spdlog::level::debug;
    case log_level::info:
      return spdlog::level::info;
    case log_level::warning:
      return spdlog::level::warn;
    case log_level::error:
      return spdlog::level::err;
    case log_level::off:
      break;
  }
  return spdlog::level::off;
}

}  // namespace

std::string_view to_string(log_level level) noexcept {
  switch (level) {
    case log_level::trace:
      return "trace";
    case log_level::debug:
      return "debug";
    case log_level::info:
      return "info";
    case log_level::warning:
      return "warning";
    case log_level::error:
      return "error";
    case log_level::off:
      break;
  }
  return "off";
}

std::string format_log_line(log_format format, std::chrono::system_clock::time_point time, log_level level,
                            std::string_view message, std::span<const log_field> fields) {
  if (format == log_format::json) {
    std::string line =
        fmt::format(R"({{"ts":"{}","level":"{}","msg":{})", timestamp(time), to_string(level), json_string(message));
    for (const log_field& field : fields) line += "," + json_string(field.name) + ":" + value_of(field, format);
    line += '}';
    return line;
  }
  std::string line = fmt::format("{} {} {}", timestamp(time), to_string(level), printable(message));
  for (const log_field& field : fields) line += fmt::format(" {}={}", field.name, value_of(field, format));
  return line;
}

// How long a reader of the log may hold up the server before it counts as stuck.
constexpr int patience_ms = 100;

logger::logger(log_level level, log_format format)
    : level_(level),
      format_(format),
      sink_(std::make_shared<spdlog::logger>("sallyport", std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
  sink_->set_pattern("%v");  // the line is complete as it is: spdlog's own fields aren't escaped for either format
  sink_->set_level(spdlog_level(level));
}

void logger::write(log_level level, std::string_view message, std::span<const log_field> fields) {
  if (!enabled(level)) return;
  const std::lock_guard lock(mutex_);
  if (!has_room()) {
    ++lost_;
    return;
  }
  const auto now = std::chrono::system_clock::now();
  if (lost_ > 0) {
    const log_field count("lines", std::exchange(lost_, 0));
    write_line(log_level::error, format_log_line(format_, now, log_level::error, "log lines lost", {&count, 1}));
    if (!has_room()) {
      ++lost_;
      return;
    }
  }
  write_line(level, format_log_line(format_, now, level, message, fields));
}

void logger::write_line(log_level level, const std::string& line) {
  sink_->log(spdlog_level(level), spdlog::string_view_t(line));
}

bool logger::has_room() noexcept {
  // A pipe that is writable takes a line (of at most PIPE_BUF bytes) at once; a descriptor that poll() can't judge is
  // written to. A reader that only lags is waited for; one that is stuck, once.
  pollfd standard_error{STDERR_FILENO, POLLOUT, 0};
  is_stuck_ = ::poll(&standard_error, 1, is_stuck_ ? 0 : patience_ms) == 0;
  return !is_stuck_;
}

bool log_sampler::admit(std::chrono::steady_clock::time_point now, std::uint64_t& suppressed) {
  const std::lock_guard lock(mutex_);
  if (now < next_) {
    ++suppressed_;
    return false;
  }
  next_ = now + interval_;
  suppressed = std::exchange(suppressed_, 0);
  return true;
}

}  // namespace sallyport::tool
