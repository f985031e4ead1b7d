// The versions of TLS that a configuration speaks: all of its profile's, or fewer.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/refused.hpp"
#include "support/session_steps.hpp"
#include "support/test_servers.hpp"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <optional>
#include <string>

namespace sallyport::test {
namespace {

using enum tls_version;

ssl_configuration between(std::optional<tls_version> minimum, std::optional<tls_version> maximum,
                          security_profile profile = security_profile::intermediate) {
  ssl_configuration configuration = basic_configuration();
  configuration.minimum_version = minimum;
  configuration.maximum_version = maximum;
  configuration.profile = profile;
  return configuration;
}

/// What a client that speaks one version comes to, by the name it asks for.
tls_version spoken(const ssl_configuration& configuration, int version, const std::string& name = "localhost") {
  session_steps steps(make_context(configuration), {.version = version, .server_name = name});
  for (int i = 0; i < 4; ++i) {
    steps.client_handshake();
    steps.run([&](io_window& window) { return steps.server().handshake(window); });
  }
  EXPECT_TRUE(steps.server().version() != unknown ||
              steps.server().error() == error_code(handshake_error::no_common_version));
  return steps.server().version();
}

TEST(protocol_versions, are_the_profiles_or_fewer) {
  const struct {
    ssl_configuration configuration;
    bool has_tls_1_2, has_tls_1_3;
  } rows[] = {
      {between({}, {}), true, true},
      {between(tls_1_2, tls_1_3), true, true},
      {between(tls_1_2, tls_1_2), true, false},
      {between({}, tls_1_2), true, false},
      {between(tls_1_3, tls_1_3), false, true},
      {between(tls_1_3, {}), false, true},
      {between({}, {}, security_profile::modern), false, true},
      {between(tls_1_2, {}, security_profile::modern), false, true},
  };
  for (const auto& row : rows) {
    const auto trace = testing::Message() << "row " << &row - rows;
    EXPECT_EQ(spoken(row.configuration, TLS1_2_VERSION), row.has_tls_1_2 ? tls_1_2 : unknown) << trace;
    EXPECT_EQ(spoken(row.configuration, TLS1_3_VERSION), row.has_tls_1_3 ? tls_1_3 : unknown) << trace;
  }
}

TEST(protocol_versions, may_differ_by_name) {
  ssl_configuration configuration = between({}, tls_1_2);
  configuration.for_names = {{.names = {"localhost"}, .minimum_version = tls_1_3, .maximum_version = tls_1_3}};
  EXPECT_EQ(spoken(configuration, TLS1_3_VERSION, "other.example"), unknown);
  EXPECT_EQ(spoken(configuration, TLS1_2_VERSION, "other.example"), tls_1_2);
  // OpenSSL chooses the version by what the SSL has, when the name is known.
  EXPECT_EQ(spoken(configuration, TLS1_3_VERSION), tls_1_3);
  EXPECT_EQ(spoken(configuration, TLS1_2_VERSION), unknown);
}

TEST(protocol_versions, that_leave_nothing_are_refused) {
  const auto invalid = configuration_error::invalid_value;
  EXPECT_TRUE(refused(context::make(between(tls_1_3, tls_1_2)), invalid,
                      "minimum_version: TLSv1.3 is above maximum_version, which is TLSv1.2"));
  EXPECT_TRUE(refused(context::make(between({}, tls_1_2, security_profile::modern)), invalid,
                      "maximum_version: TLSv1.2 isn't in the modern profile"));
  EXPECT_TRUE(refused(context::make(between(unknown, {})), invalid, "minimum_version: is neither TLS 1.2 nor TLS 1.3"));
  EXPECT_TRUE(refused(context::make(between({}, static_cast<tls_version>(0x0301))), invalid,
                      "maximum_version: is neither TLS 1.2 nor TLS 1.3"));

  ssl_configuration of_name = between({}, tls_1_2);
  of_name.for_names = {{.names = {"localhost"}, .minimum_version = tls_1_3}};
  EXPECT_TRUE(refused(context::make(of_name), invalid,
                      "for_names (localhost): minimum_version: TLSv1.3 is above maximum_version, which is TLSv1.2"));
}

TEST(protocol_versions, have_names) {
  EXPECT_EQ(to_string(tls_1_2), "TLSv1.2");
  EXPECT_EQ(to_string(tls_1_3), "TLSv1.3");
  EXPECT_EQ(to_string(unknown), "unknown");
}

TEST(protocol_versions, have_two_names_for_a_cipher_suite) {
  session_steps steps(make_context(basic_configuration()),
                      {.version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"});
  EXPECT_EQ(steps.server().cipher_openssl_name(), "");
  steps.client_handshake()
      .handshake(progress::want_input, {"started", "client_hello"})
      .client_handshake()
      .handshake(progress::done, {});
  EXPECT_EQ(steps.server().cipher(), "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
  EXPECT_EQ(steps.server().cipher_openssl_name(), "ECDHE-ECDSA-AES256-GCM-SHA384");
}

}  // namespace
}  // namespace sallyport::test
