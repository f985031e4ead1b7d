// gated_key: a private key whose signatures wait until they are let go.
//
// So a slow key, as one in an HSM is, without anybody who looks at a clock.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_GATED_KEY_HPP
#define SALLYPORT_TESTS_SUPPORT_GATED_KEY_HPP

#include "test_pki.hpp"

#include <sallyport/identity.hpp>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

namespace sallyport::test {

/// Must outlive what is made of it.
class gated_key {
 public:
  /// The identity of these credentials (ECDSA), whose signatures wait here.
  identity guard(const credentials& both);

  void let_all_go();
  void let_go(int signatures);

  /// Signatures that have begun, and of these the ones that are over.
  int begun() const;
  int done() const;
  /// Waits; throws, which fails the test, if that takes too long.
  void wait_until_begun(int signatures) const;
  /// The threads that have signed.
  std::set<std::thread::id> threads() const;

  /// Called for each signature when it is let go, on the thread that signs; false: it fails. May be empty.
  std::function<bool()> on_signature;

  /// For OpenSSL's callback. False if the signature is to fail.
  bool pass();

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool is_open_ = false;
  int may_pass_ = 0;
  int begun_ = 0;
  int done_ = 0;
  std::set<std::thread::id> threads_;
};

}  // namespace sallyport::test

#endif
