// trust_store_data: what a trust store is on the inside.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_TRUST_STORE_DATA_HPP
#define SALLYPORT_TLS_TRUST_STORE_DATA_HPP

#include "openssl.hpp"

#include <string>
#include <vector>

namespace sallyport::detail {

struct trust_store_data {
  std::vector<x509_ptr> certificates;  ///< each one once
  x509_store_ptr store;                ///< the same certificates, as OpenSSL looks them up
  std::vector<std::string> warnings;
};

}  // namespace sallyport::detail

#endif
