// service: what echo and forward share: from the options to a server that runs, logs, and stops on a signal.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_SERVICE_HPP
#define SALLYPORT_TOOL_SERVICE_HPP

#include "failure.hpp"
#include "log.hpp"
#include "options.hpp"

#include <sallyport/ssl_socket.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace sallyport::tool {

/// What became of a connection, for the log.
struct served {
  std::uint64_t bytes_in = 0;   ///< from the client
  std::uint64_t bytes_out = 0;  ///< to the client
  std::string ended{};          ///< "close_notify" if all went well, or why it was cut
};

/// Called once, when a connection has ended; empty if nobody wants to know.
using served_handler = std::function<void(const served&)>;

/// What to do with a connection; it goes on when this has returned. What it throws is logged and ends this connection
/// alone.
using connection_handler = std::function<void(ssl_socket, served_handler done)>;

/// Makes the handler for the connections of one thread, which runs `executor`, before that thread starts.
using handler_maker = std::function<connection_handler(const boost::asio::any_io_executor& executor)>;

/// Serves, on --threads threads, until SIGTERM or SIGINT, and then until the connections have ended or
/// --shutdown-timeout is over. Throws startup_failure if it can't start.
exit_status run_service(const service_options& options, logger& log, handler_maker make_handler);

}  // namespace sallyport::tool

#endif
