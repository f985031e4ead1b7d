// window_bio: the BIO through which OpenSSL reads and writes the caller's io_window, without buffers of its own.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_WINDOW_BIO_HPP
#define SALLYPORT_TLS_WINDOW_BIO_HPP

#include "openssl.hpp"

#include <sallyport/session.hpp>

namespace sallyport::detail {

/// The state behind one BIO. The window is borrowed for the length of a step, and null between steps.
struct window_bio {
  io_window* window = nullptr;

  /// Something couldn't be written in this step.
  bool found_no_room = false;

  /// Once true, OpenSSL gets no more input: the session has decided to end, and OpenSSL has no call to say so.
  bool cut_off = false;

  /// What OpenSSL writes from now on is dropped: it doesn't write what it should, and has no call to be told.
  bool is_muted = false;

  /// A BIO over this object, which must stay where it is as long as the BIO lives. Null if out of memory.
  bio_ptr make_bio();
};

}  // namespace sallyport::detail

#endif
