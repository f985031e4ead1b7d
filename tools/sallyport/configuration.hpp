// configuration: from the options to what the library wants to know about TLS.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_CONFIGURATION_HPP
#define SALLYPORT_TOOL_CONFIGURATION_HPP

#include "options.hpp"

#include <sallyport/ssl_configuration.hpp>

#include <string>
#include <vector>

namespace sallyport::tool {

/// Reads the certificates and keys, but not --psk-file. Throws startup_failure (exit_usage) with a sentence that names
/// the file.
ssl_configuration make_configuration(const service_options& options);

/// For whom a self-signed certificate is made: this machine's own names, and the host in --listen if it is one.
std::vector<std::string> self_signed_names(const address& listen);

}  // namespace sallyport::tool

#endif
