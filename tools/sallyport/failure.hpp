// failure: how the command ends when it can't do what it was asked.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_FAILURE_HPP
#define SALLYPORT_TOOL_FAILURE_HPP

#include <stdexcept>
#include <string>

namespace sallyport::tool {

/// The command's exit statuses: a script can tell "call me differently" from "try again".
enum exit_status : int {
  exit_ok = 0,       ///< done; of a server: every connection ended by itself
  exit_failure = 1,  ///< the world didn't let us: an address in use, connections cut at the end of a drain
  exit_usage = 2,    ///< an option, or a file it names, is wrong: trying again won't help
};

/// Thrown while starting; main() prints the sentence as one line and exits with the status.
class startup_failure : public std::runtime_error {
 public:
  startup_failure(exit_status status, const std::string& sentence) : std::runtime_error(sentence), status_(status) {}
  exit_status status() const noexcept { return status_; }

 private:
  exit_status status_;
};

}  // namespace sallyport::tool

#endif
