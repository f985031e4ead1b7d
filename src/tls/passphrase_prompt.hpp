// passphrase_prompt: what OpenSSL asks where a program would ask on the terminal.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_PASSPHRASE_PROMPT_HPP
#define SALLYPORT_TLS_PASSPHRASE_PROMPT_HPP

#include "file_contents.hpp"

#include <sallyport/identity.hpp>

#include <openssl/ui.h>

#include <exception>
#include <optional>
#include <string>

namespace sallyport::detail {

/// Answers OpenSSL's questions for a passphrase or PIN with what a passphrase_source says, which is called once,
/// however often OpenSSL asks. Give method() and the address of this object to a function that may ask.
class passphrase_prompt {
 public:
  passphrase_prompt(std::string name, const passphrase_source& source) : name_(std::move(name)), source_(source) {}
  passphrase_prompt(const passphrase_prompt&) = delete;
  passphrase_prompt& operator=(const passphrase_prompt&) = delete;

  /// Lasts as long as the program. Without a passphrase_prompt it refuses every question; null if OpenSSL is out of
  /// memory, which must not be given on: for OpenSSL, no method is the terminal.
  static UI_METHOD* method();

  /// Whether a passphrase was needed, and there was none to be had.
  bool was_refused() const { return refused_; }
  /// Whether one was given.
  bool was_answered() const { return answer_.has_value(); }

  /// Throws what the source threw. To be called once OpenSSL's function, which exceptions can't pass, has returned.
  void rethrow() {
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  static int read(UI* ui, UI_STRING* question);
  bool answer(UI* ui, UI_STRING* question);

  std::string name_;
  const passphrase_source& source_;
  std::optional<secret_text> answer_;
  bool refused_ = false;
  std::exception_ptr thrown_;
};

}  // namespace sallyport::detail

#endif
