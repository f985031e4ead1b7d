// socks5_dialogue: what a client and a SOCKS5 proxy say to each other (RFC 1928, RFC 1929). Bytes in, bytes out.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_SOCKS5_DIALOGUE_HPP
#define SALLYPORT_QT_SOCKS5_DIALOGUE_HPP

#include <QtCore/QByteArray>
#include <QtCore/QString>
#include <QtNetwork/QAbstractSocket>

namespace sallyport::qt {

/// Qt's own can't be used: its descriptor is no descriptor of the kernel.
class socks5_dialogue {
 public:
  /// A name is looked up by the proxy. At most 255 bytes of it, of the user and of the password.
  socks5_dialogue(const QString& host, quint16 port, const QString& user, const QString& password);

  enum class progress { wants_input, connected, failed };

  /// What has to be sent first.
  QByteArray greeting() const;
  /// Takes from the front of `input` what is complete; what it answers is appended to `output`.
  progress step(QByteArray& input, QByteArray& output);

  QAbstractSocket::SocketError error() const { return error_; }
  const QString& sentence() const { return sentence_; }

 private:
  enum class expected { method, authentication, reply };

  progress fail(QAbstractSocket::SocketError error, const QString& sentence);
  progress refuse(int reply);
  QByteArray request() const;

  QByteArray address_{};  // type, length if it has one, and bytes
  quint16 port_;
  QByteArray user_;
  QByteArray password_;
  expected next_ = expected::method;
  QAbstractSocket::SocketError error_ = QAbstractSocket::UnknownSocketError;
  QString sentence_{};
};

}  // namespace sallyport::qt

#endif
