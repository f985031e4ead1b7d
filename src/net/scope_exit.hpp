// scope_exit: does something at the end of a scope, however it is left.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_SCOPE_EXIT_HPP
#define SALLYPORT_NET_SCOPE_EXIT_HPP

#include <utility>

namespace sallyport::detail {

template <class Function>
class scope_exit {
 public:
  explicit scope_exit(Function function) : function_(std::move(function)) {}
  ~scope_exit() { function_(); }
  scope_exit(const scope_exit&) = delete;
  scope_exit& operator=(const scope_exit&) = delete;

 private:
  Function function_;
};

}  // namespace sallyport::detail

#endif
