// permission_warning: what is said about secrets that others may read.
//
// SPDX-License-Identifier: Apache-2.0
#include "permission_warning.hpp"

#include <array>
#include <cstdio>

#include <sys/stat.h>

namespace sallyport::detail {

std::string permission_warning(const std::string& name, std::string_view what, mode_t permissions) {
  if ((permissions & (S_IRGRP | S_IROTH)) == 0) return {};
  std::array<char, 8> mode{};
  std::snprintf(mode.data(), mode.size(), "%04o", static_cast<unsigned>(permissions & 07777));
  const char* who = (permissions & S_IROTH) != 0 ? "everybody" : "its group";
  return name + ": the " + std::string(what) + " can be read by " + who + " (mode " + mode.data() +
         "); only its owner should";
}

}  // namespace sallyport::detail
