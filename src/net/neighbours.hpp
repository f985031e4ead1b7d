// neighbours: the other servers on the same endpoint, as a server of a group sees them.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_NEIGHBOURS_HPP
#define SALLYPORT_NET_NEIGHBOURS_HPP

#include "listener.hpp"

namespace sallyport::detail {

/// Called by a server_state on its own thread.
class neighbours {
 public:
  /// A connection of this server has begun or ended.
  virtual void connection_added() noexcept = 0;
  virtual void connection_removed() noexcept = 0;
  /// Whether this server takes new connections just now.
  virtual void note_accepting(bool accepting) noexcept = 0;
  /// True if another server gets the connection: it isn't the caller's any more, and neither is it if this throws.
  virtual bool pass_on(const accepted_descriptor& accepted) = 0;

 protected:
  ~neighbours() = default;
};

}  // namespace sallyport::detail

#endif
