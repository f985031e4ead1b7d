// tls_peer: see tls_peer.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "tls_peer.hpp"

#include <QtCore/QCoreApplication>
#include <QtCore/QDeadlineTimer>
#include <QtCore/QEventLoop>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <utility>

namespace sallyport::test {

tls_peer::tls_peer(const memory_client_options& options) : client_(options) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(listener_, any, size) != 0 || ::listen(listener_, 1) != 0 || ::getsockname(listener_, any, &size) != 0 ||
      ::connect(descriptor_, any, size) != 0)
    throw std::runtime_error("tls_peer: no loopback connection");
  other_end_ = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  const int on = 1;
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

tls_peer::~tls_peer() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (other_end_ >= 0) ::close(other_end_);
  ::close(listener_);
}

int tls_peer::take_descriptor() { return std::exchange(other_end_, -1); }

int tls_peer::port() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

void tls_peer::send_raw(std::string_view bytes) {
  unsent_ += bytes;
  flush();
}

void tls_peer::encrypt() {
  encrypted_ = true;
  turn();
}

void tls_peer::send(std::string_view plaintext) {
  to_send_ += plaintext;
  turn();
}

void tls_peer::send_close_notify() {
  client_.shutdown();
  turn();
}

void tls_peer::send_fin() {
  turn();
  ::shutdown(descriptor_, SHUT_WR);
}

void tls_peer::reset() {
  const linger now{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(std::exchange(descriptor_, -1));
}

void tls_peer::flush() {
  while (!unsent_.empty()) {
    const ssize_t sent = ::send(descriptor_, unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0) return;
    unsent_.erase(0, static_cast<std::size_t>(sent));
  }
}

void tls_peer::turn() {
  if (descriptor_ < 0) return;
  std::array<char, 64 * 1024> buffer;
  while (reads_ && !saw_fin_ && !saw_reset_) {
    const ssize_t count = ::recv(descriptor_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) break;
    if (count == 0) saw_fin_ = true;
    if (count < 0) saw_reset_ = true;
    if (count <= 0) break;
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
    if (encrypted_)
      client_.input(bytes);
    else
      received_ += bytes;
  }
  if (encrypted_) {
    if (client_.handshake()) {
      if (!to_send_.empty()) client_.write(std::exchange(to_send_, {}));
      received_ += client_.read();
    }
    unsent_ += client_.output();
  }
  flush();
}

bool tls_peer::until(const std::function<bool()>& condition) {
  const QDeadlineTimer deadline(10'000);
  while (!condition()) {
    if (deadline.hasExpired()) return false;
    turn();
    QCoreApplication::processEvents(QEventLoop::AllEvents);
    QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
    if (descriptor_ >= 0) {
      pollfd one{descriptor_, static_cast<short>(reads_ && !saw_fin_ ? POLLIN : 0), 0};
      ::poll(&one, 1, 1);
    }
  }
  return true;
}

}  // namespace sallyport::test
