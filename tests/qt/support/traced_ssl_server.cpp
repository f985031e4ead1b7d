// traced_ssl_server: see traced_ssl_server.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "traced_ssl_server.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>

namespace sallyport::test {

traced_ssl_server::traced_ssl_server(const qt::SslConfiguration& configuration) {
  using qt::SslServer;
  using qt::SslSocket;
  const auto note = [words = words_](const std::string& word) { words->push_back(word); };
  connect(this, &QTcpServer::newConnection, this, [=, this] {
    note("S.newConnection");
    for (auto* const socket : findChildren<SslSocket*>()) {
      if (!socket->property("traced").toBool()) trace(*socket);
    }
  });
  connect(this, &QTcpServer::pendingConnectionAvailable, this, [=] { note("S.pendingConnectionAvailable"); });
  connect(this, &QTcpServer::acceptError, this,
          [=](auto error) { note("S.acceptError " + to_words(static_cast<int>(error))); });
  connect(this, &SslServer::startedEncryptionHandshake, this, [=] { note("S.startedEncryptionHandshake"); });
  connect(this, &SslServer::alertSent, this,
          [=](auto*, auto level, auto type) { note("S.alertSent " + to_words(level, type)); });
  connect(this, &SslServer::alertReceived, this,
          [=](auto*, auto level, auto type) { note("S.alertReceived " + to_words(level, type)); });
  connect(this, &SslServer::peerVerifyError, this,
          [=](auto*, const auto& error) { note("S.peerVerifyError " + to_words(error)); });
  connect(this, &SslServer::sslErrors, this,
          [=](auto*, const auto& errors) { note("S.sslErrors " + to_words(errors)); });
  connect(this, &SslServer::handshakeInterruptedOnError, this,
          [=](auto*, const auto& error) { note("S.handshakeInterruptedOnError " + to_words(error)); });
  connect(this, &SslServer::handshakeFailed, this, [=](auto*, auto reason, const QString& sentence) {
    note("S.handshakeFailed " + std::string(to_string(reason)) + (sentence.isEmpty() ? " without a sentence" : ""));
  });
  connect(this, &SslServer::errorOccurred, this,
          [=](auto*, auto error) { note("S.errorOccurred " + to_words(static_cast<int>(error))); });
  if (!setSslConfiguration(configuration)) throw std::runtime_error(sslConfigurationError().toStdString());
  if (!listen(QHostAddress::LocalHost)) throw std::runtime_error("cannot listen");
}

void traced_ssl_server::trace(qt::SslSocket& socket) {
  socket.setProperty("traced", true);
  listen_to(socket, *this, "k.");
  connect(&socket, &QObject::destroyed, this, [words = words_] { words->push_back("k.destroyed"); });
}

std::vector<std::string> traced_ssl_server::of_server() const {
  std::vector<std::string> found;
  std::ranges::copy_if(*words_, std::back_inserter(found), [](const auto& word) { return word.starts_with("S."); });
  return found;
}

std::size_t traced_ssl_server::open_sockets() const {
  const auto all = findChildren<qt::SslSocket*>();
  return static_cast<std::size_t>(std::ranges::count_if(
      all, [](const auto* socket) { return socket->state() != QAbstractSocket::UnconnectedState; }));
}

tls_client encrypted_client(quint16 port, QSsl::SslProtocol protocol, const QString& name) {
  auto settings = client_settings();
  settings.setProtocol(protocol);
  return encrypted_client(port, settings, name);
}

tls_client encrypted_client(quint16 port, const QSslConfiguration& settings, const QString& name) {
  auto client = std::make_unique<::QSslSocket>();
  client->setSslConfiguration(settings);
  client->connectToHostEncrypted(QStringLiteral("127.0.0.1"), port, name);
  return client;
}

plain_client connected_client(quint16 port) {
  auto client = std::make_unique<QTcpSocket>();
  client->connectToHost(QHostAddress::LocalHost, port);
  if (!client->waitForConnected()) throw std::runtime_error(client->errorString().toStdString());
  return client;
}

std::vector<plain_client> connected_clients(int count, quint16 port) {
  std::vector<plain_client> clients;
  for (int i = 0; i < count; ++i) clients.push_back(connected_client(port));
  return clients;
}

}  // namespace sallyport::test
