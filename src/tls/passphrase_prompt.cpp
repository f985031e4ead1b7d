// passphrase_prompt: what OpenSSL asks where a program would ask on the terminal.
//
// SPDX-License-Identifier: Apache-2.0
#include "passphrase_prompt.hpp"

#include <climits>

namespace sallyport::detail {

UI_METHOD* passphrase_prompt::method() {
  // Never freed: an engine may keep it for keys that ask again for each signature.
  static UI_METHOD* const shared = [] {
    UI_METHOD* made = UI_create_method("sallyport");
    if (made) UI_method_set_reader(made, read);
    return made;
  }();
  return shared;
}

// 1: goes on; 0: failed, which ends the asking.
int passphrase_prompt::read(UI* ui, UI_STRING* question) {
  const UI_string_types type = UI_get_string_type(question);
  if (type == UIT_INFO || type == UIT_ERROR) return 1;
  auto* prompt = static_cast<passphrase_prompt*>(UI_get0_user_data(ui));
  return prompt && prompt->answer(ui, question) ? 1 : 0;
}

bool passphrase_prompt::answer(UI* ui, UI_STRING* question) {
  if (!answer_ && !thrown_ && source_) {
    try {
      answer_.emplace(source_(name_));
    } catch (...) {
      thrown_ = std::current_exception();
    }
  }
  refused_ = !answer_;
  if (!answer_ || answer_->view().size() > INT_MAX) return false;
  return UI_set_result_ex(ui, question, answer_->view().data(), static_cast<int>(answer_->view().size())) == 0;
}

}  // namespace sallyport::detail
