// suspendable_call: a call on a stack of its own, so that what it has called can stop in the middle and go on later.
//
// SPDX-License-Identifier: Apache-2.0
#include "suspendable_call.hpp"

#include "stack_switch.hpp"

#include <boost/context/protected_fixedsize_stack.hpp>
#include <boost/context/stack_context.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace sallyport::detail {

/// With a guard page at its end.
struct spare_stack {
  spare_stack() : memory(source().allocate()), notified(static_cast<char*>(memory.sp) - memory.size, memory.size) {}
  ~spare_stack() { source().deallocate(memory); }
  spare_stack(const spare_stack&) = delete;
  spare_stack& operator=(const spare_stack&) = delete;

  // Address space; what isn't touched costs no memory. A handshake with a chain of certificates touches some 20 KiB.
  static boost::context::protected_fixedsize_stack source() {
    return boost::context::protected_fixedsize_stack(256 * 1024);
  }

  boost::context::stack_context memory;
  stack_switch notified;
};

namespace {

using spare_stack_ptr = std::unique_ptr<spare_stack, spare_stack_return>;

// Stacks kept for the next calls: making one costs two system calls.
constexpr std::size_t max_idle_stacks = 32;

class stack_pool {
 public:
  /// Throws std::bad_alloc.
  spare_stack_ptr take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        spare_stack_ptr stack(idle_.back());
        idle_.pop_back();
        return stack;
      }
    }
    return spare_stack_ptr(new spare_stack);
  }

  void give_back(spare_stack* stack) noexcept {
    {
      const std::lock_guard lock(mutex_);
      if (idle_.size() < max_idle_stacks) {
        idle_.push_back(stack);
        return;
      }
    }
    delete stack;
  }

  /// Never destroyed: a session may be, after everything else that is static.
  static stack_pool& instance() {
    static auto* const pool = new stack_pool;
    return *pool;
  }

 private:
  stack_pool() { idle_.reserve(max_idle_stacks); }

  std::mutex mutex_;
  std::vector<spare_stack*> idle_;
};

/// What Boost.Context calls a stack allocator. The stack stays with the call: it is needed a moment longer than Boost
/// knows.
struct borrowed_stack {
  boost::context::stack_context memory;

  boost::context::stack_context allocate() const noexcept { return memory; }
  void deallocate(boost::context::stack_context&) const noexcept {}
};

}  // namespace

void spare_stack_return::operator()(spare_stack* stack) const noexcept { stack_pool::instance().give_back(stack); }

suspendable_call::suspendable_call() noexcept = default;

suspendable_call::~suspendable_call() {
  if (is_suspended()) std::terminate();
}

bool suspendable_call::start(int (*function)(void*), void* argument) noexcept try {
  stack_ = stack_pool::instance().take();
  stack_->notified.begin();
  callee_ = boost::context::fiber(std::allocator_arg, borrowed_stack{stack_->memory},
                                  [this, function, argument](boost::context::fiber&& caller) {
                                    stack_->notified.after_in();
                                    caller_ = std::move(caller);
                                    value_ = function(argument);
                                    stack_->notified.before_out(true);
                                    return std::move(caller_);
                                  });
  switch_in();
  return true;
} catch (...) {
  stack_.reset();
  return false;
}

void suspendable_call::resume() noexcept { switch_in(); }

void suspendable_call::switch_in() noexcept {
  is_running_ = true;
  stack_->notified.before_in();
  callee_ = std::move(callee_).resume();
  stack_->notified.after_out();
  is_running_ = false;
  if (!is_suspended()) stack_.reset();
}

void suspendable_call::suspend() noexcept {
  stack_->notified.before_out(false);
  caller_ = std::move(caller_).resume();
  stack_->notified.after_in();
}

}  // namespace sallyport::detail
