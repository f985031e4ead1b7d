// lingering_descriptor: what becomes of a descriptor when all is sent and nothing more will be read.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_LINGERING_DESCRIPTOR_HPP
#define SALLYPORT_QT_LINGERING_DESCRIPTOR_HPP

namespace sallyport::qt {

/// Takes the descriptor: sends FIN, reads and drops what still comes, for at most two seconds, and closes it. Data that
/// comes after close() would be answered with a reset, and that makes the peer's kernel throw away what the peer hasn't
/// read. Of a thread's the oldest is closed when they become too many; all are when its event loop is gone.
void linger(int descriptor);

}  // namespace sallyport::qt

#endif
