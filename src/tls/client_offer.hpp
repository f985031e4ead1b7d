// client_offer: what a client offers, for the sentence that says why it and the server have nothing in common.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_CLIENT_OFFER_HPP
#define SALLYPORT_TLS_CLIENT_OFFER_HPP

#include "openssl.hpp"

#include <sallyport/error.hpp>

#include <string>
#include <vector>

namespace sallyport::detail {

/// The lists of a ClientHello, kept as they came: they are only read if the handshake fails.
class client_offer {
 public:
  /// Called in the client_hello callback. Copies some hundred bytes in one allocation; throws std::bad_alloc.
  void remember(SSL* ssl);
  void forget() noexcept { *this = {}; }

  /// ALPN's names, as they came; empty if there are none or the extension is malformed.
  std::vector<std::string> application_protocols() const;

  /// What it offers of what `lacking` (a no_common_... reason) says is lacking, such as "TLSv1.1, TLSv1" or
  /// "X25519MLKEM768, X25519, 0x1234"; at most about 300 characters, printable; "" for other reasons.
  std::string describe(handshake_error lacking) const;

 private:
  std::string bytes_;  // the lists one after the other, each with its length in two bytes before it
};

}  // namespace sallyport::detail

#endif
