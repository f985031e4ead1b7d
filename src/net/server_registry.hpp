// server_registry: tells the servers of an execution context that it is being destroyed.
//
// Their pending operations may own coroutine frames that own the very connections which hold these operations. Asio
// breaks such a circle for its own operations when the context goes; this does the same for ours.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_SERVER_REGISTRY_HPP
#define SALLYPORT_NET_SERVER_REGISTRY_HPP

#include "server_state.hpp"

#include <boost/asio/execution_context.hpp>
#include <boost/intrusive/list.hpp>

#include <mutex>

namespace sallyport::detail {

class server_registry : public boost::asio::execution_context::service {
 public:
  static boost::asio::execution_context::id id;

  explicit server_registry(boost::asio::execution_context& context) : service(context) {}

  static server_registry& of(const boost::asio::any_io_executor& executor);

  void add(server_state& server);
  void remove(server_state& server) noexcept;

 private:
  void shutdown() override;

  using server_list = boost::intrusive::list<
      server_state,
      boost::intrusive::member_hook<server_state, boost::intrusive::list_member_hook<>, &server_state::among_servers>>;
  std::mutex mutex_;  // servers of one context may live on different strands
  server_list servers_;
};

}  // namespace sallyport::detail

#endif
