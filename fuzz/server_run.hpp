// server_run: a session as a server, driven as settings say over what a client has sent, with every promise checked.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_FUZZ_SERVER_RUN_HPP
#define SALLYPORT_FUZZ_SERVER_RUN_HPP

#include "server_settings.hpp"

#include <sallyport/error.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sallyport::fuzz {

struct server_outcome {
  bool complete = false;         ///< the handshake
  bool resumed = false;          ///< likewise
  bool by_key = false;           ///< by a pre-shared key
  error_code error{};            ///< why the session failed, if it did
  std::size_t certificates = 0;  ///< that the client has sent
  std::size_t questions = 0;     ///< that were asked
  std::string received{};        ///< plaintext
  std::string sent{};            ///< what had gone to the client when all of its bytes were used up
};

/// The same for the same input, always. A broken promise aborts.
server_outcome run_server(const server_settings& settings, std::span<const std::uint8_t> from_client);

}  // namespace sallyport::fuzz

#endif
