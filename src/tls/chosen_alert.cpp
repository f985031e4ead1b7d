// chosen_alert: see chosen_alert.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "chosen_alert.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

namespace sallyport::detail {
namespace {

// Never sent; for private use (RFC 8446 section 11). It is also said to be one of the ClientHello's: otherwise OpenSSL
// would refuse a client that sends it there.
constexpr unsigned extension_type = 0xff53;
constexpr unsigned extension_context = SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_3_NEW_SESSION_TICKET;

int add_extension(SSL* ssl, unsigned, unsigned context, const unsigned char**, std::size_t*, X509*, std::size_t,
                  int* alert, void*) noexcept {
  const session_impl* session = session_impl::of(ssl);
  if (context != SSL_EXT_TLS1_3_NEW_SESSION_TICKET || session == nullptr || !session->peer ||
      !session->peer->chosen_alert) {
    return 0;  // without the extension
  }
  *alert = static_cast<int>(*session->peer->chosen_alert);
  return -1;
}

/// RFC 5246 section 6.2.1 and 7.2. If there is no room it is lost, as OpenSSL's own would be.
void write_alert(session_impl& session, alert_type alert) noexcept {
  io_window& window = *session.bio.window;
  const std::array record{
      std::byte{SSL3_RT_ALERT},     std::byte{3}, std::byte{3}, std::byte{0}, std::byte{2}, std::byte{SSL3_AL_FATAL},
      static_cast<std::byte>(alert)};
  const auto room = window.output.subspan(window.produced);
  if (room.size() < record.size()) return;
  std::ranges::copy(record, room.begin());
  window.produced += record.size();
  session.remember({session_event::kind::alert_sent, alert_level::fatal, alert});
}

}  // namespace

bool install_chosen_alert(SSL_CTX* ssl_ctx) noexcept {
  return SSL_CTX_add_custom_ext(ssl_ctx, extension_type, extension_context, add_extension, nullptr, nullptr, nullptr,
                                nullptr) == 1;
}

bool refuse_with_chosen_alert(session_impl& session, alert_type alert) noexcept {
  SSL* const ssl = session.ssl.get();
  session.peer->refused = true;
  session.peer->chosen_alert = alert;
  if (SSL_version(ssl) == TLS1_3_VERSION && SSL_set_num_tickets(ssl, 0) == 1) return true;
  session.bio.is_muted = true;
  return false;
}

void send_chosen_alert(session_impl& session) noexcept {
  SSL* const ssl = session.ssl.get();
  if (session.bio.is_muted) {
    write_alert(session, *session.peer->chosen_alert);
  } else if (SSL_version(ssl) == TLS1_3_VERSION) {
    // With this the ticket is only a number. Otherwise it would be encrypted, by keys that are asked for.
    SSL_set_options(ssl, SSL_OP_NO_TICKET);
    if (SSL_new_session_ticket(ssl) == 1) SSL_do_handshake(ssl);
  }
  ERR_clear_error();
}

}  // namespace sallyport::detail
