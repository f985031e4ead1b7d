// pending_operation: an asynchronous operation of the user's that waits for its completion.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_PENDING_OPERATION_HPP
#define SALLYPORT_NET_PENDING_OPERATION_HPP

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include <optional>
#include <utility>

namespace sallyport::detail {

/// At most one handler. It is called exactly once, through its associated executor, or (when the execution context is
/// destroyed) destroyed without being called.
template <class... Arguments>
class pending_operation {
 public:
  using handler = boost::asio::any_completion_handler<void(Arguments...)>;

  pending_operation() = default;
  pending_operation(pending_operation&& other) noexcept
      : default_executor_(std::move(other.default_executor_)), executor_(std::move(other.executor_)) {
    take_handler(other);
  }
  pending_operation& operator=(pending_operation&& other) noexcept {
    const std::optional<handler> former = hand_over();  // destroyed last: it may own this very object
    default_executor_ = std::move(other.default_executor_);
    executor_ = std::move(other.executor_);
    take_handler(other);
    return *this;
  }

  /// `on_cancel` is called when the handler's cancellation slot asks for any kind of cancellation.
  template <class OnCancel>
  pending_operation(handler completion, const boost::asio::any_io_executor& default_executor, OnCancel on_cancel)
      : handler_(std::in_place, std::move(completion)),
        default_executor_(default_executor),
        executor_(boost::asio::prefer(boost::asio::get_associated_executor(*handler_, default_executor),
                                      boost::asio::execution::outstanding_work.tracked)) {
    if (auto slot = boost::asio::get_associated_cancellation_slot(*handler_); slot.is_connected()) {
      slot.assign([on_cancel](boost::asio::cancellation_type type) {
        if (type != boost::asio::cancellation_type::none) on_cancel();
      });
    }
  }

  explicit operator bool() const noexcept { return handler_.has_value(); }

  /// From the event loop's own handlers: the user's handler may run before this returns, so it comes last.
  void complete(Arguments... arguments) {
    const auto executor = std::exchange(executor_, {});
    run(executor, std::move(*hand_over()), std::move(arguments)...);
  }

  /// From functions that the user calls: the user's handler must not run before they have returned.
  void complete_later(Arguments... arguments) {
    boost::asio::post(default_executor_, [executor = std::exchange(executor_, {}), completion = std::move(*hand_over()),
                                          ... arguments = std::move(arguments)]() mutable {
      run(executor, std::move(completion), std::move(arguments)...);
    });
  }

  void drop() {
    const std::optional<handler> dropped = hand_over();
    executor_ = {};
  }

 private:
  static void run(const boost::asio::any_completion_executor& executor, handler completion, Arguments... arguments) {
    executor.execute([completion = std::move(completion), ... arguments = std::move(arguments)]() mutable {
      std::move(completion)(std::move(arguments)...);
    });
  }

  std::optional<handler> hand_over() noexcept {
    std::optional<handler> handed;
    if (!handler_) return handed;
    // The slot would otherwise reach for an operation that is over.
    if (auto slot = boost::asio::get_associated_cancellation_slot(*handler_); slot.is_connected()) slot.clear();
    handed.emplace(std::move(*handler_));
    handler_.reset();
    return handed;
  }

  void take_handler(pending_operation& other) noexcept {
    if (!other.handler_) return;
    handler_.emplace(std::move(*other.handler_));
    other.handler_.reset();
  }

  // Asio 1.26's any_completion_handler is broken when empty and when assigned to, so it is only ever constructed.
  std::optional<handler> handler_;
  boost::asio::any_io_executor default_executor_;
  boost::asio::any_completion_executor executor_;  // holds work, so that the handler's context goes on running
};

}  // namespace sallyport::detail

#endif
