// server_group: one server per core on the same endpoint.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/server_group.hpp>

#include "server_group_state.hpp"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <thread>
#include <utility>

namespace sallyport {

server_group::server_group(std::size_t shards, setup_function setup, exception_handler on_exception)
    : state_(std::make_unique<detail::server_group_state>(shards == 0 ? usable_cores() : shards, setup,
                                                          std::move(on_exception))) {}

server_group::~server_group() = default;

std::size_t server_group::usable_cores() noexcept {
  // A machine may have more cores than cpu_set_t has bits: EINVAL tells that it is too small.
  for (int possible = CPU_SETSIZE; possible <= 1024 * CPU_SETSIZE; possible *= 2) {
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(CPU_ALLOC(static_cast<std::size_t>(possible)),
                                                               [](cpu_set_t* allocated) { CPU_FREE(allocated); });
    if (!set) break;
    const std::size_t size = CPU_ALLOC_SIZE(static_cast<std::size_t>(possible));
    if (::sched_getaffinity(0, size, set.get()) == 0)
      return static_cast<std::size_t>(std::max(CPU_COUNT_S(size, set.get()), 1));
    if (errno != EINVAL) break;
  }
  return std::max(std::thread::hardware_concurrency(), 1U);
}

std::size_t server_group::size() const noexcept { return state_->size(); }
std::size_t server_group::this_shard() const noexcept { return state_->this_shard(); }

result<void> server_group::set_configuration(const ssl_configuration& configuration) {
  return state_->set_configuration(configuration);
}
std::vector<std::string> server_group::configuration_warnings() const { return state_->configuration_warnings(); }

result<void> server_group::listen(const boost::asio::generic::stream_protocol::endpoint& endpoint,
                                  const listen_options& options) {
  return state_->listen(endpoint, options);
}
bool server_group::is_listening() const { return state_->is_listening(); }
boost::asio::ip::tcp::endpoint server_group::local_endpoint() const { return state_->local_endpoint(); }
std::uint16_t server_group::server_port() const { return local_endpoint().port(); }

void server_group::pause_accepting() {
  for_each([](ssl_server& server, std::size_t) { server.pause_accepting(); });
}
void server_group::resume_accepting() {
  for_each([](ssl_server& server, std::size_t) { server.resume_accepting(); });
}

void server_group::for_each(const std::function<void(ssl_server& server, std::size_t shard)>& function) {
  state_->for_each(function);
}

void server_group::start_drain(std::chrono::milliseconds deadline, detail::shutdown_handler handler) {
  state_->start_drain(deadline, std::move(handler));
}

void server_group::stop() { state_->stop(); }

}  // namespace sallyport
