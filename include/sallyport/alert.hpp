// TLS alerts: the two bytes that one side sends when it ends or refuses something.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_ALERT_HPP
#define SALLYPORT_ALERT_HPP

#include <cstdint>
#include <string_view>

namespace sallyport {

/// RFC 8446 section 6. In TLS 1.3 the level on the wire says nothing: the type decides.
enum class alert_level : std::uint8_t { warning = 1, fatal = 2 };

/// IANA's "TLS Alerts" registry. A peer may send a value that has no enumerator.
enum class alert_type : std::uint8_t {
  close_notify = 0,
  unexpected_message = 10,
  bad_record_mac = 20,
  decryption_failed = 21,
  record_overflow = 22,
  decompression_failure = 30,
  handshake_failure = 40,
  no_certificate = 41,
  bad_certificate = 42,
  unsupported_certificate = 43,
  certificate_revoked = 44,
  certificate_expired = 45,
  certificate_unknown = 46,
  illegal_parameter = 47,
  unknown_ca = 48,
  access_denied = 49,
  decode_error = 50,
  decrypt_error = 51,
  export_restriction = 60,
  protocol_version = 70,
  insufficient_security = 71,
  internal_error = 80,
  inappropriate_fallback = 86,
  user_canceled = 90,
  no_renegotiation = 100,
  missing_extension = 109,
  unsupported_extension = 110,
  certificate_unobtainable = 111,
  unrecognized_name = 112,
  bad_certificate_status_response = 113,
  bad_certificate_hash_value = 114,
  unknown_psk_identity = 115,
  certificate_required = 116,
  no_application_protocol = 120,
};

/// "warning", "fatal", or "unknown".
std::string_view to_string(alert_level level) noexcept;

/// The registry's name ("close_notify"), or "unknown".
std::string_view to_string(alert_type type) noexcept;

/// The same for reading aloud: "close notify", "unknown CA"; "unknown" where the registry has no such alert.
std::string_view description(alert_type type) noexcept;

}  // namespace sallyport

#endif
