// alert: the names of TLS alerts.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/alert.hpp>

namespace sallyport {

namespace {

struct alert_names {
  std::string_view name;
  std::string_view description;
};

// A switch without default, so that the compiler tells when an enumerator is missing here.
alert_names names_of(alert_type type) noexcept {
  switch (type) {
    case alert_type::close_notify:
      return {"close_notify", "close notify"};
    case alert_type::unexpected_message:
      return {"unexpected_message", "unexpected message"};
    case alert_type::bad_record_mac:
      return {"bad_record_mac", "bad record mac"};
    case alert_type::decryption_failed:
      return {"decryption_failed", "decryption failed"};
    case alert_type::record_overflow:
      return {"record_overflow", "record overflow"};
    case alert_type::decompression_failure:
      return {"decompression_failure", "decompression failure"};
    case alert_type::handshake_failure:
      return {"handshake_failure", "handshake failure"};
    case alert_type::no_certificate:
      return {"no_certificate", "no certificate"};
    case alert_type::bad_certificate:
      return {"bad_certificate", "bad certificate"};
    case alert_type::unsupported_certificate:
      return {"unsupported_certificate", "unsupported certificate"};
    case alert_type::certificate_revoked:
      return {"certificate_revoked", "certificate revoked"};
    case alert_type::certificate_expired:
      return {"certificate_expired", "certificate expired"};
    case alert_type::certificate_unknown:
      return {"certificate_unknown", "certificate unknown"};
    case alert_type::illegal_parameter:
      return {"illegal_parameter", "illegal parameter"};
    case alert_type::unknown_ca:
      return {"unknown_ca", "unknown CA"};
    case alert_type::access_denied:
      return {"access_denied", "access denied"};
    case alert_type::decode_error:
      return {"decode_error", "decode error"};
    case alert_type::decrypt_error:
      return {"decrypt_error", "decrypt error"};
    case alert_type::export_restriction:
      return {"export_restriction", "export restriction"};
    case alert_type::protocol_version:
      return {"protocol_version", "protocol version"};
    case alert_type::insufficient_security:
      return {"insufficient_security", "insufficient security"};
    case alert_type::internal_error:
      return {"internal_error", "internal error"};
    case alert_type::inappropriate_fallback:
      return {"inappropriate_fallback", "inappropriate fallback"};
    case alert_type::user_canceled:
      return {"user_canceled", "user canceled"};
    case alert_type::no_renegotiation:
      return {"no_renegotiation", "no renegotiation"};
    case alert_type::missing_extension:
      return {"missing_extension", "missing extension"};
    case alert_type::unsupported_extension:
      return {"unsupported_extension", "unsupported extension"};
    case alert_type::certificate_unobtainable:
      return {"certificate_unobtainable", "certificate unobtainable"};
    case alert_type::unrecognized_name:
      return {"unrecognized_name", "unrecognized name"};
    case alert_type::bad_certificate_status_response:
      return {"bad_certificate_status_response", "bad certificate status response"};
    case alert_type::bad_certificate_hash_value:
      return {"bad_certificate_hash_value", "bad certificate hash value"};
    case alert_type::unknown_psk_identity:
      return {"unknown_psk_identity", "unknown PSK identity"};
    case alert_type::certificate_required:
      return {"certificate_required", "certificate required"};
    case alert_type::no_application_protocol:
      return {"no_application_protocol", "no application protocol"};
  }
  return {"unknown", "unknown"};
}

}  // namespace

std::string_view to_string(alert_level level) noexcept {
  switch (level) {
    case alert_level::warning:
      return "warning";
    case alert_level::fatal:
      return "fatal";
  }
  return "unknown";
}

std::string_view to_string(alert_type type) noexcept { return names_of(type).name; }

std::string_view description(alert_type type) noexcept { return names_of(type).description; }

}  // namespace sallyport
