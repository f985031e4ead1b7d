// refused: what a test says about a result that is an error.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_REFUSED_HPP
#define SALLYPORT_TESTS_SUPPORT_REFUSED_HPP

#include <sallyport/error.hpp>

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <string>

namespace sallyport::test {

/// True if `outcome` is the error `code` with exactly this sentence, and OpenSSL's error queue is empty.
template <class T>
testing::AssertionResult refused(const result<T>& outcome, configuration_error code, const std::string& sentence) {
  if (const unsigned long left = ERR_peek_error(); left != 0) {
    ERR_clear_error();
    return testing::AssertionFailure() << "OpenSSL's queue still holds " << ERR_reason_error_string(left);
  }
  if (outcome) return testing::AssertionFailure() << "was accepted";
  if (outcome.error().code != code) {
    return testing::AssertionFailure() << "was refused as " << outcome.error().code << ": " << outcome.error().detail;
  }
  if (outcome.error().detail != sentence) {
    return testing::AssertionFailure() << "says\n  " << outcome.error().detail << "\nand not\n  " << sentence;
  }
  return testing::AssertionSuccess();
}

/// True if `outcome` is a value and OpenSSL's error queue is empty.
template <class T>
testing::AssertionResult accepted(const result<T>& outcome) {
  if (const unsigned long left = ERR_peek_error(); left != 0) {
    ERR_clear_error();
    return testing::AssertionFailure() << "OpenSSL's queue still holds " << ERR_reason_error_string(left);
  }
  if (outcome) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "was refused as " << outcome.error().code << ": " << outcome.error().detail;
}

}  // namespace sallyport::test

#endif
