// echo: see echo.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "echo.hpp"

#include "service.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cstddef>

namespace sallyport::tool {
namespace {

namespace asio = boost::asio;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t buffer_size = 16 * 1024;  // one TLS record

asio::awaitable<served> echo(ssl_socket socket) {
  served done;
  std::array<std::byte, buffer_size> buffer;  // in the coroutine's frame: all that an idle connection holds here
  for (;;) {
    const auto [read_failure, size] = co_await socket.async_read_some(asio::buffer(buffer), as_result);
    if (read_failure) {
      done.ended = read_failure.message();
      if (read_failure != asio::error::eof) co_return done;
      break;
    }
    done.bytes_in += size;
    const auto [write_failure, written] =
        co_await asio::async_write(socket, asio::buffer(buffer.data(), size), as_result);
    done.bytes_out += written;
    if (write_failure) {
      done.ended = write_failure.message();
      co_return done;
    }
  }
  const auto [shutdown_failure] = co_await socket.async_shutdown(as_result);
  done.ended = shutdown_failure ? shutdown_failure.message() : "close_notify";
  co_return done;
}

}  // namespace

exit_status run_echo(const echo_options& options, logger& log) { return run_service(options.service, log, echo); }

}  // namespace sallyport::tool
