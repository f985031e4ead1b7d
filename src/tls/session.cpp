// session: one TLS connection without a socket, a clock or a thread.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/session.hpp>

#include "authorization.hpp"
#include "chosen_alert.hpp"
#include "first_record.hpp"
#include "name_selection.hpp"
#include "peer_verification.hpp"
#include "pre_shared_key_callbacks.hpp"
#include "resumption.hpp"
#include "server_offer.hpp"
#include "session_callbacks.hpp"
#include "session_impl.hpp"
#include "utf8.hpp"

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

// In a sentence.
constexpr std::size_t longest_identity = 64;

using detail::failure;

/// What the two sides have none of in common; "" if that isn't the reason.
std::string_view what_is_missing(const error_code& reason) noexcept {
  if (reason == handshake_error::no_common_version) return "TLS version";
  if (reason == handshake_error::no_common_cipher) return "cipher suite";
  if (reason == handshake_error::no_common_group) return "key exchange group";
  if (reason == handshake_error::no_common_signature_algorithm) return "signature algorithm";
  if (reason == handshake_error::no_common_application_protocol) return "application protocol";
  return "";
}

/// Why a client was refused by an alert that OpenSSL doesn't send.
failure why_refused(const detail::session_impl& session) {
  const detail::peer_authentication& client = *session.peer;
  if (client.denied) return {handshake_error::denied_by_policy, detail::denial(session)};
  if (client.verdict) return {detail::reason_of(*client.verdict), client.verdict->error_string()};
  return {handshake_error::client_certificate_rejected, "the application refuses the client's certificate"};
}

/// Why the handshake failed: as the client's authentication has it, or else as OpenSSL has it.
failure why_handshake_failed(const detail::session_impl& session) {
  if (session.as_client) return detail::why_client_side_failed(session);
  failure why = detail::handshake_failure(session.ssl.get());
  if (const std::string_view missing = what_is_missing(why.code); !missing.empty()) {
    const auto reason = static_cast<handshake_error>(why.code.value());
    why.detail = "no " + std::string(missing) + " in common: the client offers " + session.offer.describe(reason) +
                 ", this server " + detail::describe_server_offer(session.ssl.get(), session.settings.data(), reason);
  }
  if (session.has_unknown_name) {
    return {handshake_error::unknown_server_name,
            "the client asks for \"" +
                detail::shortened(detail::escaped_for_log(session.server_name), longest_identity) +
                "\", which is in no certificate of this server"};
  }
  if (session.changed_server_name)
    return {handshake_error::protocol_violation, "the second ClientHello asks for another name than the first"};
  const detail::peer_authentication* client = session.peer.get();
  if (client == nullptr || why.code == handshake_error::alert_from_client) return why;
  if (client->withdrew_key) {
    return {handshake_error::protocol_violation, "the second ClientHello lacks the pre-shared key of the first"};
  }
  if (client->chosen_alert && session.bio.is_muted) return why_refused(session);
  if (client->verdict) return {detail::reason_of(*client->verdict), client->verdict->error_string()};
  if (session.settings.configuration().identities.empty() && client->identity.empty() &&
      (why.code == handshake_error::no_common_cipher || why.code == handshake_error::no_common_signature_algorithm)) {
    return {handshake_error::bad_pre_shared_key,
            "the client offers no pre-shared key, and this server has no certificate"};
  }
  if (why.code == handshake_error::bad_pre_shared_key) {
    const char* const what = !client->knows_identity  ? "unknown identity"
                             : client->has_other_hash ? "key bound to another hash than the client's, for the identity"
                                                      : "wrong pre-shared key for the identity";
    why.detail = std::string(what) + " \"" +
                 detail::shortened(detail::escaped_for_log(client->identity), longest_identity) + '"';
  }
  return why;
}

/// Where an SSL finds its session_impl again.
int session_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

/// The length of a step: lends the window to the BIO.
class step_scope {
 public:
  step_scope(detail::window_bio& bio, io_window& window) noexcept : bio_(bio) {
    assert(bio_.window == nullptr);
    bio_.window = &window;
    bio_.found_no_room = false;
  }
  ~step_scope() { bio_.window = nullptr; }
  step_scope(const step_scope&) = delete;
  step_scope& operator=(const step_scope&) = delete;

 private:
  detail::window_bio& bio_;
};

/// Gives OpenSSL an empty error queue, and leaves one behind.
struct clean_error_queue {
  clean_error_queue() noexcept { ERR_clear_error(); }
  ~clean_error_queue() { ERR_clear_error(); }
  clean_error_queue(const clean_error_queue&) = delete;
  clean_error_queue& operator=(const clean_error_queue&) = delete;
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

/// True if a Certificate message has no certificate in it. TLS 1.3 puts a context before the list (RFC 8446 section
/// 4.4.2), which is empty during the handshake.
bool is_empty_certificate(int version, std::span<const unsigned char> message) noexcept {
  constexpr std::size_t header = 4, length = 3;
  const std::size_t context = version == TLS1_3_VERSION ? 1 : 0;
  return message.size() == header + context + length &&
         std::all_of(message.begin() + header, message.end(), [](unsigned char byte) { return byte == 0; });
}

}  // namespace

detail::session_impl::session_impl(const context& configuration) : settings(configuration) {
  if (settings.data().may_ask()) peer = std::make_unique<peer_authentication>();
}

void detail::session_impl::make_client(std::string name, std::string to_resume) {
  as_client = std::make_unique<client_side>();
  as_client->to_resume = std::move(to_resume);
  server_name = std::move(name);
  if (!peer) peer = std::make_unique<peer_authentication>();
}

detail::session_impl::~session_impl() {
  if (!peer || !peer->call.is_suspended()) return;
  // OpenSSL's frames are on the other stack. Refused, they return; what they write goes nowhere.
  std::array<std::byte, 512> nowhere;
  io_window window{{}, nowhere, 0};
  const step_scope scope(bio, window);
  const clean_error_queue errors;
  peer->refused = true;
  peer->call.resume();
}

detail::session_impl* detail::session_impl::of(const SSL* ssl) noexcept {
  return static_cast<session_impl*>(SSL_get_ex_data(ssl, session_index()));
}

bool detail::session_impl::start() {
  ssl.reset(SSL_new(settings.data().ssl_ctx.get()));
  detail::bio_ptr window_bio = bio.make_bio();
  if (!ssl || !window_bio || SSL_set_ex_data(ssl.get(), session_index(), this) != 1) return false;
  BIO_up_ref(window_bio.get());  // SSL_set_bio takes one reference for each direction
  BIO* const both = window_bio.release();
  SSL_set0_rbio(ssl.get(), both);
  SSL_set0_wbio(ssl.get(), both);
  SSL_set_msg_callback(ssl.get(), on_message);
  SSL_set_msg_callback_arg(ssl.get(), this);
  if (as_client) return start_client_side(*this);
  SSL_set_accept_state(ssl.get());
  return true;
}

step detail::session_impl::fail(detail::failure failure) {
  failed = true;
  error = failure.code;
  error_detail = std::move(failure.detail);
  if (peer) peer->key = {};
  return {progress::failed};
}

/// What to tell the driver about a call of the handshake, with a clean error queue before it, that didn't succeed.
step detail::session_impl::handshake_result(int openssl_result) {
  switch (SSL_get_error(ssl.get(), openssl_result)) {
    case SSL_ERROR_WANT_READ:
      return {progress::want_input};
    case SSL_ERROR_WANT_WRITE:
      return {progress::want_output};
    case SSL_ERROR_WANT_X509_LOOKUP:  // on_certificate_needed() has stopped it
      return {progress::want_worker};
    case SSL_ERROR_ZERO_RETURN:
      return fail({handshake_error::closed_by_client, std::string("the ") + (as_client ? "server" : "client") +
                                                          " sent close_notify during the handshake"});
    default:
      return fail(why_handshake_failed(*this));
  }
}

/// The same of a call that reads, writes or shuts down. SSL_get_error() would be misled by what others have left in the
/// error queue, and to look into the queue before each record costs more than all else that is done here for it.
step detail::session_impl::stream_result() {
  if (bio.cut_off) return fail({stream_error::message_flood, "too many KeyUpdates or renegotiations without data"});
  switch (SSL_want(ssl.get())) {
    case SSL_READING:
      return {progress::want_input};
    case SSL_WRITING:
      // What found no room may be the alert of a failure, whose words are in the queue then. The next step tells the
      // failure: OpenSSL still says so, but hasn't tried to write.
      if (!bio.found_no_room) break;
      ERR_clear_error();
      return {progress::want_output};
    default:
      break;
  }
  return fail(detail::stream_failure());
}

/// SSL_do_handshake, on a stack of its own where it may have to stop and ask.
step detail::session_impl::do_handshake() {
  int done = 0;
  if (!peer) {
    done = SSL_do_handshake(ssl.get());
  } else {
    const auto call = [](void* handle) { return SSL_do_handshake(static_cast<SSL*>(handle)); };
    if (peer->call.is_suspended()) {
      peer->call.resume();
    } else if (!peer->call.start(call, ssl.get())) {
      return fail({handshake_error::internal, "out of memory for a handshake that can be interrupted"});
    }
    if (peer->call.is_suspended()) return {progress::want_answer};
    done = peer->call.value();
  }
  if (done == 1) return finish();
  const step result = handshake_result(done);
  if (result.what == progress::failed && bio.is_muted) send_chosen_alert(*this);
  return result;
}

/// OpenSSL has completed the handshake.
step detail::session_impl::finish() {
  if (as_client) {
    if (auto why = finish_client_side(*this)) return fail(*std::move(why));
  } else if (peer) {
    peer->key = {};
    // A key that was offered in TLS 1.3 need not have been used.
    const bool used =
        peer->uses_key && (SSL_version(ssl.get()) != TLS1_3_VERSION || SSL_session_reused(ssl.get()) == 1);
    if (!used) peer->identity.clear();
    remember_resumed_peer(*this);
    // Nobody else looks at who was refused, and by what way a client has come here.
    if (!peer->chosen_alert && !is_authorized(*this)) {
      peer->denied = true;
      peer->chosen_alert = alert_type::access_denied;
    }
    if (peer->chosen_alert) {
      send_chosen_alert(*this);
      return fail(why_refused(*this));
    }
  }
  phase = handshake_phase::complete;
  offer.forget();
  return {progress::done};
}

void detail::session_impl::remember(session_event event) noexcept {
  if (!events.add(event)) bio.cut_off = true;  // rather end than let something happen that nobody is told
}

void detail::session_impl::count_message_without_data() noexcept {
  if (++messages_without_data > max_messages_without_data) bio.cut_off = true;
}

void detail::session_impl::on_message(int sent, int version, int content_type, const void* data, std::size_t size, SSL*,
                                      void* self) noexcept {
  if (content_type == SSL3_RT_ALERT)
    static_cast<session_impl*>(self)->note_alert(sent != 0, version, {static_cast<const unsigned char*>(data), size});
  else if (content_type == SSL3_RT_HANDSHAKE)
    static_cast<session_impl*>(self)->note_message(sent != 0, version, {static_cast<const unsigned char*>(data), size});
}

void detail::session_impl::note_alert(bool sent, int version, std::span<const unsigned char> bytes) noexcept {
  if (bytes.size() != 2 || (sent && bio.is_muted)) return;
  const auto type = static_cast<alert_type>(bytes[1]);
  remember({sent ? session_event::kind::alert_sent : session_event::kind::alert_received,
            static_cast<alert_level>(bytes[0]), type});
  // OpenSSL takes one of level fatal for a failure in TLS 1.2, as it does every fatal alert.
  const bool ends_reading = version == TLS1_3_VERSION || bytes[0] == SSL3_AL_WARNING;
  if (!sent && type == alert_type::close_notify && ends_reading) close_notify_received = true;
  if (sent && type == alert_type::no_renegotiation) count_message_without_data();
}

void detail::session_impl::note_message(bool sent, int version, std::span<const unsigned char> bytes) noexcept {
  if (bytes.empty()) return;
  if (as_client) return note_message_of_client_side(*this, sent, bytes, is_empty_certificate(version, bytes));
  if (sent) return;
  if (bytes[0] == SSL3_MT_CLIENT_HELLO && phase == handshake_phase::before_client_hello) {
    phase = handshake_phase::in_handshake;
    remember({session_event::kind::client_hello});
  }
  if (bytes[0] == SSL3_MT_KEY_UPDATE) count_message_without_data();
  // The last moment to tell that TLS 1.3 is to send no ticket.
  if (bytes[0] == SSL3_MT_FINISHED && !may_be_resumed(*this)) SSL_set_num_tickets(ssl.get(), 0);
  // OpenSSL asks nobody about a certificate that isn't there: it refuses, unless told otherwise now. Whoever has
  // named a pre-shared key was asked about then, and has no business to come here.
  if (bytes[0] == SSL3_MT_CERTIFICATE && peer && !peer->uses_key && is_empty_certificate(version, bytes) &&
      settings.configuration().verify_mode == peer_verify_mode::verify && accepts_empty_certificate(*this)) {
    SSL_set_verify(ssl.get(), SSL_VERIFY_PEER, nullptr);
  }
}

int detail::session_impl::on_client_hello(SSL* ssl, int* alert, void*) noexcept {
  // Read here and not with SSL_get_servername: this comes before anything can fail for lack of a common version.
  session_impl* const self = of(ssl);
  if (self == nullptr) return SSL_CLIENT_HELLO_SUCCESS;  // an SSL that isn't a session's
  *alert = SSL_AD_INTERNAL_ERROR;
  try {
    const auto extension = client_hello_extension(ssl, TLSEXT_TYPE_server_name);
    self->offer.remember(ssl);
    if (!choose_by_name(*self, extension.empty() ? "" : host_name(extension), *alert)) return SSL_CLIENT_HELLO_ERROR;
    *alert = SSL_AD_INTERNAL_ERROR;
    if (!enter_policy(ssl, self->settings.data(), self->first_identity(), self->server_name)) {
      return SSL_CLIENT_HELLO_ERROR;
    }
    if (self->settings.configuration().pre_shared_keys && !ask_for_offered_keys(*self, *alert))
      return SSL_CLIENT_HELLO_ERROR;
  } catch (const std::bad_alloc&) {
    return SSL_CLIENT_HELLO_ERROR;
  }
  return SSL_CLIENT_HELLO_SUCCESS;
}

void detail::install_session_callbacks(SSL_CTX* ssl_ctx) noexcept {
  SSL_CTX_set_client_hello_cb(ssl_ctx, session_impl::on_client_hello, nullptr);
  SSL_CTX_set_cert_cb(ssl_ctx, on_certificate_needed, nullptr);
}

session::session(const context& configuration) : impl_(std::make_unique<detail::session_impl>(configuration)) {}
session::~session() = default;
session::session(session&&) noexcept = default;
session& session::operator=(session&&) noexcept = default;

step session::handshake(io_window& window) {
  detail::session_impl& self = *impl_;
  self.events.clear();
  if (self.failed) return {progress::failed};
  if (self.phase == handshake_phase::complete) return {progress::done};

  if (static_cast<bool>(self.as_client) != self.settings.data().is_client)
    return self.fail({handshake_error::internal, "the context is for the other side of a connection"});

  const step_scope scope(self.bio, window);
  if (self.as_client) {
    if (!self.ssl) {
      if (!self.start()) return self.fail({handshake_error::internal, "out of memory for a TLS connection"});
      self.remember({session_event::kind::started});
    }
    if (auto odd = detail::odd_first_answer(self, window.input)) return self.fail(*std::move(odd));
  } else if (!self.ssl) {
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

  const clean_error_queue errors;
  return self.do_handshake();
}

step session::read(io_window& window, std::span<std::byte> plaintext) {
  detail::session_impl& self = *impl_;
  self.events.clear();
  if (self.failed) return {progress::failed};
  assert(self.phase == handshake_phase::complete && !plaintext.empty());

  const step_scope scope(self.bio, window);
  // One call returns what is left of one record: go on while there is both room and input, so that a step isn't wasted.
  std::size_t total = 0;
  while (total == 0 || (total < plaintext.size() && !window.input.empty())) {
    std::size_t bytes = 0;
    const int done = SSL_read_ex(self.ssl.get(), plaintext.data() + total, plaintext.size() - total, &bytes);
    if (done != 1) {
      const step ended = self.close_notify_received ? step{progress::peer_closed} : self.stream_result();
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
  self.events.clear();
  if (self.failed) return {progress::failed};
  assert(self.phase == handshake_phase::complete);

  const step_scope scope(self.bio, window);
  std::size_t total = 0;
  while (total < plaintext.size()) {
    const std::size_t room = window.output.size() - window.produced;
    if (room <= max_record_overhead) break;
    const auto size =
        std::min(std::min(plaintext.size() - total, max_plaintext_per_record), room - max_record_overhead);
    std::size_t bytes = 0;
    const int done = SSL_write_ex(self.ssl.get(), plaintext.data() + total, size, &bytes);
    if (done != 1) {
      const step ended = self.stream_result();
      return total > 0 ? step{progress::done, total} : ended;
    }
    total += bytes;
  }
  return total > 0 ? step{progress::done, total} : step{progress::want_output};
}

step session::shutdown(io_window& window) {
  detail::session_impl& self = *impl_;
  self.events.clear();
  if (self.failed) return {progress::failed};
  assert(self.phase == handshake_phase::complete);

  const step_scope scope(self.bio, window);
  // SSL_SENT_SHUTDOWN doesn't tell this: it is set before there is room for the alert.
  if (self.close_notify_sent) return {progress::done};
  const int done = SSL_shutdown(self.ssl.get());
  if (done < 0) return self.stream_result();
  self.close_notify_sent = true;  // 0 or 1: the peer's isn't here yet, or is
  return {progress::done};
}

void session::stop_before_private_key() noexcept { impl_->stops_before_key = true; }

session session::lend() {
  auto stays = std::make_unique<detail::session_impl>(impl_->settings.made_from());
  if (impl_->as_client) stays->make_client(impl_->server_name, {});
  stays->phase = impl_->phase;
  stays->server_name = impl_->server_name;
  stays->offer = impl_->offer;
  stays->fail({handshake_error::internal, "the session is lent to another thread"});
  session lent(std::move(*this));
  impl_ = std::move(stays);
  return lent;
}

std::span<const session_event> session::events() const noexcept { return impl_->events.all(); }
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

std::string_view session::cipher_openssl_name() const noexcept {
  if (impl_->phase != handshake_phase::complete) return "";
  return SSL_CIPHER_get_name(SSL_get_current_cipher(impl_->ssl.get()));
}

std::string session::key_exchange_group() const {
  if (impl_->phase != handshake_phase::complete) return {};
  SSL* const ssl = impl_->ssl.get();
  // OpenSSL tells the group of the handshake that is resumed, which it hasn't used again.
  if (SSL_version(ssl) < TLS1_3_VERSION && SSL_session_reused(ssl) == 1) return {};
  const int group = static_cast<int>(SSL_get_negotiated_group(ssl));
  // Its own name for it is IANA's, and not the curve's (prime256v1).
  const char* const name = group == NID_undef ? nullptr : SSL_group_to_name(ssl, group);
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
  // To OpenSSL a pre-shared key of TLS 1.3 is a session, too.
  return impl_->phase == handshake_phase::complete && SSL_session_reused(impl_->ssl.get()) == 1 &&
         pre_shared_key_identity().empty();
}

std::vector<std::string> session::client_protocols() const { return impl_->offer.application_protocols(); }

namespace {

handshake_error reason_of(const detail::session_impl& session) noexcept {
  return session.error.category() == handshake_category() ? static_cast<handshake_error>(session.error.value())
                                                          : handshake_error::internal;
}

}  // namespace

std::string session::client_offers() const { return impl_->as_client ? "" : impl_->offer.describe(reason_of(*impl_)); }
std::string session::server_offers() const {
  if (!impl_->ssl || impl_->as_client) return "";
  return detail::describe_server_offer(impl_->ssl.get(), impl_->settings.data(), reason_of(*impl_));
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

}  // namespace sallyport
