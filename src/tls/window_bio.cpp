// window_bio: the BIO through which OpenSSL reads and writes the caller's io_window, without buffers of its own.
//
// SPDX-License-Identifier: Apache-2.0
#include "window_bio.hpp"

#include <algorithm>
#include <cstring>

namespace sallyport::detail {
namespace {

window_bio& state_of(BIO* bio) { return *static_cast<window_bio*>(BIO_get_data(bio)); }

// What OpenSSL's own BIOs return for "not now", although BIO_read_ex itself would be content with 0: SSL_shutdown()
// takes a 0 from below for success.
constexpr int retry = -1;

int read_window(BIO* bio, char* data, std::size_t size, std::size_t* bytes) {
  window_bio& state = state_of(bio);
  BIO_clear_retry_flags(bio);
  if (state.cut_off || state.window == nullptr) return 0;
  auto& input = state.window->input;
  if (input.empty()) {
    BIO_set_retry_read(bio);
    return retry;
  }
  *bytes = std::min(size, input.size());
  std::memcpy(data, input.data(), *bytes);
  input = input.subspan(*bytes);
  return 1;
}

int write_window(BIO* bio, const char* data, std::size_t size, std::size_t* bytes) {
  window_bio& state = state_of(bio);
  BIO_clear_retry_flags(bio);
  if (state.window == nullptr) return 0;
  if (state.is_muted) {
    *bytes = size;
    return 1;
  }
  io_window& window = *state.window;
  const auto room = window.output.subspan(window.produced);
  if (room.empty()) {
    state.found_no_room = true;
    BIO_set_retry_write(bio);
    return retry;
  }
  *bytes = std::min(size, room.size());
  std::memcpy(room.data(), data, *bytes);
  window.produced += *bytes;
  return 1;
}

// OpenSSL asks several times per record, mostly for what there is none of (kTLS).
long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* make_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sallyport window");
  if (method == nullptr) return nullptr;
  BIO_meth_set_read_ex(method, read_window);
  BIO_meth_set_write_ex(method, write_window);
  BIO_meth_set_ctrl(method, control);
  return method;
}

}  // namespace

bio_ptr window_bio::make_bio() {
  // One method for the process; OpenSSL may still use it while statics are destroyed, so it is never freed.
  static BIO_METHOD* const method = make_method();
  bio_ptr bio(method == nullptr ? nullptr : BIO_new(method));
  if (bio) {
    BIO_set_data(bio.get(), this);
    BIO_set_init(bio.get(), 1);
  }
  return bio;
}

}  // namespace sallyport::detail
