// trace: what a socket has told, in order, as short texts: "state 6", "alertSent Fatal 48", "errorOccurred 13".
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_QT_SUPPORT_TRACE_HPP
#define SALLYPORT_TESTS_QT_SUPPORT_TRACE_HPP

#include <sallyport/qt/ssl_socket.hpp>

#include <memory>
#include <string>
#include <vector>

namespace sallyport::test {

class trace {
 public:
  /// From now on. bytesWritten() and encryptedBytesWritten() are left out unless wanted.
  explicit trace(qt::SslSocket& socket, bool with_written = false);

  const std::vector<std::string>& lines() const { return *lines_; }
  bool has(const std::string& line) const;
  /// How many begin so.
  int count(const std::string& beginning) const;
  void note(const std::string& line) { lines_->push_back(line); }

 private:
  // Slots outlive this.
  std::shared_ptr<std::vector<std::string>> lines_ = std::make_shared<std::vector<std::string>>();
};

}  // namespace sallyport::test

#endif
