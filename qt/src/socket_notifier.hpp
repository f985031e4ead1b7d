// socket_notifier: tells a socket that its descriptor is ready, and when it goes to another thread.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_SOCKET_NOTIFIER_HPP
#define SALLYPORT_QT_SOCKET_NOTIFIER_HPP

#include "descriptor_notifier.hpp"

namespace sallyport::qt {

struct SslSocketPrivate;

/// A child of its socket, so that it goes along.
class socket_notifier final : public descriptor_notifier {
 public:
  /// Wants input.
  socket_notifier(SslSocketPrivate& socket, int descriptor);

 protected:
  void on_input() override;
  void on_output() override;
  bool event(QEvent* event) override;

 private:
  SslSocketPrivate& socket_;
};

}  // namespace sallyport::qt

#endif
