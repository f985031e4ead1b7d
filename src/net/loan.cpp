// loan: a session in the hands of a worker thread, for the step of its handshake that uses the private key.
//
// SPDX-License-Identifier: Apache-2.0
#include "loan.hpp"

#include "connection.hpp"
#include "worker_pool.hpp"

#include <boost/asio/post.hpp>

#include <exception>
#include <mutex>
#include <utility>

namespace sallyport::detail {
namespace {

// Of the flight with our certificates; it grows where they are many.
constexpr std::size_t first_output_size = 8 * 1024;

/// One step. It gets no input: what the client says after its first flight is looked at on the loop. What it has said
/// in the same record (TLS 1.2) may end in a question, which the loop asks then.
void make_step(returned_session& lent) {
  io_window window{};
  lent.output.resize(first_output_size);
  window.output = lent.output;
  step made = lent.tls.handshake(window);
  // Otherwise the rest, perhaps with the signature in it, would be the loop's.
  while (made.what == progress::want_output) {
    lent.output.resize(lent.output.size() * 2);
    window.output = lent.output;
    made = lent.tls.handshake(window);
  }
  lent.output.resize(window.produced);
  lent.made = made;
}

}  // namespace

class handshake_work final : public work, public std::enable_shared_from_this<handshake_work> {
 public:
  handshake_work(session lent, std::weak_ptr<connection> owner, boost::asio::any_io_executor executor) noexcept
      : lent_{std::move(lent), {}, {}}, owner_(std::move(owner)), executor_(std::move(executor)) {}

  /// By the loan: nobody waits for it any more.
  void close() noexcept {
    const std::lock_guard lock(mutex_);
    executor_ = {};
  }

 private:
  void run() noexcept override {
    try {
      make_step(lent_);
    } catch (...) {
      lent_.made.reset();
      lent_.output.clear();
    }
    const std::lock_guard lock(mutex_);
    if (!executor_) return;
    try {
      // Posted under the lock: close() waits, and with it the end of the io_context.
      boost::asio::post(executor_, [self = shared_from_this()] {
        if (const auto owner = self->owner_.lock()) owner->take_back_session(*self, std::move(self->lent_));
      });
    } catch (...) {
      // Out of memory: the session doesn't come back, and the handshake's deadline ends it.
    }
    executor_ = {};
  }

  returned_session lent_;
  std::mutex mutex_;
  std::weak_ptr<connection> owner_;
  boost::asio::any_io_executor executor_;  // empty once it is done or closed
};

loan::loan(worker_threads to, session lent, std::weak_ptr<connection> owner,
           const boost::asio::any_io_executor& executor)
    : to_(std::move(to)), work_(std::make_shared<handshake_work>(std::move(lent), std::move(owner), executor)) {
  to_.pool().add(work_);
}

loan::~loan() {
  work_->close();
  to_.pool().take_back(*work_);
}

}  // namespace sallyport::detail
