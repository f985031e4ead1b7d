// context_data: what a context is on the inside.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_CONTEXT_DATA_HPP
#define SALLYPORT_TLS_CONTEXT_DATA_HPP

#include "openssl.hpp"

#include <sallyport/identity.hpp>

#include <string>
#include <vector>

namespace sallyport::detail {

struct context_data {
  ssl_ctx_ptr ssl_ctx;
  std::vector<identity> identities;
  std::string alpn_wire;  ///< our protocols as ALPN's ProtocolNameList, without its outer length
  std::vector<std::string> warnings;
};

}  // namespace sallyport::detail

#endif
