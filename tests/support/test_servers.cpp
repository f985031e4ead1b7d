// test_servers: contexts for the unit tests of the session, with certificates of one test CA.
//
// SPDX-License-Identifier: Apache-2.0
#include "test_servers.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "tls/library_context.hpp"

namespace sallyport::test {

const credentials& test_ca() {
  // Longer than any session may be resumed: where tests move the clock, it isn't the CA that ends first.
  static const credentials ca =
      make_self_signed({.common_name = "Test CA", .is_ca = true, .valid_until = std::chrono::days{30}});
  return ca;
}

ssl_configuration basic_configuration() {
  static const credentials server = issue(test_ca(), {.common_name = "server", .names = {"localhost"}});
  ssl_configuration configuration;
  configuration.identities = {identity::from_pem(server.certificate, server.key).value()};
  return configuration;
}

ssl_configuration client_certificate_configuration() {
  ssl_configuration configuration = basic_configuration();
  configuration.verify_mode = peer_verify_mode::verify;
  configuration.ca_certificates = trust_store::from_pem(test_ca().certificate).value();
  return configuration;
}

credentials forge(const credentials& genuine) {
  std::string der = certificate_to_der(genuine.certificate);
  der.back() = static_cast<char>(der.back() ^ 1);  // the signature comes last
  std::vector<unsigned char> base64(der.size() * 2);
  const int size =
      EVP_EncodeBlock(base64.data(), reinterpret_cast<const unsigned char*>(der.data()), static_cast<int>(der.size()));
  std::string pem = "-----BEGIN CERTIFICATE-----\n";
  for (int i = 0; i < size; i += 64) {
    pem.append(reinterpret_cast<const char*>(base64.data()) + i, static_cast<std::size_t>(std::min(64, size - i))) +=
        '\n';
  }
  return {pem + "-----END CERTIFICATE-----\n", genuine.key};
}

context make_context(const ssl_configuration& configuration) {
  const char* const given = std::getenv("SALLYPORT_TEST_LIBRARY_CONTEXT");
  const std::size_t number = given == nullptr ? 0 : std::stoul(given);
  if (number != 0 && detail::library_context(number) == nullptr)
    throw std::logic_error("a test has left something in the usual library context");
  return detail::make_context(configuration, number).value();
}

const context& basic_server() {
  static const context server = make_context(basic_configuration());
  return server;
}

}  // namespace sallyport::test
