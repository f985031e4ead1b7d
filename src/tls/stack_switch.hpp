// stack_switch: what AddressSanitizer and ThreadSanitizer want to know when the stack changes under them. Without a
// sanitizer all of it is empty.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_STACK_SWITCH_HPP
#define SALLYPORT_TLS_STACK_SWITCH_HPP

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define SALLYPORT_ASAN
#elif defined(__SANITIZE_THREAD__)
#define SALLYPORT_TSAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SALLYPORT_ASAN
#elif __has_feature(thread_sanitizer)
#define SALLYPORT_TSAN
#endif
#endif

#if defined(SALLYPORT_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#elif defined(SALLYPORT_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace sallyport::detail {

/// Kept with a stack beside the threads' own, as long as that exists. "In" is from the caller to it, "out" is back.
class stack_switch {
 public:
#if defined(SALLYPORT_ASAN)
  stack_switch(void* bottom, std::size_t size) noexcept : bottom_(bottom), size_(size) {}

  /// A new call begins on it.
  void begin() noexcept {
    frames_ = nullptr;
    ASAN_UNPOISON_MEMORY_REGION(bottom_, size_);  // the former call has ended in mid-frame
  }
  void before_in() noexcept { __sanitizer_start_switch_fiber(&caller_frames_, bottom_, size_); }
  void after_in() noexcept { __sanitizer_finish_switch_fiber(frames_, &caller_bottom_, &caller_size_); }
  void before_out(bool for_good) noexcept {
    __sanitizer_start_switch_fiber(for_good ? nullptr : &frames_, caller_bottom_, caller_size_);
  }
  void after_out() noexcept { __sanitizer_finish_switch_fiber(caller_frames_, nullptr, nullptr); }

 private:
  void* bottom_;
  std::size_t size_;
  const void* caller_bottom_ = nullptr;
  std::size_t caller_size_ = 0;
  void* frames_ = nullptr;
  void* caller_frames_ = nullptr;
#elif defined(SALLYPORT_TSAN)
  // One for all calls: each that is made and destroyed costs ThreadSanitizer memory for ever.
  stack_switch(void*, std::size_t) noexcept : fiber_(__tsan_create_fiber(0)) {}
  ~stack_switch() { __tsan_destroy_fiber(fiber_); }
  stack_switch(const stack_switch&) = delete;
  stack_switch& operator=(const stack_switch&) = delete;

  void begin() noexcept {}
  void before_in() noexcept {
    caller_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(fiber_, 0);
  }
  void after_in() noexcept {}
  void before_out(bool) noexcept { __tsan_switch_to_fiber(caller_, 0); }
  void after_out() noexcept {}

 private:
  void* fiber_;
  void* caller_ = nullptr;
#else
  stack_switch(void*, std::size_t) noexcept {}

  void begin() noexcept {}
  void before_in() noexcept {}
  void after_in() noexcept {}
  void before_out(bool) noexcept {}
  void after_out() noexcept {}
#endif
};

}  // namespace sallyport::detail

#endif
