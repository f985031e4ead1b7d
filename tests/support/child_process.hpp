// child_process: a part of a test that must run in a process of its own.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_CHILD_PROCESS_HPP
#define SALLYPORT_TESTS_SUPPORT_CHILD_PROCESS_HPP

#include <functional>
#include <string>

namespace sallyport::test {

/// Runs `part` in a child process without root's privileges (as nobody, if the test runs as root) and returns the
/// text that it returns. What goes wrong on the way throws.
std::string run_unprivileged(const std::function<std::string()>& part);

struct terminal_run {
  bool ended = false;  ///< false: it had to be ended after 30 s
  std::string result;  ///< what `part` returned
  std::string terminal_output;
};

/// Runs `part` in a child process that has a terminal of its own, on which nobody types.
terminal_run run_on_terminal(const std::function<std::string()>& part);

}  // namespace sallyport::test

#endif
