// context: a configuration is validated here, once, and turned into the SSL_CTX that all its connections share.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/context.hpp>

#include "chosen_alert.hpp"
#include "configuration_check.hpp"
#include "context_data.hpp"
#include "context_parts.hpp"
#include "library_context.hpp"
#include "ocsp_stapling.hpp"
#include "openssl_commands.hpp"
#include "printable.hpp"
#include "protocol_settings.hpp"
#include "resumption.hpp"
#include "revocation_check.hpp"
#include "session_callbacks.hpp"
#include "verification.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace sallyport {

namespace {

using detail::context_data;

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

// ---- the SSL_CTX ----

bool set_pre_shared_keys(SSL_CTX* ctx, const ssl_configuration& configuration) {
  if (!configuration.pre_shared_keys) return true;
  detail::install_pre_shared_key_callbacks(ctx);
  const std::string& hint = configuration.pre_shared_key_identity_hint;
  return hint.empty() || SSL_CTX_use_psk_identity_hint(ctx, hint.c_str()) == 1;
}

// Only the default ones are put on the SSL_CTX; the others are only tried, so that no client meets a surprise.
std::optional<error> set_identities(const context_data& data) {
  if (auto refusal = detail::set_default_identities(data)) return refusal;
  const detail::ssl_ptr trial{SSL_new(data.ssl_ctx.get())};
  if (!trial) return detail::internal_error("SSL_new");
  for (const identity& each : data.configuration.identities) {
    if (!detail::use_identities(trial.get(), {each})) return detail::refusal_of(each);
  }
  return std::nullopt;
}

// ---- what is different for some names ----

ssl_configuration merged(const context_data& of_all, const name_settings& different) {
  ssl_configuration all = of_all.configuration;
  const auto take = [](auto& setting, const auto& other) {
    if (other) setting = *other;
  };
  const auto take_optional = [](auto& setting, const auto& other) {
    if (other) setting = other;
  };
  take(all.alpn_protocols, different.alpn_protocols);
  take(all.profile, different.profile);
  take_optional(all.minimum_version, different.minimum_version);
  take_optional(all.maximum_version, different.maximum_version);
  take(all.verify_mode, different.verify_mode);
  take_optional(all.ca_certificates, different.ca_certificates);
  take_optional(all.revocation, different.revocation);
  take(all.allow, different.allow);
  if (all.verify_mode == peer_verify_mode::none) {
    // How all others' certificates are judged says nothing here. Set for the name itself it's a contradiction; and so
    // are rules that would no longer be applied, wherever they come from.
    all.handshake_must_interrupt_on_error = false;
    if (!different.revocation) all.revocation.reset();
  }
  all.for_names.clear();
  all.identities = of_all.identities.default_choice();  // whatever the settings, a name's identities are those of all
  return all;
}

error about(const std::string& name, error refusal) {
  refusal.detail = "for_names (" + detail::printable(name) + "): " + refusal.detail;
  return refusal;
}

/// Of what isn't as for all.
void collect_warnings_of_names(context_data& data) {
  for (std::size_t i = 0; i < data.of_names.size(); ++i) {
    const name_settings& different = data.configuration.for_names[i];
    const ssl_configuration& settings = data.of_names[i]->configuration;
    const auto append = [&](std::span<const std::string> more) {
      for (const std::string& sentence : more) {
        data.warnings.push_back("for_names (" + detail::printable(different.names.front()) + "): " + sentence);
      }
    };
    if (different.ca_certificates) append(different.ca_certificates->warnings());
    if (different.revocation) append(different.revocation->warnings());
    if (settings.revocation && (different.ca_certificates || different.revocation)) {
      append(detail::warnings_about(*settings.ca_certificates, *settings.revocation));
    }
  }
}

/// Everything but what belongs to names. `some_ask`: this or another one of the same context asks for certificates.
result<std::unique_ptr<context_data>> make_data(const ssl_configuration& configuration, bool some_ask,
                                                OSSL_LIB_CTX* library) {
  if (auto refusal = detail::check(configuration)) return *std::move(refusal);
  auto data = std::make_unique<context_data>(configuration);
  data->ssl_ctx.reset(SSL_CTX_new_ex(library, nullptr, TLS_server_method()));
  SSL_CTX* ctx = data->ssl_ctx.get();
  if (!ctx) return detail::internal_error("SSL_CTX_new");
  if (!detail::set_protocol(*data)) return detail::internal_error("ciphers, ciphersuites or groups");
  if (!detail::set_resumption(*data)) return detail::internal_error("session tickets");
  if (!detail::set_verification_of_clients(ctx, configuration))
    return detail::internal_error("verify_mode and ca_certificates");
  // For all of them or for none: OpenSSL counts the extensions of an SSL before it asks for the name, and goes by the
  // count of the SSL_CTX that it has been given since.
  if (some_ask && !detail::install_chosen_alert(ctx)) return detail::internal_error("a custom extension");
  if (!set_pre_shared_keys(ctx, configuration)) return detail::internal_error("pre_shared_keys");
  if (auto refusal = detail::apply_openssl_commands(*data)) return *std::move(refusal);
  if (auto refusal = set_identities(*data)) return *std::move(refusal);
  SSL_CTX_set_tlsext_servername_callback(ctx, accept_server_name);
  if (!data->alpn_wire.empty()) SSL_CTX_set_alpn_select_cb(ctx, select_application_protocol, data.get());
  detail::install_ocsp_stapling(ctx);
  detail::install_session_callbacks(ctx);
  return data;
}

std::optional<error> add_settings_of_names(context_data& data, bool some_ask, OSSL_LIB_CTX* library) {
  for (const name_settings& different : data.configuration.for_names) {
    if (different.names.empty())
      return error{configuration_error::invalid_value, "for_names: settings without the name that they are for"};
    const std::size_t number = data.of_names.size();
    for (const std::string& name : different.names) {
      const std::string pattern = detail::normalized_pattern(name);
      const auto refuse = [&](const char* reason) { return about(name, {configuration_error::invalid_value, reason}); };
      if (pattern.empty()) return refuse("is neither a DNS name nor a wildcard for one label of one");
      if (data.by_name.at(pattern, number) != number) return refuse("is named twice");
      if (!data.identities.has_name_in(pattern) && !data.configuration.ask_about_unknown_names)
        data.warnings.push_back("for_names (" + detail::printable(name) + "): no certificate has such a name");
    }
    const ssl_configuration settings = merged(data, different);
    if (different.ca_certificates && settings.verify_mode == peer_verify_mode::none) {
      return about(different.names.front(),
                   {configuration_error::invalid_value, "ca_certificates: with verify_mode none nobody is asked"});
    }
    auto made = make_data(settings, some_ask, library);
    if (!made) return about(different.names.front(), made.error());
    data.of_names.push_back(*std::move(made));
  }
  return std::nullopt;
}

}  // namespace

result<context> detail::make_context(const ssl_configuration& configuration, std::size_t library_context) {
  ERR_clear_error();
  OSSL_LIB_CTX* const library = detail::library_context(library_context);
  const bool some_ask = asks_somebody_for_certificate(configuration);
  auto made = make_data(configuration, some_ask, library);
  if (!made) return made.error();
  const std::shared_ptr<context_data> data = *std::move(made);
  if (auto refusal = add_settings_of_names(*data, some_ask, library)) return *std::move(refusal);
  collect_warnings(*data);
  collect_warnings_of_names(*data);
  ERR_clear_error();
  return context{data};
}

result<context> context::make(const ssl_configuration& configuration) { return detail::make_context(configuration, 0); }

const ssl_configuration& context::configuration() const noexcept { return data_->configuration; }
std::span<const std::string> context::warnings() const noexcept { return data_->warnings; }

}  // namespace sallyport
