// traced_ssl_server: see traced_ssl_server.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "traced_ssl_server.hpp"

#include "qt_certificates.hpp"
#include "qt_peer.hpp"
#include "support/test_servers.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>

namespace sallyport::test {

namespace {

std::string number(int value) { return ' ' + std::to_string(value); }

std::string number(const QSslError& error) { return number(static_cast<int>(error.error())); }

std::string number(const QList<QSslError>& errors) {
  std::string all;
  for (const auto& error : errors) all += number(error);
  return all;
}

}  // namespace

qt::SslConfiguration localhost_configuration() {
  static const credentials shown = issue(test_ca(), {.common_name = "server", .names = {"localhost"}});
  auto configuration = server_configuration(shown);
  configuration.setPeerVerifyMode(::QSslSocket::VerifyNone);
  return configuration;
}

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
  connect(this, &QTcpServer::acceptError, this, [=](auto error) { note("S.acceptError" + number(error)); });
  connect(this, &SslServer::startedEncryptionHandshake, this, [=] { note("S.startedEncryptionHandshake"); });
  connect(this, &SslServer::alertSent, this,
          [=](auto*, auto, auto type) { note("S.alertSent" + number(static_cast<int>(type))); });
  connect(this, &SslServer::alertReceived, this,
          [=](auto*, auto, auto type) { note("S.alertReceived" + number(static_cast<int>(type))); });
  connect(this, &SslServer::peerVerifyError, this,
          [=](auto*, const auto& error) { note("S.peerVerifyError" + number(error)); });
  connect(this, &SslServer::sslErrors, this, [=](auto*, const auto& errors) { note("S.sslErrors" + number(errors)); });
  connect(this, &SslServer::handshakeInterruptedOnError, this,
          [=](auto*, const auto& error) { note("S.handshakeInterruptedOnError" + number(error)); });
  connect(this, &SslServer::handshakeFailed, this, [=](auto*, auto reason, const QString& sentence) {
    note("S.handshakeFailed " + std::string(to_string(reason)) + (sentence.isEmpty() ? " without a sentence" : ""));
  });
  connect(this, &SslServer::errorOccurred, this, [=](auto*, auto error) { note("S.errorOccurred" + number(error)); });
  if (!setSslConfiguration(configuration)) throw std::runtime_error(sslConfigurationError().toStdString());
  if (!listen(QHostAddress::LocalHost)) throw std::runtime_error("cannot listen");
}

void traced_ssl_server::trace(qt::SslSocket& socket) {
  using qt::SslSocket;
  socket.setProperty("traced", true);
  const auto note = [words = words_](const std::string& word) { words->push_back(word); };
  connect(&socket, &SslSocket::modeChanged, this, [=](auto mode) { note("k.modeChanged" + number(mode)); });
  connect(&socket, &SslSocket::encrypted, this, [=] { note("k.encrypted"); });
  connect(&socket, &SslSocket::readyRead, this, [=] { note("k.readyRead"); });
  connect(&socket, &SslSocket::alertSent, this,
          [=](auto, auto type) { note("k.alertSent" + number(static_cast<int>(type))); });
  connect(&socket, &QAbstractSocket::stateChanged, this, [=](auto state) { note("k.stateChanged" + number(state)); });
  connect(&socket, &QAbstractSocket::errorOccurred, this, [=](auto error) { note("k.errorOccurred" + number(error)); });
  connect(&socket, &QAbstractSocket::disconnected, this, [=] { note("k.disconnected"); });
  connect(&socket, &QObject::destroyed, this, [=] { note("k.destroyed"); });
}

std::ptrdiff_t traced_ssl_server::count(const std::string& word) const { return std::ranges::count(*words_, word); }

std::vector<std::string> traced_ssl_server::only(const std::vector<std::string>& wanted) const {
  std::vector<std::string> found;
  std::ranges::copy_if(*words_, std::back_inserter(found),
                       [&](const auto& word) { return std::ranges::find(wanted, word) != wanted.end(); });
  return found;
}

std::vector<std::string> traced_ssl_server::of_server() const {
  std::vector<std::string> found;
  std::ranges::copy_if(*words_, std::back_inserter(found), [](const auto& word) { return word.starts_with("S."); });
  return found;
}

std::vector<std::string> traced_ssl_server::since(const std::string& word) const {
  return {std::ranges::find(*words_, word), words_->end()};
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
