// log: one line per event on standard error, for people (text) or for programs (JSON).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_LOG_HPP
#define SALLYPORT_TOOL_LOG_HPP

#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace spdlog {
class logger;
}

namespace sallyport::tool {

enum class log_level { trace, debug, info, warning, error, off };
enum class log_format { text, json };

std::string_view to_string(log_level level) noexcept;

/// A name, which is the program's own, and a value, which may be anything that a client sends.
struct log_field {
  std::string_view name;
  std::variant<bool, std::int64_t, std::uint64_t, double, std::string> value;

  log_field(std::string_view name, std::string_view text) : name(name), value(std::string(text)) {}
  log_field(std::string_view name, const std::string& text) : name(name), value(text) {}
  log_field(std::string_view name, const char* text) : name(name), value(std::string(text)) {}
  log_field(std::string_view name, std::same_as<bool> auto truth) : name(name), value(truth) {}
  log_field(std::string_view name, double number) : name(name), value(number) {}
  log_field(std::string_view name, std::signed_integral auto number) : name(name), value(std::int64_t{number}) {}
  template <std::unsigned_integral Number>
  requires(!std::same_as<Number, bool>) log_field(std::string_view name, Number number)
      : name(name), value(std::uint64_t{number}) {}
};

/// A whole line without its line end, which nothing in `message` or `fields` can bring about either.
///   text: 2026-11-22T06:35:21.123Z info handshake failed reason=plain_http peer=192.0.2.1:4711 sni=""
///   json: {"ts":"2026-11-22T06:35:21.123Z","level":"info","msg":"handshake failed","reason":"plain_http",...}
std::string format_log_line(log_format format, std::chrono::system_clock::time_point time, log_level level,
                            std::string_view message, std::span<const log_field> fields);

/// Writes lines of at least its level to standard error. Clients can provoke lines, so a reader of the log that is
/// stuck must not stop the server: once it has taken nothing for 100 ms lines are lost until it takes some again, and
/// the next line that is written is preceded by how many were. From any thread.
class logger {
 public:
  logger(log_level level, log_format format);

  /// Ask before making fields that cost something.
  bool enabled(log_level level) const noexcept { return level >= level_ && level != log_level::off; }

  void write(log_level level, std::string_view message, std::span<const log_field> fields);

  void debug(std::string_view message, const std::vector<log_field>& fields = {}) {
    write(log_level::debug, message, fields);
  }
  void info(std::string_view message, const std::vector<log_field>& fields = {}) {
    write(log_level::info, message, fields);
  }
  void warning(std::string_view message, const std::vector<log_field>& fields = {}) {
    write(log_level::warning, message, fields);
  }
  void error(std::string_view message, const std::vector<log_field>& fields = {}) {
    write(log_level::error, message, fields);
  }

 private:
  bool has_room() noexcept;
  void write_line(log_level level, const std::string& line);

  log_level level_;
  log_format format_;
  std::shared_ptr<spdlog::logger> sink_;
  std::mutex mutex_{};  // for what follows, and so that the lines come in the order of their times
  std::uint64_t lost_ = 0;
  bool is_stuck_ = false;
};

/// Lets one line through per interval and counts those it holds back, for events that may come in floods. From any
/// thread.
class log_sampler {
 public:
  explicit log_sampler(std::chrono::steady_clock::duration interval) : interval_(interval) {}

  /// True if a line may be written now. `suppressed` then is the number of those held back since the last one.
  bool admit(std::chrono::steady_clock::time_point now, std::uint64_t& suppressed);

 private:
  std::chrono::steady_clock::duration interval_;
  std::mutex mutex_{};
  std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::time_point::min();
  std::uint64_t suppressed_ = 0;
};

}  // namespace sallyport::tool

#endif
