// name_selection: see name_selection.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "name_selection.hpp"

#include "identity_data.hpp"
#include "server_names.hpp"

#include <algorithm>
#include <string>

namespace sallyport::detail {
namespace {

/// SSL_set_SSL_CTX() changes certificates, ciphers and callbacks alone: what an SSL has copied when it was made stays
/// what it was.
bool use_settings(SSL* ssl, const context_data& of_name) noexcept {
  SSL_CTX* const ctx = of_name.ssl_ctx.get();
  if (SSL_set_SSL_CTX(ssl, ctx) != ctx) return false;
  SSL_clear_options(ssl, SSL_get_options(ssl));
  SSL_set_options(ssl, SSL_CTX_get_options(ctx));
  SSL_set_verify(ssl, SSL_CTX_get_verify_mode(ctx), SSL_CTX_get_verify_callback(ctx));
  SSL_set_verify_depth(ssl, SSL_CTX_get_verify_depth(ctx));
  SSL_set_max_cert_list(ssl, SSL_CTX_get_max_cert_list(ctx));
  X509_VERIFY_PARAM* const own = SSL_get0_param(ssl);
  return X509_VERIFY_PARAM_clear_flags(own, X509_VERIFY_PARAM_get_flags(own)) == 1 &&
         SSL_set1_param(ssl, SSL_CTX_get0_param(ctx)) == 1 &&
         SSL_set_num_tickets(ssl, SSL_CTX_get_num_tickets(ctx)) == 1 &&
         SSL_set_min_proto_version(ssl, SSL_CTX_get_min_proto_version(ctx)) == 1 &&
         SSL_set_max_proto_version(ssl, SSL_CTX_get_max_proto_version(ctx)) == 1;
}

bool is_same(const identity_choice& one, const identity_choice& other) noexcept {
  return std::ranges::equal(one, other, [](const identity& a, const identity& b) { return &a.data() == &b.data(); });
}

/// Nobody has this name: the application may know better, and else the policy decides. True if the client may go on.
bool choose_for_unknown_name(session_impl& session) {
  const ssl_configuration& all = session.settings.of_all().configuration;
  if (all.ask_about_unknown_names) {
    if (!session.peer->ask(handshake_question::unknown_server_name)) return false;
    if (!session.answered_identity.empty()) return true;
  }
  return all.unknown_names == unknown_name_policy::use_default;
}

/// True if a signature comes before anything else is wanted of the client. (In TLS 1.2 OpenSSL hasn't decided yet
/// whether it takes a pre-shared key instead.)
bool is_before_private_key(const session_impl& session) noexcept {
  if (session.settings.of_all().identities.default_choice().empty()) return false;  // pre-shared keys alone
  if (SSL_version(session.ssl.get()) != TLS1_3_VERSION) return true;
  // The client's, of a group that we have. Without it a HelloRetryRequest comes first, and then all of this again.
  EVP_PKEY* share = nullptr;
  const bool has_share = SSL_get_peer_tmp_key(session.ssl.get(), &share) == 1;
  EVP_PKEY_free(share);
  return has_share;
}

}  // namespace

bool choose_by_name(session_impl& session, std::string_view asked, int& alert) {
  if (session.has_chosen_by_name) {
    // The second ClientHello, after a HelloRetryRequest (RFC 8446 section 4.1.2). Another name has other settings.
    session.changed_server_name = asked != session.server_name;
    alert = SSL_AD_ILLEGAL_PARAMETER;
    return !session.changed_server_name;
  }
  session.has_chosen_by_name = true;
  session.server_name = asked;

  const context_data& all = session.settings.of_all();
  const std::string name = normalized_name(asked);
  if (const std::size_t* const number = all.by_name.find(name)) {
    const context_data& of_name = *all.of_names[*number];
    if (!use_settings(session.ssl.get(), of_name)) return false;
    session.settings.use(of_name);
  }
  const identity_choice& usual = all.identities.default_choice();
  const identity_choice* found = all.identities.find(name);
  if (found == nullptr && !asked.empty() && !usual.empty()) {
    if (!choose_for_unknown_name(session)) {
      session.has_unknown_name = true;
      alert = SSL_AD_UNRECOGNIZED_NAME;
      return false;
    }
    if (!session.answered_identity.empty()) found = &session.answered_identity;
  }
  if (found != nullptr && !is_same(*found, usual)) session.identities = found;
  return true;
}

int on_certificate_needed(SSL* ssl, void*) noexcept {
  session_impl* session = session_impl::of(ssl);
  if (session == nullptr) return 1;
  if (session->stops_before_key && is_before_private_key(*session)) {
    session->stops_before_key = false;
    return -1;  // OpenSSL comes back in the next step
  }
  if (session->identities == nullptr) return 1;  // the SSL has the default ones already
  return use_identities(ssl, *session->identities) ? 1 : 0;
}

}  // namespace sallyport::detail
