// signal_trace: what a socket has emitted, in order, as words: a signal's name and what it says, such as
// "stateChanged Closing", "errorOccurred 13", "alertSent fatal 48", "sslErrors 11 12".
//
//   signal_trace trace(socket);
//   ...
//   EXPECT_THAT(trace.words(), ElementsAre("stateChanged Closing", "stateChanged Unconnected", "disconnected"));
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_QT_SUPPORT_SIGNAL_TRACE_HPP
#define SALLYPORT_TESTS_QT_SUPPORT_SIGNAL_TRACE_HPP

#include <QtCore/QList>
#include <QtCore/QObject>
#include <QtNetwork/QAbstractSocket>
#include <QtNetwork/QSsl>
#include <QtNetwork/QSslError>
#include <QtNetwork/QSslPreSharedKeyAuthenticator>

#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace sallyport::test {

std::string to_words(int number);
std::string to_words(qint64 number);
/// "Closing" of ClosingState.
std::string to_words(QAbstractSocket::SocketState state);
std::string to_words(const QSslError& error);
std::string to_words(const QList<QSslError>& errors);
/// "fatal 48".
std::string to_words(QSsl::AlertLevel level, QSsl::AlertType type);

/// bytesWritten() and encryptedBytesWritten() come as often as the kernel likes.
enum class written { left_out, told };

class signal_trace {
 public:
  /// Of nothing yet.
  signal_trace() = default;
  /// Of a socket, Qt's or ours, from now on.
  template <class Socket>
  explicit signal_trace(Socket& socket, written bytes = written::left_out) {
    listen_to(socket, socket, {}, bytes);
  }

  /// `prefix` stands before each word. Ends with the context.
  template <class Socket>
  void listen_to(Socket& socket, QObject& context, const std::string& prefix, written bytes = written::left_out);

  void note(std::string word) { words_->push_back(std::move(word)); }
  void clear() { words_->clear(); }

  const std::vector<std::string>& words() const { return *words_; }
  std::ptrdiff_t count(const std::string& word) const;
  bool has(const std::string& word) const { return count(word) != 0; }
  /// How many begin so.
  std::ptrdiff_t count_of(const std::string& beginning) const;
  /// Only these, in order.
  std::vector<std::string> only(const std::vector<std::string>& wanted) const;
  /// From this word on, which must be there.
  std::vector<std::string> since(const std::string& word) const;
  /// Only the words that begin with one of these, each once in a row.
  std::vector<std::string> of(const std::vector<std::string>& beginnings) const;
  /// How far a connection has come.
  std::vector<std::string> milestones() const;

 protected:
  // Shared with the slots: a socket may live longer, and ends its life with signals.
  std::shared_ptr<std::vector<std::string>> words_ = std::make_shared<std::vector<std::string>>();
};

template <class Socket>
void signal_trace::listen_to(Socket& socket, QObject& context, const std::string& prefix, written bytes) {
  const auto on = [&](auto signal, const char* name) {
    QObject::connect(&socket, signal, &context, [words = words_, word = prefix + name] { words->push_back(word); });
  };
  const auto on_value = [&](auto signal, const char* name) {
    QObject::connect(&socket, signal, &context, [words = words_, word = prefix + name](const auto& value) {
      using type = std::remove_cvref_t<decltype(value)>;
      if constexpr (std::is_same_v<type, QAbstractSocket::SocketState> || !std::is_enum_v<type>)
        words->push_back(word + ' ' + to_words(value));
      else
        words->push_back(word + ' ' + to_words(static_cast<int>(value)));
    });
  };
  const auto on_alert = [&](auto signal, const char* name) {
    QObject::connect(&socket, signal, &context,
                     [words = words_, word = prefix + name](QSsl::AlertLevel level, QSsl::AlertType type) {
                       words->push_back(word + ' ' + to_words(level, type));
                     });
  };
  on(&Socket::hostFound, "hostFound");
  on(&Socket::connected, "connected");
  on(&Socket::disconnected, "disconnected");
  on(&Socket::aboutToClose, "aboutToClose");
  on(&Socket::readChannelFinished, "readChannelFinished");
  on(&Socket::readyRead, "readyRead");
  on(&Socket::encrypted, "encrypted");
  on(&Socket::newSessionTicketReceived, "newSessionTicketReceived");
  on(&Socket::preSharedKeyAuthenticationRequired, "preSharedKeyAuthenticationRequired");
  on_value(&Socket::stateChanged, "stateChanged");
  on_value(&Socket::errorOccurred, "errorOccurred");
  on_value(&Socket::modeChanged, "modeChanged");
  on_value(&Socket::peerVerifyError, "peerVerifyError");
  on_value(&Socket::sslErrors, "sslErrors");
  on_value(&Socket::handshakeInterruptedOnError, "handshakeInterruptedOnError");
  on_alert(&Socket::alertSent, "alertSent");
  on_alert(&Socket::alertReceived, "alertReceived");
  if (bytes == written::left_out) return;
  on_value(&Socket::bytesWritten, "bytesWritten");
  on(&Socket::encryptedBytesWritten, "encryptedBytesWritten");
}

}  // namespace sallyport::test

#endif
