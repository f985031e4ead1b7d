// loan: a session in the hands of a worker thread, for the step of its handshake that uses the private key.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_LOAN_HPP
#define SALLYPORT_NET_LOAN_HPP

#include <sallyport/session.hpp>
#include <sallyport/worker_threads.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace sallyport::detail {

class connection;
class handshake_work;

/// What a worker gives back.
struct returned_session {
  session tls;
  std::optional<step> made;       // none: an exception was thrown, and the session is good for nothing
  std::vector<std::byte> output;  // for the client
};

/// The connection's end of it, while it waits. Destroyed, nothing comes back any more; the connection destroys it
/// before its io_context is gone, so nothing is ever posted to a dead one.
class loan {
 public:
  /// connection::take_back_session() gets it back, on the executor, with the loan that it is from. Throws
  /// std::bad_alloc.
  loan(worker_threads to, session lent, std::weak_ptr<connection> owner, const boost::asio::any_io_executor& executor);
  ~loan();
  loan(const loan&) = delete;
  loan& operator=(const loan&) = delete;

  bool is_of(const handshake_work& work) const noexcept { return work_.get() == &work; }

 private:
  worker_threads to_;
  std::shared_ptr<handshake_work> work_;
};

}  // namespace sallyport::detail

#endif
