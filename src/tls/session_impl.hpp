// session_impl: what a session is on the inside, for the files that OpenSSL calls back into.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_SESSION_IMPL_HPP
#define SALLYPORT_TLS_SESSION_IMPL_HPP

#include "client_offer.hpp"
#include "client_side.hpp"
#include "context_data.hpp"
#include "event_list.hpp"
#include "failure_reason.hpp"
#include "openssl.hpp"
#include "peer_authentication.hpp"
#include "window_bio.hpp"

#include <sallyport/session.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace sallyport::detail {

/// The settings that hold for a session: its context's, or those for the name that its client asks for.
class settings_in_force {
 public:
  explicit settings_in_force(const context& made) : context_(made), data_(&context_.data()) {}
  settings_in_force(const settings_in_force&) = delete;
  settings_in_force& operator=(const settings_in_force&) = delete;

  const context_data& data() const noexcept { return *data_; }
  const ssl_configuration& configuration() const noexcept { return data_->configuration; }
  const context& made_from() const noexcept { return context_; }
  /// The context's own.
  const context_data& of_all() const noexcept { return context_.data(); }
  /// One of of_all().of_names.
  void use(const context_data& of_name) noexcept { data_ = &of_name; }

 private:
  context context_;  // what the SSL's callbacks point to
  const context_data* data_;
};

struct session_impl {
  explicit session_impl(const context& configuration);
  ~session_impl();

  /// Before anything else, what session's constructor for clients does.
  void make_client(std::string name, std::string to_resume);

  bool start();
  step fail(failure why);
  step handshake_result(int openssl_result);
  step stream_result();
  step do_handshake();
  step finish();
  void remember(session_event event) noexcept;
  void count_message_without_data() noexcept;

  /// The one an SSL belongs to; null for an SSL that isn't a session's.
  static session_impl* of(const SSL* ssl) noexcept;

  // OpenSSL's callbacks only note what happened, or stop the handshake with a question: user code never runs inside
  // OpenSSL's frames.
  static void on_message(int sent, int version, int content_type, const void* data, std::size_t size, SSL* ssl,
                         void* self) noexcept;
  // Not inline: on_message() is called several times for each record, and mostly to do nothing.
  [[gnu::noinline]] void note_alert(bool sent, int version, std::span<const unsigned char> bytes) noexcept;
  [[gnu::noinline]] void note_message(bool sent, int version, std::span<const unsigned char> bytes) noexcept;
  static int on_client_hello(SSL* ssl, int* alert, void*) noexcept;

  settings_in_force settings;
  window_bio bio;
  ssl_ptr ssl;                                // made when the first bytes turn out to be TLS
  std::unique_ptr<peer_authentication> peer;  // null if there is nothing that might be asked
  std::unique_ptr<client_side> as_client;     // null on the server's side
  handshake_phase phase = handshake_phase::before_client_hello;
  unsigned messages_without_data = 0;
  bool close_notify_sent = false;
  bool close_notify_received = false;
  bool failed = false;
  bool stops_before_key = false;  // once
  error_code error;
  std::string error_detail;

  // --- the name that the client asks for; on its own side the one that the server must have ---
  std::string server_name;
  bool has_chosen_by_name = false;
  bool has_unknown_name = false;                // and is refused for it
  bool changed_server_name = false;             // in its second ClientHello
  const identity_choice* identities = nullptr;  // null: the context's default ones
  /// The one to name them all by; null if there are none.
  const identity_data* first_identity() const noexcept {
    const identity_choice& choice = identities != nullptr ? *identities : settings.of_all().identities.default_choice();
    return choice.empty() ? nullptr : &choice.front().data();
  }
  identity_choice answered_identity;  // by the application, for a name that is nobody's
  client_offer offer;                 // forgotten when the handshake is complete

  event_list events;
};

}  // namespace sallyport::detail

#endif
