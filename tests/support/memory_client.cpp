// memory_client: OpenSSL's client over memory, the other end of the sessions that the unit tests drive.
//
// SPDX-License-Identifier: Apache-2.0
#include "memory_client.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <stdexcept>

namespace sallyport::test {
namespace {

void require(bool ok, const char* what) {
  if (ok) return;
  const char* reason = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  throw std::runtime_error(std::string("memory_client: ") + what + ": " + (reason != nullptr ? reason : "failed"));
}

void use_certificate(SSL_CTX* ctx, const credentials& both) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> certificate_pem(BIO_new_mem_buf(both.certificate.data(), -1),
                                                                  BIO_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> key_pem(BIO_new_mem_buf(both.key.data(), -1), BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(certificate_pem.get(), nullptr, nullptr, nullptr), X509_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(key_pem.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  require(SSL_CTX_use_certificate(ctx, certificate.get()) == 1 && SSL_CTX_use_PrivateKey(ctx, key.get()) == 1,
          "certificate");
}

void trust(SSL_CTX* ctx, const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(pem.data(), -1), BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> ca(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr),
                                                       X509_free);
  require(ca && X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.get()) == 1, "trusted");
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
}

}  // namespace

memory_client& memory_client::of(const SSL* ssl) { return *static_cast<memory_client*>(SSL_get_app_data(ssl)); }

unsigned memory_client::give_key(SSL* ssl, const char* hint, char* identity, unsigned identity_size, unsigned char* key,
                                 unsigned key_size) {
  memory_client& self = of(ssl);
  if (hint != nullptr) self.identity_hint_ = hint;
  const memory_client_options& options = self.options_;
  // OpenSSL asks this for TLS 1.3, too: there give_session() has what is offered.
  if (SSL_version(ssl) == TLS1_3_VERSION) return 0;
  require(options.identity.size() < identity_size && options.key.size() <= key_size, "pre-shared key");
  options.identity.copy(identity, options.identity.size());
  identity[options.identity.size()] = '\0';
  options.key.copy(reinterpret_cast<char*>(key), options.key.size());
  return static_cast<unsigned>(options.key.size());
}

int memory_client::give_session(SSL* ssl, const EVP_MD* digest, const unsigned char** identity,
                                std::size_t* identity_size, SSL_SESSION** session) {
  const memory_client_options& options = of(ssl).options_;
  *session = nullptr;
  // Asked again after a HelloRetryRequest, for the hash that the server has chosen.
  if (digest != nullptr && (EVP_MD_get_type(digest) == NID_sha384) != options.key_is_sha384) return 1;
  const std::array<unsigned char, 2> suite{0x13, static_cast<unsigned char>(options.key_is_sha384 ? 0x02 : 0x01)};
  SSL_SESSION* made = SSL_SESSION_new();
  require(made != nullptr &&
              SSL_SESSION_set1_master_key(made, reinterpret_cast<const unsigned char*>(options.key.data()),
                                          options.key.size()) == 1 &&
              SSL_SESSION_set_cipher(made, SSL_CIPHER_find(ssl, suite.data())) == 1 &&
              SSL_SESSION_set_protocol_version(made, TLS1_3_VERSION) == 1,
          "pre-shared key");
  *session = made;
  *identity = reinterpret_cast<const unsigned char*>(options.identity.data());
  *identity_size = options.identity.size();
  return 1;
}

memory_client::memory_client(const memory_client_options& options)
    : ctx_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free), ssl_(nullptr, SSL_free), options_(options) {
  SSL_CTX* ctx = ctx_.get();
  require(ctx != nullptr, "SSL_CTX_new");
  // So that it can do what servers must refuse: TLS 1.1 needs SHA-1, which level 0 alone allows.
  SSL_CTX_set_security_level(ctx, 0);
  require(SSL_CTX_set_min_proto_version(ctx, options.version != 0 ? options.version : TLS1_2_VERSION) == 1 &&
              SSL_CTX_set_max_proto_version(ctx, options.version) == 1,
          "version");
  if (!options.ciphers.empty()) require(SSL_CTX_set_cipher_list(ctx, options.ciphers.c_str()) == 1, "ciphers");
  if (!options.ciphersuites.empty()) {
    require(SSL_CTX_set_ciphersuites(ctx, options.ciphersuites.c_str()) == 1, "ciphersuites");
  }
  if (!options.groups.empty()) require(SSL_CTX_set1_groups_list(ctx, options.groups.c_str()) == 1, "groups");
  if (!options.signature_algorithms.empty()) {
    require(SSL_CTX_set1_sigalgs_list(ctx, options.signature_algorithms.c_str()) == 1, "signature algorithms");
  }
  if (options.certificate) use_certificate(ctx, *options.certificate);
  if (!options.trusted.empty()) trust(ctx, options.trusted);
  if (!options.identity.empty()) {
    SSL_CTX_set_psk_client_callback(ctx, give_key);
    SSL_CTX_set_psk_use_session_callback(ctx, give_session);
  }

  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx, [](SSL* ssl, SSL_SESSION* session) {
    of(ssl).tickets_.emplace_back(session, SSL_SESSION_free);
    return 1;  // the reference is ours now
  });
  SSL_CTX_set_keylog_callback(ctx, [](const SSL* ssl, const char* line) { of(ssl).key_log_.emplace_back(line); });
  SSL_CTX_set_info_callback(ctx, [](const SSL* ssl, int where, int value) {
    if ((where & SSL_CB_READ_ALERT) != SSL_CB_READ_ALERT) return;
    of(ssl).alerts_.push_back(std::string(SSL_alert_type_string_long(value)) + " " + SSL_alert_desc_string_long(value));
  });

  ssl_.reset(SSL_new(ctx));
  BIO* from_server = BIO_new(BIO_s_mem());
  BIO* to_server = BIO_new(BIO_s_mem());
  require(ssl_ && from_server != nullptr && to_server != nullptr, "SSL_new");
  BIO_set_mem_eof_return(from_server, -1);
  SSL_set_bio(ssl_.get(), from_server, to_server);
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_connect_state(ssl_.get());
  if (!options.server_name.empty()) {
    require(SSL_set_tlsext_host_name(ssl_.get(), options.server_name.c_str()) == 1, "server name");
  }
  if (!options.alpn_protocols.empty()) {
    std::string wire;
    for (const std::string& name : options.alpn_protocols) wire += static_cast<char>(name.size()) + name;
    require(SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                                static_cast<unsigned>(wire.size())) == 0,
            "ALPN");
  }
  if (options.resumed) require(SSL_set_session(ssl_.get(), options.resumed.get()) == 1, "session");
  ERR_clear_error();
}

memory_client::~memory_client() {
  // Otherwise OpenSSL would never resume the session of a connection that wasn't closed.
  SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN);
}

void memory_client::note_failure() {
  const unsigned long code = ERR_peek_error();
  if (code != 0 && failure_.empty()) failure_ = ERR_reason_error_string(code);
  ERR_clear_error();
}

bool memory_client::handshake() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  note_failure();
  return done == 1;
}

bool memory_client::connected() const { return SSL_is_init_finished(ssl_.get()) == 1; }

void memory_client::input(std::string_view bytes) {
  if (bytes.empty()) return;
  require(BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size())) > 0, "input");
}

std::string memory_client::output() {
  BIO* bio = SSL_get_wbio(ssl_.get());
  std::string bytes(BIO_ctrl_pending(bio), '\0');
  if (!bytes.empty()) require(BIO_read(bio, bytes.data(), static_cast<int>(bytes.size())) > 0, "output");
  return bytes;
}

void memory_client::write(std::string_view plaintext) {
  ERR_clear_error();
  std::size_t written = 0;
  require(SSL_write_ex(ssl_.get(), plaintext.data(), plaintext.size(), &written) == 1 && written == plaintext.size(),
          "write");
}

std::string memory_client::read() {
  std::string all;
  std::array<char, 16384> buffer;
  std::size_t bytes = 0;
  ERR_clear_error();
  while (SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &bytes) == 1) all.append(buffer.data(), bytes);
  note_failure();
  return all;
}

void memory_client::shutdown() {
  ERR_clear_error();
  require(SSL_shutdown(ssl_.get()) >= 0, "shutdown");
}

bool memory_client::peer_closed() const { return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }

void memory_client::update_key(bool requested) {
  ERR_clear_error();
  require(SSL_key_update(ssl_.get(), requested ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED) == 1 &&
              SSL_do_handshake(ssl_.get()) == 1,
          "key update");
}

bool memory_client::resumed() const { return SSL_session_reused(ssl_.get()) == 1; }

std::string memory_client::secret(std::string_view label) const {
  for (const std::string& line : key_log_) {
    if (line.starts_with(label)) return line.substr(line.rfind(' ') + 1);
  }
  throw std::runtime_error("memory_client: no secret " + std::string(label));
}

}  // namespace sallyport::test
