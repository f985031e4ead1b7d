// load_window: see load_window.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "load_window.hpp"

#include <algorithm>
#include <cstring>

namespace load {
namespace {

window& window_of(BIO* bio) { return *static_cast<window*>(BIO_get_data(bio)); }

int read_window(BIO* bio, char* data, std::size_t size, std::size_t* bytes) {
  window& window = window_of(bio);
  BIO_clear_retry_flags(bio);
  if (window.input_begin == window.input_end) {
    BIO_set_retry_read(bio);
    return -1;  // and not 0, which SSL_shutdown() would take for success
  }
  *bytes = std::min(size, window.input_end - window.input_begin);
  std::memcpy(data, window.input.data() + window.input_begin, *bytes);
  window.input_begin += *bytes;
  return 1;
}

int write_window(BIO* bio, const char* data, std::size_t size, std::size_t* bytes) {
  window& window = window_of(bio);
  BIO_clear_retry_flags(bio);
  if (window.room() == 0) {
    BIO_set_retry_write(bio);
    return -1;
  }
  *bytes = std::min(size, window.room());
  std::memcpy(window.output.data() + window.output_size, data, *bytes);
  window.output_size += *bytes;
  return 1;
}

long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0; }

BIO_METHOD* make_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "load window");
  if (method == nullptr) return nullptr;
  BIO_meth_set_read_ex(method, read_window);
  BIO_meth_set_write_ex(method, write_window);
  BIO_meth_set_ctrl(method, control);
  return method;
}

}  // namespace

BIO* make_window_bio(window& window) {
  static BIO_METHOD* const method = make_method();
  BIO* bio = method == nullptr ? nullptr : BIO_new(method);
  if (bio != nullptr) {
    BIO_set_data(bio, &window);
    BIO_set_init(bio, 1);
  }
  return bio;
}

}  // namespace load
