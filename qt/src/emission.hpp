// emission: on the stack of whoever calls slots, to know whether it may go on afterwards.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_EMISSION_HPP
#define SALLYPORT_QT_EMISSION_HPP

namespace sallyport::qt {

/// Slots may do anything: delete the socket, end its connection, begin another one, move the socket to another thread.
/// After each of these the code that has called them must return and touch nothing of the socket.
class emission {
 public:
  /// The innermost emission of a socket.
  class chain {
   public:
    chain() = default;
    ~chain() { end_all(); }
    chain(const chain&) = delete;
    chain& operator=(const chain&) = delete;

    /// Those who are emitting now must not go on.
    void end_all() noexcept {
      for (; innermost_ != nullptr; innermost_ = innermost_->outer_) innermost_->is_over_ = true;
    }

   private:
    friend class emission;
    emission* innermost_ = nullptr;
  };

  explicit emission(chain& socket) noexcept : socket_(socket), outer_(socket.innermost_) { socket.innermost_ = this; }
  ~emission() {
    if (!is_over_) socket_.innermost_ = outer_;
  }
  emission(const emission&) = delete;
  emission& operator=(const emission&) = delete;

  bool may_go_on() const noexcept { return !is_over_; }

 private:
  chain& socket_;
  emission* outer_;
  bool is_over_ = false;
};

}  // namespace sallyport::qt

#endif
