// context: a configuration is validated here, once, and turned into the SSL_CTX that all its connections share.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/context.hpp>

#include "cipher_names.hpp"
#include "context_data.hpp"
#include "identity_data.hpp"
#include "printable.hpp"
#include "session_callbacks.hpp"
#include "ticket_keys_data.hpp"
#include "trust_store_data.hpp"

#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace sallyport {

namespace {

using detail::context_data;

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
constexpr const char* profile_groups = "X25519:P-256:P-384";
// What security level 2 leaves of OpenSSL's own list, without SHA-224 and DSA.
constexpr const char* signature_algorithms =
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:"
    "rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:"
    "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"
    "RSA+SHA256:RSA+SHA384:RSA+SHA512";

// A list of CA names longer than one record would be a burden on every handshake, and past 64 KiB break it.
constexpr int longest_ca_names = 16 * 1024;

// In bytes. OpenSSL would take 100 KiB, and a connection keeps what its client has shown.
constexpr long longest_client_chain = 32 * 1024;

// RFC 4279 section 5.3 lets every client take that much.
constexpr std::size_t longest_identity_hint = 128;

error internal(const std::string& what) {
  const std::string reason = detail::take_openssl_error();
  return {configuration_error::internal, what + ": " + (reason.empty() ? "OpenSSL refused it" : reason)};
}

// ---- validation of what OpenSSL doesn't check well enough itself ----

std::optional<error> check_ciphers(const ssl_configuration& configuration) {
  const auto refuse = [](configuration_error why, const char* setting, const std::string& problem) {
    return error{why, std::string(setting) + ": " + problem};
  };
  if (!configuration.ciphers.empty()) {
    if (configuration.profile == security_profile::modern) {
      return refuse(configuration_error::bad_ciphers, "ciphers",
                    "the modern profile has no TLS 1.2, which these are for; use ciphersuites");
    }
    const std::string problem = detail::problem_of_ciphers(configuration.ciphers, configuration.pre_shared_keys);
    if (!problem.empty()) {
      return refuse(configuration_error::bad_ciphers, "ciphers", problem);
    }
  }
  if (!configuration.ciphersuites.empty()) {
    if (const std::string problem = detail::problem_of_ciphersuites(configuration.ciphersuites); !problem.empty()) {
      return refuse(configuration_error::bad_ciphers, "ciphersuites", problem);
    }
  }
  if (!configuration.groups.empty()) {
    if (const std::string problem = detail::problem_of_groups(configuration.groups); !problem.empty()) {
      return refuse(configuration_error::bad_groups, "groups", problem);
    }
  }
  return std::nullopt;
}

std::optional<error> check_application_protocols(const std::vector<std::string>& protocols) {
  std::size_t total = 0;
  for (std::size_t i = 0; i < protocols.size(); ++i) {
    const std::string& name = protocols[i];
    total += name.size() + 1;
    const std::string which = "alpn_protocols: name " + std::to_string(i + 1);
    if (name.empty()) return error{configuration_error::bad_application_protocol, which + " is empty"};
    if (name.size() > 255) {
      return error{configuration_error::bad_application_protocol,
                   which + " (" + detail::printable(name) + ") is longer than 255 bytes"};
    }
  }
  if (total > UINT16_MAX) {
    return error{configuration_error::bad_application_protocol, "alpn_protocols: all together are longer than 64 KiB"};
  }
  return std::nullopt;
}

std::optional<error> check_identity_hint(const ssl_configuration& configuration) {
  const std::string& hint = configuration.pre_shared_key_identity_hint;
  const std::string setting = "pre_shared_key_identity_hint: ";
  if (hint.empty()) return std::nullopt;
  if (!configuration.pre_shared_keys) {
    return error{configuration_error::invalid_value, setting + "is of no use without pre_shared_keys"};
  }
  if (hint.size() > longest_identity_hint) {
    return error{configuration_error::invalid_value, setting + "has " + std::to_string(hint.size()) +
                                                         " bytes, and at most " +
                                                         std::to_string(longest_identity_hint) + " are allowed"};
  }
  if (hint.find('\0') != std::string::npos) {
    return error{configuration_error::invalid_value, setting + "contains a NUL byte"};
  }
  return std::nullopt;
}

std::optional<error> check(const ssl_configuration& configuration) {
  if (configuration.identities.empty() && !configuration.pre_shared_keys) {
    return error{configuration_error::no_identity,
                 "identities: there is none, and a TLS server needs a certificate and its private key"};
  }
  if (auto refusal = check_ciphers(configuration)) return refusal;
  if (auto refusal = check_application_protocols(configuration.alpn_protocols)) return refusal;
  if (configuration.verify_mode == peer_verify_mode::verify && !configuration.ca_certificates) {
    return error{configuration_error::no_trust_anchor,
                 "ca_certificates: none are given, so that no client certificate could be verified"};
  }
  if (configuration.verify_mode == peer_verify_mode::none && configuration.handshake_must_interrupt_on_error) {
    return error{
        configuration_error::invalid_value,
        "handshake_must_interrupt_on_error: with verify_mode none there is no certificate that could be wrong"};
  }
  if (auto refusal = check_identity_hint(configuration)) return refusal;
  // OpenSSL would take a negative depth for "no limit".
  if (configuration.verify_depth < 0) {
    return error{configuration_error::invalid_value,
                 "verify_depth: " + std::to_string(configuration.verify_depth) + " is negative"};
  }
  return std::nullopt;
}

// ---- callbacks ----
// They run within a handshake, in OpenSSL's frames: nothing may be thrown from them.

int select_application_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                                unsigned int offered_size, void* arg) noexcept {
  const std::string& ours = static_cast<const context_data*>(arg)->alpn_wire;
  unsigned char* selected = nullptr;
  // The first of the two lists is the one whose order counts.
  if (SSL_select_next_proto(&selected, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
                            static_cast<unsigned>(ours.size()), offered, offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;  // no_application_protocol, RFC 7301 section 3.2
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

// With a callback that accepts the name, OpenSSL keeps it in the session, and SSL_get_servername() also works for a
// resumed one.
int accept_server_name(SSL*, int*, void*) noexcept { return SSL_TLSEXT_ERR_OK; }

// OpenSSL has a place for each type of key and would choose among them by itself: only one may be there.
bool use_identity(SSL* ssl, const detail::identity_data& data) noexcept {
  SSL_certs_clear(ssl);
  return SSL_use_cert_and_key(ssl, data.certificate.get(), data.key.get(), data.issuers.get(), 1) == 1;
}

// The identity for the name that the client asks for, or the first one.
int select_identity(SSL* ssl, void* arg) noexcept try {
  const std::vector<identity>& identities = static_cast<const context_data*>(arg)->identities;
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (!name) return 1;
  const auto chosen =
      std::ranges::find_if(identities, [&](const identity& candidate) { return candidate.data().matches(name); });
  if (chosen == identities.end() || chosen == identities.begin()) return 1;  // the SSL has the first one already
  return use_identity(ssl, chosen->data()) ? 1 : 0;
} catch (...) {
  return 0;  // out of memory: the handshake ends with internal_error
}

// ---- the SSL_CTX ----

bool set_protocol(SSL_CTX* ctx, const ssl_configuration& configuration) {
  const bool modern = configuration.profile == security_profile::modern;
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
  return SSL_CTX_set_min_proto_version(ctx, modern ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(ctx, or_profile(configuration.ciphers, ciphers.c_str())) == 1 &&
         SSL_CTX_set_ciphersuites(ctx, or_profile(configuration.ciphersuites, profile_ciphersuites)) == 1 &&
         SSL_CTX_set1_groups_list(ctx, or_profile(configuration.groups, profile_groups)) == 1 &&
         SSL_CTX_set1_sigalgs_list(ctx, signature_algorithms) == 1 &&
         SSL_CTX_set1_client_sigalgs_list(ctx, signature_algorithms) == 1 &&
         // No 0-RTT: what a client sends in it can be replayed by others (RFC 8446 section 8).
         SSL_CTX_set_max_early_data(ctx, 0) == 1 && SSL_CTX_set_recv_max_early_data(ctx, 0) == 1;
}

// A hash of all that decides who is let in. OpenSSL resumes a session only where this is the same as where it began.
bool set_session_id_context(SSL_CTX* ctx, const ssl_configuration& configuration) {
  const std::unique_ptr<EVP_MD_CTX, detail::openssl_free<EVP_MD_CTX_free>> hash{EVP_MD_CTX_new()};
  bool ok = hash && EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr) == 1;
  const auto add_number = [&](std::size_t number) {
    const auto value = static_cast<std::uint64_t>(number);
    ok = ok && EVP_DigestUpdate(hash.get(), &value, sizeof value) == 1;
  };
  const auto add_certificate = [&](const X509* certificate) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> fingerprint;
    unsigned int size = 0;
    ok = ok && X509_digest(certificate, EVP_sha256(), fingerprint.data(), &size) == 1 &&
         EVP_DigestUpdate(hash.get(), fingerprint.data(), size) == 1;
  };
  add_number(static_cast<std::size_t>(configuration.verify_mode));
  add_number(static_cast<std::size_t>(configuration.verify_depth));
  add_number(configuration.pre_shared_keys ? 1 : 0);
  add_number(configuration.identities.size());
  for (const identity& each : configuration.identities) add_certificate(each.data().certificate.get());
  if (configuration.ca_certificates) {
    for (const auto& each : configuration.ca_certificates->data().certificates) add_certificate(each.get());
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  static_assert(SSL_MAX_SID_CTX_LENGTH == 32);  // exactly SHA-256's
  return ok && EVP_DigestFinal_ex(hash.get(), digest.data(), &size) == 1 &&
         SSL_CTX_set_session_id_context(ctx, digest.data(), size) == 1;
}

// Without keys of the configuration's those stay that OpenSSL has made for this context.
bool set_ticket_keys(SSL_CTX* ctx, const std::optional<ticket_keys>& keys) {
  if (!keys) return true;
  auto bytes = keys->data().bytes;  // OpenSSL wants them writable, and only copies them
  const bool ok = SSL_CTX_set_tlsext_ticket_keys(ctx, bytes.data(), bytes.size()) == 1;
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return ok;
}

bool set_resumption(SSL_CTX* ctx, const ssl_configuration& configuration) {
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  // A resumed session skips the verification of the client's certificate: one that expired or was revoked since
  // would still get in, and so would one whose pre-shared key was withdrawn. Until resumption judges them anew, clients
  // that are authenticated make a full handshake each time.
  if (configuration.verify_mode != peer_verify_mode::none || configuration.pre_shared_keys) {
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    return SSL_CTX_set_num_tickets(ctx, 0) == 1 && set_session_id_context(ctx, configuration);
  }
  // One is enough for a client's next connection; OpenSSL's two cost every connection time and 250 bytes.
  return SSL_CTX_set_num_tickets(ctx, 1) == 1 && set_ticket_keys(ctx, configuration.tickets) &&
         set_session_id_context(ctx, configuration);
}

// The names in CertificateRequest, by which a client with several certificates finds the one to send. An empty list
// means "any", and is what a very long one is replaced by.
bool set_client_ca_names(SSL_CTX* ctx, const detail::trust_store_data& trust) {
  int size = 0;
  for (const detail::x509_ptr& certificate : trust.certificates) {
    const X509_NAME* name = X509_get_subject_name(certificate.get());
    size += i2d_X509_NAME(name, nullptr) + 2;
    if (size > longest_ca_names) {
      SSL_CTX_set0_CA_list(ctx, nullptr);
      return true;
    }
    if (SSL_CTX_add1_to_CA_list(ctx, certificate.get()) != 1) return false;
  }
  return true;
}

bool set_pre_shared_keys(SSL_CTX* ctx, const ssl_configuration& configuration) {
  if (!configuration.pre_shared_keys) return true;
  detail::install_pre_shared_key_callbacks(ctx);
  const std::string& hint = configuration.pre_shared_key_identity_hint;
  return hint.empty() || SSL_CTX_use_psk_identity_hint(ctx, hint.c_str()) == 1;
}

bool set_verification(SSL_CTX* ctx, const ssl_configuration& configuration) {
  switch (configuration.verify_mode) {
    case peer_verify_mode::none:
      SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
      return true;
    case peer_verify_mode::query:
      SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
      break;
    case peer_verify_mode::verify:
      SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
      break;
    default:
      // A number that isn't an enumerator must not end up as a mode that lets everybody in.
      return false;
  }
  detail::install_verification_callbacks(ctx);
  SSL_CTX_set_verify_depth(ctx, configuration.verify_depth);
  SSL_CTX_set_max_cert_list(ctx, longest_client_chain);
  if (SSL_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT) != 1) return false;
  if (!configuration.ca_certificates) return true;
  const detail::trust_store_data& trust = configuration.ca_certificates->data();
  return SSL_CTX_set1_verify_cert_store(ctx, trust.store.get()) == 1 && set_client_ca_names(ctx, trust);
}

// Only the first identity is put on the SSL_CTX; the others are only tried, so that no client meets a surprise.
std::optional<error> set_identities(SSL_CTX* ctx, const std::vector<identity>& identities) {
  const auto refuse = [](const detail::identity_data& data) {
    const std::string reason = detail::take_openssl_error();
    return error{configuration_error::bad_certificate, data.name + ": OpenSSL refuses it (" + reason + ")"};
  };
  if (identities.empty()) return std::nullopt;  // pre-shared keys alone
  const detail::identity_data& first = identities.front().data();
  if (SSL_CTX_use_cert_and_key(ctx, first.certificate.get(), first.key.get(), first.issuers.get(), 1) != 1) {
    return refuse(first);
  }
  const detail::ssl_ptr trial{SSL_new(ctx)};
  if (!trial) return internal("SSL_new");
  for (const identity& each : identities) {
    if (!use_identity(trial.get(), each.data())) return refuse(each.data());
  }
  return std::nullopt;
}

void set_application_protocols(context_data& data, const std::vector<std::string>& protocols) {
  for (const std::string& name : protocols) {
    data.alpn_wire += static_cast<char>(name.size());
    data.alpn_wire += name;
  }
  if (!protocols.empty()) SSL_CTX_set_alpn_select_cb(data.ssl_ctx.get(), select_application_protocol, &data);
}

void collect_warnings(context_data& data, const ssl_configuration& configuration) {
  const auto append = [&](std::span<const std::string> more) {
    data.warnings.insert(data.warnings.end(), more.begin(), more.end());
  };
  for (const identity& each : configuration.identities) append(each.warnings());
  if (configuration.ca_certificates) append(configuration.ca_certificates->warnings());
}

}  // namespace

result<context> context::make(const ssl_configuration& configuration) {
  if (auto refusal = check(configuration)) return *std::move(refusal);

  ERR_clear_error();
  auto data = std::make_shared<context_data>();
  data->ssl_ctx.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* ctx = data->ssl_ctx.get();
  if (!ctx) return internal("SSL_CTX_new");
  if (!set_protocol(ctx, configuration)) return internal("ciphers, ciphersuites or groups");
  data->groups = configuration.groups.empty() ? profile_groups : configuration.groups;
  if (!set_resumption(ctx, configuration)) return internal("session tickets");
  if (!set_verification(ctx, configuration)) return internal("verify_mode and ca_certificates");
  if (!set_pre_shared_keys(ctx, configuration)) return internal("pre_shared_keys");

  if (auto refusal = set_identities(ctx, configuration.identities)) return *std::move(refusal);
  data->identities = configuration.identities;
  data->verify_mode = configuration.verify_mode;
  data->missing_certificate_is_fatal = configuration.missing_certificate_is_fatal;
  data->interrupts_on_error = configuration.handshake_must_interrupt_on_error;
  data->pre_shared_keys = configuration.pre_shared_keys;
  data->pre_shared_key_identity_hint = configuration.pre_shared_key_identity_hint;
  SSL_CTX_set_tlsext_servername_callback(ctx, accept_server_name);
  if (data->identities.size() > 1) SSL_CTX_set_cert_cb(ctx, select_identity, data.get());
  set_application_protocols(*data, configuration.alpn_protocols);
  collect_warnings(*data, configuration);
  detail::install_session_callbacks(ctx);
  ERR_clear_error();
  return context{std::move(data)};
}

std::span<const std::string> context::warnings() const noexcept { return data_->warnings; }

}  // namespace sallyport
