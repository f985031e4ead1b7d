// socket_trace: what a socket has emitted, in order, as words: "state Connected", "connected", "error 13".
//
// Works for ::QSslSocket and for sallyport::qt::SslSocket alike.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_QT_SUPPORT_SOCKET_TRACE_HPP
#define SALLYPORT_TESTS_QT_SUPPORT_SOCKET_TRACE_HPP

#include <QtCore/QMetaEnum>
#include <QtCore/QObject>
#include <QtNetwork/QAbstractSocket>
#include <QtNetwork/QSslError>
#include <QtNetwork/QSslPreSharedKeyAuthenticator>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::test {

template <class Socket>
class socket_trace {
 public:
  explicit socket_trace(Socket& socket) {
    // The words are shared, as the socket may live longer, or end its life with signals.
    const auto note = [words = words_](std::string word) { words->push_back(std::move(word)); };
    const auto on = [&](auto signal, auto slot) { QObject::connect(&socket, signal, slot); };
    on(&Socket::stateChanged, [note](QAbstractSocket::SocketState state) {
      std::string name = QMetaEnum::fromType<QAbstractSocket::SocketState>().valueToKey(state);
      note("state " + name.substr(0, name.size() - std::string("State").size()));
    });
    on(&Socket::hostFound, [note] { note("hostFound"); });
    on(&Socket::connected, [note] { note("connected"); });
    on(&Socket::disconnected, [note] { note("disconnected"); });
    on(&Socket::errorOccurred,
       [note](QAbstractSocket::SocketError error) { note("error " + std::to_string(static_cast<int>(error))); });
    on(&Socket::readyRead, [note] { note("readyRead"); });
    on(&Socket::bytesWritten, [note](qint64 bytes) { note("bytesWritten " + std::to_string(bytes)); });
    on(&Socket::aboutToClose, [note] { note("aboutToClose"); });
    on(&Socket::readChannelFinished, [note] { note("readChannelFinished"); });
    on(&Socket::encrypted, [note] { note("encrypted"); });
    on(&Socket::modeChanged, [note](auto mode) { note("mode " + std::to_string(static_cast<int>(mode))); });
    on(&Socket::peerVerifyError, [note](const QSslError& error) { note("peerVerifyError " + number(error)); });
    on(&Socket::sslErrors, [note](const QList<QSslError>& errors) {
      std::string word = "sslErrors";
      for (const QSslError& error : errors) word += ' ' + number(error);
      note(word);
    });
    on(&Socket::handshakeInterruptedOnError,
       [note](const QSslError& error) { note("handshakeInterruptedOnError " + number(error)); });
    on(&Socket::preSharedKeyAuthenticationRequired, [note](auto*) { note("preSharedKeyAuthenticationRequired"); });
    on(&Socket::newSessionTicketReceived, [note] { note("newSessionTicketReceived"); });
    on(&Socket::alertReceived,
       [note](auto, auto type, const QString&) { note("alertReceived " + std::to_string(static_cast<int>(type))); });
    on(&Socket::alertSent,
       [note](auto, auto type, const QString&) { note("alertSent " + std::to_string(static_cast<int>(type))); });
  }

  const std::vector<std::string>& words() const { return *words_; }
  void clear() { words_->clear(); }

  std::ptrdiff_t count(const std::string& word) const { return std::ranges::count(*words_, word); }
  bool has(const std::string& word) const { return count(word) != 0; }

  /// Only the words that begin with one of these, each once in a row.
  std::vector<std::string> of(const std::vector<std::string>& beginnings) const {
    std::vector<std::string> found;
    for (const std::string& word : *words_) {
      const auto begins = [&word](const std::string& beginning) { return word.starts_with(beginning); };
      if (std::ranges::any_of(beginnings, begins) && (found.empty() || found.back() != word)) found.push_back(word);
    }
    return found;
  }

  /// How far a connection has come.
  std::vector<std::string> milestones() const {
    return of({"state", "hostFound", "connected", "mode", "encrypted", "error", "disconnected"});
  }

 private:
  static std::string number(const QSslError& error) { return std::to_string(static_cast<int>(error.error())); }

  std::shared_ptr<std::vector<std::string>> words_ = std::make_shared<std::vector<std::string>>();
};

}  // namespace sallyport::test

#endif
