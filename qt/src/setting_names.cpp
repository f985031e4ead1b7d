// setting_names: see setting_names.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "setting_names.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace sallyport::qt {

std::string in_qts_words(std::string sentence) {
  using names = std::pair<std::string_view, std::string_view>;
  static constexpr std::array settings{
      names{"certificate chain", "localCertificateChain"},
      names{"private key", "privateKey"},
      names{"CA certificates", "caCertificates"},
      names{"ca_certificates", "caCertificates"},
      names{"ciphersuites", "ciphers"},
      names{"groups", "ellipticCurves"},
      names{"alpn_protocols", "allowedNextProtocols"},
      names{"verify_depth", "peerVerifyDepth"},
      names{"revocation", "revocationLists"},
      names{"allow", "accessRules"},
      names{"handshake_must_interrupt_on_error", "handshakeMustInterruptOnError"},
      names{"pre_shared_key_identity_hint", "preSharedKeyIdentityHint"},
      names{"resumption_lifetime", "resumptionLifetime"},
      names{"unknown_names", "unknownNames"},
      names{"openssl_commands", "backendConfiguration"},
      names{"for_names", "settingsForNames"},
  };
  for (const auto& [ours, qts] : settings) {
    const bool is_about = sentence.starts_with(ours) && sentence.size() > ours.size() &&
                          (sentence[ours.size()] == ':' || sentence[ours.size()] == ' ');
    if (is_about) return sentence.replace(0, ours.size(), qts);
  }
  return sentence;
}

}  // namespace sallyport::qt
