// session_impl: what a session is on the inside, for the files that OpenSSL calls back into.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_SESSION_IMPL_HPP
#define SALLYPORT_TLS_SESSION_IMPL_HPP

#include "client_authentication.hpp"
#include "client_offer.hpp"
#include "context_data.hpp"
#include "failure_reason.hpp"
#include "openssl.hpp"
#include "window_bio.hpp"

#include <sallyport/session.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace sallyport::detail {

struct session_impl {
  explicit session_impl(const context& configuration);
  ~session_impl();

  bool start();
  step fail(failure why);
  step handshake_result(int openssl_result);
  step stream_result();
  step do_handshake();
  void finish();
  void remember(session_event event) noexcept;
  void count_message_without_data() noexcept;

  /// The one an SSL belongs to; null for an SSL that isn't a session's.
  static session_impl* of(const SSL* ssl) noexcept;

  // OpenSSL's callbacks only note what happened, or stop the handshake with a question: user code never runs inside
  // OpenSSL's frames.
  static void on_message(int sent, int version, int content_type, const void* data, std::size_t size, SSL* ssl,
                         void* self) noexcept;
  static int on_client_hello(SSL* ssl, int* alert, void*) noexcept;

  context settings;  // what the SSL's callbacks point to
  window_bio bio;
  ssl_ptr ssl;                                    // made when the first bytes turn out to be TLS
  std::unique_ptr<client_authentication> client;  // null if clients aren't authenticated
  handshake_phase phase = handshake_phase::before_client_hello;
  unsigned messages_without_data = 0;
  bool close_notify_sent = false;
  bool close_notify_received = false;
  bool failed = false;
  error_code error;
  std::string error_detail;
  std::string server_name;
  client_offer offer;  // forgotten when the handshake is complete

  // A step makes a handful of events at most; what a flood of warning alerts would add beyond is dropped.
  std::array<session_event, 8> events{};
  std::size_t event_count = 0;
};

}  // namespace sallyport::detail

#endif
