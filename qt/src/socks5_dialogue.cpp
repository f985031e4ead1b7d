// socks5_dialogue: see socks5_dialogue.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "socks5_dialogue.hpp"

#include <QtCore/QUrl>
#include <QtCore/QtEndian>
#include <QtNetwork/QHostAddress>

namespace sallyport::qt {
namespace {

constexpr char version = 5;
constexpr char authentication_version = 1;
constexpr char method_none = 0;
constexpr char method_password = 2;
constexpr char command_connect = 1;
constexpr char type_ipv4 = 1;
constexpr char type_name = 3;
constexpr char type_ipv6 = 4;
constexpr qsizetype longest_text = 255;

void append_number(QByteArray& to, quint16 number) {
  to += static_cast<char>(number >> 8);
  to += static_cast<char>(number & 0xff);
}

void append_short_text(QByteArray& to, const QByteArray& text) {
  to += static_cast<char>(text.size());
  to += text;
}

/// Empty for a name that can't be said: how long it is has one byte.
QByteArray address_of(const QString& host) {
  QByteArray bytes;
  const QHostAddress numeric(host);
  if (numeric.protocol() == QAbstractSocket::IPv4Protocol) {
    bytes += type_ipv4;
    const quint32 number = qToBigEndian(numeric.toIPv4Address());
    bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
  } else if (numeric.protocol() == QAbstractSocket::IPv6Protocol) {
    bytes += type_ipv6;
    const Q_IPV6ADDR number = numeric.toIPv6Address();
    bytes.append(reinterpret_cast<const char*>(number.c), sizeof number.c);
  } else {
    const QByteArray name = QUrl::toAce(host);
    if (name.isEmpty() || name.size() > longest_text) return {};
    bytes += type_name;
    append_short_text(bytes, name);
  }
  return bytes;
}

}  // namespace

socks5_dialogue::socks5_dialogue(const QString& host, quint16 port, const QString& user, const QString& password)
    : address_(address_of(host)),
      port_(port),
      user_(user.toUtf8().left(longest_text)),
      password_(password.toUtf8().left(longest_text)) {}

QByteArray socks5_dialogue::greeting() const {
  QByteArray bytes;
  bytes += version;
  if (user_.isEmpty()) {
    bytes += char{1};
    bytes += method_none;
  } else {
    bytes += char{2};
    bytes += method_none;
    bytes += method_password;
  }
  return bytes;
}

QByteArray socks5_dialogue::request() const {
  QByteArray bytes;
  bytes += version;
  bytes += command_connect;
  bytes += char{0};
  bytes += address_;
  append_number(bytes, port_);
  return bytes;
}

socks5_dialogue::progress socks5_dialogue::fail(QAbstractSocket::SocketError error, const QString& sentence) {
  error_ = error;
  sentence_ = sentence;
  return progress::failed;
}

/// RFC 1928 section 6.
socks5_dialogue::progress socks5_dialogue::refuse(int reply) {
  switch (reply) {
    case 2:
      return fail(QAbstractSocket::SocketAccessError, QStringLiteral("Connection not allowed by SOCKSv5 server"));
    case 3:
      return fail(QAbstractSocket::NetworkError, QStringLiteral("Network unreachable"));
    case 4:
      return fail(QAbstractSocket::HostNotFoundError, QStringLiteral("Host not found"));
    case 5:
      return fail(QAbstractSocket::ConnectionRefusedError, QStringLiteral("Connection refused"));
    case 6:
      return fail(QAbstractSocket::NetworkError, QStringLiteral("TTL expired"));
    case 1:
      return fail(QAbstractSocket::NetworkError, QStringLiteral("General SOCKSv5 server failure"));
    default:
      return fail(QAbstractSocket::ProxyProtocolError,
                  QStringLiteral("The SOCKSv5 proxy has refused with code %1").arg(reply));
  }
}

socks5_dialogue::progress socks5_dialogue::step(QByteArray& input, QByteArray& output) {
  const auto nonsense = [this] {
    return fail(QAbstractSocket::ProxyProtocolError, QStringLiteral("The proxy doesn't speak SOCKS version 5"));
  };
  if (address_.isEmpty()) return fail(QAbstractSocket::HostNotFoundError, QStringLiteral("Host not found"));
  for (;;) {
    switch (next_) {
      case expected::method: {
        if (input.size() < 2) return progress::wants_input;
        if (input[0] != version) return nonsense();
        const char method = input[1];
        input.remove(0, 2);
        if (method == method_none) {
          output += request();
          next_ = expected::reply;
        } else if (method == method_password && !user_.isEmpty()) {
          output += authentication_version;
          append_short_text(output, user_);
          append_short_text(output, password_);
          next_ = expected::authentication;
        } else {
          return fail(QAbstractSocket::ProxyAuthenticationRequiredError,
                      QStringLiteral("Proxy requires authentication"));
        }
        continue;
      }
      case expected::authentication: {
        if (input.size() < 2) return progress::wants_input;
        if (input[1] != 0)
          return fail(QAbstractSocket::ProxyAuthenticationRequiredError, QStringLiteral("Proxy denied connection"));
        input.remove(0, 2);
        output += request();
        next_ = expected::reply;
        continue;
      }
      case expected::reply: {
        if (input.size() < 5) return progress::wants_input;
        if (input[0] != version) return nonsense();
        if (input[1] != 0) return refuse(static_cast<unsigned char>(input[1]));
        qsizetype size = 4 + 2;
        switch (input[3]) {
          case type_ipv4:
            size += 4;
            break;
          case type_ipv6:
            size += 16;
            break;
          case type_name:
            size += 1 + static_cast<unsigned char>(input[4]);
            break;
          default:
            return nonsense();
        }
        if (input.size() < size) return progress::wants_input;
        input.remove(0, size);
        return progress::connected;
      }
    }
  }
}

}  // namespace sallyport::qt
