// echo: see echo.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "echo.hpp"

#include "service.hpp"
#include "shared_buffer.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/socket_base.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::tool {
namespace {

namespace asio = boost::asio;
using wait_type = asio::socket_base::wait_type;

/// One client. The handler that waits for something keeps it; what the client doesn't take yet is all that it holds.
class echo : public std::enable_shared_from_this<echo> {
 public:
  echo(ssl_socket socket, served_handler done) : socket_(std::move(socket)), done_(std::move(done)) {}

  void wait(wait_type what) {
    socket_.async_wait(what, [self = shared_from_this(), what](const error_code& failure) {
      self->guarded([&] {
        if (failure) return self->end(failure.message());
        what == asio::socket_base::wait_read ? self->read() : self->write_rest();
      });
    });
  }

 private:
  // What fails here is memory.
  template <class Function>
  void guarded(Function function) {
    try {
      function();
    } catch (const std::exception& failure) {
      socket_.abort();
      end(failure.what());
    }
  }

  void read() {
    const auto buffer = shared_buffer();
    error_code failure;
    const std::size_t size = socket_.read_some(asio::buffer(buffer.data(), buffer.size()), failure);
    if (failure == asio::error::would_block) return wait(asio::socket_base::wait_read);
    if (failure == asio::error::eof) return shut_down();
    if (failure) return end(failure.message());
    bytes_in_ += size;
    write(buffer.first(size));
  }

  void write_rest() {
    const auto waiting = std::exchange(rest_, {});
    write(waiting);
  }

  void write(std::span<const std::byte> data) {
    error_code failure;
    const std::size_t taken = socket_.write_some(asio::buffer(data.data(), data.size()), failure);
    if (failure && failure != asio::error::would_block) return end(failure.message());
    bytes_out_ += taken;
    const auto left = data.subspan(taken);
    rest_.assign(left.begin(), left.end());
    wait(rest_.empty() ? asio::socket_base::wait_read : asio::socket_base::wait_write);
  }

  void shut_down() {
    socket_.async_shutdown([self = shared_from_this()](const error_code& failure) {
      self->guarded([&] { self->end(failure ? failure.message() : "close_notify"); });
    });
  }

  void end(std::string how) {
    socket_.close();
    if (done_) std::exchange(done_, {})({.bytes_in = bytes_in_, .bytes_out = bytes_out_, .ended = std::move(how)});
  }

  ssl_socket socket_;
  served_handler done_;
  std::vector<std::byte> rest_{};
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
};

}  // namespace

exit_status run_echo(const echo_options& options, logger& log) {
  const auto serve = [](ssl_socket socket, served_handler done) {
    std::make_shared<echo>(std::move(socket), std::move(done))->wait(asio::socket_base::wait_read);
  };
  return run_service(options.service, log, [serve](const asio::any_io_executor&) { return serve; });
}

}  // namespace sallyport::tool
