// connected_descriptor: what the kernel says of a descriptor that somebody else has connected.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_CONNECTED_DESCRIPTOR_HPP
#define SALLYPORT_QT_CONNECTED_DESCRIPTOR_HPP

#include <QtCore/QString>
#include <QtNetwork/QHostAddress>

namespace sallyport::qt {

struct connected_descriptor {
  struct end {
    QHostAddress address{};  ///< null for a socketpair, and where the peer has gone already
    quint16 port = 0;
  };

  QString refusal{};  ///< why it isn't the descriptor of a connected stream socket, in a sentence; empty if it is
  end local{};
  end peer{};
};

/// A connection whose peer has gone meanwhile is one. So is one that was refused, while its error waits to be received:
/// the kernel doesn't tell these apart without taking the error away.
connected_descriptor inspect_connected(int descriptor);

}  // namespace sallyport::qt

#endif
