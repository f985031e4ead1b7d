// server_group_state: what a server_group is on the inside.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_SERVER_GROUP_STATE_HPP
#define SALLYPORT_NET_SERVER_GROUP_STATE_HPP

#include "group_drain.hpp"
#include "shard.hpp"
#include "shard_balance.hpp"

#include <sallyport/server_group.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::detail {

class server_group_state {
 public:
  using endpoint = boost::asio::generic::stream_protocol::endpoint;

  server_group_state(std::size_t shards, const server_group::setup_function& setup,
                     server_group::exception_handler on_exception);
  ~server_group_state();

  std::size_t size() const noexcept { return shards_.size(); }
  std::size_t this_shard() const noexcept;

  result<void> set_configuration(const ssl_configuration& configuration);
  const std::vector<std::string>& configuration_warnings() const;
  result<void> listen(const endpoint& where, const listen_options& options);
  bool is_listening();
  boost::asio::ip::tcp::endpoint local_endpoint();
  void for_each(const std::function<void(ssl_server& server, std::size_t shard)>& function);
  void start_drain(std::chrono::milliseconds deadline, shutdown_handler handler);
  void stop();

 private:
  /// Throws on a shard's own thread, which would wait for itself.
  void refuse_own_threads(const char* function) const;
  /// Calls `function` on the shard's thread and waits for what it returns or throws.
  template <class Function>
  auto ask(shard& asked, Function function);
  void end_threads() noexcept;
  void end_shards_drain(const std::shared_ptr<group_drain>& drain, error_code ec);
  void forget(const std::shared_ptr<group_drain>& drain) noexcept;

  const server_group::exception_handler on_exception_;
  shard_balance balance_;
  std::vector<std::unique_ptr<shard>> shards_;
  std::optional<ticket_keys> own_tickets_;  // for configurations without keys, once there was one
  std::vector<std::string> warnings_;       // of the configuration in use

  std::mutex drain_mutex_;  // async_drain() may be called on any thread
  std::shared_ptr<group_drain> drain_;
  bool is_stopped_ = false;
};

}  // namespace sallyport::detail

#endif
