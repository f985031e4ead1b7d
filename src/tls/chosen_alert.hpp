// chosen_alert: refusing a client for its certificate by an alert that OpenSSL has for no error of certificates.
//
// OpenSSL has no call to send an alert. What it derives from a verification's result doesn't include access_denied.
//
// TLS 1.2: when the client's certificate is judged our side of the wire is still in the clear, and nothing waits to be
// written. OpenSSL is made to refuse, its alert is dropped, and ours is written in its place.
//
// TLS 1.3: the alert is encrypted, so OpenSSL has to make it. It takes the certificate for accepted until the client's
// Finished; nothing is sent in the meantime. Then it is asked for a NewSessionTicket: a callback that adds an extension
// to that message may fail with an alert of its choice. The session doesn't come to know that OpenSSL's handshake was
// complete.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_CHOSEN_ALERT_HPP
#define SALLYPORT_TLS_CHOSEN_ALERT_HPP

#include "session_impl.hpp"

#include <sallyport/alert.hpp>

namespace sallyport::detail {

/// Once for each SSL_CTX of a context by which somebody is asked for a certificate. False if OpenSSL fails.
bool install_chosen_alert(SSL_CTX* ssl_ctx) noexcept;

/// While the client's certificate is judged: refuses it for good. True if OpenSSL has to be told that it is accepted
/// (TLS 1.3), false if that it is refused.
bool refuse_with_chosen_alert(session_impl& session, alert_type alert) noexcept;

/// Puts the alert into the output: in TLS 1.2 when OpenSSL's handshake has failed, in TLS 1.3 when it is complete.
void send_chosen_alert(session_impl& session) noexcept;

}  // namespace sallyport::detail

#endif
