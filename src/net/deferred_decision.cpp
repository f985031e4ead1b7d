// deferred_decision: the way back, from any thread, to a handshake that waits for a decision.
//
// SPDX-License-Identifier: Apache-2.0
#include "deferred_decision.hpp"

#include "connection.hpp"

#include <boost/asio/post.hpp>

#include <exception>
#include <utility>

namespace sallyport::detail {

void deferred_decision::decide(decision made) noexcept {
  const std::lock_guard lock(mutex_);
  if (!executor_) return;
  try {
    // Posted under the lock: close() waits, and with it the end of the io_context.
    boost::asio::post(executor_, [self = shared_from_this(), made = std::move(made)]() mutable {
      if (const auto waiting = self->connection_.lock()) waiting->take_decision(*self, std::move(made));
    });
  } catch (const std::exception&) {
    // Out of memory: nothing was decided, and the handshake's deadline refuses.
  }
  executor_ = {};
}

void deferred_decision::close() noexcept {
  const std::lock_guard lock(mutex_);
  executor_ = {};
}

}  // namespace sallyport::detail

namespace sallyport {

using detail::decision;

interrupted_handshake::interrupted_handshake(std::shared_ptr<detail::deferred_decision> decision, std::uint64_t id,
                                             ssl_error error) noexcept
    : decision_(std::move(decision)), id_(id), error_(std::move(error)) {}

interrupted_handshake::interrupted_handshake(interrupted_handshake&&) noexcept = default;

interrupted_handshake& interrupted_handshake::operator=(interrupted_handshake&& other) noexcept {
  if (this == &other) return *this;
  abort();
  decision_ = std::move(other.decision_);
  id_ = other.id_;
  error_ = std::move(other.error_);
  return *this;
}

interrupted_handshake::~interrupted_handshake() { abort(); }

void interrupted_handshake::resume() {
  if (const auto taken = std::exchange(decision_, nullptr)) taken->decide({.goes_on = true});
}

void interrupted_handshake::abort() {
  if (const auto taken = std::exchange(decision_, nullptr)) taken->decide({});
}

void interrupted_handshake::abort(certificate_alert alert) {
  if (const auto taken = std::exchange(decision_, nullptr)) taken->decide({.alert = alert});
}

deferred_pre_shared_key::deferred_pre_shared_key(std::shared_ptr<detail::deferred_decision> decision, std::uint64_t id,
                                                 std::string identity) noexcept
    : decision_(std::move(decision)), id_(id), identity_(std::move(identity)) {}

deferred_pre_shared_key::deferred_pre_shared_key(deferred_pre_shared_key&&) noexcept = default;

deferred_pre_shared_key& deferred_pre_shared_key::operator=(deferred_pre_shared_key&& other) noexcept {
  if (this == &other) return *this;
  refuse();
  decision_ = std::move(other.decision_);
  id_ = other.id_;
  identity_ = std::move(other.identity_);
  return *this;
}

deferred_pre_shared_key::~deferred_pre_shared_key() { refuse(); }

void deferred_pre_shared_key::answer(pre_shared_key key) {
  if (const auto taken = std::exchange(decision_, nullptr)) taken->decide({.goes_on = true, .key = std::move(key)});
}

void deferred_pre_shared_key::refuse() {
  if (const auto taken = std::exchange(decision_, nullptr)) taken->decide({});
}

}  // namespace sallyport
