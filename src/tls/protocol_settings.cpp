// protocol_settings: see protocol_settings.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "protocol_settings.hpp"

#include "cipher_names.hpp"
#include "protocol_versions.hpp"

#include <string>
#include <utility>

namespace sallyport::detail {
namespace {

// Mozilla's "Server Side TLS" 5.7. Its DHE ciphers are left out: they are slow for the server, and no client that
// knows AEAD needs them. All settings are made explicitly, so that the system's openssl.cnf decides none of them.
constexpr const char* intermediate_ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
// Before the others: whoever offers these has a key. DHE is here for the clients that know no ECDHE with it.
constexpr const char* pre_shared_key_ciphers =
    "ECDHE-PSK-CHACHA20-POLY1305:"
    "DHE-PSK-AES128-GCM-SHA256:DHE-PSK-AES256-GCM-SHA384:DHE-PSK-CHACHA20-POLY1305:";
constexpr const char* profile_ciphersuites =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* profile_groups = "X25519MLKEM768:X25519:P-256:P-384";
// What security level 2 leaves of OpenSSL's own list, without SHA-224 and DSA.
constexpr const char* allowed_signature_algorithms =
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:"
    "rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:"
    "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"
    "RSA+SHA256:RSA+SHA384:RSA+SHA512";

// Those of the profile that this OpenSSL has.
const std::string& usable_profile_groups() {
  static const std::string groups = usable_groups_of(profile_groups).list;
  return groups;
}

/// Only who has named a group is told that it is missing.
void choose_groups(context_data& data) {
  if (data.configuration.groups.empty()) {
    data.groups = usable_profile_groups();
    return;
  }
  usable_groups usable = usable_groups_of(data.configuration.groups);
  data.groups = std::move(usable.list);
  for (const std::string& group : usable.missing) {
    data.warnings.push_back("groups: " + group + " is left out, as this OpenSSL (" +
                            OpenSSL_version(OPENSSL_VERSION_STRING) + ") doesn't have it");
  }
}

}  // namespace

bool set_protocol(context_data& data) {
  SSL_CTX* const ctx = data.ssl_ctx.get();
  const ssl_configuration& configuration = data.configuration;
  choose_groups(data);
  for (const std::string& name : configuration.alpn_protocols) {
    data.alpn_wire += static_cast<char>(name.size());
    data.alpn_wire += name;
  }
  const auto or_profile = [](const std::string& setting, const char* profile) {
    return setting.empty() ? profile : setting.c_str();
  };
  SSL_CTX_clear_options(ctx, SSL_CTX_get_options(ctx));
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_PRIORITIZE_CHACHA | SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
  SSL_CTX_set_security_level(ctx, 2);
  // Moving and partial writes: the session's buffers belong to the caller. No chain is built from the trust store:
  // the identity's own is sent as it is.
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_NO_AUTO_CHAIN);
  const std::string ciphers =
      (configuration.pre_shared_keys ? pre_shared_key_ciphers : "") + std::string(intermediate_ciphers);
  if (configuration.pre_shared_keys && SSL_CTX_set_dh_auto(ctx, 1) != 1) return false;
  const version_range versions = versions_of(configuration);
  return SSL_CTX_set_min_proto_version(ctx, static_cast<int>(versions.minimum)) == 1 &&
         SSL_CTX_set_max_proto_version(ctx, static_cast<int>(versions.maximum)) == 1 &&
         SSL_CTX_set_cipher_list(ctx, or_profile(configuration.ciphers, ciphers.c_str())) == 1 &&
         SSL_CTX_set_ciphersuites(ctx, or_profile(configuration.ciphersuites, profile_ciphersuites)) == 1 &&
         SSL_CTX_set1_groups_list(ctx, data.groups.c_str()) == 1 &&
         SSL_CTX_set1_sigalgs_list(ctx, allowed_signature_algorithms) == 1 &&
         SSL_CTX_set1_client_sigalgs_list(ctx, allowed_signature_algorithms) == 1 &&
         // No 0-RTT: what a client sends in it can be replayed by others (RFC 8446 section 8).
         SSL_CTX_set_max_early_data(ctx, 0) == 1 && SSL_CTX_set_recv_max_early_data(ctx, 0) == 1;
}

}  // namespace sallyport::detail
