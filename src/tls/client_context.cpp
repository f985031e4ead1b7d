// client_context: a client_configuration is validated here, once, and turned into the SSL_CTX that all its connections
// share.
//
// SPDX-License-Identifier: Apache-2.0
#include "client_side.hpp"
#include "configuration_check.hpp"
#include "context_data.hpp"
#include "context_parts.hpp"
#include "der_encoding.hpp"
#include "identity_data.hpp"
#include "openssl_commands.hpp"
#include "protocol_settings.hpp"
#include "session_callbacks.hpp"
#include "verification.hpp"

#include <sallyport/client_configuration.hpp>
#include <sallyport/context.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sallyport {
namespace {

using detail::context_data;

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

bool offer_application_protocols(const context_data& data) {
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
  std::optional<detail::der_encoding> own;
  if (from.identity && own.emplace(from.identity->data().certificate.get()).bytes().empty()) return false;
  const auto policy = detail::digest_of_parts({{reinterpret_cast<const char*>(judging->data()), judging->size()},
                                               own ? own->bytes() : std::string_view{},
                                               from.ciphers,
                                               from.ciphersuites,
                                               from.groups});
  if (policy) data.policy = *policy;
  return policy.has_value();
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
  if (!ctx) return detail::internal_error("SSL_CTX_new");
  if (!detail::set_protocol(*data)) return detail::internal_error("ciphers, ciphersuites or groups");
  if (!detail::set_verification_of_servers(ctx, data->configuration))
    return detail::internal_error("verify_mode and ca_certificates");
  if (auto refusal = detail::apply_openssl_commands(*data)) return *std::move(refusal);
  if (auto refusal = detail::set_default_identities(*data)) return *std::move(refusal);
  if (!offer_application_protocols(*data)) return detail::internal_error("alpn_protocols");
  if (!set_policy(*data, configuration)) return detail::internal_error("resumption");
  detail::install_session_callbacks(ctx);
  detail::install_client_callbacks(ctx, configuration.pre_shared_keys);
  detail::collect_warnings(*data);
  ERR_clear_error();
  return context{data};
}

}  // namespace sallyport
