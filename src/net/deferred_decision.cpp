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

right_to_decide::right_to_decide(std::shared_ptr<deferred_decision> about) noexcept : about_(std::move(about)) {}

right_to_decide::right_to_decide(right_to_decide&&) noexcept = default;

right_to_decide& right_to_decide::operator=(right_to_decide&& other) noexcept {
  if (this == &other) return *this;
  use({});
  about_ = std::move(other.about_);
  return *this;
}

right_to_decide::~right_to_decide() { use({}); }

void right_to_decide::use(decision&& made) noexcept {
  if (const auto taken = std::exchange(about_, nullptr)) taken->decide(std::move(made));
}

}  // namespace sallyport::detail

namespace sallyport {

interrupted_handshake::interrupted_handshake(std::shared_ptr<detail::deferred_decision> decision, std::uint64_t id,
                                             ssl_error error) noexcept
    : decision_(std::move(decision)), id_(id), error_(std::move(error)) {}

void interrupted_handshake::resume() { decision_.use({.goes_on = true}); }
void interrupted_handshake::abort() { decision_.use({}); }
void interrupted_handshake::abort(certificate_alert alert) { decision_.use({.alert = alert}); }

deferred_pre_shared_key::deferred_pre_shared_key(std::shared_ptr<detail::deferred_decision> decision, std::uint64_t id,
                                                 std::string identity) noexcept
    : decision_(std::move(decision)), id_(id), identity_(std::move(identity)) {}

void deferred_pre_shared_key::answer(pre_shared_key key) { decision_.use({.goes_on = true, .key = std::move(key)}); }
void deferred_pre_shared_key::refuse() { decision_.use({}); }

deferred_identity::deferred_identity(std::shared_ptr<detail::deferred_decision> decision, std::uint64_t id,
                                     std::string server_name) noexcept
    : decision_(std::move(decision)), id_(id), server_name_(std::move(server_name)) {}

void deferred_identity::answer(identity shown) { decision_.use({.goes_on = true, .shown = std::move(shown)}); }
void deferred_identity::refuse() { decision_.use({}); }

}  // namespace sallyport
