// ocsp_response: what a certificate's issuer says about it (RFC 6960), to be stapled.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_OCSP_RESPONSE_HPP
#define SALLYPORT_TLS_OCSP_RESPONSE_HPP

#include "identity_data.hpp"

#include <sallyport/error.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::detail {

struct ocsp_response {
  std::string der;
  std::chrono::system_clock::time_point begin, end;  ///< it is good from `begin` until before `end`
  std::vector<std::string> warnings;                 ///< a sentence each
};

/// A response in DER, which the sentences call `name`. It must say that the identity's certificate is good, and be
/// signed by its issuer, if that is in the chain, or by whom the issuer has delegated it to.
result<ocsp_response> parse_ocsp_response(std::string_view der, const std::string& name, const identity_data& of);

}  // namespace sallyport::detail

#endif
