// forward: TLS in, plain TCP out.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_FORWARD_HPP
#define SALLYPORT_TOOL_FORWARD_HPP

#include "failure.hpp"
#include "log.hpp"
#include "options.hpp"

namespace sallyport::tool {

/// Serves until it is told to stop. Throws startup_failure.
exit_status run_forward(const forward_options& options, logger& log);

}  // namespace sallyport::tool

#endif
