// traced_ssl_server: an SslServer that listens on a port of its own, and what it and its sockets have emitted, as
// words.
//
//   traced_ssl_server server;
//   auto client = encrypted_client(server.serverPort());
//   wait_until([&] { return server.has("S.pendingConnectionAvailable"); });
//
// "S." are the server's signals, "k." its sockets'.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_QT_SUPPORT_TRACED_SSL_SERVER_HPP
#define SALLYPORT_TESTS_QT_SUPPORT_TRACED_SSL_SERVER_HPP

#include "event_loop.hpp"
#include "support/test_pki.hpp"

#include <sallyport/qt/ssl_server.hpp>

#include <QtNetwork/QSslConfiguration>
#include <QtNetwork/QSslSocket>
#include <QtNetwork/QTcpSocket>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::test {

/// A certificate for localhost by test_ca(); asks clients for none.
qt::SslConfiguration localhost_configuration();

class traced_ssl_server : public qt::SslServer {
 public:
  explicit traced_ssl_server(const qt::SslConfiguration& configuration = localhost_configuration());

  const std::vector<std::string>& words() const { return *words_; }
  std::ptrdiff_t count(const std::string& word) const;
  bool has(const std::string& word) const { return count(word) != 0; }
  /// Only these, in order.
  std::vector<std::string> only(const std::vector<std::string>& wanted) const;
  /// Without "k.".
  std::vector<std::string> of_server() const;
  /// From this word on, which must be there.
  std::vector<std::string> since(const std::string& word) const;

  /// How many sockets are neither closed nor taken.
  std::size_t open_sockets() const;
  qt::SslSocket* take() { return qobject_cast<qt::SslSocket*>(nextPendingConnection()); }

 private:
  void trace(qt::SslSocket& socket);

  // Shared, as sockets tell their end when the server's own members are gone.
  std::shared_ptr<std::vector<std::string>> words_ = std::make_shared<std::vector<std::string>>();
};

using tls_client = std::unique_ptr<::QSslSocket>;
using plain_client = std::unique_ptr<QTcpSocket>;

/// Qt's own client, which trusts test_ca() and expects localhost. It has begun to connect.
tls_client encrypted_client(quint16 port, QSsl::SslProtocol protocol = QSsl::TlsV1_2OrLater,
                            const QString& name = QStringLiteral("localhost"));
tls_client encrypted_client(quint16 port, const QSslConfiguration& settings,
                            const QString& name = QStringLiteral("localhost"));

/// Connected: the kernel has it in the backlog at least.
plain_client connected_client(quint16 port);
std::vector<plain_client> connected_clients(int count, quint16 port);

inline bool is_gone(const QTcpSocket& client) { return client.state() == QAbstractSocket::UnconnectedState; }

}  // namespace sallyport::test

#endif
