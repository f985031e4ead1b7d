// backend: whom `forward` connects its clients to.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TOOL_BACKEND_HPP
#define SALLYPORT_TOOL_BACKEND_HPP

#include "address.hpp"
#include "endpoint.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace sallyport::tool {

/// Where to connect to, and how long that may take.
class backend {
 public:
  /// Blocks while a name is looked up, so that a mistyped one is told at once: startup_failure (exit_usage).
  backend(const address& address, std::chrono::milliseconds connect_timeout);

  const tool::address& address() const noexcept { return address_; }
  /// None if the address is a name.
  const std::optional<stream_endpoint>& endpoint() const noexcept { return endpoint_; }
  std::chrono::milliseconds connect_timeout() const noexcept { return connect_timeout_; }
  /// As in the options, for logs.
  const std::string& name() const noexcept { return name_; }

 private:
  tool::address address_;
  std::optional<stream_endpoint> endpoint_;
  std::chrono::milliseconds connect_timeout_;
  std::string name_;
};

}  // namespace sallyport::tool

#endif
