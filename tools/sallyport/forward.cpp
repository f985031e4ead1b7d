// forward: see forward.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "forward.hpp"

#include "backend.hpp"
#include "backend_poller.hpp"
#include "service.hpp"
#include "tunnel.hpp"

#include <memory>
#include <utility>

namespace sallyport::tool {

exit_status run_forward(const forward_options& options, logger& log) {
  const backend target(options.to, options.connect_timeout);
  return run_service(options.service, log, [&](const boost::asio::any_io_executor& executor) {
    return [&target, &log, &poller = backend_poller::of(executor)](ssl_socket client, served_handler done) {
      std::make_shared<tunnel>(std::move(client), poller, target, log, std::move(done))->start();
    };
  });
}

}  // namespace sallyport::tool
