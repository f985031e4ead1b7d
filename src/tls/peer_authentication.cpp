// peer_authentication: what a session knows and has been told about who its peer is.
//
// SPDX-License-Identifier: Apache-2.0
#include "peer_authentication.hpp"

#include <algorithm>

namespace sallyport::detail {

bool peer_authentication::ignores_errors() const noexcept {
  if (expected.empty()) return ignores_all;
  return std::ranges::all_of(
      errors, [this](const ssl_error& error) { return std::ranges::find(expected, error) != expected.end(); });
}

bool peer_authentication::ask(handshake_question what) noexcept {
  // OpenSSL calls back on its own account only inside a step of the handshake; elsewhere nobody could answer.
  if (refused || !call.is_running()) return false;
  continue_once = false;
  question = what;
  call.suspend();
  question = handshake_question::none;
  return !refused;
}

}  // namespace sallyport::detail
