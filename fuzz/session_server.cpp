// session_server: a session as a server that wants client certificates and takes pre-shared keys, against bytes of all
// kinds. server_settings.hpp says what the first bytes are, server_run.cpp what is checked.
//
// SPDX-License-Identifier: Apache-2.0
#include "server_run.hpp"
#include "target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using sallyport::fuzz::server_settings;
  if (size < server_settings::size) return 0;
  sallyport::fuzz::run_server(server_settings::from_bytes(data),
                              {data + server_settings::size, size - server_settings::size});
  return 0;
}
