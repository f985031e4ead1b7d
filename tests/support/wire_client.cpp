// wire_client: the other side of the wire: blocking sockets, with OpenSSL's own TLS on top or raw bytes.
//
// SPDX-License-Identifier: Apache-2.0
#include "wire_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

template <class Address>
raw_client connect_to(int family, const Address& address) {
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) throw_errno("socket");
  raw_client client(descriptor);
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw_errno("connect");
  return client;
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

// --- wire_client ---

struct wire_client::implementation {
  explicit implementation(raw_client connected) : socket(std::move(connected)) {}

  raw_client socket;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{nullptr, &SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, &SSL_free};
  BIO* from_server = nullptr;  // the SSL owns both
  BIO* to_server = nullptr;
  std::string failure;
  std::optional<int> alert;
  std::optional<stream_end> end;

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
  self.ssl.reset(SSL_new(context));
  self.from_server = BIO_new(BIO_s_mem());
  self.to_server = BIO_new(BIO_s_mem());
  SSL_set_bio(self.ssl.get(), self.from_server, self.to_server);
  SSL_set_connect_state(self.ssl.get());
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
