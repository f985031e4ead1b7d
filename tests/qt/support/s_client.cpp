// s_client: see s_client.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "s_client.hpp"

#include <QtCore/QFile>

namespace sallyport::test {

s_client::s_client(quint16 port, const QStringList& arguments, const credentials& trusted) {
  QFile trust(directory_.filePath(QStringLiteral("ca.pem")));
  trust.open(QIODevice::WriteOnly);
  trust.write(QByteArray::fromStdString(trusted.certificate));
  trust.close();
  process_.setProcessChannelMode(QProcess::MergedChannels);
  process_.start(QStringLiteral("openssl"),
                 QStringList{QStringLiteral("s_client"), QStringLiteral("-CAfile"), trust.fileName(),
                             QStringLiteral("-connect"), QStringLiteral("127.0.0.1:%1").arg(port)} +
                     arguments);
}

s_client::~s_client() {
  process_.kill();
  process_.waitForFinished();
}

std::string s_client::output() {
  output_ += process_.readAll();
  return output_.toStdString();
}

}  // namespace sallyport::test
