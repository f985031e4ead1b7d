// configuration: from the options and the files they name to what the library wants to know about TLS.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_CONFIGURATION_HPP
#define SALLYPORT_TOOL_CONFIGURATION_HPP

#include "options.hpp"
#include "psk_file.hpp"

#include <sallyport/certificate.hpp>
#include <sallyport/ssl_configuration.hpp>

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace sallyport::tool {

/// What everybody wants to know about one of the identities.
struct identity_facts {
  std::string file;  ///< the certificate's file or URI, or "--self-signed"
  certificate leaf;
};

/// All that was read, at one time.
struct loaded_configuration {
  ssl_configuration tls{};
  std::vector<identity_facts> identities{};           ///< of tls.identities, in the same order
  std::shared_ptr<const psk_file> pre_shared_keys{};  ///< null without --psk-file
  std::vector<std::string> warnings{};                ///< what is odd beside that which the context tells

  /// How many names clients may ask for.
  std::size_t names() const;
};

/// Reads all files. Throws startup_failure with a sentence that names the file. Whether it all goes together tells
/// context::make(). What isn't in files (a self-signed certificate, ticket keys) is taken from `former` if there is
/// one.
loaded_configuration load_configuration(const service_options& options, const loaded_configuration* former = nullptr);

/// Those of the context that was made of it, and its own, each once.
std::vector<std::string> all_warnings(const loaded_configuration& loaded, std::span<const std::string> of_context);

/// A sentence for each identity that will have ended within two weeks, and hasn't yet, the first to end first; of more
/// than ten one for all the others.
std::vector<std::string> ending_soon(const std::vector<identity_facts>& identities);

/// The files and directories that load_configuration() reads, but not what URIs name.
std::vector<std::filesystem::path> configuration_paths(const service_options& options);

/// For whom a self-signed certificate is made: this machine's own names, and the host in --listen if it is one.
std::vector<std::string> self_signed_names(const address& listen);

}  // namespace sallyport::tool

#endif
