// certificate_promises: asks everything of a certificate, and compares with what certificate.hpp promises.
//
// SPDX-License-Identifier: Apache-2.0
#include "certificate_promises.hpp"

#include "require.hpp"

#include <string>
#include <string_view>

namespace sallyport::fuzz {
namespace {

constexpr std::size_t unbounded = std::string::npos;

bool consists_of(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == std::string_view::npos;
}

}  // namespace

void check_promises(const certificate& subject) {
  require_loggable(subject.subject(), unbounded);
  require_loggable(subject.issuer(), unbounded);
  subject.common_name();

  std::string serial = subject.serial_number();
  if (serial.starts_with('-')) serial.erase(0, 1);
  require(!serial.empty() && consists_of(serial, "0123456789ABCDEF"), "a serial number is upper-case hexadecimal");

  subject.not_before();
  subject.not_after();
  subject.dns_names();
  subject.uris();
  subject.email_addresses();
  for (const std::string& address : subject.ip_addresses()) {
    require(!address.empty() && consists_of(address, "0123456789abcdefABCDEF:."), "an IP address is text");
  }

  const std::string fingerprint = subject.sha256_fingerprint();
  require(fingerprint.size() == 64 && consists_of(fingerprint, "0123456789abcdef"), "a fingerprint is 64 digits");

  // What a client sends isn't looked at as closely as what a configuration names, and may be refused there.
  const auto from_der = certificate::from_der(subject.der());
  require(!from_der || *from_der == subject, "a certificate's DER is the same certificate");
  const auto from_pem = certificate::from_pem(subject.pem());
  require(!from_pem || *from_pem == subject, "a certificate's PEM is the same certificate");
  require_empty_error_queue();
}

}  // namespace sallyport::fuzz
