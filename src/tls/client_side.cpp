// client_side: see client_side.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "client_side.hpp"

#include "client_session_bytes.hpp"
#include "der_encoding.hpp"
#include "resumption.hpp"
#include "server_names.hpp"
#include "session_impl.hpp"

#include <openssl/x509v3.h>

#include <new>
#include <string_view>
#include <utility>

namespace sallyport {
namespace detail {
namespace {

/// Of an IPv6 address with a zone ("fe80::1%eth0"), which is this host's own business, the address.
std::string without_zone(const std::string& name) { return name.substr(0, name.find('%')); }

/// By whose certificate, and under which settings, a session must have begun to be resumed in this one.
std::optional<policy_digest> binding_of(const session_impl& session) {
  const policy_digest& policy = session.settings.data().policy;
  return digest_of_parts({{reinterpret_cast<const char*>(policy.data()), policy.size()}, session.server_name});
}

bool offer_session(session_impl& session) {
  client_side& own = *session.as_client;
  const std::string_view bytes = own.to_resume.empty() ? session.settings.data().session : own.to_resume;
  // Which of the two the server has taken OpenSSL wouldn't tell.
  if (bytes.empty() || session.settings.configuration().pre_shared_keys) return true;
  const auto binding = binding_of(session);
  if (!binding) return false;
  const kept_session kept = session_from(bytes, *binding);
  if (!kept.session) return true;
  own.offers_session = true;
  own.offer_good_until = kept.good_until;
  return SSL_set_session(session.ssl.get(), kept.session.get()) == 1;
}

/// True if the server has shown who it is by something that was accepted; false only if something is wrong here.
bool knows_server(const session_impl& session, bool used_key) noexcept {
  if (session.settings.configuration().verify_mode != peer_verify_mode::verify || used_key) return true;
  if (SSL_get0_peer_certificate(session.ssl.get()) == nullptr) return false;
  return !session.peer->chain.empty() ||
         (session.as_client->offers_session && SSL_session_reused(session.ssl.get()) == 1);
}

/// TLS 1.3, which asks for each ticket. In TLS 1.2 also for sessions without one, but not for all that have one.
int on_new_session(SSL* ssl, SSL_SESSION*) noexcept {
  session_impl* const session = session_impl::of(ssl);
  if (session != nullptr && session->as_client && SSL_version(ssl) == TLS1_3_VERSION) {
    session->as_client->got_ticket = true;
    session->remember({session_event::kind::new_session_ticket});
  }
  return 0;  // it isn't kept
}

}  // namespace

bool start_client_side(session_impl& session) {
  client_side& own = *session.as_client;
  SSL* const ssl = session.ssl.get();
  SSL_set_connect_state(ssl);
  X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl);
  if (const std::string name = normalized_name(session.server_name); !name.empty()) {
    own.names_server = true;
    // RFC 9525: never by the subject's common name.
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (X509_VERIFY_PARAM_set1_host(wanted, name.data(), name.size()) != 1) return false;
    if (session.settings.data().sends_server_name && SSL_set_tlsext_host_name(ssl, name.c_str()) != 1) return false;
  } else {
    own.names_server = X509_VERIFY_PARAM_set1_ip_asc(wanted, without_zone(session.server_name).c_str()) == 1;
  }
  return offer_session(session);
}

std::optional<failure> odd_first_answer(session_impl& session, std::span<const std::byte> input) {
  client_side& own = *session.as_client;
  if (own.is_answered || input.empty()) return std::nullopt;
  own.is_answered = true;
  const auto type = std::to_integer<int>(input[0]);
  const bool is_tls = (type == SSL3_RT_HANDSHAKE || type == SSL3_RT_ALERT) &&
                      (input.size() < 2 || std::to_integer<int>(input[1]) == SSL3_VERSION_MAJOR);
  if (is_tls) return std::nullopt;
  return failure{handshake_error::not_tls, "the server doesn't speak TLS: its first bytes are no TLS record"};
}

void note_message_of_client_side(session_impl& session, bool sent, std::span<const unsigned char> message,
                                 bool is_empty_certificate) noexcept {
  client_side& own = *session.as_client;
  switch (message[0]) {
    case SSL3_MT_CLIENT_HELLO:
      if (!sent || session.phase != handshake_phase::before_client_hello) break;
      session.phase = handshake_phase::in_handshake;
      session.remember({session_event::kind::client_hello});
      break;
    case SSL3_MT_CERTIFICATE:
      if (sent) own.sent_certificate = !is_empty_certificate;
      break;
    case SSL3_MT_NEWSESSION_TICKET:
      if (sent) break;
      if (session.phase == handshake_phase::complete) {
        session.count_message_without_data();
      } else {
        own.got_ticket = true;
      }
      break;
    case SSL3_MT_KEY_UPDATE:
      if (!sent) session.count_message_without_data();
      break;
    default:
      break;
  }
}

std::optional<failure> finish_client_side(session_impl& session) {
  peer_authentication& server = *session.peer;
  client_side& own = *session.as_client;
  SSL* const ssl = session.ssl.get();
  const bool is_tls_1_3 = SSL_version(ssl) == TLS1_3_VERSION;
  server.key = {};
  // A key that was offered in TLS 1.3 need not have been used.
  server.uses_key = is_tls_1_3 ? own.offers_key && SSL_session_reused(ssl) == 1 : server.uses_key;
  if (!server.uses_key) server.identity.clear();
  if (!knows_server(session, server.uses_key))
    return failure{handshake_error::internal, "the server hasn't shown who it is, and OpenSSL accepts it"};
  if (SSL_session_reused(ssl) == 1 && !server.uses_key) server.good_until = own.offer_good_until;
  remember_resumed_peer(session);
  if (is_tls_1_3) {
    own.got_ticket = false;
  } else if (own.got_ticket && SSL_SESSION_has_ticket(SSL_get_session(ssl)) == 1) {
    session.remember({session_event::kind::new_session_ticket});
  }
  return std::nullopt;
}

failure why_client_side_failed(const session_impl& session) {
  failure why = handshake_failure(session.ssl.get());
  if (why.code == handshake_error::alert_from_client) return why;
  const peer_authentication& server = *session.peer;
  if (server.verdict) return {reason_of(*server.verdict), server.verdict->error_string()};
  if (server.lacks_key) {
    return {handshake_error::bad_pre_shared_key, session.as_client->hint.empty()
                                                     ? "the application gives no pre-shared key"
                                                     : "the application gives no pre-shared key for the server's hint"};
  }
  return why;
}

void install_client_callbacks(SSL_CTX* ssl_ctx, bool pre_shared_keys) noexcept {
  SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ssl_ctx, on_new_session);
  if (pre_shared_keys) install_client_key_callbacks(ssl_ctx);
}

}  // namespace detail

session::session(const context& configuration, std::string server_name, std::string_view resumed)
    : impl_(std::make_unique<detail::session_impl>(configuration)) {
  impl_->make_client(std::move(server_name), std::string(resumed));
}

void session::set_pre_shared_key(std::string identity, pre_shared_key key) noexcept {
  constexpr std::size_t longest_identity = 255;  // RFC 4279 section 5.3 asks for 128; what OpenSSL takes in TLS 1.2
  if (!impl_->as_client) return;
  if (identity.size() > longest_identity) identity.clear();
  impl_->peer->identity = std::move(identity);
  set_pre_shared_key(std::move(key));
}

std::string session::ephemeral_server_key() const {
  EVP_PKEY* key = nullptr;
  if (!impl_->as_client || impl_->phase != handshake_phase::complete) return {};
  if (SSL_get_peer_tmp_key(impl_->ssl.get(), &key) != 1) return {};
  const detail::pkey_ptr owned(key);
  ERR_set_mark();
  const detail::der_encoding encoded(key);
  ERR_pop_to_mark();
  if (encoded.bytes().empty()) throw std::bad_alloc();
  return std::string(encoded.bytes());
}

std::string session::resumable_session() const {
  const detail::session_impl& self = *impl_;
  if (!self.as_client || self.phase != handshake_phase::complete) return {};
  const detail::peer_authentication& server = *self.peer;
  if (!server.errors.empty() || server.uses_key) return {};
  SSL* const ssl = self.ssl.get();
  if (SSL_version(ssl) == TLS1_3_VERSION && !self.as_client->got_ticket) return {};
  SSL_SESSION* const latest = SSL_get_session(ssl);
  if (latest == nullptr || SSL_SESSION_is_resumable(latest) != 1) return {};
  ERR_set_mark();
  const auto binding = detail::binding_of(self);
  std::string bytes = binding ? detail::bytes_of(latest, *binding, server.good_until) : std::string();
  ERR_pop_to_mark();
  return bytes;
}

std::optional<std::chrono::seconds> session::ticket_lifetime_hint() const noexcept {
  if (!impl_->as_client || impl_->phase != handshake_phase::complete) return std::nullopt;
  const SSL_SESSION* const latest = SSL_get_session(impl_->ssl.get());
  if (latest == nullptr || SSL_SESSION_has_ticket(latest) != 1) return std::nullopt;
  return std::chrono::seconds(SSL_SESSION_get_ticket_lifetime_hint(latest));
}

}  // namespace sallyport
