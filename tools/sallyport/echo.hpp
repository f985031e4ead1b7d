// echo: sends back what each client sends.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_ECHO_HPP
#define SALLYPORT_TOOL_ECHO_HPP

#include "failure.hpp"
#include "log.hpp"
#include "options.hpp"

namespace sallyport::tool {

/// Serves until it is told to stop. Throws startup_failure.
exit_status run_echo(const echo_options& options, logger& log);

}  // namespace sallyport::tool

#endif
