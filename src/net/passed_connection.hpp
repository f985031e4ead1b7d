// passed_connection: a connection on its way from one shard of a server_group to another.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_PASSED_CONNECTION_HPP
#define SALLYPORT_NET_PASSED_CONNECTION_HPP

#include "listener.hpp"
#include "shard_balance.hpp"

#include <unistd.h>

#include <cstddef>
#include <utility>

namespace sallyport::detail {

/// Owned by the handler that is to run there. It counts as one of that shard's as long as this exists, and is closed if
/// the handler is never run.
class passed_connection {
 public:
  passed_connection(const accepted_descriptor& accepted, shard_balance& balance, std::size_t to) noexcept
      : accepted_(accepted), balance_(&balance), to_(to) {
    balance.add(to);
  }
  passed_connection(passed_connection&& other) noexcept
      : accepted_(other.accepted_), balance_(std::exchange(other.balance_, nullptr)), to_(other.to_) {
    other.accepted_.descriptor = -1;
  }
  passed_connection& operator=(passed_connection&&) = delete;
  ~passed_connection() {
    if (accepted_.descriptor >= 0) ::close(accepted_.descriptor);
    if (balance_ != nullptr) balance_->remove(to_);
  }

  /// It has arrived: the descriptor is the caller's.
  accepted_descriptor release() noexcept {
    accepted_descriptor released = accepted_;
    accepted_.descriptor = -1;
    return released;
  }

 private:
  accepted_descriptor accepted_;
  shard_balance* balance_;
  std::size_t to_;
};

}  // namespace sallyport::detail

#endif
