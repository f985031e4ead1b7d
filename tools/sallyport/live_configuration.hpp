// live_configuration: the configuration of a server_group that serves, and its replacement while it does.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_LIVE_CONFIGURATION_HPP
#define SALLYPORT_TOOL_LIVE_CONFIGURATION_HPP

#include "configuration.hpp"
#include "file_watch.hpp"
#include "log.hpp"
#include "options.hpp"
#include "psk_file.hpp"

#include <sallyport/server_group.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::tool {

/// Reads the files at the start, when it is told to, and when it sees that they have changed (--watch). All that was
/// read comes into use or nothing: on any fault the former stays. It works on the thread that runs its executor, which
/// may take seconds for thousands of certificates, and never on one that serves clients.
class live_configuration {
 public:
  /// `options` and `log` must outlive it. `day` is for tests.
  live_configuration(boost::asio::any_io_executor executor, const service_options& options, logger& log,
                     std::chrono::milliseconds day = std::chrono::days(1));

  /// Throws startup_failure. Then it looks for changed files, and once a day whether a certificate ends soon, until
  /// stop().
  void start(server_group& group);

  /// Writes to the log what has become of it, and who wanted it. Does nothing after stop().
  void reload(std::string_view cause);

  void stop() noexcept;

  /// Null without --psk-file. From any thread.
  std::shared_ptr<const psk_file> pre_shared_keys() const;

 private:
  // Throws startup_failure, having changed nothing.
  void use(loaded_configuration loaded);
  void warn(const std::vector<std::string>& sentences);
  void log_reloaded(std::string_view cause);
  void wait_for_look();
  void wait_for_next_day();

  const service_options& options_;
  logger& log_;
  server_group* group_ = nullptr;
  loaded_configuration in_use_{};
  file_watch files_;
  const std::chrono::milliseconds day_;
  boost::asio::steady_timer look_timer_;
  boost::asio::steady_timer day_timer_;
  bool is_stopped_ = false;

  mutable std::mutex mutex_{};
  std::shared_ptr<const psk_file> pre_shared_keys_{};  // of in_use_, for other threads
};

}  // namespace sallyport::tool

#endif
