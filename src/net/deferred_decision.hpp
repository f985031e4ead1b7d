// deferred_decision: the way back, from any thread, to a handshake that waits for a decision.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_DEFERRED_DECISION_HPP
#define SALLYPORT_NET_DEFERRED_DECISION_HPP

#include <sallyport/interrupted_handshake.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <mutex>
#include <optional>

namespace sallyport::detail {

/// What was decided; nothing means refused.
struct decision {
  bool goes_on = false;
  std::optional<certificate_alert> alert{};
  pre_shared_key key{};
  std::optional<identity> shown{};
};

/// Shared by a connection and by whoever decides about it. The connection closes it when it no longer waits, which it
/// does before its io_context is gone: so nothing is ever posted to a dead one.
class deferred_decision : public std::enable_shared_from_this<deferred_decision> {
 public:
  deferred_decision(std::weak_ptr<connection> connection, boost::asio::any_io_executor executor) noexcept
      : connection_(std::move(connection)), executor_(std::move(executor)) {}

  /// Hands the decision to the connection, on its executor; only the first has an effect. From any thread.
  void decide(decision made) noexcept;

  /// By the connection: later decisions have no effect.
  void close() noexcept;

 private:
  std::mutex mutex_;
  std::weak_ptr<connection> connection_;
  boost::asio::any_io_executor executor_;  // empty once decided or closed
};

}  // namespace sallyport::detail

#endif
