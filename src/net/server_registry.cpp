// server_registry: tells the servers of an execution context that it is being destroyed.
//
// SPDX-License-Identifier: Apache-2.0
#include "server_registry.hpp"

#include <boost/asio/execution/context.hpp>
#include <boost/asio/query.hpp>

namespace sallyport::detail {

boost::asio::execution_context::id server_registry::id;

server_registry& server_registry::of(const boost::asio::any_io_executor& executor) {
  return boost::asio::use_service<server_registry>(boost::asio::query(executor, boost::asio::execution::context));
}

void server_registry::add(server_state& server) {
  const std::lock_guard lock(mutex_);
  servers_.push_back(server);
}

void server_registry::remove(server_state& server) noexcept {
  const std::lock_guard lock(mutex_);
  if (server.among_servers.is_linked()) servers_.erase(servers_.iterator_to(server));
}

void server_registry::shutdown() {
  for (;;) {
    std::shared_ptr<server_state> server;  // stays for the length of its own funeral
    {
      const std::lock_guard lock(mutex_);
      if (servers_.empty()) return;
      server = servers_.front().weak_from_this().lock();
      servers_.pop_front();
    }
    if (server) server->drop_everything();
  }
}

}  // namespace sallyport::detail
