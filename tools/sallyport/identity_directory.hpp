// identity_directory: a directory of certificates and keys, as --cert takes it.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_IDENTITY_DIRECTORY_HPP
#define SALLYPORT_TOOL_IDENTITY_DIRECTORY_HPP

#include <filesystem>
#include <vector>

namespace sallyport::tool {

/// The files of one identity.
struct identity_files {
  std::filesystem::path certificate;    ///< PEM, the chain; or PKCS#12, by its name: .p12 or .pfx
  std::filesystem::path key;            ///< the same as `certificate` if that holds both
  std::filesystem::path ocsp_response;  ///< DER; empty: there is none

  bool is_pkcs12() const;

  friend bool operator==(const identity_files&, const identity_files&) = default;
};

/// The identities in a directory:
///
///   NAME.crt or NAME.pem, and NAME.key      certificate and key
///   NAME.pem                                both, if there is no NAME.key
///   NAME.p12 or NAME.pfx                    PKCS#12
///   NAME/fullchain.pem and NAME/privkey.pem as certbot has them
///   NAME/tls.crt and NAME/tls.key           as Kubernetes mounts them
///   NAME.ocsp                               the OCSP response for any of these
///
/// The directory may itself be such a subdirectory; what certbot and Kubernetes put beside these files (cert.pem,
/// chain.pem, ca.crt) is skipped. Names that begin with a dot are skipped, also those that Kubernetes
/// makes ("..data"), and so are files with other endings and directories without any of these files. Symbolic links are
/// followed. Sorted by name, with "default" first: the first identity is what clients get that ask for no name.
///
/// Only names are looked at, not contents. Throws startup_failure (exit_usage) with a sentence, for the option
/// --cert, that names what can't be read, a certificate without a key or the other way round, and two
/// certificates of the same name; and if the directory holds no identity at all.
std::vector<identity_files> identities_in(const std::filesystem::path& directory);

}  // namespace sallyport::tool

#endif
