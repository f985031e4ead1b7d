// permission_warning: what is said about secrets that others may read.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_PERMISSION_WARNING_HPP
#define SALLYPORT_TLS_PERMISSION_WARNING_HPP

#include <string>
#include <string_view>

#include <sys/types.h>

namespace sallyport::detail {

/// Empty unless somebody other than its owner may read the file `name`, which holds `what`: "private key".
std::string permission_warning(const std::string& name, std::string_view what, mode_t permissions);

}  // namespace sallyport::detail

#endif
