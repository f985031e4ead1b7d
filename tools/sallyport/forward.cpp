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

void log_backend_failure(logger& log, const backend& backend, const std::string& reason, const std::string& peer,
                         std::uint64_t id) {
  log.warning("backend connection failed",
              {{"backend", backend.name()}, {"reason", reason}, {"peer", peer}, {"id", id}});
}

asio::awaitable<served> forward(ssl_socket client, const backend& backend, logger& log) {
  const std::string peer = client.peer_name();
  const std::uint64_t id = client.id();
  auto connected = co_await backend.connect(client.get_executor());
  if (connected.has_error()) {
    log_backend_failure(log, backend, connected.error().detail, peer, id);
    client.abort();
    co_return served{.ended = "backend: " + connected.error().detail};
  }
  const auto both = std::make_shared<tunnel>(std::move(client), std::move(*connected));
  served done = co_await both->run();
  if (both->backend_failure()) log_backend_failure(log, backend, both->backend_failure().message(), peer, id);
  co_return done;
}

}  // namespace

exit_status run_forward(const forward_options& options, logger& log) {
  const backend target(options.to, options.connect_timeout);
  return run_service(options.service, log, [&](ssl_socket client) { return forward(std::move(client), target, log); });
}

}  // namespace sallyport::tool
