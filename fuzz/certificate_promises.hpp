// certificate_promises: asks everything of a certificate, and compares with what certificate.hpp promises.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_FUZZ_CERTIFICATE_PROMISES_HPP
#define SALLYPORT_FUZZ_CERTIFICATE_PROMISES_HPP

#include <sallyport/certificate.hpp>

namespace sallyport::fuzz {

void check_promises(const certificate& subject);

}  // namespace sallyport::fuzz

#endif
