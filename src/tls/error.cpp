// error: the names and sentences of the three error vocabularies.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/error.hpp>

#include <boost/system/system_error.hpp>
#include <boost/throw_exception.hpp>

#include <array>
#include <cstddef>

namespace sallyport {

namespace {

template <class Enum>
struct entry {
  Enum value;
  std::string_view name;
  const char* sentence;
};

constexpr std::array configuration_errors{
    entry{configuration_error::unreadable_file, "unreadable_file", "The file cannot be read."},
    entry{configuration_error::file_too_large, "file_too_large", "The file is too large."},
    entry{configuration_error::not_pem, "not_pem", "The text is not PEM."},
    entry{configuration_error::no_certificate, "no_certificate", "There is no certificate in it."},
    entry{configuration_error::no_private_key, "no_private_key", "There is no private key in it."},
    entry{configuration_error::bad_certificate, "bad_certificate", "The certificate does not parse."},
    entry{configuration_error::bad_private_key, "bad_private_key", "The private key does not parse."},
    entry{configuration_error::bad_pkcs12, "bad_pkcs12", "The PKCS#12 file does not parse."},
    entry{configuration_error::key_mismatch, "key_mismatch", "The private key is not the certificate's."},
    entry{configuration_error::passphrase_needed, "passphrase_needed", "The private key is encrypted."},
    entry{configuration_error::wrong_passphrase, "wrong_passphrase", "The passphrase does not open the private key."},
    entry{configuration_error::weak_key, "weak_key", "The certificate or its key is too weak."},
    entry{configuration_error::no_identity, "no_identity", "No certificate and key are configured."},
    entry{configuration_error::bad_ciphers, "bad_ciphers", "The list of ciphers cannot be used."},
    entry{configuration_error::bad_groups, "bad_groups", "The list of key exchange groups cannot be used."},
    entry{configuration_error::bad_application_protocol, "bad_application_protocol",
          "The list of application protocols cannot be used."},
    entry{configuration_error::bad_revocation_list, "bad_revocation_list", "The revocation list does not parse."},
    entry{configuration_error::bad_ocsp_response, "bad_ocsp_response",
          "The OCSP response is not one for this certificate."},
    entry{configuration_error::no_trust_anchor, "no_trust_anchor",
          "There is nothing to verify client certificates against."},
    entry{configuration_error::invalid_value, "invalid_value", "A setting has a value that it may not have."},
    entry{configuration_error::internal, "internal", "OpenSSL failed unexpectedly."},
};

constexpr std::array handshake_errors{
    entry{handshake_error::timeout_before_client_hello, "timeout_before_client_hello",
          "The client did not send a whole ClientHello in time."},
    entry{handshake_error::timeout_in_handshake, "timeout_in_handshake",
          "The client did not complete the handshake in time."},
    entry{handshake_error::not_tls, "not_tls", "The client does not speak TLS."},
    entry{handshake_error::plain_http, "plain_http", "The client sent an HTTP request without TLS."},
    entry{handshake_error::closed_by_client, "closed_by_client",
          "The client closed the connection before the handshake was complete."},
    entry{handshake_error::reset_by_client, "reset_by_client",
          "The client reset the connection before the handshake was complete."},
    entry{handshake_error::no_common_version, "no_common_version", "Client and server share no TLS version."},
    entry{handshake_error::no_common_cipher, "no_common_cipher", "Client and server share no cipher suite."},
    entry{handshake_error::no_common_group, "no_common_group", "Client and server share no key exchange group."},
    entry{handshake_error::no_common_signature_algorithm, "no_common_signature_algorithm",
          "The client cannot verify any signature that the server's key can make."},
    entry{handshake_error::no_common_application_protocol, "no_common_application_protocol",
          "Client and server share no application protocol."},
    entry{handshake_error::unknown_server_name, "unknown_server_name",
          "The client asked for a server name that is not served here."},
    entry{handshake_error::no_client_certificate, "no_client_certificate",
          "The client sent no certificate though one is required."},
    entry{handshake_error::client_certificate_expired, "client_certificate_expired",
          "The client's certificate is outside its validity period."},
    entry{handshake_error::client_certificate_unknown_ca, "client_certificate_unknown_ca",
          "The client's certificate was issued by nobody in the trust store."},
    entry{handshake_error::client_certificate_revoked, "client_certificate_revoked",
          "The client's certificate has been revoked."},
    entry{handshake_error::client_certificate_rejected, "client_certificate_rejected",
          "The client's certificate could not be verified."},
    entry{handshake_error::denied_by_policy, "denied_by_policy", "No rule lets this client in."},
    entry{handshake_error::bad_pre_shared_key, "bad_pre_shared_key",
          "The client's pre-shared key or its identity is wrong."},
    entry{handshake_error::alert_from_client, "alert_from_client", "The client refused the handshake with an alert."},
    entry{handshake_error::protocol_violation, "protocol_violation", "The client broke the TLS protocol."},
    entry{handshake_error::evicted, "evicted", "The handshake was given up to make room for newer clients."},
    entry{handshake_error::aborted, "aborted", "The application ended the handshake."},
    entry{handshake_error::internal, "internal", "The server failed to carry out its part of the handshake."},
};

constexpr std::array stream_errors{
    entry{stream_error::truncated, "truncated",
          "The connection ended without the peer's close_notify; data may be missing."},
    entry{stream_error::alert_from_peer, "alert_from_peer", "The peer ended the connection with a fatal alert."},
    entry{stream_error::protocol_violation, "protocol_violation", "The peer broke the TLS protocol."},
    entry{stream_error::message_flood, "message_flood", "The peer sent too many messages without data."},
};

// The enums count from 1, so that a value's entry is found without a search.
template <class Table>
constexpr bool is_in_order(const Table& table) {
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (static_cast<std::size_t>(table[i].value) != i + 1) return false;
  }
  return true;
}
static_assert(is_in_order(configuration_errors));
static_assert(is_in_order(handshake_errors));
static_assert(is_in_order(stream_errors));
static_assert(configuration_errors.back().value == configuration_error::internal);
static_assert(handshake_errors.back().value == handshake_error::internal);
static_assert(stream_errors.back().value == stream_error::message_flood);

template <class Table>
constexpr auto find(const Table& table, int value) noexcept -> decltype(table.data()) {
  if (value < 1 || static_cast<std::size_t>(value) > table.size()) return nullptr;
  return &table[static_cast<std::size_t>(value) - 1];
}

template <class Table>
class table_category final : public boost::system::error_category {
 public:
  constexpr table_category(const char* name, const Table& table) noexcept : name_(name), table_(table) {}

  const char* name() const noexcept override { return name_; }

  std::string message(int value) const override { return message(value, nullptr, 0); }

  const char* message(int value, char*, std::size_t) const noexcept override {
    const auto* found = find(table_, value);
    return found ? found->sentence : "Unknown error.";
  }

 private:
  const char* name_;
  const Table& table_;
};

constexpr table_category configuration_category_instance{"sallyport.configuration", configuration_errors};
constexpr table_category handshake_category_instance{"sallyport.handshake", handshake_errors};
constexpr table_category stream_category_instance{"sallyport.stream", stream_errors};

template <class Table>
constexpr std::string_view name_of(const Table& table, int value) noexcept {
  const auto* found = find(table, value);
  return found ? found->name : "unknown";
}

constexpr auto every_handshake_error = [] {
  std::array<handshake_error, handshake_errors.size()> values{};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = handshake_errors[i].value;
  return values;
}();

}  // namespace

void throw_exception_from_error(const error& failure, const boost::source_location& where) {
  boost::throw_exception(boost::system::system_error(failure.code, failure.detail), where);
}

const boost::system::error_category& configuration_category() noexcept { return configuration_category_instance; }
const boost::system::error_category& handshake_category() noexcept { return handshake_category_instance; }
const boost::system::error_category& stream_category() noexcept { return stream_category_instance; }

error_code make_error_code(configuration_error value) noexcept {
  return {static_cast<int>(value), configuration_category()};
}
error_code make_error_code(handshake_error value) noexcept { return {static_cast<int>(value), handshake_category()}; }
error_code make_error_code(stream_error value) noexcept { return {static_cast<int>(value), stream_category()}; }

std::string_view to_string(configuration_error value) noexcept {
  return name_of(configuration_errors, static_cast<int>(value));
}
std::string_view to_string(handshake_error value) noexcept {
  return name_of(handshake_errors, static_cast<int>(value));
}
std::string_view to_string(stream_error value) noexcept { return name_of(stream_errors, static_cast<int>(value)); }

std::span<const handshake_error> all_handshake_errors() noexcept { return every_handshake_error; }

}  // namespace sallyport
