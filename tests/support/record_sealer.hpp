// record_sealer: encrypts records that OpenSSL's client would never send.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_RECORD_SEALER_HPP
#define SALLYPORT_TESTS_SUPPORT_RECORD_SEALER_HPP

#include "memory_client.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::test {

enum class record_type : std::uint8_t { change_cipher_spec = 20, alert = 21, handshake = 22, application_data = 23 };

/// Goes on in a client's place: the client has completed its handshake with AES-128-GCM, sent nothing since, and must
/// send nothing any more.
class record_sealer {
 public:
  explicit record_sealer(const memory_client& client);

  /// The next record on the wire.
  std::string seal(record_type type, std::string_view content);

 private:
  bool tls_1_3_;
  std::string key_;
  std::string iv_;
  std::uint64_t sequence_number_;
};

}  // namespace sallyport::test

#endif
