// trace: see trace.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "trace.hpp"

#include <algorithm>

namespace sallyport::test {
namespace {

std::string level_name(QSsl::AlertLevel level) {
  switch (level) {
    case QSsl::AlertLevel::Warning:
      return "warning";
    case QSsl::AlertLevel::Fatal:
      return "fatal";
    case QSsl::AlertLevel::Unknown:
      break;
  }
  return "unknown";
}

}  // namespace

trace::trace(qt::SslSocket& socket, bool with_written) {
  using qt::SslSocket;
  const auto add = [lines = lines_](const std::string& line) { lines->push_back(line); };
  const auto number = [](auto value) { return std::to_string(static_cast<int>(value)); };
  const auto on = [&socket](auto signal, auto slot) { QObject::connect(&socket, signal, &socket, slot); };
  on(&SslSocket::stateChanged, [=](QAbstractSocket::SocketState state) { add("state " + number(state)); });
  on(&SslSocket::disconnected, [=] { add("disconnected"); });
  on(&SslSocket::connected, [=] { add("connected"); });
  on(&SslSocket::aboutToClose, [=] { add("aboutToClose"); });
  on(&SslSocket::readChannelFinished, [=] { add("readChannelFinished"); });
  on(&SslSocket::errorOccurred, [=](QAbstractSocket::SocketError error) { add("errorOccurred " + number(error)); });
  on(&SslSocket::modeChanged, [=](qt::SslSocket::SslMode mode) { add("mode " + number(mode)); });
  on(&SslSocket::encrypted, [=] { add("encrypted"); });
  on(&SslSocket::readyRead, [=] { add("readyRead"); });
  on(&SslSocket::peerVerifyError, [=](const QSslError& error) { add("peerVerifyError " + number(error.error())); });
  on(&SslSocket::sslErrors, [=](const QList<QSslError>& errors) {
    std::string line = "sslErrors";
    for (const QSslError& each : errors) line += " " + number(each.error());
    add(line);
  });
  on(&SslSocket::handshakeInterruptedOnError,
     [=](const QSslError& error) { add("interrupted " + number(error.error())); });
  on(&SslSocket::preSharedKeyAuthenticationRequired, [=](qt::SslPreSharedKeyAuthenticator*) { add("preSharedKey"); });
  on(&SslSocket::alertSent, [=](QSsl::AlertLevel level, QSsl::AlertType type, const QString&) {
    add("alertSent " + level_name(level) + " " + number(type));
  });
  on(&SslSocket::alertReceived, [=](QSsl::AlertLevel level, QSsl::AlertType type, const QString&) {
    add("alertReceived " + level_name(level) + " " + number(type));
  });
  if (!with_written) return;
  on(&SslSocket::bytesWritten, [=](qint64 count) { add("bytesWritten " + std::to_string(count)); });
  on(&SslSocket::encryptedBytesWritten, [=](qint64) { add("encryptedBytesWritten"); });
}

bool trace::has(const std::string& line) const { return std::ranges::count(*lines_, line) > 0; }

int trace::count(const std::string& beginning) const {
  return static_cast<int>(
      std::ranges::count_if(*lines_, [&](const std::string& line) { return line.starts_with(beginning); }));
}

}  // namespace sallyport::test
