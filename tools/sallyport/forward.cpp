// forward: see forward.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "forward.hpp"

#include "backend.hpp"
#include "service.hpp"
#include "tunnel.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace sallyport::tool {
namespace {

namespace asio = boost::asio;

asio::awaitable<served> forward(ssl_socket client, const backend& target, logger& log) {
  const std::string peer = client.peer_name();
  const std::uint64_t id = client.id();
  const auto both = std::make_shared<tunnel>(std::move(client), target);
  served done = co_await both->run();
  if (!both->backend_failure().empty()) {
    log.warning("backend connection failed",
                {{"backend", target.name()}, {"reason", both->backend_failure()}, {"peer", peer}, {"id", id}});
  }
  co_return done;
}

}  // namespace

exit_status run_forward(const forward_options& options, logger& log) {
  const backend target(options.to, options.connect_timeout);
  return run_service(options.service, log, [&](ssl_socket client) { return forward(std::move(client), target, log); });
}

}  // namespace sallyport::tool
