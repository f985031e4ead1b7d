// shared_buffer: room for the bytes that are just passing through, for all connections of a thread.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_SHARED_BUFFER_HPP
#define SALLYPORT_TOOL_SHARED_BUFFER_HPP

#include <array>
#include <cstddef>
#include <span>

namespace sallyport::tool {

/// Four records: half of what ssl_socket::write_some takes at a time. Nobody leaves anything in it when they return to
/// the event loop.
inline std::span<std::byte> shared_buffer() noexcept {
  thread_local std::array<std::byte, 64 * 1024> buffer;
  return buffer;
}

}  // namespace sallyport::tool

#endif
