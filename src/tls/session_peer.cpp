// session_peer: what a session asks and knows about its peer.
//
// SPDX-License-Identifier: Apache-2.0
#include "certificate_data.hpp"
#include "session_impl.hpp"

#include <sallyport/session.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sallyport {

handshake_question session::question() const noexcept {
  return impl_->peer ? impl_->peer->question : handshake_question::none;
}

void session::continue_interrupted_handshake() noexcept {
  if (impl_->peer) impl_->peer->continue_once = true;
}

void session::ignore_ssl_errors() noexcept {
  if (impl_->peer) impl_->peer->ignores_all = true;
}

void session::ignore_ssl_errors(std::span<const ssl_error> expected) {
  if (impl_->peer) impl_->peer->expected.assign(expected.begin(), expected.end());
}

bool session::ignores_ssl_errors() const noexcept { return impl_->peer && impl_->peer->ignores_errors(); }

void session::set_pre_shared_key(pre_shared_key key) noexcept {
  // One that OpenSSL can't take is none: its errors would tell it from a wrong one.
  if (key.bytes().size() > pre_shared_key::max_size) key = {};
  if (impl_->peer) impl_->peer->key = std::move(key);
}

void session::use_identity(const identity& shown) {
  if (question() == handshake_question::unknown_server_name) impl_->answered_identity = {shown};
}

void session::refuse() noexcept {
  if (impl_->peer) impl_->peer->refused = true;
}

void session::refuse(certificate_alert alert) noexcept {
  if (!impl_->peer) return;
  impl_->peer->refused = true;
  impl_->peer->alert = alert;
}

bool session::interrupts_on_error() const noexcept {
  return impl_->settings.configuration().handshake_must_interrupt_on_error;
}
const std::string& session::pre_shared_key_identity_hint() const noexcept {
  if (impl_->as_client) return impl_->as_client->hint;
  return impl_->settings.configuration().pre_shared_key_identity_hint;
}

std::span<const ssl_error> session::ssl_handshake_errors() const noexcept {
  if (!impl_->peer) return {};
  return impl_->peer->errors;
}

const std::string& session::pre_shared_key_identity() const noexcept {
  static const std::string none;
  return impl_->peer ? impl_->peer->identity : none;
}

const std::vector<certificate>& session::peer_certificate_chain() const noexcept {
  static const std::vector<certificate> none;
  return impl_->peer ? impl_->peer->chain : none;
}

const std::string& session::matched_rule() const noexcept {
  static const std::string none;
  const bool matched = impl_->phase == handshake_phase::complete && impl_->peer && impl_->peer->rule;
  return matched && impl_->peer->identity.empty() ? impl_->peer->rule->text() : none;
}

std::optional<certificate> session::local_certificate() const {
  if (impl_->phase != handshake_phase::complete || !pre_shared_key_identity().empty()) return std::nullopt;
  if (impl_->as_client && !impl_->as_client->sent_certificate) return std::nullopt;
  X509* const used = SSL_get_certificate(impl_->ssl.get());
  if (used == nullptr) return std::nullopt;
  return detail::certificate_of(used);
}

}  // namespace sallyport
