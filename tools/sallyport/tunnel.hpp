// tunnel: one client and its backend, and the bytes between them.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_TUNNEL_HPP
#define SALLYPORT_TOOL_TUNNEL_HPP

#include "backend.hpp"
#include "backend_poller.hpp"
#include "backend_socket.hpp"
#include "connector.hpp"
#include "log.hpp"
#include "service.hpp"

#include <sallyport/ssl_socket.hpp>

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::tool {

/// Two directions that end on their own. The end of one is passed on: close_notify becomes FIN, FIN becomes
/// close_notify. A cut on either side cuts both: a stream that was truncated must not look complete on the other side.
/// A backend sees a TCP reset. A client gets what the backend had sent, and then the end of TCP without close_notify. A
/// backend that can't be connected to is a cut too.
///
/// Bytes pass through a buffer that all tunnels of a thread share. What the other side doesn't take of it at once is
/// kept, and nothing more is read from the one side before the other has taken that.
///
/// No operation of its own waits for long, so it isn't a coroutine: it is a state, and what happens to it.
class tunnel final : public watched, public std::enable_shared_from_this<tunnel> {
 public:
  /// `poller` is that of the client's executor. `target` and `log` must outlive this.
  tunnel(ssl_socket client, backend_poller& poller, const backend& target, logger& log, served_handler done);

  /// Connects to the backend, and goes on until both directions have ended; then `done` is called. Once. From here on
  /// it keeps itself.
  void start();

 private:
  using clock = std::chrono::steady_clock;
  using bytes = std::vector<std::byte>;

  // --- what happens ---
  void on_connected(result<backend_socket> made);
  void on_client_readable(error_code failure);
  void on_client_writable(error_code failure);
  void on_client_told_the_end(error_code failure);
  void on_readable() override;
  void on_writable() override;

  // --- from the client to the backend ---
  void wait_for_client();
  void read_from_client();
  void keep_for_backend(std::span<const std::byte> early);
  void pass_to_backend(std::span<const std::byte> data);
  void go_on_with_client();
  void backend_takes_no_more(error_code failure);

  // --- from the backend to the client ---
  void read_from_backend();
  void pass_to_client(std::span<const std::byte> data);
  void wait_for_room();
  void tell_client_the_end();
  void cut_when_sent(error_code failure);

  // --- the end ---
  bool is_half_closed() const noexcept { return timer_ != nullptr; }
  void moved();
  void direction_ended();
  void wait_for_movement();
  enum class side { client, backend, server };
  static std::string_view name_of(side by) noexcept;
  void cut(side by, const std::string& reason);
  void end(std::string how);

  template <class Function>
  void guarded(Function function);

  ssl_socket client_;
  backend_poller& poller_;
  const backend& target_;
  logger& log_;
  served_handler done_;
  std::shared_ptr<connector> connector_{};  // until there is a connection
  backend_socket backend_{};
  bool is_waiting_for_client_ = false;
  bool client_has_ended_ = false;    // its close_notify is here
  bool to_backend_is_over_ = false;  // passed on, or the backend takes no more
  bool to_client_is_over_ = false;   // and all that was is in the kernel, close_notify too
  bool is_over_ = false;
  bytes for_backend_{};  // what it hasn't taken yet; while there is some the client isn't read
  bytes for_client_{};
  std::unique_ptr<boost::asio::steady_timer> timer_{};  // once one direction has ended
  clock::time_point last_movement_{};
  error_code backend_failure_{};  // of a write: the answer still goes to the client, and then it is a cut
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
};

}  // namespace sallyport::tool

#endif
