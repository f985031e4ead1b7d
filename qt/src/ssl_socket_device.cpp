// ssl_socket_device: a socket as a QIODevice.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_socket_private.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>

namespace sallyport::qt {
namespace {

// As much goes out at once, not at the end of the turn.
constexpr std::size_t max_gathered = 128 * 1024;

std::span<std::byte> bytes_of(char* data, qint64 size) {
  return {reinterpret_cast<std::byte*>(data), static_cast<std::size_t>(std::max<qint64>(size, 0))};
}

}  // namespace

qint64 SslSocket::bytesAvailable() const { return static_cast<qint64>(d_->unread()); }

qint64 SslSocket::bytesToWrite() const { return static_cast<qint64>(d_->unsent.size()); }

bool SslSocket::canReadLine() const {
  return d_->incoming.length_through(std::byte{'\n'}) > 0 || QIODevice::canReadLine();
}

bool SslSocket::atEnd() const { return bytesAvailable() == 0; }
bool SslSocket::isSequential() const { return true; }

qint64 SslSocket::encryptedBytesAvailable() const { return static_cast<qint64>(d_->input.leftover.size()); }

qint64 SslSocket::encryptedBytesToWrite() const {
  return d_->mode == UnencryptedMode ? 0 : static_cast<qint64>(d_->unsent.ciphertext.size());
}

/// What has been read makes room for more.
void SslSocketPrivate::after_reading() {
  if (descriptor < 0 || read_buffer_size <= 0 || !has_room_to_read()) return;
  if (input.has_more)
    go_on_soon();
  else
    update_notifier();
}

qint64 SslSocket::readData(char* data, qint64 maxlen) {
  const std::size_t count = d_->incoming.read(bytes_of(data, maxlen));
  if (count == 0) return maxlen > 0 && d_->stage == socket_stage::idle ? -1 : 0;
  d_->after_reading();
  return static_cast<qint64>(count);
}

qint64 SslSocket::readLineData(char* data, qint64 maxlen) {
  const std::size_t line = d_->incoming.length_through(std::byte{'\n'});
  if (line == 0) return readData(data, maxlen);
  return readData(data, std::min(maxlen, static_cast<qint64>(line)));
}

qint64 SslSocket::skipData(qint64 maxSize) {
  const std::size_t wanted = static_cast<std::size_t>(std::max<qint64>(maxSize, 0));
  std::size_t skipped = 0;
  while (skipped < wanted && !d_->incoming.empty()) {
    const std::size_t here = std::min(wanted - skipped, d_->incoming.front().size());
    d_->incoming.consume(here);
    skipped += here;
  }
  if (skipped == 0) return wanted > 0 && d_->stage == socket_stage::idle ? -1 : 0;
  d_->after_reading();
  return static_cast<qint64>(skipped);
}

qint64 SslSocket::writeData(const char* data, qint64 len) {
  if (d_->stage == socket_stage::idle || d_->closing.close_notify_done) {
    setSocketError(UnknownSocketError);
    setErrorString(QStringLiteral("Socket is not connected"));
    return -1;
  }
  if (len <= 0) return 0;
  if (d_->kernel.cannot_send) return len;  // as if the peer had thrown it away: the end is on its way
  d_->unsent.plaintext.append(std::as_bytes(std::span(data, static_cast<std::size_t>(len))));
  if (!d_->telling.is_corked) {
    d_->go_on_soon();
  } else if (!d_->is_in_cork_list) {
    d_->is_in_cork_list = true;
    loop_window::of_this_thread().cork(*d_);
  }
  if (d_->unsent.plaintext.size() >= max_gathered && d_->stage != socket_stage::connecting) d_->transmit();
  return len;
}

bool SslSocket::flush() {
  if (d_->descriptor < 0) return false;
  const auto before = d_->untold.sent;
  d_->transmit();
  const bool sent_something = d_->untold.sent > before;
  if (d_->tell_written()) d_->update_notifier();
  return sent_something;
}

void SslSocket::setReadBufferSize(qint64 size) {
  QAbstractSocket::setReadBufferSize(size);
  d_->read_buffer_size = size;
  if (d_->descriptor >= 0) d_->go_on_soon();
}

qint64 SslSocket::readBufferSize() const { return d_->read_buffer_size; }

void SslSocket::setWriteBufferLimit(qint64 size) {
  d_->write_buffer_limit = size;
  if (d_->descriptor >= 0) d_->go_on_soon();
}

qint64 SslSocket::writeBufferLimit() const { return d_->write_buffer_limit; }

// --- the kernel's options ---

namespace {

struct kernel_option {
  int level;
  int name;
};

std::optional<kernel_option> kernel_option_of(QAbstractSocket::SocketOption option, bool is_ipv6) {
  switch (option) {
    case QAbstractSocket::LowDelayOption:
      return kernel_option{IPPROTO_TCP, TCP_NODELAY};
    case QAbstractSocket::KeepAliveOption:
      return kernel_option{SOL_SOCKET, SO_KEEPALIVE};
    case QAbstractSocket::TypeOfServiceOption:
      return is_ipv6 ? kernel_option{IPPROTO_IPV6, IPV6_TCLASS} : kernel_option{IPPROTO_IP, IP_TOS};
    case QAbstractSocket::SendBufferSizeSocketOption:
      return kernel_option{SOL_SOCKET, SO_SNDBUF};
    case QAbstractSocket::ReceiveBufferSizeSocketOption:
      return kernel_option{SOL_SOCKET, SO_RCVBUF};
    default:
      return std::nullopt;  // of datagrams
  }
}

bool is_ipv6(int descriptor) {
  int domain = 0;
  socklen_t size = sizeof domain;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_INET6;
}

}  // namespace

void SslSocket::setSocketOption(SocketOption option, const QVariant& value) {
  if (QTcpSocket* const connecting = d_->connecting_socket()) return connecting->setSocketOption(option, value);
  const auto wanted = d_->descriptor < 0 ? std::nullopt : kernel_option_of(option, is_ipv6(d_->descriptor));
  if (!wanted) return;
  const int number = value.toInt();
  ::setsockopt(d_->descriptor, wanted->level, wanted->name, &number, sizeof number);
}

QVariant SslSocket::socketOption(SocketOption option) {
  if (QTcpSocket* const connecting = d_->connecting_socket()) return connecting->socketOption(option);
  const auto wanted = d_->descriptor < 0 ? std::nullopt : kernel_option_of(option, is_ipv6(d_->descriptor));
  int number = 0;
  socklen_t size = sizeof number;
  if (!wanted || ::getsockopt(d_->descriptor, wanted->level, wanted->name, &number, &size) != 0) return {};
  return number;
}

}  // namespace sallyport::qt
