// client_context: a client_configuration is validated here, once, and turned into the SSL_CTX that all its connections
// share.
//
// SPDX-License-Identifier: Apache-2.0
#include "client_side.hpp"
#include "configuration_check.hpp"
#include "context_data.hpp"
#include "identity_data.hpp"
#include "openssl_commands.hpp"
#include "protocol_settings.hpp"
#include "revocation_check.hpp"
#include "session_callbacks.hpp"
#include "verification.hpp"

#include <sallyport/client_configuration.hpp>
#include <sallyport/context.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace sallyport {
namespace {

using detail::context_data;

error internal(const std::string& what) {
  const std::string reason = detail::take_openssl_error();
  return {configuration_error::internal, what + ": " + (reason.empty() ? "OpenSSL refused it" : reason)};
}

ssl_configuration common_settings(const client_configuration& from) {
  ssl_configuration common;
  if (from.identity) common.identities = {*from.identity};
  common.alpn_protocols = from.alpn_protocols;
  common.profile = from.profile;
  common.minimum_version = from.minimum_version;
  common.maximum_version = from.maximum_version;
  common.ciphers = from.ciphers;
  common.ciphersuites = from.ciphersuites;
  common.groups = from.groups;
  common.verify_mode = from.verify_mode;
  common.ca_certificates = from.ca_certificates;
  common.revocation = from.revocation;
  common.missing_revocation_list = from.missing_revocation_list;
  common.verify_depth = from.verify_depth;
  common.handshake_must_interrupt_on_error = from.handshake_must_interrupt_on_error;
  common.pre_shared_keys = from.pre_shared_keys;
  common.openssl_commands = from.openssl_commands;
  return common;
}

std::optional<error> set_identity(SSL_CTX* ctx, const std::optional<identity>& shown) {
  if (!shown) return std::nullopt;
  const detail::identity_data& own = shown->data();
  if (SSL_CTX_use_cert_and_key(ctx, own.certificate.get(), own.key.get(), own.issuers.get(), 1) == 1)
    return std::nullopt;
  return error{configuration_error::bad_certificate,
               own.name + ": OpenSSL refuses it (" + detail::take_openssl_error() + ")"};
}

bool set_application_protocols(context_data& data) {
  for (const std::string& name : data.configuration.alpn_protocols) {
    data.alpn_wire += static_cast<char>(name.size());
    data.alpn_wire += name;
  }
  // Unlike others, it returns 0 for success.
  return data.alpn_wire.empty() ||
         SSL_CTX_set_alpn_protos(data.ssl_ctx.get(), reinterpret_cast<const unsigned char*>(data.alpn_wire.data()),
                                 static_cast<unsigned>(data.alpn_wire.size())) == 0;
}

/// All by which a session that is to be resumed must have begun: how the server is judged, who we are, and what makes
/// OpenSSL end a handshake if the server goes on with what it isn't offered any more.
bool set_policy(context_data& data, const client_configuration& from) {
  const auto judging = detail::policy_of(data.configuration);
  if (!judging) return false;
  std::string own;
  if (from.identity) {
    unsigned char* der = nullptr;
    const int size = i2d_X509(from.identity->data().certificate.get(), &der);
    if (size <= 0) return false;
    own.assign(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
  }
  const auto policy = detail::digest_of_parts({{reinterpret_cast<const char*>(judging->data()), judging->size()},
                                               own,
                                               from.ciphers,
                                               from.ciphersuites,
                                               from.groups});
  if (policy) data.policy = *policy;
  return policy.has_value();
}

void collect_warnings(context_data& data) {
  const auto append = [&](std::span<const std::string> more) {
    data.warnings.insert(data.warnings.end(), more.begin(), more.end());
  };
  const ssl_configuration& all = data.configuration;
  for (const identity& each : all.identities) append(each.warnings());
  if (all.ca_certificates) append(all.ca_certificates->warnings());
  if (all.revocation) {
    append(all.revocation->warnings());
    append(detail::warnings_about(*all.ca_certificates, *all.revocation));
  }
}

}  // namespace

result<context> context::make_client(const client_configuration& configuration) {
  ERR_clear_error();
  const auto data = std::make_shared<context_data>(common_settings(configuration));
  if (auto refusal = detail::check_both_sides(data->configuration)) return *std::move(refusal);
  data->is_client = true;
  data->sends_server_name = configuration.send_server_name;
  data->session = configuration.session;
  data->ssl_ctx.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const ctx = data->ssl_ctx.get();
  if (!ctx) return internal("SSL_CTX_new");
  if (!detail::set_protocol(*data)) return internal("ciphers, ciphersuites or groups");
  if (!detail::set_client_verification(ctx, data->configuration)) return internal("verify_mode and ca_certificates");
  if (auto refusal = detail::apply_openssl_commands(*data)) return *std::move(refusal);
  if (auto refusal = set_identity(ctx, configuration.identity)) return *std::move(refusal);
  if (!set_application_protocols(*data)) return internal("alpn_protocols");
  if (!set_policy(*data, configuration)) return internal("resumption");
  detail::install_session_callbacks(ctx);
  detail::install_client_callbacks(ctx, configuration.pre_shared_keys);
  collect_warnings(*data);
  ERR_clear_error();
  return context{data};
}

}  // namespace sallyport
