// traced_ssl_server: an SslServer that listens on a port of its own, and what it and its sockets have emitted, as the
// words of signal_trace.
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
#include "settings.hpp"
#include "signal_trace.hpp"

#include <sallyport/qt/ssl_server.hpp>

#include <QtNetwork/QSslConfiguration>
#include <QtNetwork/QSslSocket>
#include <QtNetwork/QTcpSocket>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::test {

class traced_ssl_server : public qt::SslServer, public signal_trace {
 public:
  explicit traced_ssl_server(const qt::SslConfiguration& configuration = server_settings());

  /// Without "k.".
  std::vector<std::string> of_server() const;

  /// How many sockets are neither closed nor taken.
  std::size_t open_sockets() const;
  qt::SslSocket* take() { return qobject_cast<qt::SslSocket*>(nextPendingConnection()); }

 private:
  void trace(qt::SslSocket& socket);
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
