// pending_io: a read, write or wait of the user's that waits for its completion.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_PENDING_IO_HPP
#define SALLYPORT_NET_PENDING_IO_HPP

#include <sallyport/detail/io_handler.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include <cstddef>
#include <optional>
#include <utility>

namespace sallyport::detail {

/// What pending_operation is for rare operations, for the frequent ones: at most one handler, called exactly once. One
/// that runs on the socket's own executor costs no more than the call; its connection waits for something meanwhile,
/// which keeps the executor running. For any other executor it is pending_operation's way.
class pending_io {
 public:
  pending_io() = default;
  pending_io(const pending_io&) = delete;
  pending_io& operator=(const pending_io&) = delete;

  explicit operator bool() const noexcept { return handler_.has_value(); }
  /// It has its result, and waits for deliver().
  bool is_complete() const noexcept { return is_complete_; }

  /// `make_on_cancel()` is asked, if the handler has a cancellation slot, for what to call when that asks for any kind
  /// of cancellation.
  template <class MakeOnCancel>
  void start(io_handler&& handler, const boost::asio::any_io_executor& home, MakeOnCancel make_on_cancel) {
    can_be_cancelled_ = handler.can_be_cancelled;
    if (!handler.runs_at_home) {
      executor_.emplace(boost::asio::prefer(boost::asio::get_associated_executor(handler.call, home),
                                            boost::asio::execution::outstanding_work.tracked));
    }
    handler_.emplace(std::move(handler.call));
    if (!can_be_cancelled_) return;
    boost::asio::get_associated_cancellation_slot(*handler_).assign(
        [on_cancel = make_on_cancel()](boost::asio::cancellation_type type) {
          if (type != boost::asio::cancellation_type::none) on_cancel();
        });
  }

  void set_result(const error_code& ec, std::size_t bytes) noexcept {
    is_complete_ = true;
    result_ = ec;
    bytes_ = bytes;
  }
  /// Calls the handler with the result, or has its executor call it. From the loop alone: not while a function that the
  /// user has called is running.
  void deliver() {
    if (executor_) return run(take(), result_, bytes_);
    if (can_be_cancelled_) clear_slot();
    call handler{std::move(*handler_)};
    handler_.reset();
    is_complete_ = false;
    std::move(handler)(result_, bytes_);
  }

  /// From functions that the user calls, at any time.
  void complete_later(const boost::asio::any_io_executor& home, const error_code& ec, std::size_t bytes) {
    boost::asio::post(home, [operation = take(), ec, bytes]() mutable { run(std::move(operation), ec, bytes); });
  }

  /// For an operation that doesn't begin.
  static void refuse(io_handler&& handler, const boost::asio::any_io_executor& home, const error_code& ec) {
    pending_io refused;
    refused.start(std::move(handler), home, [] { return [] {}; });
    refused.complete_later(home, ec, 0);
  }

  void drop() {
    if (handler_) const taken dropped = take();
  }

 private:
  using call = boost::asio::any_completion_handler<void(error_code, std::size_t)>;
  struct taken {
    call handler;
    std::optional<boost::asio::any_completion_executor> executor;
  };

  /// It would otherwise reach for an operation that is over.
  void clear_slot() noexcept { boost::asio::get_associated_cancellation_slot(*handler_).clear(); }
  /// There is one.
  taken take() noexcept {
    if (can_be_cancelled_) clear_slot();
    taken all{std::move(*handler_), std::move(executor_)};
    handler_.reset();
    executor_.reset();
    is_complete_ = false;
    return all;
  }
  static void run(taken operation, const error_code& ec, std::size_t bytes) {
    if (!operation.executor) return std::move(operation.handler)(ec, bytes);
    operation.executor->execute(
        [handler = std::move(operation.handler), ec, bytes]() mutable { std::move(handler)(ec, bytes); });
  }

  // Asio 1.26's any_completion_handler is broken when empty and when assigned to, so it is only ever constructed.
  std::optional<call> handler_;
  std::optional<boost::asio::any_completion_executor> executor_;  // holds work; none at home
  error_code result_;
  std::size_t bytes_ = 0;
  bool is_complete_ = false;
  bool can_be_cancelled_ = false;
};

}  // namespace sallyport::detail

#endif
