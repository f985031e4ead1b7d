// documentation_test: what docs/qt.md shows works. test_documentation.py compares the functions here with its text.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/event_loop.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_pki.hpp"
#include "support/test_revocation.hpp"

#include <sallyport/qt/QSslServer>

#include <QtCore/QDir>
#include <QtCore/QFile>
#include <QtCore/QThread>

#include <gmock/gmock.h>

using namespace sallyport;

namespace {

class Worker : public QObject {
 public:
  void serve(QTcpSocket* socket) {
    is_right_thread = socket->thread() == thread() && QThread::currentThread() == thread();
    delete socket;
    served = true;
  }
  std::atomic<bool> is_right_thread = false;
  std::atomic<bool> served = false;
};

// ---- what is shown ----

void certificate_of_the_server(QSslServer& server, QSslConfiguration& configuration) {
  QFile file("www.key");
  if (!file.open(QIODevice::ReadOnly)) qFatal("www.key: %s", qPrintable(file.errorString()));
  configuration.setLocalCertificateChain(QSslCertificate::fromPath("www.pem"));
  configuration.setPrivateKey(QSslKey(&file, QSsl::Ec));
  if (!server.setSslConfiguration(configuration)) qFatal("%s", qPrintable(server.sslConfigurationError()));
}

void names(QSslConfiguration& configuration) {
  configuration.setIdentities({identity::from_pem_files("www.pem", "www.key").value(),
                               identity::from_pem_files("shop.pem", "shop.key").value()});
  configuration.setUnknownNames(unknown_name_policy::refuse);  // by default they are shown the first
}

void settings_for_names(QSslConfiguration& configuration) {
  name_settings staff{.names = {"staff.example"}};
  staff.verify_mode = peer_verify_mode::verify;
  staff.ca_certificates = trust_store::from_pem_file("clients.pem").value();
  configuration.setSettingsForNames({staff});
}

void resumption(QSslConfiguration& configuration) {
  configuration.setTicketKeys(ticket_keys::from_secret_file("tickets.secret").value());
  configuration.setResumptionLifetime(std::chrono::hours(8));
}

void reload(QSslServer& server) {
  const auto renewed = identity::from_pem_files("www.pem", "www.key");
  QSslConfiguration configuration = server.sslConfiguration();
  if (renewed) configuration.setIdentities({*renewed});
  if (!renewed)
    qWarning("the old certificate stays: %s", renewed.error().detail.c_str());
  else if (!server.setSslConfiguration(configuration))
    qWarning("the old certificate stays: %s", qPrintable(server.sslConfigurationError()));
}

void failures(QSslServer& server) {
  QObject::connect(&server, &QSslServer::handshakeFailed,
                   [](QSslSocket* socket, handshake_error reason, const QString& sentence) {
                     qInfo() << socket->peerAddress() << to_string(reason).data() << sentence;
                   });
}

void limits(QSslServer& server) {
  server.setMaxPendingConnections(1000);  // in handshake, or complete and not taken
  server.setMaxHandshakesPerPeer(50);     // of these in handshake with one address, or one /64 network of IPv6
}

void revocation(QSslConfiguration& configuration) {
  configuration.setPeerVerifyMode(QSslSocket::VerifyPeer);
  configuration.setCaCertificates(QSslCertificate::fromPath("clients.pem"));
  configuration.setRevocationLists(revocation_lists::from_file("revoked.crl").value());
}

void rules(QSslConfiguration& configuration) {
  configuration.setPeerVerifyMode(QSslSocket::VerifyPeer);
  configuration.setCaCertificates(QSslCertificate::fromPath("clients.pem"));
  configuration.setAccessRules({access_rule::parse("ou=operations").value(),
                                access_rule::parse("uri=spiffe://example.org/production/**").value()});
}

void ocsp(QSslConfiguration& configuration) {
  QFile response("www.ocsp");  // DER, about the certificate of setLocalCertificateChain()
  if (response.open(QIODevice::ReadOnly)) configuration.setOcspResponse(response.readAll());
}

void what_is_known(QSslSocket* socket) {
  qInfo() << socket->serverName() << socket->isSessionResumed() << socket->keyExchangeGroup();
  qInfo() << socket->matchedRule() << socket->preSharedKeyIdentity();
}

void end_of_the_stream(QSslSocket* socket) {
  QObject::connect(socket, &QSslSocket::disconnected, [socket] {
    if (!socket->isStreamComplete()) qWarning("cut off: what has come may not be all");
  });
}

void threads(QSslServer& server, Worker* worker) {
  QObject::connect(&server, &QSslServer::pendingConnectionAvailable, [&server, worker] {
    QTcpSocket* const socket = server.nextPendingConnection();
    socket->setParent(nullptr);
    socket->moveToThread(worker->thread());
    QMetaObject::invokeMethod(worker, [worker, socket] { worker->serve(socket); });
  });
}

void buffers(QSslSocket* socket) {
  socket->setReadBufferSize(64 * 1024);     // no more than so much waits to be read
  socket->setWriteBufferLimit(256 * 1024);  // nothing is read while more than so much waits to be sent
}

void sending_a_file(QSslSocket* socket, QFile* file) {
  const auto send = [socket, file] {
    while (socket->bytesToWrite() < 256 * 1024 && !file->atEnd()) socket->write(file->read(64 * 1024));
  };
  QObject::connect(socket, &QSslSocket::bytesWritten, send);
  send();
}

// ---- and what comes of it ----

class qt_documentation : public testing::Test {
 protected:
  qt_documentation() {
    const auto write = [this](const char* file, const test::credentials& pair) {
      directory_.write(std::string(file) + ".pem", pair.certificate);
      directory_.write(std::string(file) + ".key", pair.key);
    };
    const auto www = test::issue(ca_, {.common_name = "www", .names = {"www.example", "localhost"}});
    write("www", www);
    write("shop", test::issue(ca_, {.common_name = "shop", .names = {"shop.example"}}));
    directory_.write("clients.pem", ca_.certificate);
    directory_.write("revoked.crl", test::make_list(ca_));
    directory_.write("tickets.secret", std::string(32, 's'));
    directory_.write("www.ocsp", test::make_ocsp_response(ca_, www.certificate));
    directory_.write("file", std::string(3'000'000, 'x'));
    before_ = QDir::currentPath();
    QDir::setCurrent(QString::fromStdString(directory_.path().string()));
    configuration_.setPeerVerifyMode(QSslSocket::VerifyNone);
  }
  ~qt_documentation() override { QDir::setCurrent(before_); }

  /// Connected to the server, which trusts and is trusted.
  std::unique_ptr<QSslSocket> client(const QString& name = "www.example") {
    auto made = std::make_unique<QSslSocket>();
    QSslConfiguration trusting;
    trusting.setCaCertificates(QSslCertificate::fromPath("clients.pem"));
    made->setSslConfiguration(trusting);
    made->connectToHostEncrypted("127.0.0.1", server_.serverPort(), name);
    return made;
  }
  void listen() { ASSERT_TRUE(server_.listen(QHostAddress::LocalHost)); }
  /// The server's end of a client's connection, once both are encrypted.
  QSslSocket* taken(QSslSocket& with) {
    EXPECT_TRUE(test::wait_until([&] { return with.isEncrypted() && server_.hasPendingConnections(); }));
    return qobject_cast<QSslSocket*>(server_.nextPendingConnection());
  }
  bool is_refused(QSslSocket& with) {
    return test::wait_until(
               [&] { return with.isEncrypted() || with.error() != QAbstractSocket::UnknownSocketError; }) &&
           !with.isEncrypted();
  }

  const test::credentials ca_ = test::make_ca();
  const test::temporary_directory directory_;
  QString before_;
  QSslServer server_;
  QSslConfiguration configuration_;
};

TEST_F(qt_documentation, certificate_of_the_server) {
  certificate_of_the_server(server_, configuration_);
  listen();
  const auto one = client();
  ASSERT_NE(taken(*one), nullptr);
  EXPECT_EQ(one->peerCertificate().subjectInfo(QSslCertificate::CommonName), QStringList("www"));
}

TEST_F(qt_documentation, names) {
  names(configuration_);
  ASSERT_TRUE(server_.setSslConfiguration(configuration_)) << qPrintable(server_.sslConfigurationError());
  listen();
  const auto one = client("shop.example");
  QSslSocket* const socket = taken(*one);
  ASSERT_NE(socket, nullptr);
  EXPECT_EQ(socket->serverName(), QStringLiteral("shop.example"));
  what_is_known(socket);
  EXPECT_TRUE(is_refused(*client("other.example")));
}

TEST_F(qt_documentation, settings_for_names) {
  names(configuration_);
  const auto staff = test::issue(ca_, {.common_name = "staff", .names = {"staff.example"}});
  auto identities = configuration_.identities();
  identities.push_back(identity::from_pem(staff.certificate, staff.key).value());
  configuration_.setIdentities(identities);
  settings_for_names(configuration_);
  ASSERT_TRUE(server_.setSslConfiguration(configuration_)) << qPrintable(server_.sslConfigurationError());
  failures(server_);
  std::optional<handshake_error> failed;
  QObject::connect(&server_, &QSslServer::handshakeFailed, [&](QSslSocket*, handshake_error why) { failed = why; });
  listen();
  const auto public_one = client();
  ASSERT_NE(taken(*public_one), nullptr);
  const auto one = client("staff.example");
  ASSERT_TRUE(test::wait_until([&] { return failed.has_value(); }));
  EXPECT_EQ(*failed, handshake_error::no_client_certificate);
}

TEST_F(qt_documentation, settings_that_are_refused_if_they_are_wrong) {
  certificate_of_the_server(server_, configuration_);
  resumption(configuration_);
  revocation(configuration_);
  rules(configuration_);
  ocsp(configuration_);
  limits(server_);
  EXPECT_TRUE(server_.setSslConfiguration(configuration_)) << qPrintable(server_.sslConfigurationError());
  EXPECT_EQ(configuration_.accessRules().size(), 2U);
  EXPECT_TRUE(configuration_.revocationLists() && configuration_.ticketKeys());
  EXPECT_FALSE(configuration_.ocspResponse().isEmpty());
  EXPECT_EQ(server_.maxHandshakesPerPeer(), 50);
}

TEST_F(qt_documentation, reload) {
  names(configuration_);
  ASSERT_TRUE(server_.setSslConfiguration(configuration_)) << qPrintable(server_.sslConfigurationError());
  listen();
  const auto shown = [this] {
    const auto one = client();
    delete taken(*one);
    return one->peerCertificate().subjectInfo(QSslCertificate::CommonName).join(',').toStdString();
  };
  directory_.write("www.key", "nonsense");
  reload(server_);
  EXPECT_EQ(shown(), "www");
  const auto renewed = test::issue(ca_, {.common_name = "renewed", .names = {"www.example"}});
  directory_.write("www.pem", renewed.certificate);
  directory_.write("www.key", renewed.key);
  reload(server_);
  EXPECT_EQ(shown(), "renewed");
}

TEST_F(qt_documentation, end_of_the_stream_and_buffers) {
  certificate_of_the_server(server_, configuration_);
  listen();
  const auto one = client();
  QSslSocket* const socket = taken(*one);
  ASSERT_NE(socket, nullptr);
  end_of_the_stream(socket);
  buffers(socket);
  EXPECT_EQ(socket->readBufferSize(), 64 * 1024);
  QFile file("file");
  ASSERT_TRUE(file.open(QIODevice::ReadOnly));
  sending_a_file(socket, &file);
  EXPECT_TRUE(test::wait_until([&] { return one->bytesAvailable() == file.size(); }));
  one->disconnectFromHost();
  EXPECT_TRUE(test::wait_until([&] { return socket->state() == QAbstractSocket::UnconnectedState; }));
  EXPECT_TRUE(socket->isStreamComplete());
}

TEST_F(qt_documentation, threads) {
  certificate_of_the_server(server_, configuration_);
  QThread thread;
  thread.start();
  Worker worker;
  worker.moveToThread(&thread);
  threads(server_, &worker);
  listen();
  const auto one = client();
  EXPECT_TRUE(test::wait_until([&] { return worker.served.load(); }));
  EXPECT_TRUE(worker.is_right_thread);
  thread.quit();
  thread.wait();
}

}  // namespace
