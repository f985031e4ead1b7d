// context_data: what a context is on the inside.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_CONTEXT_DATA_HPP
#define SALLYPORT_TLS_CONTEXT_DATA_HPP

#include "openssl.hpp"

#include <sallyport/identity.hpp>
#include <sallyport/ssl_configuration.hpp>

#include <string>
#include <vector>

namespace sallyport::detail {

struct context_data {
  ssl_ctx_ptr ssl_ctx;
  std::vector<identity> identities;
  std::string alpn_wire;  ///< our protocols as ALPN's ProtocolNameList, without its outer length
  std::string groups;     ///< the key exchange groups, as in ssl_configuration: OpenSSL doesn't tell its own
  std::vector<std::string> warnings;

  // --- as in ssl_configuration ---
  peer_verify_mode verify_mode = peer_verify_mode::none;
  bool missing_certificate_is_fatal = false;
  bool interrupts_on_error = false;
  bool pre_shared_keys = false;
  std::string pre_shared_key_identity_hint;

  bool authenticates_clients() const noexcept { return verify_mode != peer_verify_mode::none || pre_shared_keys; }
};

}  // namespace sallyport::detail

#endif
