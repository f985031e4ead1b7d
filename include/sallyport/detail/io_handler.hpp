// io_handler: a user's handler of a read, write or wait, and what is known of it only while its type is known.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_DETAIL_IO_HANDLER_HPP
#define SALLYPORT_DETAIL_IO_HANDLER_HPP

#include <sallyport/error.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/associator.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace sallyport::detail {

struct io_handler {
  // In this order: `call` takes what the others look at.
  bool runs_at_home;      ///< on the socket's own executor, so that the socket may call it directly
  bool can_be_cancelled;  ///< there is a cancellation slot
  boost::asio::any_completion_handler<void(error_code, std::size_t)> call;

  template <class Handler>
  io_handler(Handler handler, const boost::asio::any_io_executor& home)
      : runs_at_home(is_at(handler, home)),
        can_be_cancelled(boost::asio::get_associated_cancellation_slot(handler).is_connected()),
        call(std::move(handler)) {}

 private:
  template <class Handler>
  static bool is_at(const Handler& handler, const boost::asio::any_io_executor& home) {
    const auto& executor = boost::asio::get_associated_executor(handler, home);
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(executor)>, boost::asio::any_io_executor>)
      return &executor == &home || executor == home;
    else
      return false;
  }
};

/// Takes the handler of a wait for that of a read or write.
template <class Handler>
struct wait_handler {
  Handler handler;
  void operator()(const error_code& ec, std::size_t) { std::move(handler)(ec); }
};

}  // namespace sallyport::detail

/// It has the executor, allocator and cancellation slot of the handler in it.
template <template <class, class> class Associator, class Handler, class Candidate>
struct boost::asio::associator<Associator, sallyport::detail::wait_handler<Handler>, Candidate>
    : Associator<Handler, Candidate> {
  static auto get(const sallyport::detail::wait_handler<Handler>& wrapped) noexcept {
    return Associator<Handler, Candidate>::get(wrapped.handler);
  }
  static auto get(const sallyport::detail::wait_handler<Handler>& wrapped, const Candidate& candidate) noexcept
      -> decltype(Associator<Handler, Candidate>::get(wrapped.handler, candidate)) {
    return Associator<Handler, Candidate>::get(wrapped.handler, candidate);
  }
};

#endif
