// connector: makes one connection to a backend.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_CONNECTOR_HPP
#define SALLYPORT_TOOL_CONNECTOR_HPP

#include "backend.hpp"
#include "backend_poller.hpp"
#include "backend_socket.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace sallyport::tool {

/// A connection to the first of the backend's addresses that takes one. A name is looked up again each time: it may
/// have moved. All of it takes at most the connect timeout; an address that doesn't answer leaves the others their
/// share of it.
///
/// To destroy it is to give up.
class connector : public std::enable_shared_from_this<connector> {
 public:
  /// The connection, which is watched, or the reason for logs.
  using handler = std::function<void(result<backend_socket>)>;

  /// `target` must outlive it. `owner` waits for the socket in its stead, and passes on_writable() on. `done` is called
  /// once, perhaps by start() already, as the last thing that any function does.
  connector(backend_poller& poller, watched& owner, const backend& target, handler done);

  void start();
  void on_writable();

 private:
  using clock = std::chrono::steady_clock;

  template <class Function>
  void guarded(Function function);
  void look_up();
  void looked_up(error_code failure, const boost::asio::ip::tcp::resolver::results_type& results);
  /// The next address, from at_ on.
  void connect_to_next();
  /// True if no more is to be done now, as it is connected, or will be.
  bool try_once();
  void wait(clock::time_point until, void (connector::*then)());
  void give_up_lookup();
  void give_up_address();
  void retry();
  void leave_address(error_code failure);
  void succeed();
  void fail(error reason);
  error describe(error_code failure) const;

  backend_poller& poller_;
  watched& owner_;
  const backend& target_;
  handler done_;
  clock::time_point deadline_{};
  clock::time_point address_deadline_{};
  boost::asio::steady_timer timer_;
  std::optional<boost::asio::ip::tcp::resolver> resolver_{};
  std::vector<stream_endpoint> found_{};
  std::size_t at_ = 0;
  backend_socket socket_{};
  error_code failure_{};
};

}  // namespace sallyport::tool

#endif
