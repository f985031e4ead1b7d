// suspendable_call: a call on a stack of its own, so that what it has called can stop in the middle and go on later.
//
// SPDX-License-Identifier: Apache-2.0
#include "suspendable_call.hpp"

#include <boost/context/protected_fixedsize_stack.hpp>
#include <boost/context/stack_context.hpp>

#include <exception>
#include <mutex>
#include <utility>
#include <vector>

namespace sallyport::detail {
namespace {

using boost::context::stack_context;

// Address space; what isn't touched costs no memory. A handshake with a chain of certificates touches some 20 KiB.
constexpr std::size_t stack_size = 256 * 1024;

// Stacks kept for the next calls. Each has a guard page, and making one costs two system calls.
constexpr std::size_t max_idle_stacks = 32;

class stack_pool {
 public:
  /// Throws std::bad_alloc.
  stack_context take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        const stack_context stack = idle_.back();
        idle_.pop_back();
        return stack;
      }
    }
    return boost::context::protected_fixedsize_stack(stack_size).allocate();
  }

  void give_back(stack_context& stack) noexcept {
    {
      const std::lock_guard lock(mutex_);
      if (idle_.size() < max_idle_stacks) {
        idle_.push_back(stack);
        return;
      }
    }
    boost::context::protected_fixedsize_stack(stack_size).deallocate(stack);
  }

  /// Never destroyed: a session may be, after everything else that is static.
  static stack_pool& instance() {
    static auto* const pool = new stack_pool;
    return *pool;
  }

 private:
  stack_pool() { idle_.reserve(max_idle_stacks); }

  std::mutex mutex_;
  std::vector<stack_context> idle_;
};

/// What Boost.Context calls a stack allocator.
struct pooled_stack {
  stack_switch* notified;

  stack_context allocate() const {
    stack_context stack = stack_pool::instance().take();
    notified->made(static_cast<char*>(stack.sp) - stack.size, stack.size);
    return stack;
  }
  void deallocate(stack_context& stack) const noexcept { stack_pool::instance().give_back(stack); }
};

}  // namespace

suspendable_call::~suspendable_call() {
  if (is_suspended()) std::terminate();
}

bool suspendable_call::start(int (*function)(void*), void* argument) noexcept try {
  callee_ = boost::context::fiber(std::allocator_arg, pooled_stack{&switch_},
                                  [this, function, argument](boost::context::fiber&& caller) {
                                    switch_.after_in();
                                    caller_ = std::move(caller);
                                    value_ = function(argument);
                                    switch_.before_out(true);
                                    return std::move(caller_);
                                  });
  switch_in();
  return true;
} catch (...) {
  return false;
}

void suspendable_call::resume() noexcept { switch_in(); }

void suspendable_call::switch_in() noexcept {
  is_running_ = true;
  switch_.before_in();
  callee_ = std::move(callee_).resume();
  switch_.after_out(!is_suspended());
  is_running_ = false;
}

void suspendable_call::suspend() noexcept {
  switch_.before_out(false);
  caller_ = std::move(caller_).resume();
  switch_.after_in();
}

}  // namespace sallyport::detail
