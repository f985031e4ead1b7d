// memory_handshake: an OpenSSL client against an SSL_CTX, in memory, without a session or a socket.
//
// SPDX-License-Identifier: Apache-2.0
#include "memory_handshake.hpp"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>

#include <array>
#include <stdexcept>

namespace sallyport::test {

namespace {

void require(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string("memory_handshake: ") + what);
}

std::string take_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  return reason ? reason : "";
}

std::string common_name(const X509_NAME* name) {
  std::array<char, 256> text{};
  X509_NAME_get_text_by_NID(const_cast<X509_NAME*>(name), NID_commonName, text.data(), static_cast<int>(text.size()));
  return text.data();
}

handshake_outcome& outcome_of(SSL* ssl) { return *static_cast<handshake_outcome*>(SSL_get_app_data(ssl)); }

// OpenSSL asks for a certificate to send only when the server wants one and none is set.
int on_certificate_request(SSL* ssl, void* options) {
  auto& outcome = outcome_of(ssl);
  outcome.certificate_requested = true;
  const STACK_OF(X509_NAME)* names = SSL_get0_peer_CA_list(ssl);
  for (int i = 0; i < sk_X509_NAME_num(names); ++i) {
    outcome.requested_cas.push_back(common_name(sk_X509_NAME_value(names, i)));
  }
  const credentials& ours = static_cast<const client_options*>(options)->certificate;
  if (ours.certificate.empty()) return 1;
  const std::unique_ptr<BIO, openssl_delete<BIO_free>> certificate_bio{BIO_new_mem_buf(ours.certificate.c_str(), -1)};
  const std::unique_ptr<BIO, openssl_delete<BIO_free>> key_bio{BIO_new_mem_buf(ours.key.c_str(), -1)};
  const std::unique_ptr<X509, openssl_delete<X509_free>> certificate{
      PEM_read_bio_X509(certificate_bio.get(), nullptr, nullptr, nullptr)};
  const std::unique_ptr<EVP_PKEY, openssl_delete<EVP_PKEY_free>> key{
      PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr)};
  if (SSL_use_certificate(ssl, certificate.get()) != 1 || SSL_use_PrivateKey(ssl, key.get()) != 1) return 0;
  const std::string& extra = static_cast<const client_options*>(options)->extra_chain;
  if (extra.empty()) return 1;
  const std::unique_ptr<BIO, openssl_delete<BIO_free>> extra_bio{BIO_new_mem_buf(extra.c_str(), -1)};
  const std::unique_ptr<X509, openssl_delete<X509_free>> issuer{
      PEM_read_bio_X509(extra_bio.get(), nullptr, nullptr, nullptr)};
  return static_cast<int>(SSL_add1_chain_cert(ssl, issuer.get()));
}

int on_new_session(SSL* ssl, SSL_SESSION* session) {
  outcome_of(ssl).tickets.emplace_back(session);
  return 1;  // it is ours now
}

client_ctx_ptr make_client_ctx(const client_options& options) {
  client_ctx_ptr ctx{SSL_CTX_new(TLS_client_method())};
  require(ctx != nullptr, "SSL_CTX_new");
  SSL_CTX_set_security_level(ctx.get(), 0);
  SSL_CTX_set_options(ctx.get(), SSL_OP_LEGACY_SERVER_CONNECT);
  SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_NONE, nullptr);
  require(SSL_CTX_set_min_proto_version(ctx.get(), options.min_version) == 1 &&
              SSL_CTX_set_max_proto_version(ctx.get(), options.max_version) == 1,
          "versions");
  const std::string ciphers = options.ciphers.empty() ? "ALL" : options.ciphers;
  require(SSL_CTX_set_cipher_list(ctx.get(), ciphers.c_str()) == 1, "ciphers");
  if (!options.ciphersuites.empty()) {
    require(SSL_CTX_set_ciphersuites(ctx.get(), options.ciphersuites.c_str()) == 1, "ciphersuites");
  }
  if (!options.groups.empty()) {
    require(SSL_CTX_set1_groups_list(ctx.get(), options.groups.c_str()) == 1, "groups");
  }
  if (!options.signature_algorithms.empty()) {
    require(SSL_CTX_set1_sigalgs_list(ctx.get(), options.signature_algorithms.c_str()) == 1, "signature algorithms");
  }
  if (!options.alpn.empty()) {
    std::string wire;
    for (const std::string& name : options.alpn) wire += static_cast<char>(name.size()) + name;
    require(SSL_CTX_set_alpn_protos(ctx.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                                    static_cast<unsigned>(wire.size())) == 0,
            "ALPN");
  }
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx.get(), on_new_session);
  return ctx;
}

enum class state { busy, done, failed };

// One turn of one side.
state turn(SSL* ssl, std::string& failure) {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl);
  if (result == 1) return state::done;
  const int why = SSL_get_error(ssl, result);
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return state::busy;
  failure = take_reason();
  return state::failed;
}

// Lets a side take in what the other sent after its own part was done: tickets, or an alert.
state read_on(SSL* ssl, std::string& failure) {
  ERR_clear_error();
  char byte = 0;
  const int result = SSL_read(ssl, &byte, 1);
  if (result > 0 || SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ) return state::done;
  failure = take_reason();
  return state::failed;
}

}  // namespace

handshake_outcome shake_hands(SSL_CTX* server_ctx, const client_options& options) {
  handshake_outcome outcome;
  outcome.client_ctx = make_client_ctx(options);
  outcome.client.reset(SSL_new(outcome.client_ctx.get()));
  outcome.server.reset(SSL_new(server_ctx));
  SSL* client = outcome.client.get();
  SSL* server = outcome.server.get();
  require(client && server, "SSL_new");
  BIO* client_bio = nullptr;
  BIO* server_bio = nullptr;
  require(BIO_new_bio_pair(&client_bio, 1 << 18, &server_bio, 1 << 18) == 1, "BIO pair");
  SSL_set_bio(client, client_bio, client_bio);
  SSL_set_bio(server, server_bio, server_bio);
  SSL_set_connect_state(client);
  SSL_set_accept_state(server);
  SSL_set_app_data(client, &outcome);
  SSL_set_cert_cb(client, on_certificate_request, const_cast<client_options*>(&options));
  if (!options.server_name.empty()) SSL_set_tlsext_host_name(client, options.server_name.c_str());
  if (options.resume) require(SSL_set_session(client, options.resume) == 1, "session");

  state client_state = state::busy;
  state server_state = state::busy;
  for (int turns = 0; turns < 20 && (client_state == state::busy || server_state == state::busy); ++turns) {
    if (client_state == state::busy) client_state = turn(client, outcome.client_error);
    if (server_state == state::busy) server_state = turn(server, outcome.server_error);
    if (client_state == state::failed || server_state == state::failed) break;
  }
  // The verdict on a client's certificate may come after the client is done; so do tickets.
  if (client_state == state::done) client_state = read_on(client, outcome.client_error);
  if (client_state == state::busy) client_state = turn(client, outcome.client_error);
  if (server_state == state::busy) server_state = turn(server, outcome.server_error);
  ERR_clear_error();
  SSL_set_app_data(client, nullptr);

  outcome.ok = client_state == state::done && server_state == state::done;
  outcome.verify_result = SSL_get_verify_result(server);
  if (!outcome.ok) return outcome;
  outcome.version = SSL_get_version(client);
  outcome.cipher = SSL_get_cipher_name(client);
  if (const char* group = OBJ_nid2sn(SSL_get_negotiated_group(client) & 0xffffff)) outcome.group = group;
  const unsigned char* alpn = nullptr;
  unsigned int alpn_size = 0;
  SSL_get0_alpn_selected(client, &alpn, &alpn_size);
  outcome.alpn.assign(reinterpret_cast<const char*>(alpn), alpn_size);
  if (X509* certificate = SSL_get0_peer_certificate(client)) {
    outcome.server_certificate = common_name(X509_get_subject_name(certificate));
  }
  outcome.server_chain_length = sk_X509_num(SSL_get_peer_cert_chain(client));
  outcome.resumed = SSL_session_reused(server) == 1;
  unsigned int size = 0;
  const unsigned char* id_context = SSL_SESSION_get0_id_context(SSL_get_session(server), &size);
  outcome.session_id_context.assign(reinterpret_cast<const char*>(id_context), size);
  return outcome;
}

}  // namespace sallyport::test
