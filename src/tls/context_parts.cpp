// context_parts: see context_parts.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "context_parts.hpp"

#include "identity_data.hpp"
#include "revocation_check.hpp"

#include <span>

namespace sallyport::detail {

error internal_error(const std::string& what) {
  const std::string reason = take_openssl_error();
  return {configuration_error::internal, what + ": " + (reason.empty() ? "OpenSSL refused it" : reason)};
}

error refusal_of(const identity& refused) {
  return {configuration_error::bad_certificate,
          refused.data().name + ": OpenSSL refuses it (" + take_openssl_error() + ")"};
}

std::optional<error> set_default_identities(const context_data& data) {
  for (const identity& each : data.identities.default_choice()) {
    const identity_data& own = each.data();
    if (SSL_CTX_use_cert_and_key(data.ssl_ctx.get(), own.certificate.get(), own.key.get(), own.issuers.get(), 1) != 1)
      return refusal_of(each);
  }
  return std::nullopt;
}

void collect_warnings(context_data& data) {
  const auto append = [&](std::span<const std::string> more) {
    data.warnings.insert(data.warnings.end(), more.begin(), more.end());
  };
  const ssl_configuration& all = data.configuration;
  for (const identity& each : all.identities) append(each.warnings());
  append(data.identities.warnings());
  if (all.ca_certificates) append(all.ca_certificates->warnings());
  if (all.revocation) {
    append(all.revocation->warnings());
    append(warnings_about(*all.ca_certificates, *all.revocation));
  }
  if (all.tickets) append(all.tickets->warnings());
}

}  // namespace sallyport::detail
