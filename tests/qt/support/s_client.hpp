// s_client: "openssl s_client", which runs beside the event loop.
//
//   s_client client(server.serverPort(), {"-tls1_3", "-status"});
//   ASSERT_TRUE(wait_until([&] { return client.has_ended(); }));
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_QT_SUPPORT_S_CLIENT_HPP
#define SALLYPORT_TESTS_QT_SUPPORT_S_CLIENT_HPP

#include "support/test_pki.hpp"
#include "support/test_servers.hpp"

#include <QtCore/QProcess>
#include <QtCore/QStringList>
#include <QtCore/QTemporaryDir>

#include <string>

namespace sallyport::test {

class s_client {
 public:
  s_client(quint16 port, const QStringList& arguments, const credentials& trusted = test_ca());
  ~s_client();

  bool has_ended() const { return process_.state() == QProcess::NotRunning; }
  /// Of both its outputs, until now.
  std::string output();
  /// It has answered.
  bool prints(const std::string& text) { return output().find(text) != std::string::npos; }
  void write(const QByteArray& line) { process_.write(line); }
  void end_input() { process_.closeWriteChannel(); }

 private:
  QTemporaryDir directory_;
  QProcess process_;
  QByteArray output_;
};

}  // namespace sallyport::test

#endif
