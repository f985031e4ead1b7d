// backend: see backend.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "backend.hpp"

namespace sallyport::tool {

backend::backend(const tool::address& address, std::chrono::milliseconds connect_timeout)
    : address_(address),
      endpoint_(literal_endpoint(address)),
      connect_timeout_(connect_timeout),
      name_(to_string(address)) {
  if (!endpoint_) look_up("--to", address_);
}

}  // namespace sallyport::tool
