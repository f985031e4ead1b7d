// signal_trace: see signal_trace.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "signal_trace.hpp"

#include <QtCore/QMetaEnum>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace sallyport::test {
namespace {

const char* level_name(QSsl::AlertLevel level) {
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

bool begins_with(const std::string& word, const std::string& beginning) {
  return word == beginning || word.starts_with(beginning + ' ');
}

}  // namespace

std::string to_words(int number) { return std::to_string(number); }

std::string to_words(qint64 number) { return std::to_string(number); }

std::string to_words(QAbstractSocket::SocketState state) {
  const std::string name = QMetaEnum::fromType<QAbstractSocket::SocketState>().valueToKey(state);
  return name.substr(0, name.size() - std::string_view("State").size());
}

std::string to_words(const QSslError& error) { return to_words(static_cast<int>(error.error())); }

std::string to_words(const QList<QSslError>& errors) {
  std::string all;
  for (const auto& error : errors) all += (all.empty() ? "" : " ") + to_words(error);
  return all;
}

std::string to_words(QSsl::AlertLevel level, QSsl::AlertType type) {
  return level_name(level) + (' ' + std::to_string(static_cast<int>(type)));
}

std::ptrdiff_t signal_trace::count(const std::string& word) const { return std::ranges::count(*words_, word); }

std::ptrdiff_t signal_trace::count_of(const std::string& beginning) const {
  return std::ranges::count_if(*words_, [&](const std::string& word) { return begins_with(word, beginning); });
}

std::vector<std::string> signal_trace::only(const std::vector<std::string>& wanted) const {
  std::vector<std::string> found;
  std::ranges::copy_if(*words_, std::back_inserter(found),
                       [&](const std::string& word) { return std::ranges::find(wanted, word) != wanted.end(); });
  return found;
}

std::vector<std::string> signal_trace::since(const std::string& word) const {
  return {std::ranges::find(*words_, word), words_->end()};
}

std::vector<std::string> signal_trace::of(const std::vector<std::string>& beginnings) const {
  std::vector<std::string> found;
  for (const std::string& word : *words_) {
    const auto is_wanted = [&word](const std::string& beginning) { return begins_with(word, beginning); };
    if (std::ranges::any_of(beginnings, is_wanted) && (found.empty() || found.back() != word)) found.push_back(word);
  }
  return found;
}

std::vector<std::string> signal_trace::milestones() const {
  return of({"stateChanged", "hostFound", "connected", "modeChanged", "encrypted", "errorOccurred", "disconnected"});
}

}  // namespace sallyport::test
