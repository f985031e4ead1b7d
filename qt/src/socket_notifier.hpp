// socket_notifier: tells a socket that its descriptor is ready.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_SOCKET_NOTIFIER_HPP
#define SALLYPORT_QT_SOCKET_NOTIFIER_HPP

#include <QtCore/QSocketNotifier>

namespace sallyport::qt {

struct SslSocketPrivate;

/// A child of its socket, so it goes along to another thread; of that it tells the socket, too. It gets the event
/// itself, since that is cheaper than a signal.
class socket_notifier final : public QSocketNotifier {
 public:
  socket_notifier(SslSocketPrivate& socket, int descriptor, Type type);

  /// Cheap if nothing changes.
  void want(bool wanted) {
    if (isEnabled() != wanted) setEnabled(wanted);
  }

 protected:
  bool event(QEvent* event) override;

 private:
  SslSocketPrivate& socket_;
};

}  // namespace sallyport::qt

#endif
