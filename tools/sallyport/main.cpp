// sallyport, the command.
//
// SPDX-License-Identifier: Apache-2.0
#include "check.hpp"
#include "echo.hpp"
#include "explain.hpp"
#include "failure.hpp"
#include "forward.hpp"
#include "log.hpp"
#include "options.hpp"
#include "text.hpp"

#include <fcntl.h>

#include <csignal>
#include <exception>
#include <iostream>
#include <string>
#include <variant>
#include <vector>

namespace {

using namespace sallyport::tool;

exit_status run(const information& information) {
  std::cout << information.text << std::flush;
  return std::cout ? exit_ok : exit_failure;
}

exit_status run(const echo_options& options) {
  logger log(options.service.level, options.service.format);
  return run_echo(options, log);
}

exit_status run(const forward_options& options) {
  logger log(options.service.level, options.service.format);
  return run_forward(options, log);
}

exit_status run(const check_options& options) {
  const check_report report = check_configuration(options.service);
  std::cerr << report.warnings << std::flush;
  return run(information{report.text});
}

exit_status run(const explain_options& options) {
  if (!options.reason) return run(information{options.markdown ? reasons_markdown() : reasons_text()});
  const auto reason = reason_from_name(*options.reason);
  if (!reason) throw startup_failure(exit_usage, unknown_reason(*options.reason));
  return run(information{explanation_text(*reason)});
}

// Exactly one line, whatever names the sentence repeats.
exit_status complain(exit_status status, const std::exception& failure) {
  std::cerr << "sallyport: " + printable(failure.what()) + "\n";
  return status;
}

// A descriptor below 3 that is closed would go to the next socket, and the log would be written to a client.
bool open_standard_streams() {
  for (int descriptor = 0; descriptor <= 2; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) != -1) continue;
    if (::open("/dev/null", O_RDWR) != descriptor) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (!open_standard_streams()) return exit_failure;
  // A peer that is gone is an error code of the write, not the end of the process; so is a closed log.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const auto options = parse_options(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
    return std::visit([](const auto& chosen) { return run(chosen); }, options);
  } catch (const startup_failure& failure) {
    return complain(failure.status(), failure);
  } catch (const std::exception& failure) {
    return complain(exit_failure, failure);
  }
}
