// server_group: one server per core on the same endpoint.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_SERVER_GROUP_HPP
#define SALLYPORT_SERVER_GROUP_HPP

#include <sallyport/error.hpp>
#include <sallyport/ssl_configuration.hpp>
#include <sallyport/ssl_server.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sallyport {

namespace detail {
class server_group_state;
}

/// Shards: each has a thread, an io_context, an ssl_server and an SSL_CTX of its own, and shares nothing with the
/// others but the endpoint (SO_REUSEPORT), the ticket keys and the counts by which new connections are spread. So
/// whatever a shard's slots and handlers touch alone needs no lock.
///
/// Nor do they share most of OpenSSL's locks: each of several shards has a library context (OSSL_LIB_CTX), too, as far
/// as 64 of them go. But if OpenSSL's usual one has other providers than default and base, FIPS or other properties
/// that change what it fetches, or another random generator at the time of set_configuration(), they all use that one.
/// What is loaded into it later counts from the next set_configuration() on. Each shard keeps a copy of each key that
/// it has signed with: 2 KiB for ECDSA P-256, 5 KiB for RSA 2048.
///
/// A connection stays with its shard. The kernel spreads new ones by a hash of the addresses; a shard that has
/// clearly more open connections than the one that has the fewest (an eighth and four more) passes a new one on to it.
///
/// The members may be called from any thread, one at a time, but for those of the shards' own: only size(),
/// this_shard() and async_drain() may be called there, and at any time. The others would wait for themselves, and throw
/// std::logic_error. The destructor stops the group (on a shard's thread it ends the process); sockets of its
/// connections must be gone by then, as the io_contexts end with it.
class server_group {
 public:
  /// Called once per shard, in order, by the constructor, on the constructor's thread: connect the slots, start the
  /// first async_accept. From then on the server belongs to its shard's thread. May be empty.
  using setup_function = std::function<void(ssl_server& server, std::size_t shard)>;
  /// Called on a shard's thread with what a slot or handler there has thrown; the shard then goes on. Without one the
  /// process ends (std::terminate), as for every thread that lets an exception out.
  using exception_handler = std::function<void(std::exception_ptr thrown, std::size_t shard)>;

  /// `shards` is taken as usable_cores() if it is 0. What `setup` or the making of threads throws comes out of here,
  /// and then nothing is left running.
  explicit server_group(std::size_t shards, setup_function setup, exception_handler on_exception = {});
  ~server_group();

  server_group(const server_group&) = delete;
  server_group& operator=(const server_group&) = delete;

  /// The cores that this process may use (sched_getaffinity); at least 1.
  static std::size_t usable_cores() noexcept;

  std::size_t size() const noexcept;

  /// The shard whose thread this is; size() on any other thread.
  std::size_t this_shard() const noexcept;

  /// For the connections accepted from now on, on all shards or on none: if the configuration is bad, the former one
  /// stays everywhere. Without `configuration.tickets` the group makes keys for all. Waits until each shard has it.
  /// asio::error::operation_aborted after stop().
  result<void> set_configuration(const ssl_configuration& configuration);
  /// What is odd about the configuration in use, a sentence each; by value, as it may be changed meanwhile.
  std::vector<std::string> configuration_warnings() const;

  /// All shards listen, or none does: the error names the endpoint, the shard and the reason. Port 0: any free one, the
  /// same for all. A unix socket is shared: its shards take turns. Errors as for ssl_server::listen(); a port that
  /// another program shares (SO_REUSEPORT) counts as taken, unless `options.reuse_port` says that it is to be shared.
  /// asio::error::operation_aborted after stop().
  result<void> listen(const boost::asio::generic::stream_protocol::endpoint& endpoint,
                      const listen_options& options = {});
  bool is_listening() const;
  /// As ssl_server's.
  boost::asio::ip::tcp::endpoint local_endpoint() const;
  std::uint16_t server_port() const;

  void pause_accepting();
  void resume_accepting();

  /// Calls `function` for each shard in order, on the shard's thread, and waits for it: for settings and counts. What
  /// it throws comes out of here. After stop() it is called on the caller's thread.
  void for_each(const std::function<void(ssl_server& server, std::size_t shard)>& function);

  /// Drains all shards, see ssl_server::async_drain: asio::error::timed_out if one had to be forced, in_progress if
  /// there is another drain, operation_aborted if the group listens again or is stopped before the end. The handler is
  /// called through its associated executor, on the first shard's thread if it has none. It can't be cancelled.
  template <boost::asio::completion_token_for<void(error_code)> CompletionToken>
  auto async_drain(std::chrono::milliseconds deadline, CompletionToken&& token) {
    return boost::asio::async_initiate<CompletionToken, void(error_code)>(
        [this, deadline](auto handler) { start_drain(deadline, detail::shutdown_handler(std::move(handler))); }, token);
  }

  /// Closes the servers, aborts their connections, ends the threads and waits for them. Before its end each thread runs
  /// the handlers that are due, for at most a second; those that wait for something are destroyed with the group. A
  /// second call does nothing. The group can't be started again.
  void stop();

 private:
  void start_drain(std::chrono::milliseconds deadline, detail::shutdown_handler handler);

  std::unique_ptr<detail::server_group_state> state_;
};

}  // namespace sallyport

#endif
