// signal: how a server tells what happens.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_SIGNAL_HPP
#define SALLYPORT_SIGNAL_HPP

#include <boost/function.hpp>
#include <boost/signals2/connection.hpp>
#include <boost/signals2/dummy_mutex.hpp>
#include <boost/signals2/optional_last_value.hpp>
#include <boost/signals2/signal.hpp>

#include <functional>

namespace sallyport {
namespace detail {

template <class Signature>
struct signal_of;

template <class... Arguments>
struct signal_of<void(Arguments...)> {
  using type = boost::signals2::signal<void(Arguments...), boost::signals2::optional_last_value<void>, int,
                                       std::less<int>, boost::function<void(Arguments...)>,
                                       boost::function<void(const boost::signals2::connection&, Arguments...)>,
                                       boost::signals2::dummy_mutex>;
};

}  // namespace detail

/// Boost.Signals2 without its mutex: slots are called directly, in the order they were connected, on the thread
/// that runs the server. Connect and disconnect on that thread too.
///
/// A slot that throws aborts the connection it was called for; the exception leaves through the executor's run().
template <class Signature>
using signal = typename detail::signal_of<Signature>::type;

}  // namespace sallyport

#endif
