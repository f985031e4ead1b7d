// suspendable_call: a call on a stack of its own, so that what it has called can stop in the middle and go on later.
//
// OpenSSL calls back with a certificate's errors, or for a key, and wants the answer there and then; whoever has to
// answer must not run inside OpenSSL's frames, and may need time. OpenSSL's own remedy, SSL_MODE_ASYNC, ties what is
// stopped to the thread that began it: going on, or only giving up, on another thread crashes.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_SUSPENDABLE_CALL_HPP
#define SALLYPORT_TLS_SUSPENDABLE_CALL_HPP

#include <boost/context/fiber.hpp>

#include <memory>

namespace sallyport::detail {

struct spare_stack;

struct spare_stack_return {
  void operator()(spare_stack* stack) const noexcept;
};

class suspendable_call {
 public:
  suspendable_call() noexcept;
  suspendable_call(const suspendable_call&) = delete;
  suspendable_call& operator=(const suspendable_call&) = delete;
  /// Not while suspended: the frames on its stack are OpenSSL's, which can't be unwound. Let it run to its end first.
  ~suspendable_call();

  /// Calls `function(argument)`, which must not throw; returns when that returns or suspends. False, and nothing was
  /// called, if there is no memory for a stack.
  bool start(int (*function)(void*), void* argument) noexcept;
  /// Goes on after suspend(), on any thread.
  void resume() noexcept;

  /// From inside the function.
  void suspend() noexcept;

  bool is_suspended() const noexcept { return static_cast<bool>(callee_); }
  /// True inside the function.
  bool is_running() const noexcept { return is_running_; }
  /// What the function has returned.
  int value() const noexcept { return value_; }

 private:
  void switch_in() noexcept;

  boost::context::fiber callee_;
  boost::context::fiber caller_;
  std::unique_ptr<spare_stack, spare_stack_return> stack_;  // during a call
  bool is_running_ = false;
  int value_ = 0;
};

}  // namespace sallyport::detail

#endif
