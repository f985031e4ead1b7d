// pre_shared_key_callbacks: how OpenSSL gets a client's key.
//
// TLS 1.2 (RFC 4279): OpenSSL asks for the key of the one identity that the client names. TLS 1.3 (RFC 8446 section
// 4.2.11): the ClientHello names several, tickets among them, and the cipher suite, which is chosen before OpenSSL
// asks, must have the key's hash. So there the application is asked before OpenSSL does anything with the ClientHello.
//
// Whoever names an unknown identity goes on with a random key, and fails as somebody with a wrong key does: at the same
// point, by the same alert. So does one who is known and refused: the key is unproven by then. Strangers can't find out
// who is known here.
//
// SPDX-License-Identifier: Apache-2.0
#include "pre_shared_key_callbacks.hpp"

#include "offered_identities.hpp"
#include "peer_verification.hpp"
#include "session_callbacks.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

namespace sallyport::detail {
namespace {

// Each may cost the application a look into a database.
constexpr std::size_t max_identities_asked_for = 8;

constexpr std::size_t decoy_size = 32;

constexpr std::size_t sha256_size = 32, sha384_size = 48;

/// A key that nobody has; empty if there is no randomness.
pre_shared_key decoy(pre_shared_key_hash hash = pre_shared_key_hash::sha256) {
  std::array<std::byte, decoy_size> bytes;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size())) != 1) return {};
  pre_shared_key made(bytes, hash);
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return made;
}

/// Asks the application for one identity's key. Refused or not answered, the identity is an unknown one.
void ask_for_key(peer_authentication& client, std::string_view identity) {
  client.identity = identity;
  client.key = {};
  client.knows_identity = client.ask(handshake_question::pre_shared_key) && !client.key.empty();
}

/// True if the key can be used. Who authenticates by a key shows no certificate.
bool may_use_key(session_impl& session) noexcept {
  return session.settings.configuration().verify_mode != peer_verify_mode::verify ||
         accepts_missing_certificate(session);
}

int digest_of(pre_shared_key_hash hash) noexcept {
  return hash == pre_shared_key_hash::sha384 ? NID_sha384 : NID_sha256;
}

/// The hash of the key that the client has computed its binder with.
pre_shared_key_hash hash_of(const offered_identity& offered) {
  return offered.binder_size == sha384_size ? pre_shared_key_hash::sha384 : pre_shared_key_hash::sha256;
}

/// Our cipher suites of TLS 1.3 with this hash, in their order.
std::vector<const SSL_CIPHER*> suites_of(SSL* ssl, pre_shared_key_hash hash) {
  std::vector<const SSL_CIPHER*> suites;
  const STACK_OF(SSL_CIPHER)* ciphers = SSL_get_ciphers(ssl);
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ciphers, i);
    if (SSL_CIPHER_get_protocol_id(cipher) >> 8 != 0x13) continue;  // TLS 1.3's
    if (EVP_MD_get_type(SSL_CIPHER_get_handshake_digest(cipher)) == digest_of(hash)) suites.push_back(cipher);
  }
  return suites;
}

/// True if the client offers one of them.
bool has_common_suite(SSL* ssl, pre_shared_key_hash hash) {
  const unsigned char* bytes = nullptr;
  const std::size_t size = SSL_client_hello_get0_ciphers(ssl, &bytes);
  return std::ranges::any_of(suites_of(ssl, hash), [&](const SSL_CIPHER* cipher) {
    const std::uint16_t id = SSL_CIPHER_get_protocol_id(cipher);
    for (std::size_t i = 0; i + 1 < size; i += 2) {
      if ((bytes[i] << 8 | bytes[i + 1]) == id) return true;
    }
    return false;
  });
}

/// Leaves this connection only the cipher suites that have the key's hash, in their order. False if that fails.
bool use_suites_of(SSL* ssl, pre_shared_key_hash hash) {
  std::string names;
  for (const SSL_CIPHER* cipher : suites_of(ssl, hash)) {
    if (!names.empty()) names += ':';
    names += SSL_CIPHER_get_name(cipher);
  }
  return SSL_set_ciphersuites(ssl, names.c_str()) == 1;
}

/// Those of the client's identities that may be asked for. What is wrong with the others doesn't depend on who is
/// known: where it did, the answer would tell.
std::vector<offered_identity> usable_identities(SSL* ssl) {
  auto offered = offered_identities(client_hello_extension(ssl, TLSEXT_TYPE_psk), max_identities_asked_for);
  std::erase_if(offered, [ssl](const offered_identity& each) {
    // A ticket, by its age. One that somebody else has issued is no reason to refuse: that client gets a full
    // handshake. (RFC 8446 section 4.2.11 would have us ignore the age of a key agreed on beforehand, which SHOULD
    // be 0. But then a known identity with an age would fail by its binder and an unknown one would be a ticket.)
    if (each.obfuscated_ticket_age != 0) return true;
    if (each.binder_size != sha256_size && each.binder_size != sha384_size) return true;  // OpenSSL refuses the size
    return !has_common_suite(ssl, hash_of(each));
  });
  return offered;
}

/// TLS 1.3: OpenSSL wants the session that an identity stands for.
int find_key(SSL* ssl, const unsigned char* identity, std::size_t size, SSL_SESSION** found) noexcept {
  *found = nullptr;
  session_impl* session = session_impl::of(ssl);
  if (session == nullptr || !session->peer || !session->peer->uses_key) return 1;
  const peer_authentication& client = *session->peer;
  if (std::string_view(reinterpret_cast<const char*>(identity), size) != client.identity) return 1;

  *found = session_of_key(ssl, client.key).release();
  return *found == nullptr ? 0 : 1;
}

/// TLS 1.2: the key goes into `key`; its size, or 0 to end the handshake with unknown_psk_identity.
unsigned give_key(SSL* ssl, const char* identity, unsigned char* key, unsigned size) noexcept try {
  session_impl* session = session_impl::of(ssl);
  // OpenSSL asks this in TLS 1.3, too, about identities that find_key() didn't know.
  if (session == nullptr || !session->peer || SSL_version(ssl) != TLS1_2_VERSION) return 0;
  peer_authentication& client = *session->peer;
  // An empty name is nobody's: it would read as if no key had been used.
  if (identity != nullptr && *identity != '\0') ask_for_key(client, identity);
  if (!client.knows_identity || !may_use_key(*session)) client.key = decoy();

  const pre_shared_key taken = std::move(client.key);
  if (taken.empty() || taken.bytes().size() > size) return 0;
  std::memcpy(key, taken.bytes().data(), taken.bytes().size());
  client.uses_key = true;
  return static_cast<unsigned>(taken.bytes().size());
} catch (const std::bad_alloc&) {
  return 0;
}

}  // namespace

ssl_session_ptr session_of_key(SSL* ssl, const pre_shared_key& key) noexcept {
  const auto bytes = key.bytes();
  // OpenSSL knows the hash of a session by its cipher suite: any with that hash will do.
  const bool sha384 = key.hash() == pre_shared_key_hash::sha384;
  const std::array<unsigned char, 2> suite{0x13, static_cast<unsigned char>(sha384 ? 0x02 : 0x01)};
  ssl_session_ptr made{SSL_SESSION_new()};
  const SSL_CIPHER* cipher = SSL_CIPHER_find(ssl, suite.data());
  if (!made || cipher == nullptr ||
      SSL_SESSION_set1_master_key(made.get(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()) !=
          1 ||
      SSL_SESSION_set_cipher(made.get(), cipher) != 1 ||
      SSL_SESSION_set_protocol_version(made.get(), TLS1_3_VERSION) != 1) {
    return nullptr;
  }
  return made;
}

bool ask_for_offered_keys(session_impl& session, int& alert) {
  peer_authentication& client = *session.peer;
  SSL* const ssl = session.ssl.get();
  std::vector<offered_identity> offered;
  if (offers_tls_1_3(client_hello_extension(ssl, TLSEXT_TYPE_supported_versions)) &&
      offers_psk_with_dhe(client_hello_extension(ssl, TLSEXT_TYPE_psk_kex_modes))) {
    offered = usable_identities(ssl);
  }
  if (client.uses_key) {
    // The second ClientHello, after a HelloRetryRequest, names the same ones (RFC 8446 section 4.1.2). Without the key,
    // it would profit from what was ignored for the key's sake.
    client.withdrew_key = std::ranges::find(offered, client.identity, &offered_identity::name) == offered.end();
    alert = SSL_AD_ILLEGAL_PARAMETER;
    return !client.withdrew_key;
  }
  if (offered.empty()) return true;

  alert = SSL_AD_INTERNAL_ERROR;
  const offered_identity* chosen = nullptr;
  for (const offered_identity& each : offered) {
    ask_for_key(client, each.name);
    if (!client.knows_identity) continue;
    chosen = &each;
    break;
  }
  if (chosen == nullptr) {
    chosen = &offered.front();
    client.identity = chosen->name;
    client.key = {};
  }
  // With a key of another hash OpenSSL would answer with another alert than to a wrong key.
  client.has_other_hash = !client.key.empty() && client.key.hash() != hash_of(*chosen);
  if (client.key.empty() || client.has_other_hash || !may_use_key(session)) {
    client.key = decoy(hash_of(*chosen));
  }
  if (client.key.empty()) return false;
  client.uses_key = true;
  return use_suites_of(ssl, client.key.hash());
}

void install_pre_shared_key_callbacks(SSL_CTX* ssl_ctx) noexcept {
  SSL_CTX_set_psk_server_callback(ssl_ctx, give_key);
  SSL_CTX_set_psk_find_session_callback(ssl_ctx, find_key);
}

}  // namespace sallyport::detail
