// program: another program that a test runs and listens to.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_PROGRAM_HPP
#define SALLYPORT_TESTS_SUPPORT_PROGRAM_HPP

#include <string>
#include <vector>

namespace sallyport::test {

struct program_run {
  int exit_code = -1;  ///< -1: it was ended by a signal, or had to be ended after 30 s
  std::string output;  ///< what it wrote to both its outputs
};

/// Runs a program, found in PATH, to its end. Its input is `input`, and stays open as long as it runs. Throws if it
/// can't be started.
program_run run_program(const std::vector<std::string>& arguments, const std::string& input = {});

}  // namespace sallyport::test

#endif
