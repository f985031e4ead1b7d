// client_pre_shared_key: how OpenSSL gets a client's own key.
//
// TLS 1.3 names the identity in the ClientHello, so the key is asked for before anything is known of the server. TLS
// 1.2 asks when the server has chosen a cipher suite that needs one, and may have sent a hint.
//
// SPDX-License-Identifier: Apache-2.0
#include "client_side.hpp"
#include "pre_shared_key_callbacks.hpp"

#include <cstring>
#include <new>
#include <utility>

namespace sallyport::detail {
namespace {

/// Asks the application. True if there is an identity and its key.
bool ask_for_key(peer_authentication& server) noexcept {
  server.identity.clear();
  server.key = {};
  const bool answered = server.ask(handshake_question::pre_shared_key);
  if (answered && !server.identity.empty() && !server.key.empty()) return true;
  server.identity.clear();
  server.key = {};
  return false;
}

/// TLS 1.3: OpenSSL makes a ClientHello; the second one, after a HelloRetryRequest, if there is a `digest` that the key
/// must have.
int offer_key(SSL* ssl, const EVP_MD* digest, const unsigned char** identity, std::size_t* size,
              SSL_SESSION** offered) noexcept {
  *offered = nullptr;
  session_impl* const session = session_impl::of(ssl);
  if (session == nullptr || !session->as_client) return 1;
  peer_authentication& server = *session->peer;
  client_side& own = *session->as_client;
  if (!std::exchange(own.was_asked, true)) {
    own.offers_key = ask_for_key(server);
    // Without a key the server may still show a certificate, or ask in TLS 1.2.
    server.lacks_key = !own.offers_key && server.refused;
    if (server.lacks_key) return 0;
  }
  if (!own.offers_key) return 1;
  const int hash = server.key.hash() == pre_shared_key_hash::sha384 ? NID_sha384 : NID_sha256;
  if (digest != nullptr && EVP_MD_get_type(digest) != hash) {
    own.offers_key = false;
    return 1;
  }
  *offered = session_of_key(ssl, server.key).release();
  *identity = reinterpret_cast<const unsigned char*>(server.identity.data());
  *size = server.identity.size();
  return *offered == nullptr ? 0 : 1;
}

/// TLS 1.2: identity and key go into the two buffers; the key's size, or 0 to end the handshake.
unsigned give_key(SSL* ssl, const char* hint, char* identity, unsigned identity_size, unsigned char* key,
                  unsigned key_size) noexcept try {
  session_impl* const session = session_impl::of(ssl);
  // OpenSSL asks this for TLS 1.3, too, if offer_key() has none.
  if (session == nullptr || !session->as_client || SSL_version(ssl) != TLS1_2_VERSION) return 0;
  peer_authentication& server = *session->peer;
  session->as_client->hint = hint == nullptr ? "" : hint;
  server.lacks_key = true;
  if (!ask_for_key(server)) return 0;
  const pre_shared_key taken = std::move(server.key);
  const std::string& name = server.identity;
  if (name.size() >= identity_size || name.find('\0') != std::string::npos || taken.bytes().size() > key_size) {
    server.identity.clear();
    return 0;
  }
  server.lacks_key = false;
  std::memcpy(identity, name.c_str(), name.size() + 1);
  std::memcpy(key, taken.bytes().data(), taken.bytes().size());
  server.uses_key = true;
  return static_cast<unsigned>(taken.bytes().size());
} catch (const std::bad_alloc&) {
  return 0;
}

}  // namespace

void install_client_key_callbacks(SSL_CTX* ssl_ctx) noexcept {
  SSL_CTX_set_psk_use_session_callback(ssl_ctx, offer_key);
  SSL_CTX_set_psk_client_callback(ssl_ctx, give_key);
}

}  // namespace sallyport::detail
