// memory_client: OpenSSL's client over memory, the other end of the sessions that the unit tests drive.
//
// Its bytes are moved by hand: output() takes what it wants to send, input() gives it what came. Its own use of
// OpenSSL leaves nothing on the thread's error queue.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_MEMORY_CLIENT_HPP
#define SALLYPORT_TESTS_SUPPORT_MEMORY_CLIENT_HPP

#include "test_pki.hpp"

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::test {

using ssl_session_ptr = std::shared_ptr<SSL_SESSION>;

struct memory_client_options {
  int version = 0;  ///< the only one it speaks, as TLS1_2_VERSION; 0: TLS 1.2 and 1.3
  std::string server_name{};
  std::vector<std::string> alpn_protocols{};
  /// In OpenSSL's syntax; empty: OpenSSL's own.
  std::string ciphers{};
  std::string ciphersuites{};
  std::string groups{};
  std::string signature_algorithms{};
  std::optional<credentials> certificate{};
  std::string trusted{};       ///< the CA certificate by which the server's is judged; empty: it isn't judged
  ssl_session_ptr resumed{};   ///< a session to resume
  std::string identity{};      ///< of a pre-shared key; empty: none
  std::string key{};           ///< the key's bytes
  bool key_is_sha384 = false;  ///< TLS 1.3: the hash it is bound to
};

class memory_client {
 public:
  explicit memory_client(const memory_client_options& options);
  ~memory_client();

  /// Goes on with the handshake as far as the input allows. True once it is complete.
  bool handshake();
  bool connected() const;
  /// Why the handshake or a read failed, in OpenSSL's words; "" if none did.
  const std::string& failure() const { return failure_; }

  void input(std::string_view bytes);
  std::string output();

  void write(std::string_view plaintext);
  /// All that can be decrypted of the input.
  std::string read();
  void shutdown();
  /// True when read() has met the server's close_notify.
  bool peer_closed() const;
  void update_key(bool requested);

  /// The alerts that came, as in "fatal bad record mac".
  const std::vector<std::string>& alerts() const { return alerts_; }
  /// The tickets that came, each as a session to resume.
  const std::vector<ssl_session_ptr>& tickets() const { return tickets_; }
  bool resumed() const;
  /// A line of the key log by its label ("CLIENT_TRAFFIC_SECRET_0"): the secret in hexadecimal.
  std::string secret(std::string_view label) const;
  /// The server's identity hint, TLS 1.2.
  const std::optional<std::string>& identity_hint() const { return identity_hint_; }
  SSL* native() const { return ssl_.get(); }

 private:
  static memory_client& of(const SSL* ssl);
  static unsigned give_key(SSL* ssl, const char* hint, char* identity, unsigned identity_size, unsigned char* key,
                           unsigned key_size);
  static int give_session(SSL* ssl, const EVP_MD* digest, const unsigned char** identity, std::size_t* identity_size,
                          SSL_SESSION** session);
  void note_failure();

  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> ctx_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  std::string failure_;
  std::vector<std::string> alerts_;
  std::vector<ssl_session_ptr> tickets_;
  std::vector<std::string> key_log_;
  std::optional<std::string> identity_hint_;
  memory_client_options options_;
};

}  // namespace sallyport::test

#endif
