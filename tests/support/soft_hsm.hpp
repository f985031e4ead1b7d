// soft_hsm: an HSM for tests, made of SoftHSM: tokens with keys that OpenSSL can use and not see.
//
// It belongs to the process, as OpenSSL's engine for PKCS#11 looks for tokens once: make one before the first
// pkcs11 URI is opened.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_SOFT_HSM_HPP
#define SALLYPORT_TESTS_SUPPORT_SOFT_HSM_HPP

#include "temporary_directory.hpp"

#include <string>
#include <vector>

namespace sallyport::test {

class soft_hsm {
 public:
  /// The PIN of a token: each has its own.
  static std::string pin_of(const std::string& token) { return token + "-pin"; }

  /// Why there can't be one here: what isn't installed. Empty if there can.
  static std::string missing();

  soft_hsm();

  void add_token(const std::string& token) const;
  /// A private key (PEM) and its public one.
  void add_key(const std::string& token, const std::string& object, const std::string& key);
  /// A private key alone, as `p11tool` writes it with these options.
  void add_private_key(const std::string& token, const std::string& object, const std::string& key,
                       const std::vector<std::string>& options = {});
  void add_certificate(const std::string& token, const std::string& object, const std::string& certificate);

  /// Whether somebody has tried a wrong PIN since the latest right one.
  bool has_counted_wrong_pins(const std::string& token) const;

 private:
  std::string next_id();

  temporary_directory directory_;
  int last_id_ = 0;
};

}  // namespace sallyport::test

#endif
