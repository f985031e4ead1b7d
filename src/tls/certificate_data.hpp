// certificate_data: what a certificate is on the inside.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_CERTIFICATE_DATA_HPP
#define SALLYPORT_TLS_CERTIFICATE_DATA_HPP

#include "openssl.hpp"

#include <sallyport/certificate.hpp>

namespace sallyport::detail {

struct certificate_data {
  x509_ptr certificate;
};

/// Shares the X509, by its reference count; throws std::bad_alloc.
certificate certificate_of(X509* shared);

}  // namespace sallyport::detail

#endif
