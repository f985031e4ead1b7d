// session: one TLS connection without a socket, a clock or a thread.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/session.hpp>

#include "context_data.hpp"
#include "failure_reason.hpp"
#include "first_record.hpp"
#include "openssl.hpp"
#include "session_callbacks.hpp"
#include "window_bio.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <new>
#include <utility>

namespace sallyport {
namespace {

// KeyUpdates (TLS 1.3) and refused renegotiations (TLS 1.2) that a peer may cause without data between them. Each
// costs us a key derivation or an alert, and the peer next to nothing.
constexpr unsigned max_messages_without_data = 32;

constexpr std::size_t max_plaintext_per_record = 16384;  // RFC 8446 section 5.1

// More than a record adds to its plaintext, plus a KeyUpdate that OpenSSL may put before it.
constexpr std::size_t max_record_overhead = 512;

}  // namespace

struct detail::session_impl {
  explicit session_impl(const context& configuration) : settings(configuration) {}

  bool start();
  step fail(detail::failure failure);
  step result_of(int openssl_result, bool in_handshake);
  void remember(session_event event) noexcept;
  void count_message_without_data() noexcept;

  // OpenSSL's callbacks only note what happened: user code never runs inside OpenSSL's frames.
  static void on_message(int sent, int version, int content_type, const void* data, std::size_t size, SSL* ssl,
                         void* self) noexcept;
  static int on_client_hello(SSL* ssl, int* alert, void*) noexcept;

  context settings;  // what the SSL's callbacks point to
  detail::window_bio bio;
  detail::ssl_ptr ssl;  // made when the first bytes turn out to be TLS
  handshake_phase phase = handshake_phase::before_client_hello;
  unsigned messages_without_data = 0;
  bool close_notify_sent = false;
  bool failed = false;
  error_code error;
  std::string error_detail;
  std::string server_name;

  // A step makes a handful of events at most; what a flood of warning alerts would add beyond is dropped.
  std::array<session_event, 16> events{};
  std::size_t event_count = 0;
};

namespace {

/// Where an SSL finds its session_impl again.
int session_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

/// The length of a step: lends the window to the BIO, and gives OpenSSL an empty error queue.
class step_scope {
 public:
  step_scope(detail::window_bio& bio, io_window& window) noexcept : bio_(bio) {
    assert(bio_.window == nullptr);
    bio_.window = &window;
    ERR_clear_error();
  }
  ~step_scope() {
    bio_.window = nullptr;
    ERR_clear_error();
  }
  step_scope(const step_scope&) = delete;
  step_scope& operator=(const step_scope&) = delete;

 private:
  detail::window_bio& bio_;
};

/// The host_name of a server_name extension (RFC 6066 section 3); empty if it is malformed, which OpenSSL refuses
/// right afterwards.
std::string_view host_name(std::span<const unsigned char> extension) noexcept {
  constexpr std::size_t header = 5;  // list length, name type, name length
  if (extension.size() < header || extension[2] != TLSEXT_NAMETYPE_host_name) return {};
  const std::size_t size = static_cast<std::size_t>(extension[3]) << 8 | extension[4];
  if (size > extension.size() - header || size > TLSEXT_MAXLEN_host_name) return {};
  return {reinterpret_cast<const char*>(extension.data()) + header, size};
}

}  // namespace

bool detail::session_impl::start() {
  ssl.reset(SSL_new(settings.data().ssl_ctx.get()));
  detail::bio_ptr window_bio = bio.make_bio();
  if (!ssl || !window_bio || SSL_set_ex_data(ssl.get(), session_index(), this) != 1) return false;
  BIO_up_ref(window_bio.get());  // SSL_set_bio takes one reference for each direction
  BIO* const both = window_bio.release();
  SSL_set0_rbio(ssl.get(), both);
  SSL_set0_wbio(ssl.get(), both);
  SSL_set_accept_state(ssl.get());
  SSL_set_msg_callback(ssl.get(), on_message);
  SSL_set_msg_callback_arg(ssl.get(), this);
  return true;
}

step detail::session_impl::fail(detail::failure failure) {
  failed = true;
  error = failure.code;
  error_detail = std::move(failure.detail);
  return {progress::failed};
}

/// What to tell the driver about an OpenSSL call that didn't succeed.
step detail::session_impl::result_of(int openssl_result, bool in_handshake) {
  switch (SSL_get_error(ssl.get(), openssl_result)) {
    case SSL_ERROR_WANT_READ:
      return {progress::want_input};
    case SSL_ERROR_WANT_WRITE:
      return {progress::want_output};
    case SSL_ERROR_ZERO_RETURN:
      if (!in_handshake) return {progress::peer_closed};
      return fail({handshake_error::closed_by_client, "the client sent close_notify during the handshake"});
    default:
      break;
  }
  if (bio.cut_off) return fail({stream_error::message_flood, "too many KeyUpdates or renegotiations without data"});
  return fail(in_handshake ? detail::handshake_failure(ssl.get()) : detail::stream_failure());
}

void detail::session_impl::remember(session_event event) noexcept {
  if (event_count < events.size()) events[event_count++] = event;
}

void detail::session_impl::count_message_without_data() noexcept {
  if (++messages_without_data > max_messages_without_data) bio.cut_off = true;
}

void detail::session_impl::on_message(int sent, int, int content_type, const void* data, std::size_t size, SSL*,
                                      void* self) noexcept {
  auto& session = *static_cast<session_impl*>(self);
  const auto* bytes = static_cast<const unsigned char*>(data);
  if (content_type == SSL3_RT_ALERT && size == 2) {
    const auto type = static_cast<alert_type>(bytes[1]);
    session.remember({sent != 0 ? session_event::kind::alert_sent : session_event::kind::alert_received,
                      static_cast<alert_level>(bytes[0]), type});
    if (sent != 0 && type == alert_type::no_renegotiation) session.count_message_without_data();
  } else if (content_type == SSL3_RT_HANDSHAKE && sent == 0 && size > 0) {
    if (bytes[0] == SSL3_MT_CLIENT_HELLO && session.phase == handshake_phase::before_client_hello) {
      session.phase = handshake_phase::in_handshake;
      session.remember({session_event::kind::client_hello});
    }
    if (bytes[0] == SSL3_MT_KEY_UPDATE) session.count_message_without_data();
  }
}

int detail::session_impl::on_client_hello(SSL* ssl, int* alert, void*) noexcept {
  // Read here and not with SSL_get_servername: this comes before anything can fail for lack of a common version.
  auto* self = static_cast<session_impl*>(SSL_get_ex_data(ssl, session_index()));
  if (self == nullptr) return SSL_CLIENT_HELLO_SUCCESS;  // an SSL that isn't a session's
  const unsigned char* extension = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &extension, &size) == 1) try {
      self->server_name = host_name({extension, size});
    } catch (const std::bad_alloc&) {
      *alert = SSL_AD_INTERNAL_ERROR;
      return SSL_CLIENT_HELLO_ERROR;
    }
  return SSL_CLIENT_HELLO_SUCCESS;
}

void detail::install_session_callbacks(SSL_CTX* ssl_ctx) noexcept {
  SSL_CTX_set_client_hello_cb(ssl_ctx, session_impl::on_client_hello, nullptr);
}

session::session(const context& configuration) : impl_(std::make_unique<detail::session_impl>(configuration)) {}
session::~session() = default;
session::session(session&&) noexcept = default;
session& session::operator=(session&&) noexcept = default;

step session::handshake(io_window& window) {
  detail::session_impl& self = *impl_;
  self.event_count = 0;
  if (self.failed) return {progress::failed};
  if (self.phase == handshake_phase::complete) return {progress::done};

  const step_scope scope(self.bio, window);
  if (!self.ssl) {
    switch (detail::inspect_first_record(window.input)) {
      case detail::first_record::undecided:
        return {progress::want_input};
      case detail::first_record::plain_http:
        return self.fail({handshake_error::plain_http, "the client speaks plain HTTP to a TLS port"});
      case detail::first_record::not_tls:
        return self.fail({handshake_error::not_tls, "the first bytes are no TLS handshake record"});
      case detail::first_record::oversized:
        self.remember({session_event::kind::started});
        return self.fail(
            {handshake_error::protocol_violation,
             "the ClientHello claims more than " + std::to_string(detail::max_client_hello_size) + " bytes"});
      case detail::first_record::client_hello:
        break;
    }
    if (!self.start()) return self.fail({handshake_error::internal, "out of memory for a TLS connection"});
    self.remember({session_event::kind::started});
  }

  const int done = SSL_do_handshake(self.ssl.get());
  if (done != 1) return self.result_of(done, true);
  self.phase = handshake_phase::complete;
  return {progress::done};
}

step session::read(io_window& window, std::span<std::byte> plaintext) {
  detail::session_impl& self = *impl_;
  self.event_count = 0;
  if (self.failed) return {progress::failed};
  assert(self.phase == handshake_phase::complete && !plaintext.empty());

  const step_scope scope(self.bio, window);
  // One call returns one record's worth: go on while there is both room and input, so that a step isn't wasted.
  std::size_t total = 0;
  while (total == 0 || (total < plaintext.size() && (!window.input.empty() || SSL_pending(self.ssl.get()) > 0))) {
    std::size_t bytes = 0;
    const int done = SSL_read_ex(self.ssl.get(), plaintext.data() + total, plaintext.size() - total, &bytes);
    if (done != 1) {
      const step ended = self.result_of(done, false);
      // Data first: the end is told again by the next step (a failed session stays failed, and a close_notify read).
      return total > 0 ? step{progress::done, total} : ended;
    }
    self.messages_without_data = 0;
    total += bytes;
  }
  return {progress::done, total};
}

step session::write(io_window& window, std::span<const std::byte> plaintext) {
  detail::session_impl& self = *impl_;
  self.event_count = 0;
  if (self.failed) return {progress::failed};
  assert(self.phase == handshake_phase::complete);

  const step_scope scope(self.bio, window);
  std::size_t total = 0;
  while (total < plaintext.size()) {
    const std::size_t room = window.output.size() - window.produced;
    if (room <= max_record_overhead) break;
    const auto size = std::min({plaintext.size() - total, max_plaintext_per_record, room - max_record_overhead});
    std::size_t bytes = 0;
    const int done = SSL_write_ex(self.ssl.get(), plaintext.data() + total, size, &bytes);
    if (done != 1) {
      const step ended = self.result_of(done, false);
      return total > 0 ? step{progress::done, total} : ended;
    }
    total += bytes;
  }
  return total > 0 ? step{progress::done, total} : step{progress::want_output};
}

step session::shutdown(io_window& window) {
  detail::session_impl& self = *impl_;
  self.event_count = 0;
  if (self.failed) return {progress::failed};
  assert(self.phase == handshake_phase::complete);

  const step_scope scope(self.bio, window);
  // SSL_SENT_SHUTDOWN doesn't tell this: it is set before there is room for the alert.
  if (self.close_notify_sent) return {progress::done};
  const int done = SSL_shutdown(self.ssl.get());
  if (done < 0) return self.result_of(done, false);
  self.close_notify_sent = true;  // 0 or 1: the peer's isn't here yet, or is
  return {progress::done};
}

std::span<const session_event> session::events() const noexcept { return {impl_->events.data(), impl_->event_count}; }
error_code session::error() const noexcept { return impl_->error; }
const std::string& session::error_detail() const noexcept { return impl_->error_detail; }
handshake_phase session::phase() const noexcept { return impl_->phase; }
const std::string& session::server_name() const noexcept { return impl_->server_name; }
void* session::native_handle() noexcept { return impl_->ssl.get(); }

bool session::has_buffered_plaintext() const noexcept { return impl_->ssl && SSL_pending(impl_->ssl.get()) > 0; }

tls_version session::version() const noexcept {
  if (impl_->phase != handshake_phase::complete) return tls_version::unknown;
  return static_cast<tls_version>(SSL_version(impl_->ssl.get()));
}

std::string_view session::cipher() const noexcept {
  if (impl_->phase != handshake_phase::complete) return "";
  const char* name = SSL_CIPHER_standard_name(SSL_get_current_cipher(impl_->ssl.get()));
  return name == nullptr ? "" : name;
}

std::string_view session::application_protocol() const noexcept {
  if (!impl_->ssl) return "";
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(impl_->ssl.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

bool session::resumed() const noexcept {
  return impl_->phase == handshake_phase::complete && SSL_session_reused(impl_->ssl.get()) == 1;
}

std::string_view to_string(handshake_phase phase) noexcept {
  switch (phase) {
    case handshake_phase::before_client_hello:
      return "before_client_hello";
    case handshake_phase::in_handshake:
      return "in_handshake";
    case handshake_phase::complete:
      break;
  }
  return "complete";
}

std::string_view to_string(tls_version version) noexcept {
  switch (version) {
    case tls_version::tls_1_2:
      return "TLSv1.2";
    case tls_version::tls_1_3:
      return "TLSv1.3";
    case tls_version::unknown:
      break;
  }
  return "unknown";
}

}  // namespace sallyport
