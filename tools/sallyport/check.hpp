// check: what the command would serve with, told without serving.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_CHECK_HPP
#define SALLYPORT_TOOL_CHECK_HPP

#include "options.hpp"

#include <string>

namespace sallyport::tool {

struct check_report {
  std::string text;      ///< what is there, for standard output
  std::string warnings;  ///< what is odd, a line each, for standard error
};

/// Reads the files as a start or a reload does. Throws the same startup_failure if one of them is bad.
check_report check_configuration(const service_options& options);

}  // namespace sallyport::tool

#endif
