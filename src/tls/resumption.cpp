// resumption: see resumption.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "resumption.hpp"

#include "asn1_time.hpp"
#include "authorization.hpp"
#include "certificate_data.hpp"
#include "resumption_policy.hpp"
#include "revocation_lists_data.hpp"
#include "ticket_keys_data.hpp"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <ctime>
#include <limits>
#include <optional>
#include <span>
#include <utility>

namespace sallyport::detail {
namespace {

/// In a ticket, in OpenSSL's place for the application's data. Whoever has one was let in without any error.
struct ticket_note {
  std::int64_t began = 0;  ///< when the client made a full handshake
  std::int64_t ends = 0;   ///< from when it has to make another one

  static constexpr unsigned char version = 1;
  static constexpr std::size_t size = 1 + 2 * sizeof(std::int64_t);
};

// In seconds. Hosts that have the same secret may be so far apart; a clock that was even more ahead and has been put
// right must not make a session last longer.
constexpr std::int64_t largest_skew = ticket_keys_data::seconds_per_period;

// In bytes. It is in the ticket, and the ticket in the next ClientHello, of which no more than 32 KiB are taken.
constexpr int largest_certificate = 8 * 1024;

std::array<unsigned char, ticket_note::size> encoded(const ticket_note& note) noexcept {
  std::array<unsigned char, ticket_note::size> bytes{ticket_note::version};
  for (std::size_t i = 0; i < 8; ++i) {
    const auto shift = static_cast<int>(56 - 8 * i);
    bytes[1 + i] = static_cast<unsigned char>(note.began >> shift);
    bytes[9 + i] = static_cast<unsigned char>(note.ends >> shift);
  }
  return bytes;
}

std::optional<ticket_note> note_of(SSL_SESSION* session) noexcept {
  void* data = nullptr;
  std::size_t size = 0;
  if (SSL_SESSION_get0_ticket_appdata(session, &data, &size) != 1 || size != ticket_note::size) return std::nullopt;
  const auto* bytes = static_cast<const unsigned char*>(data);
  if (bytes[0] != ticket_note::version) return std::nullopt;
  ticket_note note;
  for (std::size_t i = 0; i < 8; ++i) {
    note.began = note.began << 8 | bytes[1 + i];
    note.ends = note.ends << 8 | bytes[9 + i];
  }
  return note;
}

/// 0, which is long ago, for a date that can't be read.
std::int64_t seconds_or_0(const ASN1_TIME* time) noexcept {
  return seconds_of(time).value_or(std::chrono::seconds{0}).count();
}

/// Where an SSL_CTX finds its context_data again.
int context_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

/// The settings for the client's name, if there are any: OpenSSL calls back by what the SSL was made from.
const context_data& settings_of(const SSL* ssl) noexcept {
  return *static_cast<const context_data*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_index()));
}

/// Fetched once: OpenSSL's own way looks it up by name for each ticket. Never freed, as contexts may outlive any static
/// object.
const EVP_CIPHER* ticket_cipher() noexcept {
  static const EVP_CIPHER* const fetched = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  return fetched;
}

bool set_mac_key(EVP_MAC_CTX* mac, const ticket_key& key) noexcept {
  std::array<char, 7> digest{"SHA256"};
  const std::array<OSSL_PARAM, 2> parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), digest.size() - 1),
      OSSL_PARAM_construct_end()};
  return EVP_MAC_init(mac, key.mac_key().data(), key.mac_key().size(), parameters.data()) == 1;
}

// ---- callbacks ----

/// OpenSSL makes a ticket (`making` is 1) or has got one, and wants the keys.
int give_keys(SSL* ssl, unsigned char* name_bytes, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
              int making) noexcept {
  constexpr int failed = -1, none = 0, good = 1, good_but_renew = 2;
  constexpr int iv_size = 16;
  const ticket_keys_data& keys = settings_of(ssl).tickets->data();
  const std::span<unsigned char, 16> name(name_bytes, 16);
  if (making == 1) {
    // In TLS 1.2 a ticket has been promised in ServerHello, and an empty one is how to take it back (RFC 5077 section
    // 3.3). In TLS 1.3 it doesn't come to this.
    const session_impl* session = session_impl::of(ssl);
    if (session != nullptr && !may_be_resumed(*session)) return none;
    const std::optional<ticket_key> key = keys.current();
    if (!key || RAND_bytes(iv, iv_size) != 1) return failed;
    std::ranges::copy(key->name(), name.begin());
    const bool ok = EVP_EncryptInit_ex2(cipher, ticket_cipher(), key->cipher_key().data(), iv, nullptr) == 1;
    return ok && set_mac_key(mac, *key) ? good : failed;
  }
  bool is_current = false;
  const std::optional<ticket_key> key = keys.find(name, is_current);
  if (!key) return none;
  const bool ok = EVP_DecryptInit_ex2(cipher, ticket_cipher(), key->cipher_key().data(), iv, nullptr) == 1;
  if (!ok || !set_mac_key(mac, *key)) return failed;
  return is_current ? good : good_but_renew;
}

/// OpenSSL is about to make a ticket of the SSL's session. 0 would end the handshake.
int write_note(SSL* ssl, void*) noexcept {
  SSL_SESSION* const session = SSL_get_session(ssl);
  const context_data& settings = settings_of(ssl);
  const std::int64_t now = settings.tickets->data().now();
  ticket_note note{.began = now, .ends = now};  // good for nothing
  if (SSL_session_reused(ssl) == 1) {
    // It has been read before; a resumption doesn't make the client's authentication any newer.
    if (const auto old = note_of(session)) note = *old;
  } else {
    const session_impl* const self = session_impl::of(ssl);
    const std::int64_t good_until =
        self != nullptr && self->peer ? self->peer->good_until : std::numeric_limits<std::int64_t>::max();
    note.ends = std::min<std::int64_t>(now + settings.configuration.resumption_lifetime.count(), good_until);
  }
  const auto bytes = encoded(note);
  // Without memory for it the ticket is no good, and that does no harm.
  SSL_SESSION_set1_ticket_appdata(session, bytes.data(), bytes.size());
  // By this OpenSSL judges on its own account, and tells the client. In TLS 1.2 a resumed session keeps its time.
  const bool keeps_time = SSL_session_reused(ssl) == 1 && SSL_version(ssl) != TLS1_3_VERSION;
  const std::int64_t timeout =
      keeps_time ? note.ends - note.began : std::min(note.ends - now, settings.tickets->data().accepted_for());
  // At least 1: of a session without a timeout OpenSSL fails to make a ticket, since it reads none as 3.
  SSL_SESSION_set_timeout(session, static_cast<long>(std::max<std::int64_t>(timeout, 1)));
  return 1;
}

/// True if the certificate of a resumed client is still good.
bool is_valid_at(const X509* certificate, std::int64_t now) noexcept {
  return seconds_or_0(X509_get0_notBefore(certificate)) <= now && now <= seconds_or_0(X509_get0_notAfter(certificate));
}

/// In TLS 1.2 a resumed session keeps its cipher suite, and OpenSSL asks only whether the client still offers it.
bool has_cipher_of(SSL* ssl, const SSL_SESSION* session) noexcept {
  return SSL_version(ssl) == TLS1_3_VERSION ||
         sk_SSL_CIPHER_find(SSL_get_ciphers(ssl), SSL_SESSION_get0_cipher(session)) >= 0;
}

/// Everything that isn't in the policy, of which OpenSSL takes care.
bool is_still_good(SSL* ssl, SSL_SESSION* session) noexcept {
  const context_data& settings = settings_of(ssl);
  const std::int64_t now = settings.tickets->data().now();
  const auto note = note_of(session);
  if (!note || now >= note->ends || now - note->began >= settings.configuration.resumption_lifetime.count() ||
      note->began - now > largest_skew) {
    return false;
  }
  if (!has_cipher_of(ssl, session)) return false;
  X509* const leaf = SSL_SESSION_get0_peer(session);
  if (leaf != nullptr && !is_valid_at(leaf, now)) return false;
  if (leaf == nullptr && settings.configuration.verify_mode == peer_verify_mode::verify) return false;
  session_impl* const self = session_impl::of(ssl);
  if (self == nullptr) return settings.configuration.allow.empty();
  // A client that also offers a pre-shared key is who the key says.
  if (self->peer && self->peer->uses_key) return false;
  return authorize(*self, leaf);
}

/// OpenSSL has read a ticket, or could not.
SSL_TICKET_RETURN judge_ticket(SSL* ssl, SSL_SESSION* session, const unsigned char*, std::size_t,
                               SSL_TICKET_STATUS status, void*) noexcept {
  // RETURN_IGNORE would leave the client without a new ticket after its full handshake.
  if ((status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) || session == nullptr) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  ERR_set_mark();
  const bool good = is_still_good(ssl, session);
  ERR_pop_to_mark();
  if (!good) return SSL_TICKET_RETURN_IGNORE_RENEW;
  // In TLS 1.3 clients use each ticket once (RFC 8446 appendix C.4), and want the next one.
  const bool renew = status == SSL_TICKET_SUCCESS_RENEW || SSL_version(ssl) == TLS1_3_VERSION;
  return renew ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE;
}

}  // namespace

bool set_resumption(context_data& data) {
  SSL_CTX* const ctx = data.ssl_ctx.get();
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  const auto policy = policy_of(data.configuration);
  if (!policy) return false;
  data.policy = *policy;
  // Clients that ask to resume end with "session id context uninitialized" where there is none. enter_policy() sets the
  // whole of it.
  if (SSL_CTX_set_session_id_context(ctx, policy->data(), static_cast<unsigned>(policy->size())) != 1) return false;
  const std::int64_t lifetime = data.configuration.resumption_lifetime.count();
  if (lifetime == 0) {
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    return SSL_CTX_set_num_tickets(ctx, 0) == 1;
  }
  data.tickets = data.configuration.tickets;
  if (!data.tickets) {
    auto made = ticket_keys::random();
    if (!made) return false;
    data.tickets = *std::move(made);
  }
  SSL_CTX_set_timeout(ctx, static_cast<long>(lifetime));
  SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, give_keys);
  // One is enough for a client's next connection; OpenSSL's two cost every connection time and 250 bytes.
  return ticket_cipher() != nullptr && SSL_CTX_set_num_tickets(ctx, 1) == 1 &&
         SSL_CTX_set_session_ticket_cb(ctx, write_note, judge_ticket, nullptr) == 1 &&
         SSL_CTX_set_ex_data(ctx, context_index(), &data) == 1;
}

std::int64_t end_of_validity(X509_STORE_CTX* verified, const ssl_configuration& configuration) noexcept {
  std::int64_t end = std::numeric_limits<std::int64_t>::max();
  const STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(verified);
  if (sk_X509_num(chain) <= 0) return 0;
  // With soft_fail nobody is refused because a list is out of date.
  const bool needs_lists =
      configuration.revocation && configuration.missing_revocation_list == revocation_policy::hard_fail;
  const std::int64_t now = std::time(nullptr);
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    const X509* const certificate = sk_X509_value(chain, i);
    end = std::min(end, seconds_or_0(X509_get0_notAfter(certificate)));
    if (!needs_lists) continue;
    for (const revocation_list& list : configuration.revocation->data().of(X509_get_issuer_name(certificate))) {
      const ASN1_TIME* const next = X509_CRL_get0_nextUpdate(list.crl.get());
      // Of several lists of one issuer OpenSSL prefers those in date.
      if (next != nullptr && seconds_or_0(next) > now) end = std::min(end, seconds_or_0(next));
      // One that isn't of today yet, but may be before the other one ends.
      const std::int64_t begin = seconds_or_0(X509_CRL_get0_lastUpdate(list.crl.get()));
      if (begin > now) end = std::min(end, begin);
    }
  }
  return end;
}

bool may_be_resumed(const session_impl& session) noexcept {
  if (!session.peer) return true;
  const peer_authentication& client = *session.peer;
  if (!client.errors.empty() || client.uses_key || client.chosen_alert) return false;
  return client.chain.empty() ||
         i2d_X509(client.chain.front().data().certificate.get(), nullptr) <= largest_certificate;
}

void remember_resumed_peer(session_impl& session) {
  peer_authentication& peer = *session.peer;
  if (!peer.chain.empty() || peer.uses_key || SSL_session_reused(session.ssl.get()) != 1) return;
  X509* const leaf = SSL_get0_peer_certificate(session.ssl.get());
  if (leaf != nullptr) peer.chain.push_back(certificate_of(leaf));
}

}  // namespace sallyport::detail
