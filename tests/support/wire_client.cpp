// wire_client: the other side of the wire: blocking sockets, with OpenSSL's own TLS on top or raw bytes.
//
// SPDX-License-Identifier: Apache-2.0
#include "wire_client.hpp"

#include <arpa/inet.h>
#include <linux/tcp.h>  // glibc's tcp_info has no segments
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace sallyport::test {
namespace {

constexpr timeval longest_wait{30, 0};

[[noreturn]] void throw_errno(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

tcp_info information_about(int descriptor) {
  tcp_info information{};
  socklen_t size = sizeof information;
  if (::getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &information, &size) != 0) throw_errno("getsockopt");
  return information;
}

template <class Address>
raw_client connect_to(int family, const Address& address) {
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) throw_errno("socket");
  raw_client client(descriptor);
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw_errno("connect");
  return client;
}

void require(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string("wire_client: ") + what);
}

template <class T, auto Free>
struct freed_by {
  void operator()(T* object) const { Free(object); }
};
using bio_ptr = std::unique_ptr<BIO, freed_by<BIO, BIO_free_all>>;
using x509_ptr = std::unique_ptr<X509, freed_by<X509, X509_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY, EVP_PKEY_free>>;

bio_ptr reader_of(const std::string& pem) { return bio_ptr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }

x509_ptr read_certificate(BIO* pem) { return x509_ptr(PEM_read_bio_X509(pem, nullptr, nullptr, nullptr)); }

void use_certificate(SSL_CTX* context, const credentials& both, const std::string& chain) {
  const x509_ptr certificate = read_certificate(reader_of(both.certificate).get());
  const key_ptr key(PEM_read_bio_PrivateKey(reader_of(both.key).get(), nullptr, nullptr, nullptr));
  require(SSL_CTX_use_certificate(context, certificate.get()) == 1, "certificate");
  require(SSL_CTX_use_PrivateKey(context, key.get()) == 1, "key");
  const bio_ptr cas = reader_of(chain);
  while (const x509_ptr ca = read_certificate(cas.get()))
    require(SSL_CTX_add1_chain_cert(context, ca.get()) == 1, "chain");
}

}  // namespace

// --- raw_client ---

raw_client raw_client::to_port(std::uint16_t port, const std::string& address) {
  sockaddr_in v4{};
  if (::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    return connect_to(AF_INET, v4);
  }
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) != 1) throw std::invalid_argument(address);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  return connect_to(AF_INET6, v6);
}

raw_client raw_client::to_unix(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path) throw std::invalid_argument(path);
  std::memcpy(name.sun_path, path.c_str(), path.size() + 1);
  return connect_to(AF_UNIX, name);
}

raw_client::raw_client(int descriptor) : descriptor_(descriptor) {
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &longest_wait, sizeof longest_wait);
  ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &longest_wait, sizeof longest_wait);
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // a unix socket has none, and needs none
}

raw_client& raw_client::operator=(raw_client&& other) noexcept {
  close();
  descriptor_ = std::exchange(other.descriptor_, -1);
  end_ = other.end_;
  return *this;
}

std::uint16_t raw_client::local_port() const {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&name), &size) != 0) throw_errno("getsockname");
  return ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(name).sin6_port
                                          : reinterpret_cast<const sockaddr_in&>(name).sin_port);
}

void raw_client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) throw_errno("send");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string raw_client::receive(std::size_t at_most) {
  if (end_) return {};
  std::string bytes(at_most, '\0');
  const ssize_t size = ::recv(descriptor_, bytes.data(), bytes.size(), 0);
  if (size < 0 && errno != ECONNRESET) throw_errno("receive");
  if (size < 0) end_ = stream_end::reset;
  if (size == 0) end_ = stream_end::fin;
  bytes.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return bytes;
}

received raw_client::read_to_end() {
  std::string data;
  while (!end_) data += receive();
  return {std::move(data), *end_};
}

void raw_client::finish_sending() {
  if (::shutdown(descriptor_, SHUT_WR) != 0) throw_errno("shutdown");
}

void raw_client::reset() {
  const ::linger at_once{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

void raw_client::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

void raw_client::set_receive_buffer(int size) {
  if (::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) != 0) throw_errno("setsockopt");
}

std::uint32_t raw_client::segments_received() const { return information_about(descriptor_).tcpi_segs_in; }
bool raw_client::has_received_fin() const {
  constexpr int close_wait = 8;  // TCP_CLOSE_WAIT, where glibc's header would be in the way of the kernel's
  return information_about(descriptor_).tcpi_state == close_wait;
}

// --- wire_client ---

struct wire_client::implementation {
  explicit implementation(raw_client connected) : socket(std::move(connected)) {}
  implementation(const implementation&) = delete;
  implementation& operator=(const implementation&) = delete;
  ~implementation() {
    // Otherwise OpenSSL would never resume the session of a connection that wasn't closed.
    if (ssl) SSL_set_shutdown(ssl.get(), SSL_SENT_SHUTDOWN);
  }

  raw_client socket;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{nullptr, &SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, &SSL_free};
  BIO* from_server = nullptr;  // the SSL owns both
  BIO* to_server = nullptr;
  std::string failure;
  std::optional<int> alert;
  std::optional<stream_end> end;
  std::string identity;
  std::string key;
  bool key_is_sha384 = false;
  std::optional<std::string> identity_hint;
  std::optional<std::vector<std::string>> requested_cas;
  std::vector<std::shared_ptr<SSL_SESSION>> tickets;

  static implementation& of(const SSL* ssl) { return *static_cast<implementation*>(SSL_get_app_data(ssl)); }

  // TLS 1.2's pre-shared key. OpenSSL asks this for TLS 1.3, too: there give_session() has what is offered.
  static unsigned give_key(SSL* ssl, const char* hint, char* identity, unsigned identity_size, unsigned char* key,
                           unsigned key_size) {
    implementation& self = of(ssl);
    if (hint != nullptr) self.identity_hint = hint;
    if (SSL_version(ssl) == TLS1_3_VERSION) return 0;
    if (self.identity.size() >= identity_size || self.key.size() > key_size) return 0;
    self.identity.copy(identity, self.identity.size());
    identity[self.identity.size()] = '\0';
    self.key.copy(reinterpret_cast<char*>(key), self.key.size());
    return static_cast<unsigned>(self.key.size());
  }

  static int give_session(SSL* ssl, const EVP_MD* digest, const unsigned char** identity, std::size_t* identity_size,
                          SSL_SESSION** session) {
    const implementation& self = of(ssl);
    *session = nullptr;
    // Asked again after a HelloRetryRequest, for the hash that the server has chosen.
    if (digest != nullptr && (EVP_MD_get_type(digest) == NID_sha384) != self.key_is_sha384) return 1;
    const std::array<unsigned char, 2> suite{0x13, static_cast<unsigned char>(self.key_is_sha384 ? 0x02 : 0x01)};
    SSL_SESSION* const made = SSL_SESSION_new();
    if (made == nullptr ||
        SSL_SESSION_set1_master_key(made, reinterpret_cast<const unsigned char*>(self.key.data()), self.key.size()) !=
            1 ||
        SSL_SESSION_set_cipher(made, SSL_CIPHER_find(ssl, suite.data())) != 1 ||
        SSL_SESSION_set_protocol_version(made, TLS1_3_VERSION) != 1) {
      SSL_SESSION_free(made);
      return 0;
    }
    *session = made;
    *identity = reinterpret_cast<const unsigned char*>(self.identity.data());
    *identity_size = self.identity.size();
    return 1;
  }

  static int note_ticket(SSL* ssl, SSL_SESSION* session) {
    of(ssl).tickets.emplace_back(session, SSL_SESSION_free);
    return 1;  // the reference is ours now
  }

  // Called when the server has asked for a certificate; the one of the context is used whatever this returns.
  static int note_request(SSL* ssl, void*) {
    auto& names = of(ssl).requested_cas.emplace();
    const STACK_OF(X509_NAME)* const list = SSL_get0_peer_CA_list(ssl);
    for (int at = 0; at < sk_X509_NAME_num(list); ++at) {
      const bio_ptr text(BIO_new(BIO_s_mem()));
      X509_NAME_print_ex(text.get(), sk_X509_NAME_value(list, at), 0, XN_FLAG_ONELINE);
      char* bytes = nullptr;
      const long size = BIO_get_mem_data(text.get(), &bytes);
      names.emplace_back(bytes, static_cast<std::size_t>(size));
    }
    return 1;
  }

  /// Feeds the SSL with what comes next; false if the stream has ended.
  bool fetch() {
    const std::string bytes = socket.receive();
    if (bytes.empty()) return false;
    BIO_write(from_server, bytes.data(), static_cast<int>(bytes.size()));
    return true;
  }

  static void on_message(int sent, int, int content_type, const void* data, std::size_t size, SSL*, void* self) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    if (sent == 0 && content_type == SSL3_RT_ALERT && size == 2 && bytes[0] == SSL3_AL_FATAL)
      static_cast<implementation*>(self)->alert = bytes[1];
  }
};

wire_client::wire_client(raw_client socket, const wire_client_options& options)
    : implementation_(new implementation(std::move(socket))) {
  auto& self = *implementation_;
  self.context.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const context = self.context.get();
  SSL_CTX_set_security_level(context, 0);  // TLS 1.1 must be on offer when a test asks for it
  SSL_CTX_set_min_proto_version(context, options.min_version);
  SSL_CTX_set_max_proto_version(context, options.max_version);
  if (!options.trusted_certificate.empty()) {
    BIO* const pem =
        BIO_new_mem_buf(options.trusted_certificate.data(), static_cast<int>(options.trusted_certificate.size()));
    X509* const certificate = PEM_read_bio_X509(pem, nullptr, nullptr, nullptr);
    BIO_free(pem);
    if (certificate == nullptr) throw std::runtime_error("trusted_certificate is no PEM certificate");
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate);
    X509_free(certificate);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  }
  if (!options.ciphers.empty()) require(SSL_CTX_set_cipher_list(context, options.ciphers.c_str()) == 1, "ciphers");
  if (!options.ciphersuites.empty())
    require(SSL_CTX_set_ciphersuites(context, options.ciphersuites.c_str()) == 1, "ciphersuites");
  if (!options.groups.empty()) require(SSL_CTX_set1_groups_list(context, options.groups.c_str()) == 1, "groups");
  if (options.certificate) use_certificate(context, *options.certificate, options.chain);
  self.identity = options.identity;
  self.key = options.key;
  self.key_is_sha384 = options.key_is_sha384;
  if (!options.identity.empty()) {
    SSL_CTX_set_psk_client_callback(context, implementation::give_key);
    SSL_CTX_set_psk_use_session_callback(context, implementation::give_session);
  }
  SSL_CTX_set_cert_cb(context, implementation::note_request, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, implementation::note_ticket);
  self.ssl.reset(SSL_new(context));
  self.from_server = BIO_new(BIO_s_mem());
  self.to_server = BIO_new(BIO_s_mem());
  SSL_set_bio(self.ssl.get(), self.from_server, self.to_server);
  SSL_set_app_data(self.ssl.get(), &self);
  SSL_set_connect_state(self.ssl.get());
  if (options.resumed) require(SSL_set_session(self.ssl.get(), options.resumed.get()) == 1, "session");
  SSL_set_msg_callback(self.ssl.get(), implementation::on_message);
  SSL_set_msg_callback_arg(self.ssl.get(), &self);
  if (!options.server_name.empty()) SSL_set_tlsext_host_name(self.ssl.get(), options.server_name.c_str());
  std::string protocols;
  for (const auto& protocol : options.application_protocols) {
    protocols += static_cast<char>(protocol.size());
    protocols += protocol;
  }
  if (!protocols.empty())
    SSL_set_alpn_protos(self.ssl.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                        static_cast<unsigned>(protocols.size()));
}

wire_client::wire_client(wire_client&&) noexcept = default;
wire_client& wire_client::operator=(wire_client&&) noexcept = default;
wire_client::~wire_client() = default;

bool wire_client::try_handshake() {
  auto& self = *implementation_;
  for (;;) {
    ERR_clear_error();
    const int done = SSL_do_handshake(self.ssl.get());
    const int error = SSL_get_error(self.ssl.get(), done);
    if (error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ)
      self.failure = ERR_error_string(ERR_peek_error(), nullptr);
    try {
      flush();  // also an alert
    } catch (const std::system_error& broken) {
      // The server may have ended the connection with an alert that is still to be read.
      if (self.failure.empty() && !self.fetch()) self.failure = broken.what();
    }
    if (error == SSL_ERROR_NONE) return true;
    if (!self.failure.empty()) return false;
    if (!self.fetch()) {
      self.failure = self.socket.ended() == stream_end::reset ? "reset" : "end of stream";
      return false;
    }
  }
}

void wire_client::handshake() {
  if (!try_handshake()) throw std::runtime_error("handshake: " + failure());
}

const std::string& wire_client::failure() const noexcept { return implementation_->failure; }
std::optional<int> wire_client::alert_received() const noexcept { return implementation_->alert; }
raw_client& wire_client::socket() noexcept { return implementation_->socket; }
std::optional<stream_end> wire_client::ended() const noexcept { return implementation_->end; }

const std::optional<std::string>& wire_client::identity_hint() const noexcept { return implementation_->identity_hint; }
const std::optional<std::vector<std::string>>& wire_client::requested_cas() const noexcept {
  return implementation_->requested_cas;
}
const std::vector<std::shared_ptr<SSL_SESSION>>& wire_client::tickets() const noexcept {
  return implementation_->tickets;
}
bool wire_client::resumed() const noexcept { return SSL_session_reused(implementation_->ssl.get()) == 1; }

std::string wire_client::application_protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(implementation_->ssl.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string wire_client::cipher() const { return SSL_get_cipher_name(implementation_->ssl.get()); }

std::string wire_client::server_common_name() const {
  const X509* const certificate = SSL_get0_peer_certificate(implementation_->ssl.get());
  if (certificate == nullptr) return {};
  std::array<char, 256> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(),
                            static_cast<int>(name.size()));
  return name.data();
}

std::string wire_client::client_hello() {
  SSL_do_handshake(implementation_->ssl.get());
  return take_output();
}

void wire_client::put(std::string_view plaintext) {
  if (plaintext.empty()) return;
  std::size_t written = 0;
  if (SSL_write_ex(implementation_->ssl.get(), plaintext.data(), plaintext.size(), &written) != 1)
    throw std::runtime_error("SSL_write_ex failed");
}

void wire_client::put_close_notify() { SSL_shutdown(implementation_->ssl.get()); }

std::string wire_client::take_output() {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(implementation_->to_server, &bytes);
  std::string output(bytes, static_cast<std::size_t>(size));
  (void)BIO_reset(implementation_->to_server);
  return output;
}

void wire_client::flush() { implementation_->socket.send(take_output()); }

std::string wire_client::receive() {
  auto& self = *implementation_;
  std::array<char, 16384> plaintext;
  while (!self.end) {
    std::size_t size = 0;
    ERR_clear_error();
    const int done = SSL_read_ex(self.ssl.get(), plaintext.data(), plaintext.size(), &size);
    if (done == 1) return {plaintext.data(), size};
    switch (SSL_get_error(self.ssl.get(), done)) {
      case SSL_ERROR_WANT_READ:
        if (!self.fetch()) self.end = self.socket.ended();
        break;
      case SSL_ERROR_ZERO_RETURN:
        self.end = stream_end::close_notify;
        break;
      default:
        throw std::runtime_error(std::string("SSL_read_ex: ") + ERR_error_string(ERR_peek_error(), nullptr));
    }
  }
  return {};
}

std::string wire_client::receive_exactly(std::size_t size) {
  std::string data;
  while (data.size() < size) {
    const std::string more = receive();
    if (more.empty()) throw std::runtime_error("the stream ended after " + std::to_string(data.size()) + " bytes");
    data += more;
  }
  if (data.size() > size) throw std::runtime_error("more came than was expected");
  return data;
}

received wire_client::read_to_end() {
  std::string data;
  while (!ended()) data += receive();
  return {std::move(data), *ended()};
}

}  // namespace sallyport::test
