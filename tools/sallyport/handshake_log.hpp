// handshake_log: what the log says about clients: who got in, who didn't, and why.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_HANDSHAKE_LOG_HPP
#define SALLYPORT_TOOL_HANDSHAKE_LOG_HPP

#include "log.hpp"
#include "noise_filter.hpp"

#include <sallyport/ssl_socket.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <mutex>
#include <vector>

namespace sallyport::tool {

/// One line per handshake. From debug on really one for each; otherwise those that fail in floods are summed up
/// (noise_filter), whichever server they come from. From any thread.
class handshake_log {
 public:
  /// `accepted_level` is that of the line about a client that got in. Sums are written on `executor`, if nothing else
  /// has been written before.
  handshake_log(boost::asio::any_io_executor executor, logger& log, log_level accepted_level)
      : log_(log), accepted_level_(accepted_level), timer_(executor) {}

  void accepted(const ssl_socket& socket);
  /// For slots of ssl_server::error_occurred.
  void failed(const ssl_socket& socket, error_code failure);

  /// Writes what has been held back, and waits for nothing any more. What fails later is counted, for the next
  /// finish(): call it last of all.
  void finish();

 private:
  void write_failure(const ssl_socket& socket);
  void write_summaries(const std::vector<noise_filter::summary>& summaries);
  // Under the lock.
  void wait_for_end_of_interval();

  logger& log_;
  log_level accepted_level_;
  std::mutex mutex_{};  // for what follows; nothing is written under it, as that may take its time
  noise_filter noise_{};
  boost::asio::steady_timer timer_;
  bool is_waiting_ = false;
  bool is_finished_ = false;
};

}  // namespace sallyport::tool

#endif
