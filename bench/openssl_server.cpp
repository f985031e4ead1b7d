// openssl_server: an echo over TLS on OpenSSL alone, with the settings and the tricks of the library, without sockets.
//
// SPDX-License-Identifier: Apache-2.0
#include "openssl_server.hpp"

#include "program.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace {

constexpr const char* ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* ciphersuites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* groups = "X25519:P-256:P-384";
constexpr const char* signature_algorithms =
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:"
    "rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:"
    "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"
    "RSA+SHA256:RSA+SHA384:RSA+SHA512";

// What the BIO of whichever connection has its turn reads and writes. An echo is no longer than what it answers, but
// for the rest of a record that had begun before, so 128 KiB in have always room here; the rest is for the server's
// flight. A thread's own, as in_memory has several.
constinit thread_local std::span<const char> input;
constinit thread_local std::array<char, (128 + 64) * 1024> output{};
constinit thread_local std::size_t produced = 0;

// The largest record's.
constinit thread_local std::array<char, 16 * 1024> plaintext{};

// Not 0 where there is nothing: SSL_shutdown takes a 0 from below for success.
constexpr int retry = -1;

int read_input(BIO* bio, char* data, std::size_t size, std::size_t* bytes) {
  BIO_clear_retry_flags(bio);
  if (input.empty()) {
    BIO_set_retry_read(bio);
    return retry;
  }
  *bytes = std::min(size, input.size());
  std::memcpy(data, input.data(), *bytes);
  input = input.subspan(*bytes);
  return 1;
}

int write_output(BIO* bio, const char* data, std::size_t size, std::size_t* bytes) {
  BIO_clear_retry_flags(bio);
  if (size > output.size() - produced) return 0;  // can't be; the connection fails
  std::memcpy(output.data() + produced, data, size);
  produced += size;
  *bytes = size;
  return 1;
}

long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO* make_bio() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bench");
    BIO_meth_set_read_ex(made, read_input);
    BIO_meth_set_write_ex(made, write_output);
    BIO_meth_set_ctrl(made, control);
    return made;
  }();
  BIO* const bio = BIO_new(method);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace

SSL_CTX* make_server_context(const std::string& certificate_file, const std::string& key_file) {
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_clear_options(context, SSL_CTX_get_options(context));
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA | SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
  SSL_CTX_set_security_level(context, 2);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  const bool is_set =
      SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
      SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 && SSL_CTX_set_cipher_list(context, ciphers) == 1 &&
      SSL_CTX_set_ciphersuites(context, ciphersuites) == 1 && SSL_CTX_set1_groups_list(context, groups) == 1 &&
      SSL_CTX_set1_sigalgs_list(context, signature_algorithms) == 1 && SSL_CTX_set_num_tickets(context, 1) == 1;
  if (!is_set) refuse("OpenSSL refuses the settings");
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1) {
    refuse("--cert: '" + certificate_file + "' has no certificate that OpenSSL can use");
  }
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    refuse("--key: '" + key_file + "' has no key that OpenSSL can use with this certificate");
  }
  return context;
}

tls_echo::tls_echo(SSL_CTX* context) : ssl_(SSL_new(context)) {
  BIO* const bio = make_bio();
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_accept_state(ssl_);
}

reply tls_echo::on_input(std::span<const char> received) {
  input = received;
  produced = 0;
  const bool goes_on = !received.empty() && echo_all();
  if (!goes_on) {
    if (SSL_is_init_finished(ssl_)) SSL_shutdown(ssl_);  // of no effect where SSL_read has failed
    ERR_clear_error();  // so that the others meet an empty queue, and needn't clear it each time
  }
  return {std::span(output).first(produced), !goes_on};
}

// Until the input is used up. The handshake is a part of SSL_read; false: close_notify, or an error.
bool tls_echo::echo_all() {
  int why = SSL_ERROR_NONE;
  do {
    // One call gives one record's worth. Small records that came together are answered by one.
    std::size_t total = 0;
    do {
      std::size_t bytes = 0;
      const int read = SSL_read_ex(ssl_, plaintext.data() + total, plaintext.size() - total, &bytes);
      if (read != 1) {
        why = SSL_get_error(ssl_, read);  // now: SSL_write makes OpenSSL forget it
        break;
      }
      total += bytes;
    } while (total < plaintext.size() && !input.empty());

    std::size_t written = 0;
    if (total > 0 && SSL_write_ex(ssl_, plaintext.data(), total, &written) != 1) return false;
  } while (why == SSL_ERROR_NONE && (!input.empty() || SSL_pending(ssl_) > 0));
  return why == SSL_ERROR_NONE || why == SSL_ERROR_WANT_READ;
}
